package broker_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/broker"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// tape writes down what it is told.
type tape struct {
	lines  []string
	drains int
	on     func(*peer.Batch)
}

func (p *tape) say(what string, session, sub wamp.ID) {
	p.lines = append(p.lines, fmt.Sprintf("%s %d %t", what, session, sub == id(wamp.MatchExact, "com.topic")))
}

func (p *tape) Created(session wamp.ID, s broker.Subscription) { p.say("create", session, s.ID) }
func (p *tape) Subscribed(session, sub wamp.ID)                { p.say("subscribe", session, sub) }
func (p *tape) Unsubscribed(session, sub wamp.ID)              { p.say("unsubscribe", session, sub) }
func (p *tape) Deleted(session, sub wamp.ID)                   { p.say("delete", session, sub) }

func (p *tape) Drain(b *peer.Batch) {
	p.drains++
	if p.on != nil {
		p.on(b)
	}
}

func TestEventsAreToldInOrder(t *testing.T) {
	events := &tape{}
	r := newRig(t, broker.Config{Events: events, MaxSubscriptions: 1, History: []broker.HistoryRule{{URI: "com.history"}}})
	events.on = func(b *peer.Batch) { // no lock is held
		r.List()
		r.Announce(b, "com.meta", wamp.Payload{}, nil)
	}
	want := func(what string, lines ...string) {
		t.Helper()
		equal(t, what, events.lines, lines)
		if events.drains == 0 && lines != nil {
			t.Errorf("%s: not drained", what)
		}
		events.lines, events.drains = nil, 0
	}
	a, b := r.join("a"), r.join("b")
	bridge := r.joinAs(&peer.Peer{Via: &peer.Bridge{}, Topics: func(wamp.URI) bool { return true }})
	want("nobody subscribed")
	bridge.subscribe("com.topic", nil)
	want("a bridge")
	sub := a.subscribe("com.topic", nil)
	want("the first", "create 1 true", "subscribe 1 true")
	a.subscribe("com.topic", nil)
	_ = a.trySubscribe("com.other", nil)
	want("again, and refused")
	b.subscribe("com.topic", nil)
	want("the second", "subscribe 2 true")
	if err := r.RemoveSubscriber(b.batch, sub, 1, ""); err != nil {
		t.Fatal(err)
	}
	want("revoked", "unsubscribe 1 true")
	b.leave()
	want("left", "unsubscribe 2 true", "delete 2 true")
	bridge.leave()
	want("the bridge left")
	a.subscribe("com.history", nil)
	if err := a.Unsubscribe(a.batch, &wamp.Unsubscribe{Subscription: id(wamp.MatchExact, "com.history")}); err != nil {
		t.Fatal(err)
	}
	want("with a history", "create 1 false", "subscribe 1 false", "unsubscribe 1 false", "delete 1 false")
}

func TestWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, broker.Config{})
		a, b := r.join("a"), r.join("b")
		bridge := r.joinAs(&peer.Peer{Via: &peer.Bridge{}, Topics: func(wamp.URI) bool { return true }})
		created := time.Now()
		exact := a.subscribe("com.a.b", nil)
		<-time.After(time.Second)
		b.subscribe("com.a.b", nil)
		bridge.subscribe("com.a.b", nil)
		prefix := a.subscribe("com.a", wamp.Dict{"match": "prefix"})
		wild := bridge.subscribe("com..b", wamp.Dict{"match": "wildcard"})

		var ids []wamp.ID
		for _, s := range r.List() {
			ids = append(ids, s.ID)
		}
		all := []wamp.ID{exact, prefix, wild}
		slices.Sort(all)
		equal(t, "List", ids, all)
		if s, ok := r.Get(exact); !ok || s != (broker.Subscription{ID: exact, Created: created, Match: wamp.MatchExact, URI: "com.a.b"}) {
			t.Errorf("Get: %+v, %v", s, ok)
		}
		if got, ok := r.Lookup(wamp.MatchPrefix, "com.a"); !ok || got != prefix {
			t.Errorf("Lookup: %d, %v, want %d", got, ok, prefix)
		}
		if _, ok := r.Lookup(wamp.MatchExact, "com.a"); ok {
			t.Error("Lookup found an exact subscription of a prefix")
		}
		equal(t, "Matching", r.Matching("com.a.b"), []wamp.ID{exact, prefix, wild})
		equal(t, "Matching nothing", r.Matching("org"), nil)
		members, ok := r.Members(exact)
		equal(t, "Members", members, []wamp.ID{a.peer.Session, b.peer.Session})
		if n, found := r.Count(exact); !ok || !found || n != 2 {
			t.Errorf("Count: %d, %v", n, found)
		}
		members, ok = r.Members(wild)
		if n, found := r.Count(wild); len(members) != 0 || !ok || n != 0 || !found {
			t.Errorf("a bridge's subscription has %d members", n)
		}
		_, got := r.Get(99)
		_, listed := r.Members(99)
		_, counted := r.Count(99)
		if got || listed || counted {
			t.Error("an unknown id is found")
		}
	})
}
