package bench_test

import (
	"sync/atomic"
	"testing"
	"time"

	"bondy/cmd/internal/bench"
	"bondy/core/wamp"
	"bondy/transport/client/clienttest"
)

// bad plays a router that registers everything and answers calls as answer
// says, which gets the number of each.
func bad(t *testing.T, answer func(p *clienttest.Peer, n int64, m *wamp.Call) bool) bench.Target {
	t.Helper()
	var calls atomic.Int64
	r := clienttest.Start(t, nil, func(p *clienttest.Peer) {
		p.Welcome()
		for {
			switch m := p.Recv().(type) {
			case *wamp.Register:
				p.Send(&wamp.Registered{Request: m.Request, Registration: 1})
			case *wamp.Call:
				if !answer(p, calls.Add(1), m) {
					return
				}
			case *wamp.Goodbye:
				p.Send(&wamp.Goodbye{Reason: wamp.CloseGoodbyeAndOut})
				return
			default:
				return
			}
		}
	})
	return target(r.RawSocket, wamp.MessagePack)
}

func one() bench.RPC {
	s := rpc()
	s.Callers, s.Depth, s.Callees = 1, 4, 1
	return s
}

func TestLostAndRefusedAreCounted(t *testing.T) {
	to := bad(t, func(p *clienttest.Peer, n int64, m *wamp.Call) bool {
		switch {
		case n == 50 || n == 60:
		case n%2 == 0 && n < 100:
			p.Send(&wamp.ErrorMessage{RequestType: wamp.TypeCall, Request: m.Request, Error: wamp.ErrUnavailable})
		default:
			p.Send(&wamp.Result{Request: m.Request})
		}
		return true
	})
	r, err := bench.Run(t.Context(), to, one(), brief())
	if err != nil {
		t.Fatal(err)
	}
	if r.Lost != 2 || r.Refused != 47 || r.Ended != 0 || !r.Failed() || r.Problem != "CALL refused: wamp.error.unavailable" {
		t.Errorf("report %+v, want 2 calls lost and 47 refused", r)
	}
}

func TestSessionThatEndsIsCounted(t *testing.T) {
	to := bad(t, func(p *clienttest.Peer, n int64, m *wamp.Call) bool {
		p.Send(&wamp.Result{Request: m.Request})
		return n < 10_000
	})
	o := brief()
	o.Warmup, o.Duration = time.Millisecond, time.Hour
	r, err := bench.Run(t.Context(), to, one(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Ended != 1 || !r.Failed() || r.Problem == "" {
		t.Errorf("report %+v, want a session that ended", r)
	}
}

func TestRateThatIsNotKeptIsCounted(t *testing.T) {
	to := bad(t, func(p *clienttest.Peer, n int64, m *wamp.Call) bool {
		if n == 20 {
			<-time.After(200 * time.Millisecond)
		}
		p.Send(&wamp.Result{Request: m.Request})
		return true
	})
	o := brief()
	o.Rate, o.Warmup = 1000, 0
	r, err := bench.Run(t.Context(), to, one(), o)
	if err != nil {
		t.Fatal(err)
	}
	// All but the first 20 were due while the router stood still, and waited.
	if f := figure(t, r, "latency p50"); f.Median < 50_000 || r.Failed() {
		t.Errorf("median latency %+v us at a router that stood still, report %+v", f, r)
	}
}

func TestSessionsLeaveInOrder(t *testing.T) {
	var left atomic.Int64
	r := clienttest.Start(t, nil, func(p *clienttest.Peer) {
		p.Welcome()
		clienttest.Expect[*wamp.Goodbye](p)
		p.Send(&wamp.Goodbye{Reason: wamp.CloseGoodbyeAndOut})
		left.Add(1)
	})
	s := bench.Idle{Sessions: 7, Hold: time.Millisecond}
	if _, err := bench.Run(t.Context(), target(r.WebSocket, wamp.JSON), s, brief()); err != nil {
		t.Fatal(err)
	}
	if left.Load() != 7 {
		t.Errorf("%d sessions said GOODBYE, want 7", left.Load())
	}
}

func FuzzStamp(f *testing.F) {
	f.Add([]byte(`["bench:00000000000003e8xxx"]`))
	f.Add([]byte(`["bench:00000000000003`))
	f.Fuzz(func(t *testing.T, args []byte) {
		if at, ok := bench.StampOf(args); !ok && at != 0 {
			t.Errorf("StampOf(%q) = %v without success", args, at)
		}
	})
}
