package dealer_test

import (
	"fmt"
	"testing"

	"bondy/core/dealer"
	"bondy/core/peer"
	"bondy/core/wamp"
)

func TestUnavailableSendsTheCallToEachOtherCalleeOnce(t *testing.T) {
	for policy, order := range map[string][]int{
		"first": {0, 1, 2, 3}, "last": {3, 2, 1, 0}, "roundrobin": {0, 1, 2, 3}, "random": nil, "jch": nil, "qll": nil, "qlls": nil,
	} {
		for stop := range 5 {
			t.Run(fmt.Sprint(policy, stop), func(t *testing.T) {
				_, caller, callees := shared(t, 4, policy, nil)
				request := caller.call("a.b", dict{"rkey": "k", "disclose_me": true}, "argument", int64(7))
				seen := make(map[int]bool)
				for n := range 4 {
					at, inv := -1, (*wamp.Invocation)(nil)
					for i, c := range callees {
						if m := c.next(); m != nil {
							if at >= 0 {
								t.Fatal("two callees at once")
							}
							at, inv = i, m.(*wamp.Invocation)
						}
					}
					if at < 0 || seen[at] || order != nil && order[n] != at {
						t.Fatalf("attempt %d went to callee %d", n, at)
					}
					seen[at] = true
					caller.rig.same(inv.Payload, []any{"argument", int64(7)})
					if inv.Details["caller"] == nil {
						t.Errorf("details %v", inv.Details)
					}
					if n == stop {
						callees[at].yield(inv.Request, nil, "here")
						caller.result(request, "here")
						return
					}
					callees[at].refuse(inv.Request, wamp.ErrUnavailable)
				}
				caller.failed(request, wamp.ErrNoAvailableCallee)
				for _, c := range callees {
					c.nothing()
					if n := c.Awaited(); n != 0 {
						t.Errorf("%d answers awaited", n)
					}
				}
				caller.call("a.b", dict{"rkey": "k"})
			})
		}
	}
}

func TestUnavailableOfASingleCallee(t *testing.T) {
	r := newRig(t, dealer.Config{})
	callee, caller := r.callee("a.b", nil), r.join(all)
	request := caller.call("a.b", nil)
	callee.refuse(callee.invoked().Request, wamp.ErrUnavailable, "busy")
	r.same(caller.failed(request, wamp.ErrNoAvailableCallee).Payload, []any{"busy"})
}

func TestUnavailableIsAnErrorLikeOthersWhereReroutingIsNotAnnounced(t *testing.T) {
	r := newRig(t, dealer.Config{Features: dealer.Announced})
	callee, caller := r.join(all&^peer.CalleeRerouting), r.join(all)
	callee.register("a.b", dict{"invoke": "first"})
	r.callee("a.b", dict{"invoke": "first"})
	request := caller.call("a.b", nil)
	callee.refuse(callee.invoked().Request, wamp.ErrUnavailable)
	caller.failed(request, wamp.ErrUnavailable)
}

func TestCallOfWhichResultsWereSeenStays(t *testing.T) {
	_, caller, callees := shared(t, 2, "first", nil)
	request := caller.call("a.b", dict{"receive_progress": true})
	inv := callees[0].invoked()
	callees[0].yield(inv.Request, more)
	caller.result(request)
	callees[0].refuse(inv.Request, wamp.ErrUnavailable)
	caller.failed(request, wamp.ErrUnavailable)
	callees[1].nothing()
}

func TestReroutedCallEndsLikeAnyOther(t *testing.T) {
	for _, end := range []string{"cancel", "kill", "caller leaves", "callee leaves", "late answer"} {
		t.Run(end, func(t *testing.T) {
			_, caller, callees := shared(t, 3, "first", nil)
			request := caller.call("a.b", nil)
			inv := callees[0].invoked()
			callees[0].refuse(inv.Request, wamp.ErrUnavailable)
			moved := callees[1].invoked()
			switch end {
			case "cancel":
				caller.cancel(request, "")
				caller.failed(request, wamp.ErrCanceled)
				callees[1].interrupted(moved.Request, "killnowait", "wamp.error.canceled")
				callees[1].refuse(moved.Request, wamp.ErrUnavailable)
			case "kill":
				caller.cancel(request, "kill")
				callees[1].interrupted(moved.Request, "kill", "wamp.error.canceled")
				callees[1].refuse(moved.Request, wamp.ErrUnavailable)
				caller.failed(request, wamp.ErrUnavailable)
			case "caller leaves":
				caller.leave()
				callees[1].interrupted(moved.Request, "killnowait", "wamp.error.canceled")
			case "callee leaves":
				callees[1].leave()
				caller.failed(request, wamp.ErrCanceled)
			case "late answer":
				callees[0].yield(inv.Request, nil, "too late")
				caller.nothing()
				callees[1].yield(moved.Request, nil, "right")
				caller.result(request, "right")
			}
			for _, c := range callees {
				c.nothing()
			}
		})
	}
}

func TestRerouteSkipsCalleesThatAreGoneOrFull(t *testing.T) {
	_, caller, callees := shared(t, 4, "first", dict{"concurrency": int64(1)})
	one, two := caller.call("a.b", nil, "one"), caller.call("a.b", nil, "two")
	callees[2].peer.Close()
	callees[0].refuse(callees[0].invoked("one").Request, wamp.ErrUnavailable)
	callees[3].yield(callees[3].invoked("one").Request, nil)
	caller.result(one)
	callees[1].yield(callees[1].invoked("two").Request, nil)
	caller.result(two)
	for range 3 {
		caller.call("a.b", nil)
	}
	_, err := caller.try("a.b", nil)
	caller.rig.refused(err, wamp.ErrMaxConcurrency)
}

func TestMessagesKeptForRerouteAreBounded(t *testing.T) {
	_, caller, callees := shared(t, 2, "first", nil)
	long := make([]byte, 1<<20)
	for range 5 {
		caller.call("a.b", nil, long)
	}
	for i := range wamp.ID(5) {
		callees[0].refuse(callees[0].invoked(long).Request, wamp.ErrUnavailable)
		if i < 3 {
			callees[1].yield(callees[1].invoked(long).Request, nil)
			caller.result(i + 1)
		} else {
			caller.failed(i+1, wamp.ErrNoAvailableCallee)
		}
	}
	caller.call("a.b", nil, long) // all was given back
	callees[0].refuse(callees[0].invoked(long).Request, wamp.ErrUnavailable)
	callees[1].invoked(long)
}
