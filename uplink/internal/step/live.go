package step

import "time"

// LiveConfig has the times of a Live.
type LiveConfig struct {
	// Busy is the time between pings while something waits for the peer.
	Busy time.Duration
	// Idle is the time after the last sign of life that an idle link is
	// pinged.
	Idle time.Duration
	// Timeout is the least time that a pong may take; a slow link is granted
	// four round trips.
	Timeout time.Duration
}

// extensions bounds how often signs of life other than the pong extend its
// time.
const extensions = 4

// Sign is what is known of a link at the time of a step.
type Sign struct {
	// Active says that something waits for the peer.
	Active bool
	// Heard is when bytes came last.
	Heard time.Time
	// RTT is the round-trip time measured so far.
	RTT time.Duration
}

// LiveEffect is what a step of Live asks for.
type LiveEffect uint8

// Effects of Live.
const (
	// Stay asks for nothing.
	Stay LiveEffect = iota
	// Ping asks for a ping with the number Seq.
	Ping
	// Dead means that the peer is gone.
	Dead
)

// Live is the liveness of one link.
type Live struct {
	cfg     LiveConfig
	seq     uint64
	sent    time.Time // the last ping
	waiting bool      // for its pong
}

// NewLive starts at the time the link is up.
func NewLive(cfg LiveConfig, now time.Time) *Live { return &Live{cfg: cfg, sent: now} }

// Seq is the number of the last ping.
func (l *Live) Seq() uint64 { return l.seq }

// Pong takes the answer to the ping with that number.
func (l *Live) Pong(seq uint64) {
	if seq == l.seq {
		l.waiting = false
	}
}

// Step decides at the time now. It is called at the time that Wake names, and
// earlier when the link becomes active.
func (l *Live) Step(now time.Time, s Sign) LiveEffect {
	switch {
	case now.Before(l.Wake(s)):
		return Stay
	case l.waiting:
		return Dead
	}
	l.seq++
	l.sent, l.waiting = now, true
	return Ping
}

// Wake is when the next step is due, if nothing happens before.
func (l *Live) Wake(s Sign) time.Time {
	last := later(l.sent, s.Heard)
	switch {
	case l.waiting:
		timeout := max(l.cfg.Timeout, 4*s.RTT)
		return earlier(last.Add(timeout), l.sent.Add(extensions*timeout))
	case s.Active:
		return l.sent.Add(l.cfg.Busy)
	}
	return last.Add(l.cfg.Idle)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
