package broker_test

import (
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/broker"
	"bondy/core/peer"
	"bondy/core/wamp"
)

func historyOf(rules ...broker.HistoryRule) broker.Config { return broker.Config{History: rules} }

// past is the texts of what a query gives.
func (r *rig) past(id wamp.ID, q broker.HistoryQuery, to *peer.Peer) []string {
	r.t.Helper()
	events, _, err := r.Events(id, q, to)
	if err != nil {
		r.t.Fatal(err)
	}
	var texts []string
	for _, e := range events {
		if e.Subscription != id {
			r.t.Errorf("event of subscription %d, want %d", e.Subscription, id)
		}
		texts = append(texts, r.text(&e.Event))
	}
	return texts
}

// fill publishes a, b, c, d, e, a second apart, and gives their publications and times.
func (r *rig) fill(topic wamp.URI) (publications []wamp.ID, times []time.Time) {
	r.t.Helper()
	p := r.join("publisher")
	for _, text := range []string{"a", "b", "c", "d", "e"} {
		p.publish(topic, wamp.Dict{"acknowledge": true}, text)
		publications = append(publications, p.got()[0].(*wamp.Published).Publication)
		times = append(times, time.Now())
		<-time.After(time.Second)
	}
	return publications, times
}

func TestHistoryQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, historyOf(broker.HistoryRule{URI: "com.topic"}))
		sub, ok := r.Lookup(wamp.MatchExact, "com.topic")
		if !ok {
			t.Fatal("a topic with a history is no subscription")
		}
		equal(t, "nothing published", r.past(sub, broker.HistoryQuery{}, nil), nil)
		p, at := r.fill("com.topic")
		type texts = []string
		for _, tc := range []struct {
			name string
			q    broker.HistoryQuery
			want []string
		}{
			{"all", broker.HistoryQuery{}, texts{"a", "b", "c", "d", "e"}},
			{"limit", broker.HistoryQuery{Limit: 2}, texts{"a", "b"}},
			{"reverse", broker.HistoryQuery{Reverse: true}, texts{"e", "d", "c", "b", "a"}},
			{"reverse limit", broker.HistoryQuery{Reverse: true, Limit: 2}, texts{"e", "d"}},
			{"from time", broker.HistoryQuery{FromTime: at[3]}, texts{"d", "e"}},
			{"after time", broker.HistoryQuery{AfterTime: at[3]}, texts{"e"}},
			{"before time", broker.HistoryQuery{BeforeTime: at[1]}, texts{"a"}},
			{"until time", broker.HistoryQuery{UntilTime: at[1]}, texts{"a", "b"}},
			{"distant times", broker.HistoryQuery{AfterTime: time.Unix(-1<<40, 0), BeforeTime: time.Unix(1<<40, 0)}, texts{"a", "b", "c", "d", "e"}},
			{"after a distant time", broker.HistoryQuery{AfterTime: time.Unix(1<<40, 0)}, nil},
			{"a window", broker.HistoryQuery{FromTime: at[1], UntilTime: at[3], Reverse: true}, texts{"d", "c", "b"}},
			{"an empty window", broker.HistoryQuery{FromTime: at[3], UntilTime: at[1]}, nil},
			{"from publication", broker.HistoryQuery{FromPublication: p[2]}, texts{"c", "d", "e"}},
			{"after publication", broker.HistoryQuery{AfterPublication: p[2]}, texts{"d", "e"}},
			{"before publication", broker.HistoryQuery{BeforePublication: p[2]}, texts{"a", "b"}},
			{"until publication", broker.HistoryQuery{UntilPublication: p[2]}, texts{"a", "b", "c"}},
			{"next page", broker.HistoryQuery{AfterPublication: p[1], Limit: 2}, texts{"c", "d"}},
			{"next page in reverse", broker.HistoryQuery{BeforePublication: p[3], Limit: 2, Reverse: true}, texts{"c", "b"}},
			{"all must hold", broker.HistoryQuery{AfterPublication: p[0], BeforePublication: p[4], AfterTime: at[1]}, texts{"c", "d"}},
			{"unknown publication", broker.HistoryQuery{BeforePublication: 99}, nil},
			{"its topic", broker.HistoryQuery{Topic: "com.topic", Limit: 1}, texts{"a"}},
			{"another topic", broker.HistoryQuery{Topic: "com.other"}, nil},
		} {
			equal(t, tc.name, r.past(sub, tc.q, nil), tc.want)
		}
		events, more, err := r.Events(sub, broker.HistoryQuery{Limit: 5}, nil)
		if err != nil || more || len(events) != 5 {
			t.Fatalf("%d events, more %v, %v", len(events), more, err)
		}
		for i, e := range events {
			if !e.Time.Equal(at[i]) || e.Publication != p[i] {
				t.Errorf("event %d: %v %d, want %v %d", i, e.Time, e.Publication, at[i], p[i])
			}
		}
		if _, more, _ := r.Events(sub, broker.HistoryQuery{Limit: 4}, nil); !more {
			t.Error("a limit of 4 says nothing of the fifth")
		}
		_, _, err = r.Events(sub+1, broker.HistoryQuery{}, nil)
		wantError(t, "unknown subscription", err, wamp.ErrNoSuchSubscription)
	})
}

func TestHistoryIsOfASubscription(t *testing.T) {
	r := newRig(t, historyOf(
		broker.HistoryRule{URI: "com.log.auth"},
		broker.HistoryRule{Match: wamp.MatchPrefix, URI: "com.log"},
	))
	s, p := r.join("subscriber"), r.join("publisher")
	auth := s.subscribe("com.log.auth", nil)
	basket := s.subscribe("com.log.basket", nil)
	log := s.subscribe("com.log", wamp.Dict{"match": "prefix"})
	wild := s.subscribe("com.log.", wamp.Dict{"match": "wildcard"})
	none := s.subscribe("com.other", nil)
	p.publish("com.log.auth", nil, "1")
	p.publish("com.log.basket", wamp.Dict{"disclose_me": true}, "2")
	p.publish("com.log.a.b", nil, "3")
	p.publish("com.other", nil, "4")
	s.leave()
	p.publish("com.log.basket", nil, "5")
	equal(t, "exact", r.past(auth, broker.HistoryQuery{}, nil), []string{"1"})
	equal(t, "prefix", r.past(log, broker.HistoryQuery{}, nil), []string{"1", "2", "3", "5"})
	equal(t, "prefix, one topic", r.past(log, broker.HistoryQuery{Topic: "com.log.basket"}, nil), []string{"2", "5"})
	_, _, err := r.Events(basket, broker.HistoryQuery{}, nil)
	wantError(t, "without subscribers", err, wamp.ErrNoSuchSubscription)
	s = r.join("subscriber")
	s.subscribe("com.log.basket", nil)
	s.subscribe("com.log.", wamp.Dict{"match": "wildcard"})
	s.subscribe("com.other", nil)
	equal(t, "covered by a rule", r.past(basket, broker.HistoryQuery{}, nil), []string{"2", "5"})
	equal(t, "pattern covered by a rule", r.past(wild, broker.HistoryQuery{}, nil), []string{"1", "2", "5"})
	_, _, err = r.Events(none, broker.HistoryQuery{}, nil)
	wantError(t, "no rule", err, wamp.ErrUnavailable)
	events, _, _ := r.Events(log, broker.HistoryQuery{}, nil)
	if e := events[1]; e.Topic != "com.log.basket" || e.Details["publisher"] != p.peer.Session {
		t.Errorf("event %+v", e)
	}
}

func TestHistoryRespectsLists(t *testing.T) {
	r := newRig(t, historyOf(broker.HistoryRule{URI: "com.topic"}))
	sub, _ := r.Lookup(wamp.MatchExact, "com.topic")
	p, boss, staff := r.join("publisher"), r.join("boss"), r.join("staff")
	p.publish("com.topic", nil, "all")
	p.publish("com.topic", wamp.Dict{"eligible_authrole": list("boss")}, "boss")
	p.publish("com.topic", wamp.Dict{"exclude_authid": list("boss-id")}, "not boss")
	p.publish("com.topic", wamp.Dict{"eligible_authid": list()}, "nobody")
	p.publish("com.topic", wamp.Dict{"eligible": list(int64(boss.peer.Session))}, "a session")
	p.publish("com.topic", wamp.Dict{"exclude": list(int64(boss.peer.Session))}, "not a session")
	equal(t, "boss", r.past(sub, broker.HistoryQuery{}, boss.peer), []string{"all", "boss"})
	equal(t, "staff", r.past(sub, broker.HistoryQuery{}, staff.peer), []string{"all", "not boss"})
	equal(t, "last for staff", r.past(sub, broker.HistoryQuery{Reverse: true, Limit: 1}, staff.peer), []string{"not boss"})
	equal(t, "what is kept", r.past(sub, broker.HistoryQuery{}, nil), []string{"all", "boss", "not boss", "nobody"})
}

func TestHistoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rule := broker.HistoryRule{URI: "com.topic", MaxEvents: 3, MaxBytes: 2000, MaxAge: time.Minute}
		r := newRig(t, historyOf(rule))
		sub, _ := r.Lookup(wamp.MatchExact, "com.topic")
		r.fill("com.topic")
		equal(t, "the last three", r.past(sub, broker.HistoryQuery{}, nil), []string{"c", "d", "e"})
		p := r.join("publisher")
		long := fmt.Sprintf("%01000d", 0)
		p.publish("com.topic", nil, long)
		equal(t, "in 2000 bytes", r.past(sub, broker.HistoryQuery{}, nil), []string{"d", "e", long})
		p.publish("com.topic", nil, fmt.Sprintf("%02000d", 0))
		if s := r.Stats(); s.HistoryLost != 1 {
			t.Errorf("stats %+v, want one lost event", s)
		}
		<-time.After(59 * time.Second)
		equal(t, "in a minute", r.past(sub, broker.HistoryQuery{}, nil), []string{"e", long})
		rule.MaxEvents = 1
		cfg := historyOf(rule)
		cfg.ID = id
		r.Configure(cfg)
		equal(t, "with a new bound", r.past(sub, broker.HistoryQuery{}, nil), []string{long})
		<-time.After(4 * time.Second)
		equal(t, "nothing after all", r.past(sub, broker.HistoryQuery{}, nil), nil)
		r.Configure(broker.Config{ID: id})
		if n := r.Subscriptions(); n != 0 {
			t.Errorf("%d subscriptions without the rule", n)
		}
	})
}

func TestLongHistoryComesInPages(t *testing.T) {
	r := newRig(t, historyOf(broker.HistoryRule{URI: "com.topic"}))
	sub, _ := r.Lookup(wamp.MatchExact, "com.topic")
	p := r.join("publisher")
	for range 10 {
		p.publish("com.topic", nil, fmt.Sprintf("%0300000d", 0))
	}
	n := 0
	q := broker.HistoryQuery{}
	for more := true; more; {
		var events []broker.Past
		var err error
		if events, more, err = r.Events(sub, q, nil); err != nil || len(events) > 4 {
			t.Fatalf("%d events, %v", len(events), err)
		}
		n += len(events)
		q.AfterPublication = events[len(events)-1].Publication
	}
	if n != 10 {
		t.Errorf("%d events in all pages, want 10", n)
	}
}

// Concurrent publishers leave one order, and stamps grow.
func TestHistoryOrder(t *testing.T) {
	r := newRig(t, historyOf(broker.HistoryRule{URI: "com.topic", MaxEvents: 5000}))
	sub, _ := r.Lookup(wamp.MatchExact, "com.topic")
	var done sync.WaitGroup
	for range 4 {
		p := r.join("publisher")
		done.Go(func() {
			for i := range 1000 {
				p.publish("com.topic", wamp.Dict{"disclose_me": true}, fmt.Sprint(i))
			}
		})
	}
	done.Wait()
	events, _, err := r.Events(sub, broker.HistoryQuery{Limit: 3000}, nil)
	if err != nil || len(events) < 1000 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	next := map[any]int{}
	for i, e := range events {
		if i > 0 && !events[i-1].Time.Before(e.Time) {
			t.Fatalf("event %d at %v after %v", i, e.Time, events[i-1].Time)
		}
		who := e.Details["publisher"]
		if got := r.text(&e.Event); got != fmt.Sprint(next[who]) {
			t.Fatalf("publisher %v: event %s, want %d", who, got, next[who])
		}
		next[who]++
	}
}

// foreign is a History from outside.
type foreign struct {
	broker.History
	last broker.Record
	full bool
	err  error
}

func (f *foreign) Add(r *broker.Record) bool { f.last = *r; return !f.full }

func (f *foreign) Find(wamp.ID) (broker.Position, bool, error) {
	return broker.Position{}, false, f.err
}

func (f *foreign) Records(broker.Position, broker.Position, bool) iter.Seq2[*broker.Record, error] {
	return func(yield func(*broker.Record, error) bool) {
		if f.err == nil {
			yield(&f.last, nil)
			return
		}
		yield(nil, f.err)
	}
}

func TestHistoryFromOutside(t *testing.T) {
	h := &foreign{last: broker.Record{
		Position: broker.Position{Stamp: time.Now().Add(time.Hour).UnixNano(), Publication: 1}, Topic: "com.disk",
		Lists: wamp.Dict{"eligible_authrole": list("boss")},
	}}
	cfg := historyOf(broker.HistoryRule{URI: "com.disk", Disk: true}, broker.HistoryRule{URI: "com.memory", Disk: true}, broker.HistoryRule{URI: "com.plain"})
	cfg.OpenHistory = func(r broker.HistoryRule) broker.History {
		if r.URI == "com.disk" {
			return h
		}
		if r.URI == "com.plain" {
			t.Error("opened without need")
		}
		return nil
	}
	first := h.last.Stamp
	r := newRig(t, cfg)
	sub, _ := r.Lookup(wamp.MatchExact, "com.disk")
	for role, want := range map[string]int{"boss": 1, "staff": 0} {
		if events, _, err := r.Events(sub, broker.HistoryQuery{}, r.join(role).peer); err != nil || len(events) != want {
			t.Errorf("%s: %d events, %v, want %d", role, len(events), err, want)
		}
	}
	p := r.join("publisher")
	p.publish("com.disk", nil, "x")
	p.publish("com.memory", nil, "y")
	if h.last.Stamp <= first {
		t.Errorf("stamp %d does not follow the last one kept, %d", h.last.Stamp, first)
	}
	memory, _ := r.Lookup(wamp.MatchExact, "com.memory")
	equal(t, "memory instead", r.past(memory, broker.HistoryQuery{}, nil), []string{"y"})
	h.full = true
	p.publish("com.disk", nil, "lost")
	if s := r.Stats(); s.HistoryLost != 1 {
		t.Errorf("stats %+v, want one lost event", s)
	}
	h.err = errors.New("disk is on fire")
	for _, q := range []broker.HistoryQuery{{}, {FromPublication: 5}} {
		if _, _, err := r.Events(sub, q, nil); !errors.Is(err, h.err) {
			t.Errorf("%+v: %v, want the history's error", q, err)
		}
	}
}
