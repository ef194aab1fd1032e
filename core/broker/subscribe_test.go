package broker_test

import (
	"sync"
	"testing"

	"bondy/core/broker"
	"bondy/core/peer"
	"bondy/core/wamp"
)

func TestOneEventForEachSubscription(t *testing.T) {
	r := newRig(t, broker.Config{})
	p, s := r.join("publisher"), r.join("subscriber")
	want := map[wamp.ID]any{
		s.subscribe("com.a.b", nil):                            nil,
		s.subscribe("com.a", wamp.Dict{"match": "prefix"}):     "com.a.b",
		s.subscribe("com..b", wamp.Dict{"match": "wildcard"}):  "com.a.b",
		s.subscribe("com.a.b", wamp.Dict{"match": "wildcard"}): "com.a.b",
	}
	s.subscribe("com.c", wamp.Dict{"match": "prefix"})
	if again := s.subscribe("com.a.b", wamp.Dict{"match": "exact"}); len(want) != 4 {
		t.Errorf("ids collide with %d", again)
	}
	p.publish("com.a.b", nil, "x")
	publications := map[wamp.ID]bool{}
	for _, e := range s.events() {
		if topic, ok := want[e.Subscription]; !ok || e.Details["topic"] != topic {
			t.Errorf("event on %d with topic %v", e.Subscription, e.Details["topic"])
		}
		delete(want, e.Subscription)
		publications[e.Publication] = true
	}
	if len(want) != 0 || len(publications) != 1 {
		t.Errorf("%d subscriptions without event, %d publications", len(want), len(publications))
	}
}

func TestRevocation(t *testing.T) {
	r := newRig(t, broker.Config{})
	p := r.join("publisher")
	plain := r.join("subscriber")
	told := r.joinAs(&peer.Peer{Features: peer.Subscriber | peer.SubscriptionRevocation})
	bridge := r.joinAs(&peer.Peer{Via: &peer.Bridge{}, Topics: func(wamp.URI) bool { return true }})
	var sub wamp.ID
	for _, c := range []*client{plain, told, bridge} {
		sub = c.subscribe("com.topic", nil)
	}
	remove := func(sub, session wamp.ID) error {
		defer p.batch.Flush()
		return r.RemoveSubscriber(p.batch, sub, session, "com.reason")
	}
	wantError(t, "unknown subscription", remove(sub+1, plain.peer.Session), wamp.ErrNoSuchSubscription)
	wantError(t, "unknown session", remove(sub, 99), wamp.ErrNoSuchSession)
	wantError(t, "bridge", remove(sub, bridge.peer.Session), wamp.ErrNoSuchSession)
	for _, c := range []*client{plain, told} {
		if err := remove(sub, c.peer.Session); err != nil {
			t.Fatal(err)
		}
		wantError(t, "again", remove(sub, c.peer.Session), wamp.ErrNoSuchSession)
	}
	p.publish("com.topic", nil, "x")
	if got := plain.got(); len(got) != 0 {
		t.Errorf("a client that did not announce revocation got %v", got)
	}
	got := told.got()
	if len(got) != 1 {
		t.Fatalf("got %v, want UNSUBSCRIBED alone", got)
	}
	m, ok := got[0].(*wamp.Unsubscribed)
	if !ok || m.Request != 0 || m.Details["subscription"] != int64(sub) || m.Details["reason"] != "com.reason" {
		t.Errorf("got %+v", got[0])
	}
	wantError(t, "UNSUBSCRIBE afterwards", told.Unsubscribe(told.batch, &wamp.Unsubscribe{Request: 9, Subscription: sub}),
		wamp.ErrNoSuchSubscription)
	if again := told.subscribe("com.topic", nil); again != sub {
		t.Errorf("subscribed again under %d", again)
	}
}

// Whoever comes first, the session ends up as the last of them left it, and
// UNSUBSCRIBED never precedes SUBSCRIBED.
func TestRevocationWhileTheSessionChanges(t *testing.T) {
	r := newRig(t, broker.Config{})
	s := r.joinAs(&peer.Peer{Features: peer.Subscriber | peer.SubscriptionRevocation})
	sub := id(wamp.MatchExact, "com.topic")
	var done sync.WaitGroup
	done.Go(func() {
		b := peer.NewBatch(&r.counters)
		for range 2000 {
			_ = r.RemoveSubscriber(b, sub, s.peer.Session, "")
			b.Flush()
		}
	})
	for range 1000 {
		s.request++
		if err := s.Subscribe(s.batch, &wamp.Subscribe{Request: s.request, Topic: "com.topic"}, wamp.MatchExact); err != nil {
			t.Fatal(err)
		}
		_ = s.Unsubscribe(s.batch, &wamp.Unsubscribe{Request: s.request, Subscription: sub})
	}
	done.Wait()
	held := false
	for _, m := range s.got() {
		switch m.(type) {
		case *wamp.Subscribed:
			held = true
		case *wamp.Unsubscribed:
			if !held {
				t.Fatal("UNSUBSCRIBED of what was not held")
			}
			held = false
		}
	}
	if n := r.Subscriptions(); held || n != 0 {
		t.Errorf("held %v, %d subscriptions are left", held, n)
	}
}

func TestRefusedRequestsLeaveNothing(t *testing.T) {
	r := newRig(t, broker.Config{MaxSubscriptions: 2, NoDisclosure: true, Retention: broker.Retention{MaxEvents: 1, MaxSize: 1000}})
	s := r.join("user")
	s.subscribe("com.a", nil)
	s.subscribe("com.b", wamp.Dict{"nkey": "one"})
	s.publish("com.a", wamp.Dict{"retain": true}, "kept")
	before := r.Stats()
	big := string(make([]byte, 2000))
	for range 1000 {
		wantError(t, "too many", s.trySubscribe("com.c", nil), wamp.ErrUnavailable)
		wantError(t, "another nkey", s.trySubscribe("com.b", wamp.Dict{"nkey": "two"}), wamp.ErrInvalidArgument)
		wantError(t, "long nkey", s.trySubscribe("com.b", wamp.Dict{"nkey": big}), wamp.ErrInvalidArgument)
		wantError(t, "no match", s.trySubscribe("com.c", wamp.Dict{"match": "regex"}), wamp.ErrInvalidArgument)
		wantError(t, "not held", s.Unsubscribe(s.batch, &wamp.Unsubscribe{Subscription: 5}), wamp.ErrNoSuchSubscription)
		wantError(t, "not revoked", r.RemoveSubscriber(s.batch, 5, 5, ""), wamp.ErrNoSuchSubscription)
		wantError(t, "disclosure", s.tryPublish("com.a", wamp.Dict{"disclose_me": true}, ""), wamp.ErrDiscloseMeDisallowed)
		wantError(t, "options", s.tryPublish("com.a", wamp.Dict{"retain": "yes"}, ""), wamp.ErrProtocolViolation)
		wantError(t, "negative TTL", s.tryPublish("com.a", wamp.Dict{"_retained_ttl": int64(-1)}, ""), wamp.ErrInvalidArgument)
		wantError(t, "retained too many", s.tryPublish("com.c", wamp.Dict{"retain": true, "acknowledge": true}, "x"), wamp.ErrUnavailable)
		wantError(t, "retained too long", s.tryPublish("com.a", wamp.Dict{"retain": true, "acknowledge": true}, big), wamp.ErrUnavailable)
	}
	after := r.Stats()
	if after.RetainRefused != 2000 {
		t.Errorf("counted %d refused retained events, want 2000", after.RetainRefused)
	}
	after.RetainRefused = 0
	if after != before {
		t.Errorf("stats %+v, before %+v", after, before)
	}
	if got := s.got(); len(got) != 0 {
		t.Errorf("%d messages were sent", len(got))
	}
	s.leave()
	if n := r.Subscriptions(); n != 0 {
		t.Errorf("%d subscriptions are left", n)
	}
}
