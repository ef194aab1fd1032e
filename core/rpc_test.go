package core_test

import (
	"testing"
	"testing/synctest"
	"time"

	"bondy/core"
	"bondy/core/coretest"
	"bondy/core/dealer"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// pair is a callee with procedure a.b and a caller.
func pair(t *testing.T, r *core.Router, options wamp.Dict, without ...string) (caller, callee *coretest.Client) {
	t.Helper()
	callee = coretest.JoinWith(t, r, wamp.MessagePack, coretest.Roles(without...))
	callee.Register("a.b", options)
	return coretest.Join(t, r), callee
}

func TestCallAndResult(t *testing.T) {
	r := coretest.Router(t)
	caller, callee := pair(t, r, nil)
	for i := wamp.ID(1); i <= 100; i++ {
		request := caller.Call("a.b", nil, int64(i))
		inv := coretest.Expect[*wamp.Invocation](callee)
		if inv.Request != i || inv.Details != nil {
			t.Fatalf("invocation %d has request id %d, details %v", i, inv.Request, inv.Details)
		}
		callee.Send(&wamp.Yield{Request: inv.Request, Payload: inv.Payload})
		res := coretest.Expect[*wamp.Result](caller)
		if a := args(t, res.Payload); res.Request != request || a[0] != int64(i) {
			t.Fatalf("result %d: %+v", i, res)
		}
	}
}

func TestOutstandingCallsAreAnsweredInAnyOrder(t *testing.T) {
	r := coretest.Router(t)
	caller, callee := pair(t, r, nil)
	const n = 3000
	invs := make([]wamp.ID, n)
	for i := range invs {
		caller.Call("a.b", nil, int64(i))
		invs[i] = coretest.Expect[*wamp.Invocation](callee).Request
	}
	// the first stays open while the rest is answered from the end
	for i := n - 1; i >= 0; i-- {
		callee.Send(&wamp.Yield{Request: invs[i], Payload: callee.Args(int64(i))})
		res := coretest.Expect[*wamp.Result](caller)
		if a := args(t, res.Payload); res.Request != wamp.ID(i+1) || a[0] != int64(i) {
			t.Fatalf("result %+v for call %d", res, i)
		}
	}
}

func TestErrorsPassThrough(t *testing.T) {
	r := coretest.Router(t)
	caller, callee := pair(t, r, nil)
	caller.Call("a.b", nil)
	inv := coretest.Expect[*wamp.Invocation](callee)
	callee.Send(&wamp.ErrorMessage{RequestType: wamp.TypeInvocation, Request: inv.Request, Error: "my.error", Payload: callee.Args("no", int64(3))})
	e := caller.ExpectError("my.error")
	if a := args(t, e.Payload); e.RequestType != wamp.TypeCall || e.Request != 1 || a[1] != int64(3) {
		t.Errorf("error %+v", e)
	}
	caller.Call("a.c", nil)
	caller.ExpectError(wamp.ErrNoSuchProcedure)
}

func TestProgressiveResults(t *testing.T) {
	r := coretest.Router(t)
	caller, callee := pair(t, r, nil)
	caller.Call("a.b", wamp.Dict{"receive_progress": true})
	inv := coretest.Expect[*wamp.Invocation](callee)
	if inv.Details["receive_progress"] != true {
		t.Fatalf("details %v", inv.Details)
	}
	for i := range 10 {
		callee.Send(&wamp.Yield{Request: inv.Request, Options: wamp.Dict{"progress": true}, Payload: callee.Args(int64(i))})
		res := coretest.Expect[*wamp.Result](caller)
		if a := args(t, res.Payload); res.Details["progress"] != true || a[0] != int64(i) {
			t.Fatalf("progress %d: %+v", i, res)
		}
	}
	callee.Send(&wamp.Yield{Request: inv.Request})
	if res := coretest.Expect[*wamp.Result](caller); res.Details != nil {
		t.Errorf("final result has details %v", res.Details)
	}
	callee.Send(&wamp.Yield{Request: inv.Request}) // late: dropped
	callee.Subscribe("still.there", nil)
	caller.Nothing()
}

func TestProgressIsNotForCalleesThatCannotBeCanceled(t *testing.T) {
	cfg := coretest.Realm("realm1")
	cfg.Features = dealer.Announced
	r := coretest.Router(t, cfg)
	caller, callee := pair(t, r, nil, "call_canceling")
	caller.Call("a.b", wamp.Dict{"receive_progress": true})
	inv := coretest.Expect[*wamp.Invocation](callee)
	if inv.Details != nil {
		t.Errorf("details %v", inv.Details)
	}
	callee.Send(&wamp.Yield{Request: inv.Request, Options: wamp.Dict{"progress": true}})
	callee.Subscribe("still.there", nil)
	caller.Nothing()
}

func TestCancel(t *testing.T) {
	for _, tc := range []struct {
		mode, interrupt string
		answered        bool // at once
		without         string
	}{
		{"skip", "", true, ""},
		{"kill", "kill", false, ""},
		{"killnowait", "killnowait", true, ""},
		{"", "killnowait", true, ""},
		{"kill", "", true, "call_canceling"},
		{"killnowait", "", true, "call_canceling"},
	} {
		t.Run(tc.mode+"_"+tc.without, func(t *testing.T) {
			r := coretest.Router(t)
			caller, callee := pair(t, r, nil, tc.without)
			request := caller.Call("a.b", nil)
			inv := coretest.Expect[*wamp.Invocation](callee)
			cancel := &wamp.Cancel{Request: request}
			if tc.mode != "" {
				cancel.Options = wamp.Dict{"mode": tc.mode}
			}
			caller.Send(cancel)
			if tc.interrupt != "" {
				in := coretest.Expect[*wamp.Interrupt](callee)
				if in.Request != inv.Request || in.Options["mode"] != tc.interrupt {
					t.Errorf("interrupt %+v", in)
				}
			}
			if tc.answered {
				caller.ExpectError(wamp.ErrCanceled)
			}
			callee.Send(&wamp.Yield{Request: inv.Request, Payload: callee.Args("made it")})
			if !tc.answered {
				coretest.Expect[*wamp.Result](caller)
			}
			callee.Subscribe("still.there", nil)
			callee.Nothing()
			caller.Send(cancel) // over: harmless
			caller.Subscribe("still.there", nil)
			caller.Nothing()
		})
	}
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := coretest.Router(t)
		caller, callee := pair(t, r, nil)
		start := time.Now()
		caller.Call("a.b", wamp.Dict{"timeout": int64(300), "receive_progress": true})
		inv := coretest.Expect[*wamp.Invocation](callee)
		for range 3 {
			time.Sleep(200 * time.Millisecond)
			callee.Send(&wamp.Yield{Request: inv.Request, Options: wamp.Dict{"progress": true}})
			coretest.Expect[*wamp.Result](caller)
		}
		caller.ExpectError(wamp.ErrTimeout)
		if d := time.Since(start); d != 900*time.Millisecond {
			t.Errorf("timed out after %v, want 300 ms after the last progress", d)
		}
		if in := coretest.Expect[*wamp.Interrupt](callee); in.Options["mode"] != "killnowait" {
			t.Errorf("interrupt %+v", in)
		}
		caller.Call("a.b", wamp.Dict{"timeout": int64(300)})
		inv = coretest.Expect[*wamp.Invocation](callee)
		callee.Send(&wamp.Yield{Request: inv.Request})
		coretest.Expect[*wamp.Result](caller)
		time.Sleep(time.Second)
		caller.Nothing()
		callee.Nothing()
		caller.Call("a.b", wamp.Dict{"timeout": int64(-1)})
		caller.ExpectError(wamp.ErrInvalidArgument)
	})
}

func TestForwardTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := coretest.Router(t)
		caller, callee := pair(t, r, wamp.Dict{"forward_timeout": true})
		caller.Call("a.b", wamp.Dict{"timeout": int64(300)})
		if inv := coretest.Expect[*wamp.Invocation](callee); inv.Details["timeout"] != int64(300) {
			t.Errorf("details %v", inv.Details)
		}
		time.Sleep(time.Second)
		caller.Nothing()
	})
}

func TestRealmTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := coretest.Realm("realm1")
		cfg.CallTimeout, cfg.MaxCallTimeout = time.Second, 2*time.Second
		r := coretest.Router(t, cfg)
		caller, callee := pair(t, r, nil)
		for timeout, want := range map[int64]time.Duration{0: time.Second, 5000: 2 * time.Second, 500: 500 * time.Millisecond} {
			start := time.Now()
			caller.Call("a.b", wamp.Dict{"timeout": timeout})
			coretest.Expect[*wamp.Invocation](callee)
			caller.ExpectError(wamp.ErrTimeout)
			coretest.Expect[*wamp.Interrupt](callee)
			if d := time.Since(start); d != want {
				t.Errorf("timeout %d: after %v, want %v", timeout, d, want)
			}
		}
	})
}

func TestCalleeLeaves(t *testing.T) {
	r := coretest.Router(t)
	caller, callee := pair(t, r, nil)
	for range 5 {
		caller.Call("a.b", nil)
		coretest.Expect[*wamp.Invocation](callee)
	}
	callee.Drop()
	for range 5 {
		caller.ExpectError(wamp.ErrCanceled)
	}
	caller.Call("a.b", nil)
	caller.ExpectError(wamp.ErrNoSuchProcedure)
}

func TestCallerLeaves(t *testing.T) {
	r := coretest.Router(t)
	caller, callee := pair(t, r, nil)
	caller.Call("a.b", nil)
	inv := coretest.Expect[*wamp.Invocation](callee)
	caller.Drop()
	if in := coretest.Expect[*wamp.Interrupt](callee); in.Request != inv.Request || in.Options["mode"] != "killnowait" {
		t.Errorf("interrupt %+v", in)
	}
	callee.Send(&wamp.Yield{Request: inv.Request})
	callee.Subscribe("still.there", nil)
	callee.Nothing()
}

func TestAnswerMayComeAfterUnregister(t *testing.T) {
	r := coretest.Router(t)
	callee, caller := coretest.Join(t, r), coretest.Join(t, r)
	id := callee.Register("a.b", nil)
	caller.Call("a.b", nil)
	inv := coretest.Expect[*wamp.Invocation](callee)
	callee.Send(&wamp.Unregister{Request: callee.Next(), Registration: id})
	coretest.Expect[*wamp.Unregistered](callee)
	caller.Call("a.b", nil)
	caller.ExpectError(wamp.ErrNoSuchProcedure)
	callee.Send(&wamp.Yield{Request: inv.Request})
	coretest.Expect[*wamp.Result](caller)
}

func TestSharedRegistration(t *testing.T) {
	for policy, want := range map[string][]int{
		"roundrobin": {0, 1, 2, 0, 1, 2},
		"first":      {0, 0, 0},
		"last":       {2, 2, 2},
	} {
		t.Run(policy, func(t *testing.T) {
			r := coretest.Router(t)
			caller := coretest.Join(t, r)
			var callees []*coretest.Client
			for range 3 {
				c := coretest.Join(t, r)
				c.Register("a.b", wamp.Dict{"invoke": policy})
				callees = append(callees, c)
			}
			for _, i := range want {
				caller.Call("a.b", nil)
				inv := coretest.Expect[*wamp.Invocation](callees[i])
				callees[i].Send(&wamp.Yield{Request: inv.Request})
				coretest.Expect[*wamp.Result](caller)
			}
			callees[0].Send(&wamp.Register{Request: callees[0].Next(), Procedure: "a.b", Options: wamp.Dict{"invoke": policy}})
			callees[0].ExpectError(wamp.ErrProcedureExists)
			other := coretest.Join(t, r)
			other.Send(&wamp.Register{Request: other.Next(), Procedure: "a.b"})
			other.ExpectError(wamp.ErrProcedureExists)
		})
	}
}

func TestBestMatchingRegistration(t *testing.T) {
	r := coretest.Router(t)
	callee, caller := coretest.Join(t, r), coretest.Join(t, r)
	exact := callee.Register("a.b.c", nil)
	prefix := callee.Register("a.b", wamp.Dict{"match": "prefix"})
	wildcard := callee.Register("a..d.e", wamp.Dict{"match": "wildcard"})
	for uri, want := range map[wamp.URI]wamp.ID{"a.b.c": exact, "a.b.c.d": prefix, "a.bb.d.e": wildcard, "a.bb": prefix} {
		caller.Call(uri, nil)
		inv := coretest.Expect[*wamp.Invocation](callee)
		if inv.Registration != want {
			t.Errorf("%s went to registration %d, want %d", uri, inv.Registration, want)
		}
		if p := inv.Details["procedure"]; want == exact && p != nil || want != exact && p != string(uri) {
			t.Errorf("%s: procedure %v in the details", uri, p)
		}
	}
}

func TestCallerIdentification(t *testing.T) {
	r := coretest.Router(t)
	caller, callee := pair(t, r, nil)
	asking := coretest.Join(t, r)
	asking.Register("a.c", wamp.Dict{"disclose_caller": true})
	caller.Call("a.b", wamp.Dict{"disclose_me": true})
	caller.Call("a.c", nil)
	for _, c := range []*coretest.Client{callee, asking} {
		if d := coretest.Expect[*wamp.Invocation](c).Details; d["caller"] != int64(caller.ID) || d["caller_authrole"] != "anonymous" {
			t.Errorf("details %v, want caller %d", d, caller.ID)
		}
	}
}

func TestMessageTooLongForTheReceiver(t *testing.T) {
	r := coretest.Router(t)
	small := coretest.Connect(t, r, wamp.MessagePack, 2048)
	small.Hello("realm1", coretest.Roles())
	callee := coretest.Join(t, r)
	callee.Register("a.b", nil)
	small.Register("a.small", nil)
	small.Subscribe("a.topic", nil)
	long := make([]byte, 5000)

	small.Call("a.b", nil)
	inv := coretest.Expect[*wamp.Invocation](callee)
	callee.Send(&wamp.Yield{Request: inv.Request, Payload: callee.Args(long)})
	small.ExpectError(wamp.ErrPayloadSizeExceeded)

	small.Call("a.b", wamp.Dict{"receive_progress": true})
	inv = coretest.Expect[*wamp.Invocation](callee)
	callee.Send(&wamp.Yield{Request: inv.Request, Options: wamp.Dict{"progress": true}, Payload: callee.Args(long)})
	small.ExpectError(wamp.ErrPayloadSizeExceeded)
	coretest.Expect[*wamp.Interrupt](callee)
	callee.Send(&wamp.Yield{Request: inv.Request})

	callee.Call("a.small", nil, long)
	callee.ExpectError(wamp.ErrPayloadSizeExceeded)

	callee.Publish("a.topic", nil, long)
	callee.Publish("a.topic", nil, "short")
	if a := args(t, coretest.Expect[*wamp.Event](small).Payload); a[0] != "short" {
		t.Errorf("event %v", a)
	}
}

func TestCalleeThatDoesNotReadIsUnavailable(t *testing.T) {
	cfg := coretest.Realm("realm1")
	cfg.Queue.Soft, cfg.Queue.Hard, cfg.Queue.Reserve = 1000, 1000, 1000
	r := coretest.Router(t, cfg)
	caller, callee := pair(t, r, nil)
	callee.Pause(true)
	const calls = 200
	for range calls {
		caller.Call("a.b", nil, "some text that fills the queue")
	}
	e := caller.ExpectError(wamp.ErrUnavailable)
	first := int(e.Request)
	if first < 20 || first > 100 {
		t.Errorf("call %d is the first to fail", first)
	}
	for range calls - first {
		caller.ExpectError(wamp.ErrUnavailable)
	}
	callee.Pause(false)
	for i := range first - 1 {
		inv := coretest.Expect[*wamp.Invocation](callee)
		if inv.Request != wamp.ID(i+1) {
			t.Fatalf("invocation %d has request id %d", i+1, inv.Request)
		}
		callee.Send(&wamp.Yield{Request: inv.Request})
		coretest.Expect[*wamp.Result](caller)
	}
}

func TestCallerThatReadsNoResultsIsClosed(t *testing.T) {
	cfg := coretest.Realm("realm1")
	cfg.Queue.Soft, cfg.Queue.Hard, cfg.Queue.Reserve = 1000, 1000, 1000
	r := coretest.Router(t, cfg)
	caller, callee := pair(t, r, nil)
	caller.Pause(true)
	for range 50 {
		caller.Call("a.b", nil)
		inv := coretest.Expect[*wamp.Invocation](callee)
		callee.Send(&wamp.Yield{Request: inv.Request, Payload: callee.Args(make([]byte, 100))})
		callee.Subscribe("a.c", nil) // answered after YIELD was handled
		if r.Stats().Counters.SlowClosed.Load() > 0 {
			break
		}
	}
	<-caller.Closed()
}

// What a realm says of timeouts and limits acts on open sessions.
func TestApplyChangesTimeoutsAndLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := coretest.Realm("realm1")
		r := coretest.Router(t, cfg)
		caller, callee := pair(t, r, nil)
		caller.Subscribe("a.one", nil)
		cfg.CallTimeout, cfg.MaxSubscriptions, cfg.MaxRegistrations = time.Second, 1, 1
		if err := r.Apply([]realm.Config{cfg}); err != nil {
			t.Fatal(err)
		}
		caller.Call("a.b", nil)
		coretest.Expect[*wamp.Invocation](callee)
		caller.ExpectError(wamp.ErrTimeout)
		coretest.Expect[*wamp.Interrupt](callee)
		caller.Send(&wamp.Subscribe{Request: caller.Next(), Topic: "a.two"})
		caller.ExpectError(wamp.ErrUnavailable)
		callee.Send(&wamp.Register{Request: callee.Next(), Procedure: "a.two"})
		callee.ExpectError(wamp.ErrUnavailable)
	})
}
