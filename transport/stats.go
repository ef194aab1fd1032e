package transport

import (
	"sync/atomic"

	"bondy/transport/web"
)

// Refusal is a reason for which a connection did not become a session.
type Refusal string

// The reasons counted.
const (
	RefusedFull        Refusal = "full"         // MaxConnections
	RefusedAddress     Refusal = "address"      // MaxConnectionsPerAddress
	RefusedRate        Refusal = "rate"         // MaxConnectionRate
	RefusedAddressRate Refusal = "address_rate" // MaxConnectionRatePerAddress
	RefusedProxy       Refusal = "proxy"        // PROXY header missing or malformed
	RefusedTLS         Refusal = "tls"          // TLS handshake
	RefusedHandshake   Refusal = "handshake"    // RawSocket or WebSocket handshake, open of long-poll
	RefusedOrigin      Refusal = "origin"       // request of a page that may not
	RefusedSubprotocol Refusal = "subprotocol"  // none in common
)

// err is how clients are told.
func (r Refusal) err() error {
	if r == RefusedRate || r == RefusedAddressRate {
		return web.ErrTooFast
	}
	return web.ErrFull
}

// Stats is what a listener has counted since it was made.
type Stats struct {
	Accepted          int64 // connections accepted
	Open              int64 // connections open now
	Polls             int64 // long-poll transports open now
	Sessions          int64 // of both, those that are served as sessions
	Hibernating       int64 // of the sessions, those that sleep now
	Wakeups           int64 // how often one woke up
	Refused           map[Refusal]int64
	Forgotten         uint64 // addresses whose rate was forgotten for want of room
	BytesIn, BytesOut int64
}

// counters is what Stats is read from.
type counters struct {
	accepted, sessions atomic.Int64
	refused            map[Refusal]*atomic.Int64 // not changed once made
}

func newCounters() *counters {
	c := &counters{refused: map[Refusal]*atomic.Int64{}}
	for _, r := range []Refusal{
		RefusedFull, RefusedAddress, RefusedRate, RefusedAddressRate, RefusedProxy, RefusedTLS, RefusedHandshake, RefusedOrigin, RefusedSubprotocol,
	} {
		c.refused[r] = new(atomic.Int64)
	}
	return c
}

// Stats reads the counters. It may be called at any time.
func (l *Listener) Stats() Stats {
	s := Stats{
		Accepted:    l.counters.accepted.Load(),
		Open:        int64(l.conns.len()),
		Polls:       int64(l.polls.len()),
		Sessions:    l.counters.sessions.Load(),
		Hibernating: l.shared.Asleep.Load(),
		Wakeups:     l.shared.Wakeups.Load(),
		Refused:     map[Refusal]int64{},
		Forgotten:   l.arrivals.each.Evicted(),
		BytesIn:     l.shared.BytesIn.Load(),
		BytesOut:    l.shared.BytesOut.Load(),
	}
	for r, n := range l.counters.refused {
		s.Refused[r] = n.Load()
	}
	return s
}
