package dealer_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/dealer"
	"bondy/core/wamp"
)

func TestFullCalleesArePassedOver(t *testing.T) {
	for _, option := range []string{"concurrency", "_concurrency", "x_concurrency"} {
		for _, policy := range []string{"first", "last", "roundrobin", "random", "jch", "qll", "qlls"} {
			r, caller, callees := shared(t, 3, policy, dict{option: int64(2)})
			count := make([]int, 3)
			var invs [6][2]wamp.ID
			for i := range 6 {
				at, inv := goes(t, caller, callees, key(1))
				count[at]++
				invs[i] = [2]wamp.ID{wamp.ID(at), inv}
			}
			if count[0] != 2 || count[1] != 2 || count[2] != 2 {
				t.Fatalf("%s: %v", policy, count)
			}
			_, err := caller.try("a.b", key(1))
			r.refused(err, wamp.ErrMaxConcurrency)
			free := invs[4]
			callees[free[0]].yield(free[1], nil)
			want[*wamp.Result](caller)
			if at, _ := goes(t, caller, callees, key(1)); wamp.ID(at) != free[0] {
				t.Errorf("%s: call went to %d, %d was free", policy, at, free[0])
			}
		}
	}
}

// waiting is one callee that takes one call at a time and lets others wait.
func waiting(t *testing.T, cfg dealer.Config, room int) (r *rig, caller, callee *client) {
	t.Helper()
	r = newRig(t, cfg)
	callee = r.callee("a.b", dict{"concurrency": int64(1), "x_max_waiting": int64(room), "invoke": "roundrobin"})
	return r, r.join(all), callee
}

func TestCallsWaitInOrder(t *testing.T) {
	r, caller, callee := waiting(t, dealer.Config{}, 100)
	other := r.join(all)
	for i := range int64(50) {
		caller.call("a.b", nil, i, "caller")
		other.call("a.b", nil, i, "other")
	}
	for i := range int64(50) {
		for _, c := range []string{"caller", "other"} {
			inv := callee.invoked(i, c)
			callee.nothing()
			callee.yield(inv.Request, nil, i)
		}
		caller.result(wamp.ID(i+1), i)
		other.result(wamp.ID(i+1), i)
	}
	callee.nothing()
	caller.call("a.b", nil)
	callee.invoked()
}

func TestRoomToWaitIsBounded(t *testing.T) {
	r, caller, callee := waiting(t, dealer.Config{MaxCalls: 20}, 10)
	caller.call("a.b", nil)
	inv := callee.invoked()
	for range 10 {
		caller.call("a.b", nil)
	}
	for range 1000 {
		_, err := caller.try("a.b", nil)
		r.refused(err, wamp.ErrMaxConcurrency)
	}
	callee.yield(inv.Request, nil)
	caller.result(1)
	caller.call("a.b", nil) // there is room for one more
	_, err := caller.try("a.b", more)
	r.refused(err, wamp.ErrMaxConcurrency)

	r, caller, _ = waiting(t, dealer.Config{MaxCalls: 5}, 10)
	for range 5 {
		caller.call("a.b", nil)
	}
	_, err = caller.try("a.b", nil)
	r.refused(err, wamp.ErrUnavailable) // waiting calls are calls under way

	r, caller, _ = waiting(t, dealer.Config{}, 100)
	caller.call("a.b", nil)
	long, n := make([]byte, 1<<20), 0
	for ; ; n++ {
		if _, err = caller.try("a.b", nil, long); err != nil {
			break
		}
	}
	r.refused(err, wamp.ErrMaxConcurrency)
	if n != 3 {
		t.Errorf("%d MiB wait for one caller", n)
	}
}

// Beside its arguments, all that a waiting call remembers is bounded.
func TestWhatWaitsIsBoundedWithoutArguments(t *testing.T) {
	const bound = 4 << 20
	text := strings.Repeat("x", 1024)
	ppt := dict{"ppt_scheme": text, "ppt_serializer": text, "ppt_cipher": text, "ppt_keyid": text}
	for name, tc := range map[string]struct {
		options dict
		weighs  int // at least
	}{
		"nothing":       {nil, 512},
		"a key":         {dict{"rkey": text}, 1024},
		"passthru mode": {ppt, 4096},
	} {
		t.Run(name, func(t *testing.T) {
			r, caller, callee := waiting(t, dealer.Config{}, 10_000)
			callee.sink.discard, caller.sink.discard = true, true
			caller.call("a.b", nil)
			wait := func() (n int) {
				for {
					if _, err := caller.try("a.b", tc.options); err != nil {
						r.refused(err, wamp.ErrMaxConcurrency)
						return n
					}
					n++
				}
			}
			n := wait()
			if n > bound/tc.weighs || n < bound/tc.weighs/3 {
				t.Errorf("%d calls wait for one caller", n)
			}
			for i := range n { // all is given back
				caller.cancel(wamp.ID(i+2), "")
			}
			if again := wait(); again != n {
				t.Errorf("%d calls wait, %d did before", again, n)
			}
		})
	}
}

func TestCallThatWaitsEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		end func(*rig, *client, *client, wamp.ID)
		uri wamp.URI
	}{
		"canceled":     {func(_ *rig, c, _ *client, id wamp.ID) { c.cancel(id, "") }, wamp.ErrCanceled},
		"skipped":      {func(_ *rig, c, _ *client, id wamp.ID) { c.cancel(id, "skip") }, wamp.ErrCanceled},
		"killed":       {func(_ *rig, c, _ *client, id wamp.ID) { c.cancel(id, "kill") }, wamp.ErrCanceled},
		"timed out":    {func(*rig, *client, *client, wamp.ID) { time.Sleep(time.Second); synctest.Wait() }, wamp.ErrTimeout},
		"caller left":  {func(_ *rig, c, _ *client, _ wamp.ID) { c.leave() }, ""},
		"callee left":  {func(_ *rig, _, k *client, _ wamp.ID) { k.leave() }, wamp.ErrNoAvailableCallee},
		"unregistered": {func(r *rig, _, k *client, _ wamp.ID) { unregister(r, k) }, wamp.ErrNoAvailableCallee},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, caller, callee := waiting(t, dealer.Config{}, 3)
				busy := r.join(all)
				first := busy.call("a.b", nil)
				inv := callee.invoked()
				request := caller.call("a.b", dict{"timeout": int64(500)})
				tc.end(r, caller, callee, request)
				if tc.uri != "" {
					caller.failed(request, tc.uri)
				}
				caller.nothing()
				if name == "callee left" {
					busy.failed(first, wamp.ErrCanceled)
					return
				}
				callee.nothing()
				callee.yield(inv.Request, nil)
				busy.result(first)
				callee.nothing()
				caller.nothing()
				if name == "unregistered" {
					callee.register("a.b", dict{"concurrency": int64(1), "_max_waiting": int64(3)})
				}
				for range 4 { // its room is free
					busy.call("a.b", nil)
				}
			})
		})
	}
}

func unregister(r *rig, c *client) {
	r.Helper()
	c.request++
	if err := c.Unregister(c.batch, &wamp.Unregister{Request: c.request, Registration: id(wamp.MatchExact, "a.b")}); err != nil {
		r.Fatal(err)
	}
	want[*wamp.Unregistered](c)
}

func TestWaitingCallGoesToACalleeThatJoins(t *testing.T) {
	r, caller, callee := waiting(t, dealer.Config{}, 10)
	for i := range int64(4) {
		caller.call("a.b", nil, i)
	}
	callee.invoked(int64(0))
	second := r.join(all)
	if err := second.tryRegister("a.b", dict{"invoke": "roundrobin", "concurrency": int64(2)}); err != nil {
		t.Fatal(err)
	}
	want[*wamp.Registered](second)
	second.invoked(int64(1))
	second.invoked(int64(2))
	second.nothing()
	callee.leave()
	caller.failed(1, wamp.ErrCanceled)
	second.yield(1, nil)
	caller.result(2)
	second.invoked(int64(3))
}

func TestWaitingCallThatNoCalleeCanTakeFails(t *testing.T) {
	_, caller, callee := waiting(t, dealer.Config{}, 10)
	caller.call("a.b", nil)
	long := caller.call("a.b", nil, make([]byte, 500))
	last := caller.call("a.b", nil)
	inv := callee.invoked()
	callee.sink.max = 100
	callee.yield(inv.Request, nil)
	caller.result(1)
	caller.failed(long, wamp.ErrPayloadSizeExceeded)
	callee.yield(callee.invoked().Request, nil)
	caller.result(last)
}
