package dealer_test

import (
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/dealer"
	"bondy/core/peer"
	"bondy/core/wamp"
)

func TestPiecesReachOneInvocation(t *testing.T) {
	r := newRig(t, dealer.Config{Features: dealer.Announced})
	callees := []*client{r.callee("a.b", dict{"invoke": "roundrobin"}), r.callee("a.b", dict{"invoke": "roundrobin"})}
	caller := r.join(all)
	request := caller.call("a.b", more, int64(0))
	inv := callees[0].invoked(int64(0))
	if inv.Details["progress"] != true {
		t.Fatalf("details %v", inv.Details)
	}
	other := caller.call("a.b", nil) // in between
	callees[1].yield(callees[1].invoked().Request, nil)
	caller.result(other)
	for i := int64(1); i <= 4; i++ {
		options := more
		if i == 4 {
			options = nil
		}
		if !caller.Continues(request) {
			t.Fatalf("call %d does not continue", request)
		}
		if err := caller.piece(request, "a.b", options, i); err != nil {
			t.Fatal(err)
		}
		next := callees[0].invoked(i)
		if next.Request != inv.Request || (next.Details["progress"] == true) != (i < 4) {
			t.Fatalf("piece %d: %+v", i, next)
		}
	}
	if caller.Continues(request) {
		t.Error("a call continues after its last piece")
	}
	callees[0].yield(inv.Request, nil, "done")
	caller.result(request, "done")
	callees[1].nothing()
}

func TestPiecesAndProgressiveResults(t *testing.T) {
	r := newRig(t, dealer.Config{})
	callee, caller := r.callee("a.b", nil), r.join(peer.Caller)
	request := caller.call("a.b", dict{"progress": true, "receive_progress": true}, int64(0))
	inv := callee.invoked(int64(0))
	for i := range int64(5) {
		callee.yield(inv.Request, more, i)
		if m := caller.result(request, i); m.Details["progress"] != true {
			t.Fatalf("details %v", m.Details)
		}
		if err := caller.piece(request, "a.b", more, i); err != nil {
			t.Fatal(err)
		}
		if m := callee.invoked(i); m.Details["receive_progress"] != true {
			t.Fatalf("details %v", m.Details)
		}
	}
	callee.yield(inv.Request, nil)
	caller.result(request)
}

func TestOptionsAreFrozenByTheFirstPiece(t *testing.T) {
	r := newRig(t, dealer.Config{})
	callee, caller := r.join(all), r.join(all)
	callee.register("a", dict{"match": "prefix"})
	for _, disclosed := range []bool{true, false} {
		request := caller.call("a.b", dict{"progress": true, "disclose_me": disclosed})
		for range 3 {
			d := callee.invoked().Details
			if (d["caller"] != nil) != disclosed || d["procedure"] != "a.b" {
				t.Fatalf("details %v", d)
			}
			if err := caller.piece(request, "a.b", dict{"progress": true, "disclose_me": !disclosed}); err != nil {
				t.Fatal(err)
			}
		}
		callee.invoked()
	}
	r.refused(caller.piece(1, "a.c", more), wamp.ErrProtocolViolation)
}

func TestPieceOfACallThatIsOverIsDiscarded(t *testing.T) {
	r := newRig(t, dealer.Config{})
	callee, caller := r.callee("a.b", nil), r.join(all)
	request := caller.call("a.b", more)
	callee.yield(callee.invoked().Request, nil, "early")
	caller.result(request, "early")
	for _, options := range []dict{more, nil} {
		if !caller.Continues(request) {
			t.Error("a piece on its way is taken for a new call")
		}
		if err := caller.piece(request, "a.b", options); err != nil {
			t.Fatal(err)
		}
	}
	callee.nothing()
	caller.nothing()
	if caller.Continues(request) {
		t.Error("the id is remembered after the last piece")
	}
	// what is remembered is bounded
	for range 1000 {
		request = caller.call("a.b", more)
		callee.yield(callee.invoked().Request, nil)
		caller.result(request)
	}
	if caller.Continues(2) || !caller.Continues(request) || !caller.Continues(request-200) {
		t.Error("not the latest calls are remembered")
	}
}

func TestWhoMayUsePieces(t *testing.T) {
	const lacksPieces = all &^ peer.CalleeProgressiveInvocations
	const lacksCanceling = all &^ peer.CalleeCanceling
	for name, tc := range map[string]struct {
		caller, callee peer.Features
		policy         dealer.FeaturePolicy
		want           wamp.URI
	}{
		"caller not announced, strict": {peer.Caller, all, dealer.Announced, wamp.ErrProtocolViolation},
		"callee lacks it, strict":      {all, lacksPieces, dealer.Announced, wamp.ErrFeatureNotSupported},
		"callee not canceled, strict":  {all, lacksCanceling, dealer.Announced, wamp.ErrFeatureNotSupported},
		"all announced":                {all, all, dealer.Announced, ""},
		"nothing announced":            {peer.Caller, peer.Callee, dealer.Used, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, dealer.Config{Features: tc.policy, MaxCalls: 1})
			callee, caller := r.join(tc.callee), r.join(tc.caller)
			callee.register("a.b", nil)
			request, err := caller.try("a.b", more)
			if tc.want != "" {
				r.refused(err, tc.want)
				callee.nothing()
				caller.call("a.b", nil) // nothing stayed behind
				return
			}
			if err != nil || !caller.Continues(request) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestWhoMayUseProgressiveResults(t *testing.T) {
	for name, tc := range map[string]struct {
		caller, callee peer.Features
		policy         dealer.FeaturePolicy
		want           bool
	}{
		"caller not announced, strict": {peer.Caller, all, dealer.Announced, false},
		"callee lacks it, strict":      {all, all &^ peer.CalleeProgressiveResults, dealer.Announced, false},
		"callee not canceled, strict":  {all, all &^ peer.CalleeCanceling, dealer.Announced, false},
		"all announced":                {all, all, dealer.Announced, true},
		"nothing announced":            {peer.Caller, peer.Callee, dealer.Used, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, dealer.Config{Features: tc.policy})
			callee, caller := r.join(tc.callee), r.join(tc.caller)
			callee.register("a.b", nil)
			request := caller.call("a.b", dict{"receive_progress": true})
			inv := callee.invoked()
			if (inv.Details["receive_progress"] == true) != tc.want {
				t.Errorf("details %v", inv.Details)
			}
			callee.yield(inv.Request, more)
			if tc.want {
				caller.result(request)
			}
			caller.nothing()
			callee.yield(inv.Request, nil)
			caller.result(request)
		})
	}
}

func TestCallInPiecesEnds(t *testing.T) {
	for name, end := range map[string]func(r *rig, caller, callee *client, request, inv wamp.ID){
		"the callee leaves": func(_ *rig, caller, callee *client, request, _ wamp.ID) {
			callee.leave()
			caller.failed(request, wamp.ErrCanceled)
		},
		"the callee refuses": func(_ *rig, caller, callee *client, request, inv wamp.ID) {
			callee.refuse(inv, "my.error")
			caller.failed(request, "my.error")
		},
		"the callee is unavailable": func(_ *rig, caller, callee *client, request, inv wamp.ID) {
			callee.refuse(inv, wamp.ErrUnavailable)
			caller.failed(request, wamp.ErrNoAvailableCallee)
		},
		"canceled": func(_ *rig, caller, callee *client, request, inv wamp.ID) {
			caller.cancel(request, "")
			caller.failed(request, wamp.ErrCanceled)
			callee.interrupted(inv, "killnowait", "wamp.error.canceled")
		},
		"killed": func(_ *rig, caller, callee *client, request, inv wamp.ID) {
			caller.cancel(request, "kill")
			callee.interrupted(inv, "kill", "wamp.error.canceled")
			callee.refuse(inv, wamp.ErrCanceled)
			caller.failed(request, wamp.ErrCanceled)
		},
		"a piece is too long": func(r *rig, caller, callee *client, request, inv wamp.ID) {
			callee.sink.max = 100
			r.refused(caller.piece(request, "a.b", more, make([]byte, 200)), wamp.ErrPayloadSizeExceeded)
			callee.interrupted(inv, "killnowait", "wamp.error.payload_size_exceeded")
		},
		"the callee does not read": func(r *rig, caller, callee *client, request, _ wamp.ID) {
			callee.sink.waiting = 1 << 30
			r.refused(caller.piece(request, "a.b", more), wamp.ErrUnavailable)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, dealer.Config{MaxCalls: 1})
			callee, caller := r.callee("a.b", nil), r.join(all)
			request := caller.call("a.b", more)
			inv := callee.invoked()
			end(r, caller, callee, request, inv.Request)
			if err := caller.piece(request, "a.b", nil); err != nil {
				t.Errorf("a piece on its way: %v", err)
			}
			caller.nothing()
			callee.nothing()
			if n := callee.Awaited(); n != 0 {
				t.Errorf("%d answers awaited", n)
			}
		})
	}
}

func TestCallerLeavesACallInPieces(t *testing.T) {
	r := newRig(t, dealer.Config{})
	callee, caller := r.callee("a.b", nil), r.join(all)
	caller.call("a.b", more)
	inv := callee.invoked()
	caller.leave()
	callee.interrupted(inv.Request, "killnowait", "wamp.error.canceled")
	callee.yield(inv.Request, nil)
}

func TestPiecesRestartTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, dealer.Config{})
		callee, caller := r.callee("a.b", nil), r.join(all)
		request := caller.call("a.b", dict{"progress": true, "timeout": int64(300)})
		for range 3 {
			time.Sleep(200 * time.Millisecond)
			if err := caller.piece(request, "a.b", more); err != nil {
				t.Fatal(err)
			}
		}
		caller.nothing()
		time.Sleep(301 * time.Millisecond)
		synctest.Wait()
		caller.failed(request, wamp.ErrTimeout)
		for range 4 {
			callee.invoked()
		}
		callee.interrupted(1, "killnowait", "wamp.error.timeout")
	})
}
