package transport

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
)

// refusalSlots is how many connections above the limit are told so at a time;
// the others are just closed.
const refusalSlots = 64

// connSet holds the open connections of a listener, or its long-poll
// transports, and their limits.
type connSet[C comparable] struct {
	max, perAddress int
	limitLoopback   bool

	mu       sync.Mutex
	open     map[C]place
	admitted int
	byAddr   map[netip.Prefix]int
}

// place is one connection's entry.
type place struct {
	admitted bool
	counted  bool // under its address
}

func newConnSet[C comparable](cfg Config) *connSet[C] {
	return &connSet[C]{
		max: cfg.MaxConnections, perAddress: cfg.MaxConnectionsPerAddress, limitLoopback: cfg.LimitLoopback,
		open:   map[C]place{},
		byAddr: map[netip.Prefix]int{},
	}
}

// add enters a connection that was just accepted. It reports false, and does
// not enter it, when not even a refusal can be afforded.
func (s *connSet[C]) add(c C) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.max > 0 && len(s.open) >= s.max+refusalSlots {
		return false
	}
	s.open[c] = place{}
	return true
}

// admit counts a connection whose address is known. It returns the limit that
// stands against it, or "".
func (s *connSet[C]) admit(c C, addr netip.Addr) Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.open[c]
	if !ok {
		return "" // closed meanwhile
	}
	if s.max > 0 && s.admitted >= s.max {
		return RefusedFull
	}
	if s.perAddress > 0 && addr.IsValid() && (s.limitLoopback || !addr.IsLoopback()) {
		key := network(addr)
		if s.byAddr[key] >= s.perAddress {
			return RefusedAddress
		}
		s.byAddr[key]++
		e.counted = true
	}
	e.admitted = true
	s.open[c] = e
	s.admitted++
	return ""
}

// remove forgets a connection that was closed. addr is what admit was given.
func (s *connSet[C]) remove(c C, addr netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.open[c]
	if !ok {
		return
	}
	delete(s.open, c)
	if e.admitted {
		s.admitted--
	}
	if e.counted {
		key := network(addr)
		if s.byAddr[key]--; s.byAddr[key] == 0 {
			delete(s.byAddr, key)
		}
	}
}

func (s *connSet[C]) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

func (s *connSet[C]) all() []C {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.open))
}

// network is what one client is taken to own: an IPv4 address or the /64 of
// an IPv6 one.
func network(a netip.Addr) netip.Prefix {
	n := 32
	if a = a.Unmap(); a.Is6() {
		n = 64
	}
	p, _ := a.Prefix(n) // fails only for lengths that do not fit
	return p
}
