package dealer_test

import (
	"testing"

	"bondy/core/dealer"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// link joins a peer that stands for another router.
func link(r *rig) *client {
	return r.joinAs(&peer.Peer{
		Features: all, Via: &peer.Bridge{Name: "cloud"}, Procedures: func(wamp.URI) bool { return true },
	})
}

func (c *client) forward(inv *wamp.Invocation) error {
	return c.Forward(c.batch, inv, func(wamp.URI) error { return nil })
}

// What one router makes of a call, another takes as the same call.
func TestDetailsCrossABridge(t *testing.T) {
	near, far := newRig(t, dealer.Config{}), newRig(t, dealer.Config{})
	out, in := link(near), link(far)
	out.register("a.b", dict{"invoke": "roundrobin"})
	callees := []*client{far.callee("a.b", dict{"invoke": "jch"}), far.callee("a.b", dict{"invoke": "jch"})}
	caller := near.joinAs(&peer.Peer{Features: all, AuthID: "ann", AuthRole: "admin", Trust: 5})
	request := caller.call("a.b", dict{"progress": true, "receive_progress": true, "disclose_me": true, "rkey": "k"}, int64(1))
	first := out.invoked(int64(1))
	if err := in.forward(first); err != nil {
		t.Fatal(err)
	}
	callee := callees[0]
	m := callee.next()
	if m == nil {
		callee = callees[1]
		m = callee.next()
	}
	inv := m.(*wamp.Invocation)
	details := dict{
		"progress": true, "receive_progress": true, "caller": int64(caller.peer.Session), "caller_authid": "ann", "trustlevel": int64(5),
	}
	for k, v := range details {
		if inv.Details[k] != v {
			t.Errorf("%s is %v, want %v", k, inv.Details[k], v)
		}
	}
	if err := caller.piece(request, "a.b", nil, int64(2)); err != nil {
		t.Fatal(err)
	}
	if err := in.forward(out.invoked(int64(2))); err != nil {
		t.Fatal(err)
	}
	if last := callee.invoked(int64(2)); last.Request != inv.Request || last.Details["progress"] != nil {
		t.Errorf("last piece %+v", last)
	}
	callee.yield(inv.Request, more, "part")
	out.yield(first.Request, more, "part")
	in.result(first.Request, "part")
	caller.result(request, "part")
}

func TestCallsDoNotCircle(t *testing.T) {
	r := newRig(t, dealer.Config{})
	in := link(r)
	in.register("a.b", nil)
	r.refused(in.forward(&wamp.Invocation{Request: 1, Details: dict{"procedure": "a.b"}}), wamp.ErrNoSuchProcedure)
	r.callee("a.b", nil)
	r.refused(in.forward(&wamp.Invocation{Request: 1, Details: dict{"procedure": "a.b", "_hops": int64(dealer.MaxHops + 1)}}), wamp.ErrUnavailable)
	if err := in.forward(&wamp.Invocation{Request: 1, Details: dict{"procedure": "a.b"}}); err != nil {
		t.Error(err)
	}
}

func TestUnavailableFromBehindABridgeIsPassedOn(t *testing.T) {
	r := newRig(t, dealer.Config{})
	a, b, caller := link(r), link(r), r.join(all)
	for _, c := range []*client{a, b} {
		c.register("a.b", dict{"invoke": "first"})
	}
	request := caller.call("a.b", nil)
	a.refuse(a.invoked().Request, wamp.ErrUnavailable)
	caller.failed(request, wamp.ErrUnavailable)
	b.nothing()
}

func TestLocalCalleeThatIsUnavailableHandsOverToABridge(t *testing.T) {
	r := newRig(t, dealer.Config{})
	far, near, caller := link(r), r.callee("a.b", dict{"invoke": "roundrobin"}), r.join(all)
	far.register("a.b", nil)
	request := caller.call("a.b", nil, "x")
	near.refuse(near.invoked("x").Request, wamp.ErrUnavailable)
	far.yield(far.invoked("x").Request, nil)
	caller.result(request)
	for range 3 {
		caller.call("a.b", nil)
		near.invoked()
	}
	far.nothing()
	far.leave()
	near.leave()
	caller.failed(request+1, wamp.ErrCanceled)
}
