package uplink

import (
	"sync"
	"sync/atomic"
	"time"

	"bondy/uplink/internal/step"
	"bondy/uplink/wire"
)

// pulse runs the liveness of a link: a timer around step.Live.
type pulse struct {
	link  *Link
	cfg   step.LiveConfig
	began time.Time
	last  atomic.Int64 // when bytes came last, after began
	busy  atomic.Int64 // what waits for the peer
	dirty atomic.Bool  // something was sent since the last ping

	mu      sync.Mutex
	live    *step.Live // nil before the link is up and when it is down
	timer   *time.Timer
	stopped bool
}

func (p *pulse) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopped {
		p.live = step.NewLive(p.cfg, time.Now())
		p.timer = time.AfterFunc(p.cfg.Idle, p.kick)
	}
}

func (p *pulse) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live, p.stopped = nil, true
	if p.timer != nil {
		p.timer.Stop()
	}
}

// sent notes that a frame was queued.
func (p *pulse) sent() {
	if !p.dirty.Load() && p.dirty.CompareAndSwap(false, true) {
		p.kick()
	}
}

// heard notes that bytes came.
func (p *pulse) heard() { p.last.Store(int64(time.Since(p.began))) }

func (p *pulse) addBusy(delta int) {
	if now := p.busy.Add(int64(delta)); delta > 0 && now == int64(delta) {
		p.kick()
	}
}

func (p *pulse) pong(seq uint64) {
	p.mu.Lock()
	if p.live != nil {
		p.live.Pong(seq)
	}
	p.mu.Unlock()
	p.kick()
}

// kick takes a step and does what it says.
func (p *pulse) kick() {
	switch effect, seq := p.step(); effect {
	case step.Stay:
	case step.Ping:
		p.link.ping(wire.KindPing, seq)
	case step.Dead:
		p.link.fail(&CloseError{Code: CodeSilent, Reason: "peer does not answer"})
	}
}

func (p *pulse) step() (step.LiveEffect, uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live == nil {
		return step.Stay, 0
	}
	now, sign := time.Now(), step.Sign{
		Active: p.busy.Load() > 0 || p.dirty.Load(),
		Heard:  p.began.Add(time.Duration(p.last.Load())),
		RTT:    p.link.conn.rtt(),
	}
	effect := p.live.Step(now, sign)
	if effect == step.Ping {
		p.dirty.Store(false)
	}
	p.timer.Reset(max(p.live.Wake(sign).Sub(now), 0))
	return effect, p.live.Seq()
}
