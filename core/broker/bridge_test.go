package broker_test

import (
	"fmt"
	"testing"

	"bondy/core/broker"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// bridgePeer is a peer that stands for another router.
func (r *rig) bridgePeer() *client {
	return r.joinAs(&peer.Peer{AuthID: "uplink", Via: &peer.Bridge{}, Topics: func(u wamp.URI) bool { return u != "com.private" }})
}

func anyTopic(wamp.URI) error { return nil }

func TestEventCrossesABridgeWithAllItNeeds(t *testing.T) {
	here, there := newRig(t, broker.Config{}), newRig(t, broker.Config{History: []broker.HistoryRule{{URI: "com.topic"}}})
	out, in := here.bridgePeer(), there.bridgePeer()
	in.peer.Trust = 1
	out.subscribe("com", wamp.Dict{"match": "prefix", "get_retained": true, "nkey": "x"})
	out.subscribe("com.topic", nil)
	p := here.joinAs(&peer.Peer{AuthID: "joe", AuthRole: "user", Trust: 7})
	staff, boss := there.join("staff"), there.join("boss")
	for i, c := range []*client{staff, boss} {
		c.subscribe("com.topic", wamp.Dict{"nkey": fmt.Sprint(i)})
	}
	cross := func() int {
		events := out.events()
		for _, e := range events {
			if err := in.Forward(in.batch, e, anyTopic); err != nil {
				t.Fatal(err)
			}
		}
		return len(events)
	}
	p.publish("com.private", nil, "x")
	p.publish("com.topic", wamp.Dict{"disclose_me": true, "exclude_authrole": list("boss")}, "x")
	if n := cross(); n != 1 {
		t.Fatalf("%d events crossed, want one for both subscriptions", n)
	}
	equal(t, "excluded", boss.texts(), nil)
	events := staff.events()
	if len(events) != 1 || events[0].Details["publisher"] != int64(p.peer.Session) || events[0].Details["trustlevel"] != int64(1) ||
		len(events[0].Details) != 4 {
		t.Errorf("the other side got %+v", events)
	}
	equal(t, "history", there.past(id(wamp.MatchExact, "com.topic"), broker.HistoryQuery{}, nil), []string{"x"})
	p.publish("com.topic", wamp.Dict{"rkey": "k"}, "x")
	cross()
	if n := len(staff.events()) + len(boss.events()); n != 1 {
		t.Errorf("an event with a resource key went to %d of two nodes", n)
	}
	in.publish("com.topic", nil, "x")
	if staff.events(); out.events() != nil {
		t.Error("an event went back by the bridge that it came by")
	}
}

func TestForwardRefuses(t *testing.T) {
	r := newRig(t, broker.Config{})
	in := r.bridgePeer()
	for _, d := range []wamp.Dict{
		{"topic": int64(1)},
		{"topic": "com.topic", "_hops": "1"},
		{"topic": "com.topic", "_rkey": int64(1)},
		{"topic": "com.topic", "eligible": "x"},
	} {
		wantError(t, fmt.Sprint(d), in.Forward(in.batch, &wamp.Event{Details: d}, anyTopic), wamp.ErrProtocolViolation)
	}
	wantError(t, "a loop", in.Forward(in.batch, &wamp.Event{Details: wamp.Dict{"_hops": int64(broker.MaxHops + 1)}}, anyTopic), wamp.ErrUnavailable)
	refuse := func(wamp.URI) error { return wamp.Errorf(wamp.ErrNotAuthorized, "no") }
	wantError(t, "the rules", in.Forward(in.batch, &wamp.Event{Details: wamp.Dict{"topic": "com.topic"}}, refuse), wamp.ErrNotAuthorized)
}

// A history is interest as a subscriber is.
func TestObserversSeeHistories(t *testing.T) {
	rules := []broker.HistoryRule{{URI: "com.kept", Match: wamp.MatchPrefix}}
	r := newRig(t, broker.Config{History: rules})
	bridge := r.bridgePeer()
	var seen []string
	stop := r.Observe(bridge.batch, bridge.peer.Via, func(_ *peer.Batch, m wamp.Match, u wamp.URI, wanted bool) {
		seen = append(seen, fmt.Sprintln(m, u, wanted))
	})
	s := r.join("x")
	s.subscribe("com.topic", nil)
	bridge.subscribe("com.theirs", nil)
	s.subscribe("com.kept", wamp.Dict{"match": "prefix"})
	s.leave()
	r.Configure(broker.Config{ID: id})
	stop()
	r.Configure(broker.Config{ID: id, History: rules})
	equal(t, "interest", seen, []string{
		"prefix com.kept true\n", "exact com.topic true\n", "exact com.topic false\n", "prefix com.kept false\n",
	})
}

func TestTakenIDIsRefused(t *testing.T) {
	r := newRig(t, broker.Config{})
	r.Configure(broker.Config{ID: func(wamp.Match, wamp.URI) wamp.ID { return 7 }})
	s := r.join("x")
	s.subscribe("com.a", nil)
	wantError(t, "same id", s.trySubscribe("com.b", nil), wamp.ErrUnavailable)
	r.Configure(broker.Config{ID: id, History: []broker.HistoryRule{{URI: "com.c"}}})
	if n := r.Subscriptions(); n != 2 {
		t.Errorf("%d subscriptions, want 2", n)
	}
}
