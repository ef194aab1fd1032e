package broker_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/broker"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// retained subscribes a new session of that role and gives the retained events.
func (r *rig) retained(role string, topic wamp.URI, match string) []string {
	r.t.Helper()
	c := r.join(role)
	defer c.leave()
	id := c.subscribe(topic, wamp.Dict{"get_retained": true, "match": match})
	var texts []string
	for _, e := range c.events() {
		if e.Details["retained"] != true || e.Subscription != id || (match != "exact") != (e.Details["topic"] != nil) {
			r.t.Errorf("retained event %+v", e)
		}
		texts = append(texts, r.text(e))
	}
	return texts
}

func retain(more ...any) wamp.Dict {
	d := wamp.Dict{"retain": true}
	for i := 0; i < len(more); i += 2 {
		d[more[i].(string)] = more[i+1]
	}
	return d
}

func TestRetainedEventOfATopic(t *testing.T) {
	r := newRig(t, broker.Config{})
	p := r.join("publisher")
	live := r.join("subscriber")
	live.subscribe("com.topic", wamp.Dict{"get_retained": true})
	p.publish("com.topic", retain(), "first")
	p.publish("com.topic", retain("disclose_me", true), "last")
	p.publish("com.topic", nil, "passing")
	for _, e := range live.events() {
		if e.Details["retained"] != nil {
			t.Errorf("live event %+v says that it was retained", e)
		}
	}
	equal(t, "retained", r.retained("x", "com.topic", "exact"), []string{"last"})
	equal(t, "another topic", r.retained("x", "com.topics", "exact"), nil)
	c := r.join("x")
	c.subscribe("com.topic", nil)
	equal(t, "without asking", c.texts(), nil)
	c.subscribe("com.topic", wamp.Dict{"get_retained": true})
	if e := c.events(); len(e) != 1 || e[0].Details["publisher"] != int64(p.peer.Session) {
		t.Errorf("asking for it later: %v", e)
	}
	p.leave()
	equal(t, "without its publisher", r.retained("x", "com.topic", "exact"), []string{"last"})
	other := r.join("publisher")
	other.publish("com.topic", retain(), "")
	equal(t, "cleared", r.retained("x", "com.topic", "exact"), nil)
	if e := live.events(); len(e) != 1 || r.text(e[0]) != "" {
		t.Errorf("the clearing event reached %v", e)
	}
	if s := r.Stats(); s.Retained != 0 || s.RetainedBytes != 0 {
		t.Errorf("stats %+v", s)
	}
	other.publish("com.topic", retain(), "again")
	empty := &wamp.Publish{Options: retain(), Topic: "com.topic", Payload: wamp.Payload{Serializer: wamp.JSON, Args: []byte("[]"), Kwargs: []byte("{}")}}
	if err := other.Publish(other.batch, empty); err != nil {
		t.Fatal(err)
	}
	equal(t, "cleared by empty arguments", r.retained("x", "com.topic", "exact"), nil)
}

func TestRetainedEventsForPatterns(t *testing.T) {
	r := newRig(t, broker.Config{})
	p := r.join("publisher")
	for _, u := range []wamp.URI{"com.b.on", "com.a.on", "com.a.off", "net.a.on", "com.ab", "com"} {
		p.publish(u, retain(), string(u))
	}
	for _, tc := range []struct {
		match string
		uri   wamp.URI
		want  []string
	}{
		{"prefix", "com", []string{"com.b.on", "com.a.on", "com.a.off", "com.ab", "com"}},
		{"prefix", "com.a", []string{"com.a.on", "com.a.off", "com.ab"}},
		{"prefix", "", []string{"com.b.on", "com.a.on", "com.a.off", "net.a.on", "com.ab", "com"}},
		{"prefix", "org", nil},
		{"wildcard", "com..on", []string{"com.b.on", "com.a.on"}},
		{"wildcard", ".a.", []string{"com.a.on", "com.a.off", "net.a.on"}},
		{"wildcard", "com.a.on", []string{"com.a.on"}},
		{"wildcard", "com.", []string{"com.ab"}},
		{"wildcard", "", []string{"com"}},
		{"wildcard", "com..", []string{"com.b.on", "com.a.on", "com.a.off"}},
	} {
		equal(t, tc.match+" "+string(tc.uri), r.retained("x", tc.uri, tc.match), tc.want)
	}
}

// Each gets the last retained event that it would have got live.
func TestRetainedEventsRespectLists(t *testing.T) {
	r := newRig(t, broker.Config{})
	p := r.join("publisher")
	p.publish("com.topic", retain("eligible_authrole", list("boss")), "early secret")
	p.publish("com.topic", retain(), "for all")
	equal(t, "boss", r.retained("boss", "com.topic", "exact"), []string{"for all"})
	p.publish("com.topic", retain("eligible_authrole", list("boss")), "secret")
	p.publish("com.topic", retain("exclude_authid", list("boss-id")), "for others")
	equal(t, "boss", r.retained("boss", "com.topic", "exact"), []string{"secret"})
	equal(t, "staff", r.retained("staff", "com.topic", "exact"), []string{"for others"})
	c := r.join("staff")
	p.publish("com.topic", retain("exclude", list(int64(c.peer.Session))), "not for c")
	c.subscribe("com.topic", wamp.Dict{"get_retained": true})
	equal(t, "excluded session", c.texts(), []string{"for others"})
	equal(t, "others", r.retained("staff", "com.topic", "exact"), []string{"not for c"})
	for i := range 50 {
		p.publish("com.topic", retain("eligible_authrole", list("boss")), fmt.Sprint(i))
	}
	if s := r.Stats(); s.Retained > 10 {
		t.Errorf("%d events of one topic are retained", s.Retained)
	}
	equal(t, "boss", r.retained("boss", "com.topic", "exact"), []string{"49"})
	equal(t, "staff falls back to all", r.retained("staff", "com.topic", "exact"), []string{"for all"})

	p.publish("com.own", retain(), "mine")
	p.subscribe("com.own", wamp.Dict{"get_retained": true})
	equal(t, "publisher", p.texts(), nil)
	p.publish("com.echo", retain("exclude_me", false), "mine")
	p.subscribe("com.echo", wamp.Dict{"get_retained": true})
	equal(t, "publisher that asked for its own", p.texts(), []string{"mine"})
}

func TestRetainedEventsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, broker.Config{Retention: broker.Retention{TTL: time.Minute}})
		p := r.join("publisher")
		p.publish("com.short", retain("_retained_ttl", int64(2)), "short")
		p.publish("com.other", retain("x_retained_ttl", int64(3)), "other")
		p.publish("com.default", retain("_retained_ttl", int64(0)), "default")
		p.publish("com.long", retain("_retained_ttl", int64(1)<<62), "long")
		p.publish("com.longer", retain("_retained_ttl", int64(1)), "replaced")
		p.publish("com.longer", retain("_retained_ttl", int64(100)), "longer")
		wait := func(d time.Duration) { <-time.After(d) }
		wait(1999 * time.Millisecond)
		equal(t, "in time", r.retained("x", "com", "prefix"), []string{"short", "other", "default", "long", "longer"})
		wait(time.Millisecond)
		equal(t, "short expired", r.retained("x", "com", "prefix"), []string{"other", "default", "long", "longer"})
		wait(59 * time.Second)
		equal(t, "default expired", r.retained("x", "com", "prefix"), []string{"long", "longer"})
		wait(time.Hour)
		if s := r.Stats(); s.Retained != 1 {
			t.Errorf("stats %+v, want one event", s)
		}
	})
}

func TestRetentionIsBounded(t *testing.T) {
	r := newRig(t, broker.Config{Retention: broker.Retention{MaxEvents: 3, MaxBytes: 3000, MaxSize: 1200}})
	p, s := r.join("publisher"), r.join("subscriber")
	s.subscribe("com", wamp.Dict{"match": "prefix"})
	big := func(n int) string { return string(make([]byte, 0, n)) + fmt.Sprintf("%0*d", n, 0) }
	ack := retain("acknowledge", true)
	for _, u := range []wamp.URI{"com.a", "com.b", "com.c"} {
		p.publish(u, ack, string(u))
	}
	wantError(t, "too many", p.tryPublish("com.d", ack, "x"), wamp.ErrUnavailable)
	wantError(t, "too long", p.tryPublish("com.a", ack, big(1000)), wamp.ErrUnavailable)
	if got := s.texts(); len(got) != 3 {
		t.Errorf("refused events were sent: %v", got)
	}
	equal(t, "all stay", r.retained("x", "com", "prefix"), []string{"com.a", "com.b", "com.c"})
	p.publish("com.a", ack, "new")
	p.publish("com.d", retain(), "live")
	p.publish("com.b", retain(), big(1000))
	if got := s.texts(); len(got) != 3 {
		t.Errorf("without acknowledgement %d of 3 events were sent", len(got))
	}
	equal(t, "out of date ones go", r.retained("x", "com", "prefix"), []string{"com.c", "new"})
	p.publish("com.e", ack, big(800))
	p.publish("com.c", ack, big(800))
	wantError(t, "too many bytes", p.tryPublish("com.a", ack, big(800)), wamp.ErrUnavailable)
	if st := r.Stats(); st.RetainRefused != 5 || st.Retained != 3 || st.RetainedBytes > 3000 {
		t.Errorf("stats %+v", st)
	}
	off := newRig(t, broker.Config{Retention: broker.Retention{MaxEvents: -1}})
	off.join("publisher").publish("com.a", ack, "x")
	equal(t, "switched off", off.retained("x", "com.a", "exact"), nil)
}

// A subscriber misses none of the retained publications made while it
// subscribes and gets none twice.
func TestRetainedThenLive(t *testing.T) {
	r := newRig(t, broker.Config{})
	p := r.join("publisher")
	const n = 3000
	var done sync.WaitGroup
	done.Go(func() {
		for i := range n {
			p.publish("com.topic", retain(), fmt.Sprint(i))
		}
	})
	for range 300 {
		c := r.join("x")
		match := []string{"exact", "prefix"}[r.ids%2]
		c.subscribe("com.topic", wamp.Dict{"get_retained": true, "match": match})
		if err := c.Unsubscribe(c.batch, &wamp.Unsubscribe{Request: 2, Subscription: id(mustMatch(match), "com.topic")}); err != nil {
			t.Fatal(err)
		}
		next := -1
		for _, m := range c.got() {
			e, ok := m.(*wamp.Event)
			if !ok {
				continue
			}
			var i int
			fmt.Sscan(r.text(e), &i)
			if next >= 0 && i != next {
				t.Fatalf("event %d, want %d", i, next)
			}
			next = i + 1
		}
	}
	done.Wait()
}

func mustMatch(s string) wamp.Match {
	m, _ := wamp.ParseMatch(s)
	return m
}

// What a slow queue cannot take is counted, and the session stays.
func TestRetainedEventsBeyondTheQueueAreCounted(t *testing.T) {
	r := newRig(t, broker.Config{})
	r.limits = peer.Limits{Soft: 1000, Hard: 3000, Reserve: 3000, CloseSlow: true}
	p := r.join("publisher")
	for i := range 100 {
		p.publish(wamp.URI(fmt.Sprintf("com.n%d", i)), retain(), "xxxxxxxxxxxxxxxxxxxx")
	}
	c := r.joinAs(&peer.Peer{})
	c.peer.Queue = peer.NewQueue(&full{client: c}, &r.limits, r.budget, &r.counters, func() { t.Error("session ended") })
	if err := c.trySubscribe("com", wamp.Dict{"get_retained": true, "match": "prefix"}); err != nil {
		t.Fatal(err)
	}
	got := len(c.got()) - 1
	if lost := r.counters.Dropped[peer.DropSlow].Load(); got < 10 || got+int(lost) != 100 {
		t.Errorf("%d events came, %d were counted as dropped, of 100", got, lost)
	}
}

// What a queue has no room for is not even encoded, however often it is asked for.
func TestRetainedEventsBeyondTheQueueCostLittle(t *testing.T) {
	const events, size = 500, 10_000
	r := newRig(t, broker.Config{})
	p := r.join("publisher")
	for i := range events {
		p.publish(wamp.URI(fmt.Sprintf("com.n%d", i)), retain(), strings.Repeat("x", size))
	}
	r.limits = peer.Limits{Soft: size, Hard: 3 * size, Reserve: events * size}
	c := r.joinAs(&peer.Peer{})
	c.peer.Queue = peer.NewQueue(&full{client: c}, &r.limits, r.budget, &r.counters, func() { t.Error("session ended") })
	const times = 10
	before := allocated()
	for range times {
		if err := c.trySubscribe("", wamp.Dict{"get_retained": true, "match": "prefix"}); err != nil {
			t.Fatal(err)
		}
	}
	if each := (allocated() - before) / times; each > events*size/10 {
		t.Errorf("%d bytes were allocated for each of %d SUBSCRIBE", each, times)
	}
	got := len(c.got()) - times
	if lost := r.counters.Dropped[peer.DropSlow].Load(); got < 3 || got+int(lost) != times*events {
		t.Errorf("%d events came, %d were counted as dropped, of %d", got, lost, times*events)
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// full is a client's sink that does not drain.
type full struct {
	*client
	n int
}

func (f *full) Buffered() int { return f.n }

func (f *full) Append(b []byte, keep *peer.Buffer) error {
	f.n += len(b)
	return f.client.Append(b, keep)
}
