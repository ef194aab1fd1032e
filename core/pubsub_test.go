package core_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/codec"
	"bondy/core/coretest"
	"bondy/core/wamp"
)

func args(t *testing.T, p wamp.Payload) []any {
	t.Helper()
	a, err := codec.DecodeArgs(p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestEventReachesEveryMatchingSubscriptionOnce(t *testing.T) {
	r := coretest.Router(t)
	p, s := coretest.Join(t, r), coretest.Join(t, r)
	want := map[wamp.ID]bool{
		s.Subscribe("a.b.c", nil):                            false,
		s.Subscribe("a.b", wamp.Dict{"match": "prefix"}):     true,
		s.Subscribe("a..c", wamp.Dict{"match": "wildcard"}):  true,
		s.Subscribe("", wamp.Dict{"match": "prefix"}):        true,
		s.Subscribe("a.b.c.", wamp.Dict{"match": "prefix"}):  false,
		s.Subscribe("a..d", wamp.Dict{"match": "wildcard"}):  false,
		s.Subscribe("a.b.c.d", wamp.Dict{"match": "prefix"}): false,
	}
	publication := p.Publish("a.b.c", nil, "x", int64(7))
	for range 4 {
		e := coretest.Expect[*wamp.Event](s)
		if e.Publication != publication {
			t.Errorf("publication %d, want %d", e.Publication, publication)
		}
		topic, pattern := e.Details["topic"], want[e.Subscription]
		if pattern && topic != "a.b.c" || !pattern && topic != nil {
			t.Errorf("subscription %d: topic %v in the details", e.Subscription, topic)
		}
		if a := args(t, e.Payload); a[0] != "x" || a[1] != int64(7) {
			t.Errorf("arguments %v", a)
		}
		delete(want, e.Subscription)
	}
	s.Nothing()
	if len(want) != 3 {
		t.Errorf("%d subscriptions without event, want the 3 that do not match", len(want))
	}
}

func TestPublisherExclusionAndIdentification(t *testing.T) {
	r := coretest.Router(t)
	p, s := coretest.Join(t, r), coretest.Join(t, r)
	p.Subscribe("a.b", nil)
	s.Subscribe("a.b", nil)
	p.Publish("a.b", wamp.Dict{"disclose_me": true})
	p.Nothing()
	if e := coretest.Expect[*wamp.Event](s); e.Details["publisher"] != int64(p.ID) || e.Details["publisher_authrole"] != "anonymous" {
		t.Errorf("details %v, want publisher %d", e.Details, p.ID)
	}
	p.Send(&wamp.Publish{Request: p.Next(), Topic: "a.b", Options: wamp.Dict{"exclude_me": false}})
	if e := coretest.Expect[*wamp.Event](p); e.Details != nil {
		t.Errorf("details %v, want none", e.Details)
	}
}

func TestBlackAndWhitelists(t *testing.T) {
	r := coretest.Router(t)
	p, a, b := coretest.Join(t, r), coretest.Join(t, r), coretest.Join(t, r)
	a.Subscribe("a.b", nil)
	b.Subscribe("a.b", nil)
	id := func(c *coretest.Client) any { return int64(c.ID) }
	list := func(v ...any) []any { return v }
	for _, tc := range []struct {
		name    string
		options wamp.Dict
		a, b    bool
	}{
		{"exclude one", wamp.Dict{"exclude": list(id(a))}, false, true},
		{"one eligible", wamp.Dict{"eligible": list(id(a))}, true, false},
		{"exclude wins", wamp.Dict{"eligible": list(id(a), id(b)), "exclude": list(id(b))}, true, false},
		{"nobody eligible", wamp.Dict{"eligible": list()}, false, false},
		{"nobody excluded", wamp.Dict{"exclude": list()}, true, true},
		{"exclude by authid", wamp.Dict{"exclude_authid": list(a.Welcome["authid"])}, false, true},
		{"eligible by authid", wamp.Dict{"eligible_authid": list(b.Welcome["authid"])}, false, true},
		{"exclude by authrole", wamp.Dict{"exclude_authrole": list("anonymous")}, false, false},
		{"eligible by authrole", wamp.Dict{"eligible_authrole": list("anonymous")}, true, true},
		{"all whitelists must hold", wamp.Dict{"eligible": list(id(a)), "eligible_authrole": list("admin")}, false, false},
	} {
		p.Publish("a.b", tc.options)
		p.Publish("a.b", nil, "end")
		for c, want := range map[*coretest.Client]bool{a: tc.a, b: tc.b} {
			e := coretest.Expect[*wamp.Event](c)
			if got := e.Args == nil; got != want {
				t.Errorf("%s: delivered %v, want %v", tc.name, got, want)
			} else if got {
				coretest.Expect[*wamp.Event](c)
			}
		}
	}
	p.Send(&wamp.Publish{Request: p.Next(), Topic: "a.b", Options: wamp.Dict{"eligible": "everyone"}})
	p.ExpectAbort(wamp.ErrProtocolViolation)
}

func TestSubscribeTwiceIsOneSubscription(t *testing.T) {
	r := coretest.Router(t)
	p, s := coretest.Join(t, r), coretest.Join(t, r)
	id := s.Subscribe("a.b", nil)
	if again := s.Subscribe("a.b", wamp.Dict{"match": "exact"}); again != id {
		t.Errorf("ids %d and %d", id, again)
	}
	p.Publish("a.b", nil)
	coretest.Expect[*wamp.Event](s)
	s.Nothing()
	s.Send(&wamp.Unsubscribe{Request: s.Next(), Subscription: id})
	coretest.Expect[*wamp.Unsubscribed](s)
	p.Publish("a.b", nil)
	s.Send(&wamp.Unsubscribe{Request: s.Next(), Subscription: id})
	s.ExpectError(wamp.ErrNoSuchSubscription)
}

func TestEventIsTranscodedForEachSerializer(t *testing.T) {
	r := coretest.Router(t)
	serializers := []wamp.Serializer{wamp.JSON, wamp.MessagePack, wamp.CBOR}
	for _, from := range serializers {
		p := coretest.JoinWith(t, r, from, coretest.Roles())
		for _, to := range serializers {
			s := coretest.JoinWith(t, r, to, coretest.Roles())
			s.Subscribe("a.b", nil)
			p.Publish("a.b", nil, "text", uint64(1<<63), []byte{0, 255}, 1.5, nil)
			a := args(t, coretest.Expect[*wamp.Event](s).Payload)
			if b, ok := a[2].([]byte); a[0] != "text" || a[1] != uint64(1<<63) || !ok || len(b) != 2 || a[3] != 1.5 || a[4] != nil {
				t.Errorf("%s to %s: %#v", from, to, a)
			}
			s.Drop()
		}
	}
}

func TestSlowSubscriberLosesEventsAlone(t *testing.T) {
	cfg := coretest.Realm("realm1")
	cfg.Queue.Soft, cfg.Queue.Hard, cfg.Queue.Reserve = 1000, 2000, 2000
	r := coretest.Router(t, cfg)
	p, slow, fast := coretest.Join(t, r), coretest.Join(t, r), coretest.Join(t, r)
	slow.Subscribe("a.b", nil)
	fast.Subscribe("a.b", nil)
	slow.Pause(true)
	for i := range 200 {
		p.Publish("a.b", nil, int64(i))
	}
	for i := range 200 {
		if a := args(t, coretest.Expect[*wamp.Event](fast).Payload); a[0] != int64(i) {
			t.Fatalf("event %d is %v", i, a)
		}
	}
	dropped := r.Stats().Counters.Dropped[0].Load()
	if dropped == 0 || dropped >= 200 {
		t.Errorf("%d events dropped", dropped)
	}
	if q := r.Stats().QueueBytes; q < 1000 || q > 3000 {
		t.Errorf("%d bytes queued", q)
	}
	slow.Pause(false)
	for i := range 200 - int(dropped) {
		if a := args(t, coretest.Expect[*wamp.Event](slow).Payload); a[0] != int64(i) {
			t.Fatalf("event %d is %v", i, a)
		}
	}
}

func TestSlowSubscriberIsClosedWhereTheRealmSaysSo(t *testing.T) {
	cfg := coretest.Realm("realm1")
	cfg.Queue.Soft, cfg.Queue.Hard, cfg.Queue.CloseSlow = 1000, 2000, true
	r := coretest.Router(t, cfg)
	p, slow := coretest.Join(t, r), coretest.Join(t, r)
	slow.Subscribe("a.b", nil)
	slow.Pause(true)
	for range 200 {
		p.Publish("a.b", nil, "some text that fills the queue")
	}
	<-slow.Closed()
	if n := r.Stats().Counters.SlowClosed.Load(); n != 1 {
		t.Errorf("%d sessions closed", n)
	}
}

func TestGraceAboveTheSoftMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := coretest.Realm("realm1")
		cfg.Queue.Soft, cfg.Queue.Hard, cfg.Queue.Grace = 100, 1<<20, 10*time.Second
		r := coretest.Router(t, cfg)
		p, slow := coretest.Join(t, r), coretest.Join(t, r)
		slow.Subscribe("a.b", nil)
		slow.Pause(true)
		for range 10 {
			p.Publish("a.b", nil, "some text that goes above the soft mark")
		}
		dropped := func() uint64 { return r.Stats().Counters.Dropped[0].Load() }
		time.Sleep(9 * time.Second)
		p.Publish("a.b", nil)
		if n := dropped(); n != 0 {
			t.Errorf("%d events dropped within the grace time", n)
		}
		time.Sleep(2 * time.Second)
		p.Publish("a.b", nil)
		if n := dropped(); n != 1 {
			t.Errorf("%d events dropped after the grace time, want 1", n)
		}
	})
}

// Nothing may come before SUBSCRIBED or after UNSUBSCRIBED, and what comes
// must be in order, whatever the publishers do meanwhile.
func TestSubscribeUnderFire(t *testing.T) {
	cycles := 20_000
	if testing.Short() {
		cycles = 2_000
	}
	const publishers, subscribers = 8, 4
	cfg := coretest.Realm("realm1")
	cfg.Queue.Hard = 1 << 30
	cfg.Queue.Soft = 1 << 30
	r := coretest.Router(t, cfg)
	var stop atomic.Bool
	var fire, work sync.WaitGroup
	for n := range publishers {
		p := coretest.Join(t, r)
		fire.Go(func() {
			for i := int64(0); !stop.Load(); i++ {
				p.Publish("fire.x", nil, int64(n), i)
			}
		})
	}
	var events atomic.Int64
	for range subscribers {
		s := coretest.Join(t, r)
		work.Go(func() {
			var last [publishers]int64
			match := []string{"exact", "prefix", "wildcard"}
			for i := range cycles / subscribers {
				options := wamp.Dict{"match": match[i%3]}
				s.Send(&wamp.Subscribe{Request: s.Next(), Topic: "fire.x", Options: options})
				id := coretest.Expect[*wamp.Subscribed](s).Subscription
				s.Send(&wamp.Unsubscribe{Request: s.Next(), Subscription: id})
				for {
					m := s.Receive()
					if _, ok := m.(*wamp.Unsubscribed); ok {
						break
					}
					e, ok := m.(*wamp.Event)
					if !ok || e.Subscription != id {
						t.Errorf("got %+v under subscription %d", m, id)
						return
					}
					a := args(t, e.Payload)
					from, seq := a[0].(int64), a[1].(int64)
					if seq < last[from] {
						t.Errorf("event %d of publisher %d came after %d", seq, from, last[from])
						return
					}
					last[from] = seq + 1
					events.Add(1)
				}
			}
		})
	}
	work.Wait()
	stop.Store(true)
	fire.Wait()
	t.Logf("%d cycles, %d events", cycles, events.Load())
	if events.Load() == 0 {
		t.Error("no event at all: the test tested nothing")
	}
	if n := r.Stats().Subscriptions; n != 0 {
		t.Errorf("%d subscriptions left", n)
	}
}
