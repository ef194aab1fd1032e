package auth

import (
	"context"
	"fmt"
	"runtime"
)

// Gate bounds how many expensive computations run at once, so that a flood of
// logins cannot take the machine. It is safe for concurrent use.
type Gate struct{ slots chan struct{} }

// NewGate makes a gate for n computations at once; n <= 0 means half of the
// processors, at least one.
func NewGate(n int) *Gate {
	if n <= 0 {
		n = max(1, runtime.GOMAXPROCS(0)/2)
	}
	return &Gate{slots: make(chan struct{}, n)}
}

// Enter waits for a place; who got one calls Leave. The error wraps the cause
// of ctx's end.
func (g *Gate) Enter(ctx context.Context) error {
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for a place to compute: %w", context.Cause(ctx))
	}
}

// Leave gives a place back.
func (g *Gate) Leave() { <-g.slots }
