package dealer_test

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bondy/core/codec"
	"bondy/core/dealer"
	"bondy/core/wamp"
)

// serve answers what c is sent in a goroutine of its own until stop is set, by
// f, which says how.
func serve(wg *sync.WaitGroup, stop *atomic.Bool, c *client, f func(*wamp.Invocation)) {
	wg.Go(func() {
		for !stop.Load() {
			m := c.next()
			if m == nil {
				runtime.Gosched()
				continue
			}
			if inv, ok := m.(*wamp.Invocation); ok {
				f(inv)
			}
		}
	})
}

// await takes messages until f has had enough.
func await(c *client, f func(wamp.Message) bool) {
	for {
		m := c.next()
		if m == nil {
			runtime.Gosched()
		} else if f(m) {
			return
		}
	}
}

// Calls from one caller reach one callee in order, whatever the policy and
// whether or not they wait.
func TestOrderUnderLoad(t *testing.T) {
	const callers, calls, window = 4, 1500, 20
	for policy, options := range map[string]wamp.Dict{
		"roundrobin": nil, "qll": nil, "single": nil,
		"first": {"concurrency": int64(3), "_max_waiting": int64(1000)},
		"qlls":  {"concurrency": int64(1), "_max_waiting": int64(1000)},
	} {
		t.Run(policy, func(t *testing.T) {
			n := 3
			if policy == "single" {
				n = 1
			}
			_, _, callees := shared(t, n, policy, options)
			r := callees[0].rig
			var servers, clients sync.WaitGroup
			var stop atomic.Bool
			for _, k := range callees {
				latest := make(map[int64]int64)
				serve(&servers, &stop, k, func(inv *wamp.Invocation) {
					args, _ := codec.DecodeArgs(inv.Payload)
					caller, number := args[0].(int64), args[1].(int64)
					if number <= latest[caller] {
						t.Errorf("call %d of caller %d after %d", number, caller, latest[caller])
					}
					latest[caller] = number
					k.yield(inv.Request, nil, number)
				})
			}
			for i := range int64(callers) {
				c := r.join(all)
				clients.Go(func() {
					open := 0
					one := func(m wamp.Message) bool {
						if _, ok := m.(*wamp.Result); !ok {
							t.Errorf("%T %+v", m, m)
						}
						open--
						return true
					}
					for j := range int64(calls) {
						c.call("a.b", nil, i, j+1)
						for open++; open >= window; {
							await(c, one)
						}
					}
					for open > 0 {
						await(c, one)
					}
				})
			}
			clients.Wait()
			stop.Store(true)
			servers.Wait()
			for _, k := range callees {
				if n := k.Awaited(); n != 0 {
					t.Errorf("%d answers awaited", n)
				}
			}
		})
	}
}

// Whatever happens at once, every call gets one answer.
func TestEveryCallIsAnsweredOnce(t *testing.T) {
	const callers, calls = 4, 1000
	options := wamp.Dict{"invoke": "roundrobin", "concurrency": int64(2), "_max_waiting": int64(50)}
	r := newRig(t, dealer.Config{MaxCalls: 30})
	var servers, clients sync.WaitGroup
	var stop atomic.Bool
	for range 3 {
		k := r.callee("a.b", options)
		left := false
		serve(&servers, &stop, k, func(inv *wamp.Invocation) {
			switch n := rand.IntN(100); {
			case left:
			case n < 40:
				k.yield(inv.Request, nil)
			case n < 60:
				k.refuse(inv.Request, wamp.ErrUnavailable)
			case n < 70:
				k.yield(inv.Request, more)
				k.yield(inv.Request, more)
				k.refuse(inv.Request, "my.error")
			case n < 73: // comes back as another session
				k.leave()
				left = true
				again := r.rejoin(options)
				servers.Go(func() {
					for !stop.Load() {
						if inv, ok := again.next().(*wamp.Invocation); ok {
							again.yield(inv.Request, nil)
						}
						runtime.Gosched()
					}
				})
			}
		})
	}
	for range callers {
		c := r.join(all)
		clients.Go(func() {
			open := make(map[wamp.ID]bool)
			final := func(m wamp.Message) bool {
				switch m := m.(type) {
				case *wamp.Result:
					if m.Details["progress"] == true {
						return false
					}
					if !open[m.Request] {
						t.Errorf("second answer of call %d", m.Request)
					}
					delete(open, m.Request)
				case *wamp.ErrorMessage:
					if !open[m.Request] {
						t.Errorf("second answer of call %d: %s", m.Request, m.Error)
					}
					delete(open, m.Request)
				}
				return true
			}
			for range calls {
				o := wamp.Dict{"timeout": int64(20 + rand.IntN(100)), "receive_progress": rand.IntN(2) == 0}
				if rand.IntN(4) == 0 {
					o["progress"] = true
				}
				request, err := c.try("a.b", o)
				if err != nil {
					continue
				}
				open[request] = true
				if o["progress"] == true {
					if err := c.piece(request, "a.b", nil); err != nil {
						t.Error(err)
					}
				}
				if rand.IntN(4) == 0 {
					c.cancel(request, []string{"skip", "kill", "killnowait"}[rand.IntN(3)])
				}
				for len(open) > 15 {
					await(c, final)
				}
			}
			for len(open) > 0 { // at the latest when they time out
				await(c, final)
			}
		})
	}
	done := make(chan struct{})
	go func() { clients.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Error("a call was not answered")
	}
	stop.Store(true)
	servers.Wait()
}

// 1,000 refused requests of each kind leave nothing behind.
func TestRefusedRequestsLeaveNothingBehind(t *testing.T) {
	r := newRig(t, dealer.Config{MaxCalls: 4, MaxRegistrations: 2})
	full := r.callee("a.full", wamp.Dict{"concurrency": int64(1)})
	full.register("a.hash", wamp.Dict{"invoke": "jch"})
	callee, c := r.callee("a.b", nil), r.join(all)
	c.call("a.full", nil)
	small := r.join(all)
	small.sink.max = 60
	small.register("a.short", nil)
	requests := []func() error{
		func() error { _, err := c.try("a.none", nil); return err },
		func() error { _, err := c.try("a.none", wamp.Dict{"progress": true}); return err },
		func() error { _, err := c.try("a.full", nil); return err },
		func() error { _, err := c.try("a.full", wamp.Dict{"progress": true}); return err },
		func() error { _, err := c.try("a.hash", nil); return err },
		func() error { _, err := c.try("a.short", wamp.Dict{"progress": true}, make([]byte, 100)); return err },
		func() error { _, err := c.try("a.b", wamp.Dict{"timeout": int64(-1)}); return err },
		func() error { _, err := c.try("a.b", wamp.Dict{"runmode": "all"}); return err },
		func() error { return c.tryRegister("a.b", nil) },
		func() error { return c.tryRegister("a.c", wamp.Dict{"invoke": "loudest"}) },
		func() error { return full.tryRegister("a.d", nil) },
		func() error { return c.Unregister(c.batch, &wamp.Unregister{Request: 1, Registration: 1}) },
		func() error { return r.RemoveCallee(c.batch, 1, 1, "") },
	}
	round := func() {
		for i, f := range requests {
			for range 1000 {
				if f() == nil {
					t.Fatalf("request %d was not refused", i)
				}
			}
		}
	}
	round()
	before := heap()
	round()
	if grown := int64(heap()) - int64(before); grown > 64<<10 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	for range 3 {
		c.call("a.b", nil)
	}
	_, err := c.try("a.b", nil)
	r.refused(err, wamp.ErrUnavailable)
	for range 3 {
		callee.invoked()
	}
	callee.nothing()
	if n := r.Registrations(); n != 4 {
		t.Errorf("%d registrations", n)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
