package broker_test

import (
	"testing"

	"bondy/core/broker"
	"bondy/core/peer"
	"bondy/core/wamp"
)

func TestListsDecideTogether(t *testing.T) {
	r := newRig(t, broker.Config{})
	p := r.join("publisher")
	a, b := r.join("staff"), r.join("boss")
	a.subscribe("com.topic", nil)
	b.subscribe("com.topic", nil)
	idA, idB := int64(a.peer.Session), int64(b.peer.Session)
	for _, tc := range []struct {
		name    string
		options wamp.Dict
		a, b    bool
	}{
		{"nothing given", nil, true, true},
		{"exclude", wamp.Dict{"exclude": list(idA)}, false, true},
		{"exclude as a float", wamp.Dict{"exclude": list(float64(idA))}, false, true},
		{"exclude nobody", wamp.Dict{"exclude": list()}, true, true},
		{"exclude who is not there", wamp.Dict{"exclude": list(int64(99), uint64(1<<63), int64(-1))}, true, true},
		{"eligible", wamp.Dict{"eligible": list(idB)}, false, true},
		{"eligible nobody", wamp.Dict{"eligible": list()}, false, false},
		{"eligible null", wamp.Dict{"eligible": nil}, true, true},
		{"exclude beats eligible", wamp.Dict{"eligible": list(idB, idA), "exclude": list(idB)}, true, false},
		{"exclude_authid", wamp.Dict{"exclude_authid": list("x", "staff-id")}, false, true},
		{"eligible_authid", wamp.Dict{"eligible_authid": list("staff-id", "a")}, true, false},
		{"eligible_authid nobody", wamp.Dict{"eligible_authid": list()}, false, false},
		{"exclude_authrole", wamp.Dict{"exclude_authrole": list("boss")}, true, false},
		{"eligible_authrole", wamp.Dict{"eligible_authrole": list("boss")}, false, true},
		{"eligible_authrole nobody", wamp.Dict{"eligible_authrole": list()}, false, false},
		{"all must hold", wamp.Dict{"eligible": list(idA, idB), "eligible_authid": list("boss-id"), "eligible_authrole": list("staff")}, false, false},
	} {
		p.publish("com.topic", tc.options, "x")
		if got := len(a.events()) == 1; got != tc.a {
			t.Errorf("%s: staff got it: %v, want %v", tc.name, got, tc.a)
		}
		if got := len(b.events()) == 1; got != tc.b {
			t.Errorf("%s: boss got it: %v, want %v", tc.name, got, tc.b)
		}
	}
}

func TestOptionsOfTheWrongTypeAreViolations(t *testing.T) {
	r := newRig(t, broker.Config{})
	p, s := r.join("publisher"), r.join("subscriber")
	s.subscribe("com.topic", nil)
	for _, name := range []string{
		"acknowledge", "disclose_me", "exclude_me", "retain", "rkey", "_routing_key", "x_routing_key",
		"_retained_ttl", "x_retained_ttl", "exclude", "eligible", "exclude_authid", "eligible_authid",
		"exclude_authrole", "eligible_authrole",
	} {
		wantError(t, name, p.tryPublish("com.topic", wamp.Dict{name: []byte{1}}, "x"), wamp.ErrProtocolViolation)
		if err := p.tryPublish("com.other", wamp.Dict{name: nil}, "x"); err != nil {
			t.Errorf("%s null: %v", name, err)
		}
	}
	wantError(t, "exclude a name", p.tryPublish("com.topic", wamp.Dict{"exclude": list("x")}, "x"), wamp.ErrProtocolViolation)
	wantError(t, "nkey", s.trySubscribe("com.topic", wamp.Dict{"nkey": int64(1)}), wamp.ErrProtocolViolation)
	wantError(t, "get_retained", s.trySubscribe("com.topic", wamp.Dict{"get_retained": int64(1)}), wamp.ErrProtocolViolation)
	if e := s.events(); len(e) != 0 {
		t.Errorf("refused publications sent %d events", len(e))
	}
}

func TestPublisherIsToldAsFarAsWanted(t *testing.T) {
	r := newRig(t, broker.Config{})
	p := r.joinAs(&peer.Peer{AuthID: "joe", AuthRole: "user", Trust: 3})
	s := r.join("subscriber")
	s.subscribe("com.topic", nil)
	s.subscribe("com", wamp.Dict{"match": "prefix"})
	p.subscribe("com.topic", nil)
	p.publish("com.topic", wamp.Dict{"disclose_me": true}, "x")
	for i, e := range s.events() {
		d := e.Details
		if d["publisher"] != int64(p.peer.Session) || d["publisher_authid"] != "joe" || d["publisher_authrole"] != "user" ||
			d["trustlevel"] != int64(3) || (d["topic"] != nil) != (i == 1) {
			t.Errorf("event %d: details %v", i, d)
		}
	}
	p.publish("com.topic", wamp.Dict{"exclude_me": false}, "x")
	if e := p.events(); len(e) != 1 || e[0].Details["publisher"] != nil {
		t.Errorf("publisher got %v, want its own event without its identity", e)
	}
	strict := newRig(t, broker.Config{NoDisclosure: true})
	wantError(t, "disclose_me", strict.join("x").tryPublish("com.topic", wamp.Dict{"disclose_me": true}, ""),
		wamp.ErrDiscloseMeDisallowed)
}

func TestAcknowledge(t *testing.T) {
	r := newRig(t, broker.Config{})
	p, s := r.join("publisher"), r.join("subscriber")
	s.subscribe("com.topic", nil)
	p.publish("com.topic", wamp.Dict{"acknowledge": true}, "x")
	got := p.got()
	if len(got) != 1 || got[0].Type() != wamp.TypePublished {
		t.Fatalf("got %v, want PUBLISHED", got)
	}
	if e := s.events(); e[0].Publication != got[0].(*wamp.Published).Publication {
		t.Errorf("EVENT and PUBLISHED name different publications")
	}
	p.publish("com.topic", wamp.Dict{"acknowledge": false}, "x")
	if got := p.got(); len(got) != 0 {
		t.Errorf("got %v without having asked", got)
	}
}

func TestAnnounceGoesToWhoIsAllowed(t *testing.T) {
	r := newRig(t, broker.Config{})
	if r.Wanted("wamp.session.on_join") {
		t.Error("wanted while nobody subscribes")
	}
	a, b := r.join("user"), r.join("admin")
	bridge := r.joinAs(&peer.Peer{Via: &peer.Bridge{}, Topics: func(wamp.URI) bool { return true }})
	for _, c := range []*client{a, b, bridge} {
		c.subscribe("wamp.session.on_join", nil)
	}
	if !r.Wanted("wamp.session.on_join") || r.Wanted("wamp.session.on_leave") {
		t.Error("Wanted does not tell who subscribes")
	}
	if n := testing.AllocsPerRun(100, func() { r.Wanted("wamp.session.on_join") }); n != 0 {
		t.Errorf("Wanted allocates %v times", n)
	}
	r.Announce(a.batch, "wamp.session.on_join", payload(t, "all"), nil)
	r.Announce(a.batch, "wamp.session.on_join", payload(t, "few"), func(p *peer.Peer) bool { return p.AuthRole == "admin" })
	equal(t, "user", a.texts(), []string{"all"})
	equal(t, "admin", b.texts(), []string{"all", "few"})
	equal(t, "bridge", bridge.texts(), nil)

	// Who subscribes to everything means the application.
	every, own := r.join("user"), r.join("user")
	every.subscribe("", wamp.Dict{"match": "prefix"})
	every.subscribe("wam", wamp.Dict{"match": "prefix"})
	every.subscribe(".session.on_join", wamp.Dict{"match": "wildcard"})
	own.subscribe("wamp.session", wamp.Dict{"match": "prefix"})
	own.subscribe("wamp..on_join", wamp.Dict{"match": "wildcard"})
	if r.Wanted("wamp.registration.on_create") {
		t.Error("a subscription to everything wants meta events")
	}
	r.Announce(a.batch, "wamp.session.on_join", payload(t, "x"), nil)
	equal(t, "everything", every.texts(), nil)
	equal(t, "patterns of the router's own", own.texts(), []string{"x", "x"})
}

func TestPublishAllocatesNothing(t *testing.T) {
	if raced {
		t.Skip("pools forget under the race detector")
	}
	r := newRig(t, broker.Config{})
	for _, match := range []wamp.Match{wamp.MatchExact, wamp.MatchPrefix, wamp.MatchWildcard} {
		s := r.joinAs(&peer.Peer{})
		s.peer.Queue = peer.NewQueue(drain{}, &r.limits, r.budget, &r.counters, func() {})
		s.Subscribe(s.batch, &wamp.Subscribe{Request: 1, Topic: "com.topic"}, match)
	}
	p := r.join("publisher")
	m := &wamp.Publish{Request: 1, Topic: "com.topic", Payload: payload(t, "x")}
	if n := testing.AllocsPerRun(1000, func() {
		p.Publish(p.batch, m)
		p.batch.Flush()
	}); n != 0 {
		t.Errorf("PUBLISH allocates %v times", n)
	}
}

// drain is a receiver that takes everything.
type drain struct{}

func (drain) Serializer() wamp.Serializer       { return wamp.JSON }
func (drain) Append([]byte, *peer.Buffer) error { return nil }
func (drain) Buffered() int                     { return 0 }
func (drain) Flush()                            {}
func (drain) OnProgress(func())                 {}
