package dealer_test

import (
	"strings"
	"testing"
	"time"

	"bondy/core/codec"
	"bondy/core/dealer"
	"bondy/core/peer"
	"bondy/core/wamp"
)

func TestCallAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for name, tc := range map[string]struct {
		cfg     dealer.Config
		options wamp.Dict
		callees int
	}{
		"plain":                 {callees: 1},
		"pattern":               {callees: 1, options: wamp.Dict{"match": "prefix"}},
		"limited":               {cfg: dealer.Config{MaxCalls: 10}, callees: 1},
		"timeout":               {cfg: dealer.Config{Timeout: time.Minute}, callees: 1},
		"shared":                {callees: 3, options: wamp.Dict{"invoke": "roundrobin"}},
		"limits of concurrency": {callees: 3, options: wamp.Dict{"invoke": "roundrobin", "concurrency": int64(2)}},
		"least loaded":          {callees: 3, options: wamp.Dict{"invoke": "queue_least_loaded"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, tc.cfg)
			var callees []*client
			for range tc.callees {
				callees = append(callees, r.callee("a.b", tc.options))
			}
			caller := r.join(peer.Caller)
			caller.sink.discard = true
			for _, c := range callees {
				c.sink.discard = true
			}
			payload, err := codec.NewPayload(wamp.MessagePack, []any{"hello", int64(1)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			call, yield := &wamp.Call{Procedure: "a.b", Payload: payload}, &wamp.Yield{Payload: payload}
			n := 0
			step := func() {
				call.Request++
				if err := caller.Session.Call(caller.batch, call); err != nil {
					t.Fatal(err)
				}
				yield.Request = wamp.ID(n/len(callees) + 1)
				if err := callees[n%len(callees)].Session.Yield(caller.batch, yield); err != nil {
					t.Fatal(err)
				}
				n++
				caller.batch.Flush()
			}
			for range 100 {
				step()
			}
			if allocs := testing.AllocsPerRun(1000, step); allocs != 0 {
				t.Errorf("%v allocations for a call and its answer", allocs)
			}
		})
	}
}

func TestOnlyTheInvokedSessionMayAnswer(t *testing.T) {
	r := newRig(t, dealer.Config{})
	a, b, caller := r.callee("a.b", nil), r.callee("b.c", nil), r.join(all)
	request := caller.call("a.b", nil)
	inv := a.invoked()
	r.refused(b.Session.Yield(b.batch, &wamp.Yield{Request: inv.Request}), wamp.ErrProtocolViolation)
	other := caller.call("b.c", nil)
	b.invoked()
	b.yield(1, nil, "of b")
	caller.result(other, "of b")
	a.yield(1, nil, "of a")
	caller.result(request, "of a")
	a.yield(1, nil) // answered already
	b.refuse(1, "my.error")
	caller.nothing()
}

func TestIDOfACallUnderWayIsRefused(t *testing.T) {
	r := newRig(t, dealer.Config{})
	callee, caller := r.callee("a.b", nil), r.join(all)
	request := caller.call("a.b", nil)
	r.refused(caller.piece(request, "a.b", nil), wamp.ErrProtocolViolation)
	callee.yield(callee.invoked().Request, nil)
	caller.result(request)
	if err := caller.piece(request, "a.b", nil); err != nil {
		t.Errorf("the id of a call that is over: %v", err)
	}
}

// Who comes back to a session may count anew and meet calls of before.
func TestIDOfACallUnderWayIsAnErrorInAResumableSession(t *testing.T) {
	r := newRig(t, dealer.Config{})
	callee, caller := r.callee("a.b", dict{"concurrency": int64(2), "_max_waiting": int64(1)}), r.joinResumable()
	plain := caller.call("a.b", nil)
	r.refused(caller.piece(plain, "a.b", nil), wamp.ErrInvalidArgument)
	pieces, waits := caller.call("a.b", more), caller.call("a.b", nil)
	for _, request := range []wamp.ID{plain, waits} {
		for _, options := range []dict{nil, more} {
			r.refused(caller.piece(request, "a.b", options), wamp.ErrInvalidArgument)
		}
	}
	r.refused(caller.piece(pieces, "a.c", nil), wamp.ErrInvalidArgument)
	caller.nothing()
	for range 3 { // the calls of before go on
		callee.yield(callee.invoked().Request, nil)
		want[*wamp.Result](caller)
	}
	callee.nothing()
}

func TestErrorPassesWithOneSpellingOfCanceled(t *testing.T) {
	r := newRig(t, dealer.Config{})
	callee, caller := r.callee("a.b", nil), r.join(all)
	for uri, want := range map[wamp.URI]wamp.URI{
		"my.error": "my.error", "wamp.error.canceled": wamp.ErrCanceled, "wamp.error." + "cancel" + "led": wamp.ErrCanceled,
	} {
		request := caller.call("a.b", nil)
		callee.refuse(callee.invoked().Request, uri, "why")
		r.same(caller.failed(request, want).Payload, []any{"why"})
	}
}

func TestDisclosure(t *testing.T) {
	r := newRig(t, dealer.Config{})
	plain, asking := r.callee("a.plain", nil), r.callee("a.asking", dict{"disclose_caller": true})
	info, xinfo := r.callee("a.info", dict{"_disclose_session_info": true}), r.callee("a.xinfo", dict{"x_disclose_session_info": true})
	caller := r.joinAs(&peer.Peer{Features: all, AuthID: "ann", AuthRole: "admin", Trust: 3})
	session := int64(caller.peer.Session)

	caller.call("a.plain", nil)
	if d := plain.invoked().Details; len(d) != 1 || d["trustlevel"] != int64(3) {
		t.Errorf("details %v", d)
	}
	caller.call("a.plain", dict{"disclose_me": true})
	caller.call("a.asking", nil)
	for _, c := range []*client{plain, asking} {
		if d := c.invoked().Details; d["caller"] != session || d["caller_authid"] != "ann" || d["caller_authrole"] != "admin" {
			t.Errorf("details %v", d)
		}
	}
	caller.call("a.info", nil)
	caller.call("a.xinfo", nil)
	for key, c := range map[string]*client{"_session_info": info, "x_session_info": xinfo} {
		d := c.invoked().Details
		who, _ := d[key].(map[string]any)
		if d["caller"] != nil || who["session"] != session || who["authid"] != "ann" || who["authrole"] != "admin" {
			t.Errorf("details %v", d)
		}
	}
}

func TestNoDisclosure(t *testing.T) {
	r := newRig(t, dealer.Config{NoDisclosure: true})
	r.callee("a.b", nil)
	c := r.join(all)
	_, err := c.try("a.b", dict{"disclose_me": true})
	r.refused(err, wamp.ErrDiscloseMeDisallowed)
	for _, option := range []string{"disclose_caller", "_disclose_session_info", "x_disclose_session_info"} {
		r.refused(c.tryRegister("a.c", dict{option: true}), wamp.ErrDiscloseMeDisallowed)
	}
}

func TestUnknownOptionsAreIgnoredAndUnknownValuesRefused(t *testing.T) {
	r := newRig(t, dealer.Config{})
	callee := r.callee("a.b", dict{"mood": "blue", "_prefer_local": true, "invoke": nil, "concurrency": nil})
	c := r.join(all)
	c.call("a.b", dict{"rkey": strings.Repeat("k", wamp.MaxURILength)})
	callee.invoked()
	c.call("a.b", dict{"mood": "blue", "rkey": nil, "timeout": nil, "progress": nil, "runmode": nil})
	callee.invoked()
	for _, tc := range []struct {
		options dict
		uri     wamp.URI
	}{
		{dict{"runmode": "all"}, wamp.ErrInvalidArgument},
		{dict{"runmode": "partition"}, wamp.ErrInvalidArgument},
		{dict{"timeout": int64(-1)}, wamp.ErrInvalidArgument},
		{dict{"timeout": "1s"}, wamp.ErrProtocolViolation},
		{dict{"rkey": true}, wamp.ErrProtocolViolation},
		{dict{"rkey": strings.Repeat("k", wamp.MaxURILength+1)}, wamp.ErrInvalidArgument},
		{dict{"_routing_key": strings.Repeat("k", 1<<20)}, wamp.ErrInvalidArgument},
		{dict{"x_routing_key": strings.Repeat("k", 1<<20)}, wamp.ErrInvalidArgument},
		{dict{"_routing_key": []any{}}, wamp.ErrProtocolViolation},
		{dict{"receive_progress": int64(1)}, wamp.ErrProtocolViolation},
		{dict{"progress": "yes"}, wamp.ErrProtocolViolation},
		{dict{"disclose_me": int64(1)}, wamp.ErrProtocolViolation},
	} {
		_, err := c.try("a.b", tc.options)
		r.refused(err, tc.uri)
	}
	for _, tc := range []struct {
		options dict
		uri     wamp.URI
	}{
		{dict{"invoke": "loudest"}, wamp.ErrInvalidArgument},
		{dict{"invoke": int64(1)}, wamp.ErrProtocolViolation},
		{dict{"concurrency": int64(-1)}, wamp.ErrInvalidArgument},
		{dict{"x_concurrency": "many"}, wamp.ErrProtocolViolation},
		{dict{"_max_waiting": int64(-1)}, wamp.ErrInvalidArgument},
		{dict{"force_reregister": int64(1)}, wamp.ErrProtocolViolation},
		{dict{"forward_timeout": int64(1)}, wamp.ErrProtocolViolation},
		{dict{"_disclose_session_info": int64(1)}, wamp.ErrProtocolViolation},
	} {
		r.refused(c.tryRegister("a.c", tc.options), tc.uri)
	}
	if n := r.Registrations(); n != 1 {
		t.Errorf("%d registrations", n)
	}
	callee.nothing()
}

func TestFeaturePolicyHasAName(t *testing.T) {
	for name, want := range map[string]dealer.FeaturePolicy{"used": dealer.Used, "announced": dealer.Announced} {
		var p dealer.FeaturePolicy
		if err := p.UnmarshalText([]byte(name)); err != nil || p != want {
			t.Errorf("%s is read as %v: %v", name, p, err)
		}
		if text, err := p.MarshalText(); err != nil || string(text) != name {
			t.Errorf("%s is written as %s: %v", name, text, err)
		}
	}
	if new(dealer.FeaturePolicy).UnmarshalText([]byte("some")) == nil {
		t.Error("an unknown policy was read")
	}
}
