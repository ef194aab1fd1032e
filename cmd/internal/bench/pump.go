package bench

import (
	"context"
	"math"
	"sync"
	"time"
)

// pump decides when operations begin: in a closed loop whenever fewer than
// window are under way, in an open one when, beside that, one is due. What is
// due and finds no room begins later, under the time at which it was due.
type pump struct {
	window int
	// begin begins operation k, which was due at a time of the clock; it is
	// called under mu, one at a time. false ends the pump.
	begin func(k int64, due time.Duration) bool
	clock clock

	mu      sync.Mutex
	under   int
	owed    int64 // due and not begun; in a closed loop more than can be used
	begun   int64
	due     func(k int64) time.Duration // of an open loop, else nil
	stopped bool
}

// start begins operations; due says when the k-th is due, nil for a closed loop.
func (p *pump) start(due func(k int64) time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.due = due; due == nil {
		p.owed = math.MaxInt64
	}
	p.pushLocked()
}

// owe says that the next operation of an open loop is due.
func (p *pump) owe() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owed++
	p.pushLocked()
}

// done says that n operations have ended.
func (p *pump) done(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.under = max(p.under-n, 0) // some had been given up
	p.pushLocked()
}

// enough lets a closed loop begin nothing more, and an open one only what is
// due already.
func (p *pump) enough() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.due == nil {
		p.owed = 0
	}
}

// stop begins nothing more; it returns how many operations were due and did
// not begin.
func (p *pump) stop() (unsent int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if p.due == nil {
		return 0
	}
	return p.owed
}

// late reports whether something is due and has not begun.
func (p *pump) late() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.owed > 0
}

// count is how many operations have begun.
func (p *pump) count() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.begun
}

func (p *pump) pushLocked() {
	for p.owed > 0 && p.under < p.window && !p.stopped {
		at := p.clock.now()
		if p.due != nil {
			at = p.due(p.begun)
		}
		if !p.begin(p.begun, at) {
			p.stopped = true
			return
		}
		p.owed--
		p.begun++
		p.under++
	}
}

// clock tells the time since it was made.
type clock struct{ zero time.Time }

func (c clock) now() time.Duration { return time.Since(c.zero) }

// pace makes rate operations a second due, in turn at each pump, until ctx
// ends. The first is due at once.
func pace(ctx context.Context, c clock, pumps []*pump, rate float64) {
	start, n := c.now(), int64(len(pumps))
	at := func(i int64) time.Duration { return start + time.Duration(float64(i)/rate*1e9) }
	for i, p := range pumps {
		p.start(func(k int64) time.Duration { return at(k*n + int64(i)) })
	}
	t := time.NewTimer(0)
	defer t.Stop()
	for i := int64(0); ; {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		now := c.now()
		for ; at(i) <= now && ctx.Err() == nil; i++ {
			pumps[i%n].owe()
		}
		t.Reset(at(i) - c.now())
	}
}
