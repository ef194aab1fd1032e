package bridge_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"bondy/core"
	"bondy/core/codec"
	"bondy/core/coretest"
	"bondy/core/pattern"
	"bondy/core/wamp"
	"bondy/uplink/bridge"
)

func args(t *testing.T, p wamp.Payload) []any {
	t.Helper()
	a, err := codec.DecodeArgs(p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestEventsCrossOnceWithTheirIDAndPublisher(t *testing.T) {
	atEdge, atCore, link := pair(t, everything())
	for _, way := range []struct{ from, to *core.Router }{{atEdge, atCore}, {atCore, atEdge}} {
		p, s := coretest.Join(t, way.from), coretest.Join(t, way.to)
		p.Subscribe("com.x", nil)
		exact := s.Subscribe("com.x.y", nil)
		s.Subscribe("com.x", wamp.Dict{"match": "prefix"})
		s.Subscribe("com..y", wamp.Dict{"match": "wildcard"})
		settle(t, link)
		id := p.Publish("com.x.y", wamp.Dict{"disclose_me": true}, "hi", int64(1))
		for range 3 {
			e := coretest.Expect[*wamp.Event](s)
			if e.Publication != id || e.Details["publisher"] != int64(p.ID) || e.Details["_hops"] != nil {
				t.Errorf("event %+v, want publication %d of publisher %d", e, id, p.ID)
			}
			if e.Subscription == exact && e.Details["topic"] != nil {
				t.Errorf("exact subscription got the details %v", e.Details)
			}
			if a := args(t, e.Payload); a[0] != "hi" {
				t.Errorf("arguments %v", a)
			}
		}
		settle(t, link)
		s.Nothing()
		p.Nothing()
		s.Drop()
		p.Drop()
		settle(t, link)
	}
}

func TestOnlyWhatTheRulesSayCrosses(t *testing.T) {
	rule := func(m wamp.Match, u wamp.URI, d bridge.Direction) bridge.Rule {
		return bridge.Rule{Pattern: pattern.Pattern{Match: m, URI: u}, Direction: d}
	}
	rules := bridge.Rules{
		Topics: []bridge.Rule{
			rule(wamp.MatchPrefix, "com.up.", bridge.Out), rule(wamp.MatchExact, "com.down", bridge.In), rule(wamp.MatchWildcard, "com..both", bridge.Both),
		},
		Procedures: []bridge.Rule{rule(wamp.MatchPrefix, "com.cloud", bridge.In), rule(wamp.MatchPrefix, "com.device", bridge.Out)},
	}
	atEdge, atCore, link := pair(t, rules)
	edge, cloud := coretest.Join(t, atEdge), coretest.Join(t, atCore)
	for _, c := range []*coretest.Client{edge, cloud} {
		c.Subscribe("", wamp.Dict{"match": "prefix"})
	}
	settle(t, link)
	for _, tc := range []struct {
		topic    wamp.URI
		up, down bool
	}{
		{"com.up.x", true, false},
		{"com.up", false, false},
		{"com.down", false, true},
		{"com.down.x", false, false},
		{"com.a.both", true, true},
		{"com.a.b.both", false, false},
		{"org.x", false, false},
	} {
		for _, way := range []struct {
			from, to *coretest.Client
			want     bool
		}{{edge, cloud, tc.up}, {cloud, edge, tc.down}} {
			way.from.Publish(tc.topic, nil)
			settle(t, link)
			b, got := way.to.Poll()
			if got != way.want {
				t.Errorf("%s: crossed %v (%x), want %v", tc.topic, got, b, way.want)
			}
		}
	}
	for _, p := range []wamp.URI{"com.cloud.x", "com.device.x", "com.other"} {
		cloud.Register(p, nil)
	}
	settle(t, link)
	for p, want := range map[wamp.URI]bool{"com.cloud.x": true, "com.device.x": false, "com.other": false} {
		edge.Call(p, nil)
		if want {
			inv := coretest.Expect[*wamp.Invocation](cloud)
			cloud.Send(&wamp.Yield{Request: inv.Request})
			coretest.Expect[*wamp.Result](edge)
		} else {
			edge.ExpectError(wamp.ErrNoSuchProcedure)
		}
	}
	if st := link.edge.Status(t.Context())[0]; st.State != "bridged" || st.Denied != 0 || st.Refused != 0 {
		t.Errorf("status %+v: something crossed that was to be stopped before", st)
	}
}

func TestCallsCrossWithProgressCancelAndErrors(t *testing.T) {
	atEdge, atCore, link := pair(t, everything())
	for _, way := range []struct{ from, to *core.Router }{{atEdge, atCore}, {atCore, atEdge}} {
		caller, callee := coretest.Join(t, way.from), coretest.Join(t, way.to)
		callee.Register("com.p", nil)
		callee.Register("com.q", wamp.Dict{"match": "prefix"})
		settle(t, link)

		caller.Call("com.p", wamp.Dict{"receive_progress": true, "disclose_me": true}, "x")
		inv := coretest.Expect[*wamp.Invocation](callee)
		if inv.Details["receive_progress"] != true || inv.Details["caller"] != int64(caller.ID) || inv.Details["procedure"] != nil {
			t.Errorf("invocation %+v of caller %d", inv, caller.ID)
		}
		for i := range 3 {
			callee.Send(&wamp.Yield{Request: inv.Request, Options: wamp.Dict{"progress": true}, Payload: callee.Args(int64(i))})
			if res := coretest.Expect[*wamp.Result](caller); res.Details["progress"] != true || args(t, res.Payload)[0] != int64(i) {
				t.Errorf("progress %d: %+v", i, res)
			}
		}
		callee.Send(&wamp.Yield{Request: inv.Request, Payload: callee.Args("end")})
		if res := coretest.Expect[*wamp.Result](caller); res.Details != nil || args(t, res.Payload)[0] != "end" {
			t.Errorf("result %+v", res)
		}

		caller.Call("com.q.sub", nil)
		inv = coretest.Expect[*wamp.Invocation](callee)
		if inv.Details["procedure"] != "com.q.sub" {
			t.Errorf("invocation %+v", inv)
		}
		callee.Send(&wamp.ErrorMessage{RequestType: wamp.TypeInvocation, Request: inv.Request, Error: "com.error", Payload: callee.Args("why")})
		if e := caller.ExpectError("com.error"); args(t, e.Payload)[0] != "why" {
			t.Errorf("error %+v", e)
		}

		for mode, answered := range map[string]bool{"kill": false, "killnowait": true} {
			request := caller.Call("com.p", nil)
			inv = coretest.Expect[*wamp.Invocation](callee)
			caller.Send(&wamp.Cancel{Request: request, Options: wamp.Dict{"mode": mode}})
			if in := coretest.Expect[*wamp.Interrupt](callee); in.Request != inv.Request || in.Options["mode"] != mode {
				t.Errorf("interrupt %+v", in)
			}
			if !answered {
				callee.Send(&wamp.ErrorMessage{RequestType: wamp.TypeInvocation, Request: inv.Request, Error: wamp.ErrCanceled})
			}
			caller.ExpectError(wamp.ErrCanceled)
		}

		caller.Call("com.p", wamp.Dict{"timeout": int64(20)})
		coretest.Expect[*wamp.Invocation](callee)
		caller.ExpectError(wamp.ErrTimeout)
		coretest.Expect[*wamp.Interrupt](callee)

		caller.Call("com.p", nil)
		coretest.Expect[*wamp.Invocation](callee)
		callee.Drop()
		caller.ExpectError(wamp.ErrCanceled)
		settle(t, link)
		caller.Call("com.p", nil)
		caller.ExpectError(wamp.ErrNoSuchProcedure)
		caller.Drop()
	}
}

func TestPayloadPassthruCrosses(t *testing.T) {
	atEdge, atCore, link := pair(t, everything())
	for _, way := range []struct{ from, to *core.Router }{{atEdge, atCore}, {atCore, atEdge}} {
		near, far := coretest.Join(t, way.from), coretest.Join(t, way.to)
		far.Register("com.p", nil)
		far.Subscribe("com.x", nil)
		settle(t, link)
		ppt := wamp.Dict{"ppt_scheme": "x_test", "ppt_serializer": "cbor", "ppt_keyid": "k1"}
		octets := []byte{0, 0xff}
		passed := func(what string, d wamp.Dict, p wamp.Payload) {
			t.Helper()
			if !reflect.DeepEqual(d, ppt) || !reflect.DeepEqual(args(t, p), []any{octets}) {
				t.Errorf("%s: details %v, arguments %v", what, d, args(t, p))
			}
		}
		near.Publish("com.x", ppt, octets)
		e := coretest.Expect[*wamp.Event](far)
		passed("EVENT", e.Details, e.Payload)
		near.Call("com.p", ppt, octets)
		inv := coretest.Expect[*wamp.Invocation](far)
		passed("INVOCATION", inv.Details, inv.Payload)
		far.Send(&wamp.Yield{Request: inv.Request, Options: ppt, Payload: far.Args(octets)})
		res := coretest.Expect[*wamp.Result](near)
		passed("RESULT", res.Details, res.Payload)
		near.Call("com.p", nil)
		inv = coretest.Expect[*wamp.Invocation](far)
		far.Send(&wamp.ErrorMessage{RequestType: wamp.TypeInvocation, Request: inv.Request, Details: ppt, Error: "com.error", Payload: far.Args(octets)})
		failed := near.ExpectError("com.error")
		passed("ERROR", failed.Details, failed.Payload)
		near.Drop()
		far.Drop()
		settle(t, link)
	}
}

// The realm's longest timeout holds for calls that come over a bridge, too.
func TestRealmCapsTheTimeoutOfBridgedCalls(t *testing.T) {
	cfg := coreRealm()
	cfg.MaxCallTimeout = 20 * time.Millisecond
	atCore := coretest.Router(t, cfg)
	atEdge, link := connect(t, atCore, nil, everything())
	caller, callee := coretest.Join(t, atEdge), coretest.Join(t, atCore)
	callee.Register("com.p", nil)
	settle(t, link)
	caller.Call("com.p", nil)
	coretest.Expect[*wamp.Invocation](callee)
	caller.ExpectError(wamp.ErrTimeout)
}

func TestLocalRegistrationWins(t *testing.T) {
	atEdge, atCore, link := pair(t, everything())
	caller, local, cloud := coretest.Join(t, atEdge), coretest.Join(t, atEdge), coretest.Join(t, atCore)
	cloud.Register("com.p", nil)
	settle(t, link)
	id := local.Register("com.p", nil)
	settle(t, link)
	caller.Call("com.p", nil)
	inv := coretest.Expect[*wamp.Invocation](local)
	local.Send(&wamp.Yield{Request: inv.Request})
	coretest.Expect[*wamp.Result](caller)
	local.Send(&wamp.Unregister{Request: local.Next(), Registration: id})
	coretest.Expect[*wamp.Unregistered](local)
	caller.Call("com.p", nil)
	inv = coretest.Expect[*wamp.Invocation](cloud)
	cloud.Send(&wamp.Yield{Request: inv.Request})
	coretest.Expect[*wamp.Result](caller)
}

func TestCallsInFlightFailAtOnceWhenTheLinkFalls(t *testing.T) {
	atEdge, atCore, link := pair(t, everything())
	edge, cloud := coretest.Join(t, atEdge), coretest.Join(t, atCore)
	edge.Register("com.device", nil)
	cloud.Register("com.cloud", nil)
	settle(t, link)
	edge.Call("com.cloud", nil)
	coretest.Expect[*wamp.Invocation](cloud)
	cloud.Call("com.device", nil)
	coretest.Expect[*wamp.Invocation](edge)
	settle(t, link)
	link.here.owes(1)
	link.there.owes(1)
	link.unplug()
	for _, c := range []*coretest.Client{edge, cloud} {
		c.ExpectError(wamp.ErrNetworkFailure)
		coretest.Expect[*wamp.Interrupt](c) // its caller is beyond reach
	}
	edge.Call("com.cloud", nil)
	edge.ExpectError(wamp.ErrNoSuchProcedure)
	link.plug()
	settle(t, link)
	edge.Call("com.cloud", nil)
	inv := coretest.Expect[*wamp.Invocation](cloud)
	cloud.Send(&wamp.Yield{Request: inv.Request})
	coretest.Expect[*wamp.Result](edge)
}

func TestTwoEdgesMeetAtTheCore(t *testing.T) {
	atCore := coretest.Router(t, coreRealm())
	c := bridge.NewCore(shared(atCore))
	edgeA, linkA := connect(t, atCore, c, everything())
	edgeB, linkB := connect(t, atCore, c, everything())
	a, b := coretest.Join(t, edgeA), coretest.Join(t, edgeB)
	b.Subscribe("com.x", nil)
	b.Register("com.p", nil)
	settle(t, linkA, linkB)
	id := a.Publish("com.x", nil, "over the core")
	if e := coretest.Expect[*wamp.Event](b); e.Publication != id {
		t.Errorf("event %+v", e)
	}
	a.Call("com.p", nil, "x")
	inv := coretest.Expect[*wamp.Invocation](b)
	b.Send(&wamp.Yield{Request: inv.Request, Payload: b.Args("y")})
	if res := coretest.Expect[*wamp.Result](a); args(t, res.Payload)[0] != "y" {
		t.Errorf("result %+v", res)
	}
	b.Publish("com.x", nil) // nobody else wants it, and it must not come back
	settle(t, linkA, linkB)
	b.Nothing()
	if in := linkA.edge.Status(t.Context())[0].EventsIn; in != 0 {
		t.Errorf("%d events came to the edge that wants none", in)
	}
}

func TestBlackAndWhitelistsHoldAcrossTheLink(t *testing.T) {
	atEdge, atCore, link := pair(t, everything())
	p, a, b := coretest.Join(t, atEdge), coretest.Join(t, atCore), coretest.Join(t, atCore)
	a.Subscribe("com.x", nil)
	b.Subscribe("com.x", nil)
	settle(t, link)
	p.Publish("com.x", wamp.Dict{"eligible": []any{int64(a.ID)}}, "a")
	p.Publish("com.x", wamp.Dict{"exclude": []any{int64(a.ID)}}, "b")
	p.Publish("com.x", wamp.Dict{"eligible_authrole": []any{"admin"}}, "nobody")
	settle(t, link)
	for c, want := range map[*coretest.Client]string{a: "a", b: "b"} {
		if got := args(t, coretest.Expect[*wamp.Event](c).Payload)[0]; got != want {
			t.Errorf("got the event for %v, want %s", got, want)
		}
		c.Nothing()
	}
}

func TestTheUplinkHasItsOwnPermissionsOnly(t *testing.T) {
	open := everything()
	for _, rules := range []*[]bridge.Rule{&open.Topics, &open.Procedures} {
		*rules = []bridge.Rule{{Pattern: pattern.Pattern{Match: wamp.MatchPrefix, URI: ""}, Direction: bridge.Both}}
	}
	atEdge, atCore, link := pair(t, open) // the edge's rules let all cross, the core's grants "com." alone
	edge, cloud := coretest.Join(t, atEdge), coretest.Join(t, atCore)
	cloud.Subscribe("org.x", nil)
	cloud.Register("org.p", nil)
	cloud.Register("com.p", nil)
	settle(t, link)
	edge.Publish("org.x", nil)
	settle(t, link)
	cloud.Nothing()
	edge.Call("org.p", nil)
	edge.ExpectError(wamp.ErrNotAuthorized)
	edge.Subscribe("org.y", nil)
	edge.Register("org.q", nil)
	settle(t, link)
	cloud.Publish("org.y", nil)
	settle(t, link)
	edge.Nothing()
	cloud.Call("org.q", nil)
	cloud.ExpectError(wamp.ErrNoSuchProcedure)
	edge.Call("com.p", nil)
	coretest.Expect[*wamp.Invocation](cloud)
	if st := link.edge.Status(t.Context())[0]; st.Refused != 2 {
		t.Errorf("status %+v, want 2 refused", st)
	}
}

func TestRefusedRealms(t *testing.T) {
	atCore := coretest.Router(t, coreRealm())
	for name, r := range map[string]bridge.Realm{
		"unknown realm": {URI: "nowhere", AuthID: "gateway-1", Key: key(1)},
		"wrong key":     {URI: "realm1", AuthID: "gateway-1", Key: key(2)},
		"unknown user":  {URI: "realm1", AuthID: "gateway-2", Key: key(1)},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := bridge.NewEdge("cloud", []bridge.Realm{r}, shared(coretest.Router(t)))
			if err != nil {
				t.Fatal(err)
			}
			link := &cable{edge: e, core: bridge.NewCore(shared(atCore)), name: "edge"}
			link.plug()
			defer link.unplug()
			settle(t, link)
			if st := e.Status(t.Context())[0]; st.State != "refused" || st.Refusal == "" {
				t.Errorf("status %+v", st)
			}
		})
	}
}

// After any number of changes and cuts both sides know exactly what the other
// wants.
func TestInterestIsExact(t *testing.T) {
	changes := 1000
	if testing.Short() {
		changes = 200
	}
	atEdge, atCore, link := pair(t, everything())
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	routers := []*core.Router{atEdge, atCore}
	type held struct {
		c    *coretest.Client
		subs map[wamp.ID]pattern.Pattern
	}
	sides := [2][]*held{}
	join := func(side int) {
		sides[side] = append(sides[side], &held{c: coretest.Join(t, routers[side]), subs: map[wamp.ID]pattern.Pattern{}})
	}
	join(0)
	join(1)
	plugged := true
	for range changes {
		side := rng.IntN(2)
		h := sides[side][rng.IntN(len(sides[side]))]
		switch n := rng.IntN(20); {
		case n == 0 && len(sides[side]) < 5:
			join(side)
		case n == 1 && len(sides[side]) > 1:
			h.c.Drop()
			for i, o := range sides[side] {
				if o == h {
					sides[side] = append(sides[side][:i], sides[side][i+1:]...)
					break
				}
			}
		case n == 2 && plugged:
			link.unplug()
			plugged = false
		case n == 2:
			link.plug()
			plugged = true
		case n < 12:
			m := wamp.Match(rng.IntN(3))
			p := pattern.Pattern{Match: m, URI: wamp.URI(fmt.Sprintf("com.%d.%d", rng.IntN(3), rng.IntN(3)))}
			h.subs[h.c.Subscribe(p.URI, wamp.Dict{"match": m.String()})] = p
		default:
			for id := range h.subs {
				h.c.Send(&wamp.Unsubscribe{Request: h.c.Next(), Subscription: id})
				coretest.Expect[*wamp.Unsubscribed](h.c)
				delete(h.subs, id)
				break
			}
		}
	}
	if !plugged {
		link.plug()
	}
	settle(t, link)
	wants := func(side int) map[pattern.Pattern]bool {
		all := map[pattern.Pattern]bool{}
		for _, h := range sides[side] {
			for _, p := range h.subs {
				all[p] = true
			}
		}
		return all
	}
	e, c := wants(0), wants(1)
	st := link.edge.Status(t.Context())[0]
	if st.Told != len(e) || st.Wanted != len(c) {
		t.Errorf("the edge told of %d patterns and knows of %d, want %d and %d", st.Told, st.Wanted, len(e), len(c))
	}
	union := map[pattern.Pattern]bool{}
	for p := range e {
		union[p] = true
	}
	for p := range c {
		union[p] = true
	}
	for name, r := range map[string]*core.Router{"edge": atEdge, "core": atCore} {
		if n := r.Stats().Subscriptions; n != len(union) {
			t.Errorf("%s has %d subscriptions, want the %d of both sides", name, n, len(union))
		}
	}
}
