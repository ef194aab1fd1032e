package dealer_test

import (
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/dealer"
	"bondy/core/peer"
	"bondy/core/wamp"
)

func TestTimeoutsEndInTimeAndNeverEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(3 * time.Millisecond) // off the ticks
		r := newRig(t, dealer.Config{})
		callee := r.callee("a.b", nil)
		time.Sleep(3 * time.Millisecond)
		var callers []*client
		for i := range 50 {
			c := r.join(all)
			callers = append(callers, c)
			for j := range 10 {
				c.call("a.b", dict{"timeout": int64(1 + (i*37+j*101)%500)})
			}
		}
		start := time.Now()
		ended := 0
		for range 600 {
			time.Sleep(time.Millisecond)
			synctest.Wait()
			late := time.Since(start)
			for i, c := range callers {
				for m := c.next(); m != nil; m = c.next() {
					e := m.(*wamp.ErrorMessage)
					j := int(e.Request) - 1
					d := late - time.Duration(1+(i*37+j*101)%500)*time.Millisecond
					if e.Error != wamp.ErrTimeout || d < 0 || d > 11*time.Millisecond {
						t.Fatalf("%s: %v after its time", e.Error, d)
					}
					ended++
				}
			}
		}
		if n := callee.Awaited(); ended != 500 || n != 0 {
			t.Errorf("%d calls timed out, %d are left", ended, n)
		}
	})
}

func TestTimeoutTouchesNoLaterCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, dealer.Config{Timeout: 100 * time.Millisecond})
		callee, caller := r.callee("a.b", nil), r.join(all)
		for i := range 100 {
			request := caller.call("a.b", nil)
			time.Sleep(30 * time.Millisecond)
			callee.yield(callee.invoked().Request, nil)
			caller.result(request)
			if i == 50 {
				time.Sleep(time.Second)
			}
		}
		caller.piece(7, "a.b", nil) // an id that was used before
		callee.invoked()
		time.Sleep(90 * time.Millisecond)
		caller.nothing()
		time.Sleep(11 * time.Millisecond)
		synctest.Wait()
		caller.failed(7, wamp.ErrTimeout)
		callee.interrupted(101, "killnowait", "wamp.error.timeout")
		caller.nothing()
	})
}

func TestTimeoutsOfSessionsThatLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, dealer.Config{})
		callee := r.callee("a.b", nil)
		var callers []*client
		for i := range 20 {
			c := r.join(all)
			c.call("a.b", dict{"timeout": int64(100 + i)})
			callers = append(callers, c)
		}
		for _, c := range callers {
			c.leave()
			c.nothing()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for range callers {
			callee.invoked()
		}
		for i := range callers {
			callee.interrupted(wamp.ID(i+1), "killnowait", "wamp.error.canceled")
		}
		callee.nothing()
	})
}

func TestInterruptGoesOnlyToCalleesThatKnowIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, dealer.Config{})
		callee, caller := r.join(peer.Callee), r.join(all)
		callee.register("a.b", nil)
		timed := caller.call("a.b", dict{"timeout": int64(100)})
		time.Sleep(time.Second)
		synctest.Wait()
		caller.failed(timed, wamp.ErrTimeout)
		for _, mode := range []string{"skip", "kill", "killnowait", ""} {
			request := caller.call("a.b", nil)
			caller.cancel(request, mode)
			caller.failed(request, wamp.ErrCanceled)
			caller.cancel(request, mode) // harmless
		}
		caller.call("a.b", nil)
		caller.leave()
		for i := range wamp.ID(6) {
			callee.invoked()
			callee.yield(i+1, nil) // late: dropped
		}
		callee.nothing()
		caller.nothing()
	})
}

func TestCancelIsForOnesOwnCallsAlone(t *testing.T) {
	r := newRig(t, dealer.Config{})
	callee, caller, other := r.callee("a.b", nil), r.join(all), r.join(all)
	request := caller.call("a.b", nil)
	inv := callee.invoked()
	for _, mode := range []string{"skip", "kill", "killnowait"} {
		other.cancel(request, mode)
	}
	r.refused(caller.Cancel(caller.batch, &wamp.Cancel{Request: request, Options: dict{"mode": "explode"}}), wamp.ErrProtocolViolation)
	callee.nothing()
	caller.cancel(request, "kill")
	caller.cancel(request, "kill")
	callee.interrupted(inv.Request, "kill", "wamp.error.canceled")
	callee.nothing()
	callee.yield(inv.Request, nil, "made it")
	caller.result(request, "made it")
}

func TestForwardedTimeoutIsTheCallees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, dealer.Config{MaxTimeout: 200 * time.Millisecond})
		callee, caller := r.callee("a.b", dict{"forward_timeout": true}), r.join(all)
		request := caller.call("a.b", dict{"timeout": int64(1000), "receive_progress": true})
		inv := callee.invoked()
		if inv.Details["timeout"] != int64(200) {
			t.Errorf("details %v", inv.Details)
		}
		callee.yield(inv.Request, more)
		caller.result(request)
		time.Sleep(time.Second)
		caller.nothing()
		callee.refuse(inv.Request, wamp.ErrTimeout)
		caller.failed(request, wamp.ErrTimeout)
	})
}

func TestCallsThatTimeOutInOneTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, dealer.Config{})
		r.callee("a.b", nil)
		caller := r.join(all)
		for range 2 { // what the first burst gave back, the second needs again
			var requests []wamp.ID
			for range 300 {
				requests = append(requests, caller.call("a.b", dict{"timeout": int64(100)}))
			}
			time.Sleep(time.Second)
			synctest.Wait()
			for _, request := range requests {
				caller.failed(request, wamp.ErrTimeout)
			}
			caller.nothing()
		}
	})
}
