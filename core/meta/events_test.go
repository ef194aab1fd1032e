package meta_test

import (
	"fmt"
	"sync"
	"testing"

	"bondy/core/broker"
	"bondy/core/coretest"
	"bondy/core/meta"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
)

func TestMetaTopicsBelongToTheRouter(t *testing.T) {
	r := router(t)
	c, w := coretest.Join(t, r), coretest.Join(t, r)
	watch(t, w, "wamp.session.on_join")
	c.Send(&wamp.Publish{Request: c.Next(), Topic: "wamp.session.on_join", Options: wamp.Dict{"acknowledge": true}})
	c.ExpectError(wamp.ErrNotAuthorized)
	c.Send(&wamp.Register{Request: c.Next(), Procedure: "wamp.session.count"})
	c.ExpectError(wamp.ErrNotAuthorized)
	// A pattern may cover what is the router's, but does not take it over.
	c.Register("", wamp.Dict{"match": "prefix"})
	if n := value(t, w, "wamp.session.count"); n != int64(2) {
		t.Errorf("count %v, want 2", n)
	}
	refused(t, w, wamp.ErrNoSuchProcedure, "wamp.nothing.here", nil)
	for _, free := range []wamp.URI{"wampum.x", "wampx", "bondyfoo.x"} {
		c.Register(free, nil)
		c.Publish(free, nil)
	}
	w.Nothing()
}

func TestPatternsThatNameTheMetaAPIGetItsEvents(t *testing.T) {
	r := router(t)
	w := coretest.Join(t, r)
	for pattern, match := range map[wamp.URI]string{
		"": "prefix", "wam": "prefix", ".session.on_join": "wildcard", "..": "wildcard",
		"wamp.session.": "prefix", "wamp..on_join": "wildcard", "wamp.session": "prefix",
	} {
		w.Subscribe(pattern, wamp.Dict{"match": match})
	}
	s := coretest.Join(t, r)
	for range 3 {
		e := coretest.Expect[*wamp.Event](w)
		d, _ := list(t, e.Payload)[0].(map[string]any)
		if e.Details["topic"] != "wamp.session.on_join" || id(t, d["session"]) != s.ID {
			t.Errorf("got %v %v", e.Details, d)
		}
	}
	value(t, w, "wamp.session.count")
	w.Nothing()
}

func TestWithdrawnGrantsEndMetaEvents(t *testing.T) {
	r := router(t)
	w := coretest.Join(t, r)
	watch(t, w, "wamp.session.on_join", "wamp.session.on_leave")
	cfg := managed()
	cfg.Access.Grants[0].Resources = []rbac.Resource{{URI: "wamp.session.on_leave"}, {URI: "wamp.session.count"}}
	if err := r.Apply([]realm.Config{cfg}); err != nil {
		t.Fatal(err)
	}
	coretest.Join(t, r).Drop()
	if a := list(t, coretest.Expect[*wamp.Event](w).Payload); len(a) != 3 {
		t.Errorf("got %v, want on_leave", a)
	}
	value(t, w, "wamp.session.count")
	w.Nothing()
}

func TestBridgesAreNoSessions(t *testing.T) {
	r := router(t)
	c := coretest.Join(t, r)
	watch(
		t, c, "wamp.session.on_join", "wamp.session.on_leave", "wamp.subscription.on_create", "wamp.subscription.on_subscribe",
		"wamp.subscription.on_unsubscribe", "wamp.subscription.on_delete", "wamp.registration.on_create", "wamp.registration.on_register",
	)
	home, err := r.Realm("realm1")
	if err != nil {
		t.Fatal(err)
	}
	counters, budget := r.Peers()
	conn := coretest.NewConn(wamp.MessagePack, 0)
	limits := peer.Limits{Soft: 1 << 20, Hard: 1 << 20, Reserve: 1 << 20}
	any := func(wamp.URI) bool { return true }
	p := &peer.Peer{
		Session: 7, AuthID: "edge", Via: &peer.Bridge{Name: "edge"}, Topics: any, Procedures: any,
		Queue: peer.NewQueue(conn, &limits, budget, counters, conn.Close),
	}
	if err := home.JoinBridge(&meta.Session{Peer: p}, member{}, home.Mark()); err != nil {
		t.Fatal(err)
	}
	batch := peer.NewBatch(counters)
	br, d := home.Broker.Join(p), home.Dealer.Join(p)
	for _, err := range []error{
		br.Subscribe(batch, &wamp.Subscribe{Request: 1}, wamp.MatchPrefix),
		br.Subscribe(batch, &wamp.Subscribe{Request: 2, Topic: "a.b"}, wamp.MatchExact),
		d.Register(batch, &wamp.Register{Request: 3, Procedure: "a.b"}, wamp.MatchExact),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	batch.Flush()
	for range 3 {
		conn.Take()
	}
	if n := value(t, c, "wamp.session.count"); n != int64(1) {
		t.Errorf("%v sessions, want 1", n)
	}
	refused(t, c, wamp.ErrNoSuchSession, "wamp.session.get", nil, 7)
	refused(t, c, wamp.ErrNoSuchSession, "wamp.session.kill", nil, 7)
	of := value(t, c, "wamp.subscription.lookup", "a.b")
	if n := value(t, c, "wamp.subscription.count_subscribers", of); n != int64(0) {
		t.Errorf("%v subscribers, want none", n)
	}
	if l := ids(t, value(t, c, "wamp.subscription.list_subscribers", of)); len(l) != 0 {
		t.Errorf("subscribers %v, want none", l)
	}
	if of := value(t, c, "wamp.registration.lookup", "a.b"); of != nil {
		t.Errorf("registration %v, want none", of)
	}
	// What the router tells of itself stays here.
	coretest.Join(t, r)
	coretest.Expect[*wamp.Event](c)
	if b, ok := conn.Poll(); ok {
		t.Errorf("the bridge was sent %q", b)
	}
	br.Leave(batch)
	d.Leave(batch)
	home.Leave(p.Session)
	value(t, c, "wamp.session.count")
	c.Nothing()
}

type member struct{}

func (member) Goodbye(wamp.URI, string) {}

// TestEventsUnderLoad has many sessions come, change and go at once: nothing is
// lost, and what is told of each session is in order.
func TestEventsUnderLoad(t *testing.T) {
	const sessions, rounds = 16, 6
	r := router(t)
	w := coretest.Join(t, r)
	topics := watch(
		t, w, "wamp.session.on_join", "wamp.session.on_leave", "wamp.subscription.on_subscribe",
		"wamp.subscription.on_unsubscribe", "wamp.registration.on_register", "wamp.registration.on_unregister",
	)
	var all sync.WaitGroup
	for i := range sessions {
		all.Go(func() {
			for range rounds {
				c := coretest.Join(t, r)
				c.Subscribe("a.shared", nil)
				c.Register(wamp.URI(fmt.Sprintf("a.p%d", i)), nil)
				c.Drop()
			}
		})
	}
	want := map[wamp.URI]wamp.URI{
		"": "wamp.session.on_join", "wamp.session.on_join": "wamp.subscription.on_subscribe",
		"wamp.subscription.on_subscribe":   "wamp.registration.on_register",
		"wamp.registration.on_register":    "wamp.subscription.on_unsubscribe",
		"wamp.subscription.on_unsubscribe": "wamp.registration.on_unregister",
		"wamp.registration.on_unregister":  "wamp.session.on_leave",
	}
	state := make(map[wamp.ID]wamp.URI)
	for range 6 * sessions * rounds {
		e := events(t, w, topics, 1)[0]
		session := e.args[0]
		if d, ok := session.(map[string]any); ok {
			session = d["session"]
		}
		s := id(t, session)
		if e.topic != want[state[s]] {
			t.Fatalf("session %d: %s after %q", s, e.topic, state[s])
		}
		state[s] = e.topic
	}
	all.Wait()
	if len(state) != sessions*rounds {
		t.Errorf("%d sessions told of, want %d", len(state), sessions*rounds)
	}
	value(t, w, "wamp.session.count")
	w.Nothing()
}

func TestUnwantedEventsCostNothing(t *testing.T) {
	br := broker.New(broker.Config{ID: func(wamp.Match, wamp.URI) wamp.ID { return 1 }})
	e := meta.NewEvents(br, func(*peer.Peer, wamp.URI) bool { return true })
	s := &meta.Session{Peer: &peer.Peer{Session: 1, AuthID: "x"}}
	var counters peer.Counters
	b := peer.NewBatch(&counters)
	subs := e.Subscriptions()
	if n := testing.AllocsPerRun(100, func() {
		e.Joined(b, s)
		subs.Created(1, broker.Subscription{ID: 1, URI: "a.b"})
		subs.Subscribed(1, 1)
		subs.Unsubscribed(1, 1)
		subs.Deleted(1, 1)
		subs.Drain(b)
		e.Left(b, s)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
