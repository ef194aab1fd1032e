package auth

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"bondy/core/wamp"
)

// Bounds of a Gate.
const (
	// gateMemory bounds in bytes what memory-hard computations use at once. A
	// single one that needs more has the gate for itself.
	gateMemory = 64 << 20
	// gateWaiting bounds how many wait; who comes on top is turned away with
	// wamp.ErrUnavailable.
	gateWaiting = 1024
)

// Gate bounds how many expensive computations run at once and how much memory
// they use, so that a flood of logins cannot take the machine. It is safe for
// concurrent use.
type Gate struct {
	slots, memory *semaphore.Weighted
	waiting       atomic.Int64
	turnedAway    atomic.Uint64
}

// NewGate makes a gate for n computations at once, which together use at most
// 64 MiB; n <= 0 means half of the processors, at least one.
func NewGate(n int) *Gate {
	if n <= 0 {
		n = max(1, runtime.GOMAXPROCS(0)/2)
	}
	return &Gate{slots: semaphore.NewWeighted(int64(n)), memory: semaphore.NewWeighted(gateMemory)}
}

// Enter waits for a place; who got one calls Leave. The error wraps the cause
// of ctx's end, or is a *wamp.Error when too many wait already.
func (g *Gate) Enter(ctx context.Context) error { return g.wait(ctx, g.slots, 1) }

// Leave gives a place back.
func (g *Gate) Leave() { g.slots.Release(1) }

// TurnedAway is how many found too many others waiting.
func (g *Gate) TurnedAway() uint64 { return g.turnedAway.Load() }

// Do runs f with a place and that many bytes of memory; errors are as for
// Enter, and f did not run then.
func (g *Gate) Do(ctx context.Context, memory int64, f func()) error {
	memory = min(memory, gateMemory)
	if err := g.wait(ctx, g.memory, memory); err != nil {
		return err
	}
	defer g.memory.Release(memory)
	if err := g.Enter(ctx); err != nil {
		return err
	}
	defer g.Leave()
	f()
	return nil
}

func (g *Gate) wait(ctx context.Context, s *semaphore.Weighted, n int64) error {
	if s.TryAcquire(n) {
		return nil
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > gateWaiting {
		g.turnedAway.Add(1)
		return errBusy
	}
	if s.Acquire(ctx, n) != nil {
		return fmt.Errorf("wait for a place to compute: %w", context.Cause(ctx))
	}
	return nil
}

// errBusy turns a client away.
var errBusy = wamp.Errorf(wamp.ErrUnavailable, "too many clients log in at once: try again in a few seconds")
