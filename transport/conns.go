package transport

import (
	"maps"
	"net/netip"
	"slices"
	"sync"

	"bondy/core/auth"
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

// admit counts a connection whose address is known; an invalid one has no limit of
// its own. It returns the limit that stands against it, or "".
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
	var why Refusal
	if e.counted, why = s.claimLocked(addr); why != "" {
		return why
	}
	e.admitted = true
	s.open[c] = e
	s.admitted++
	return ""
}

// claim counts a connection to addr before it is known whether it will be one:
// settle or release follow.
func (s *connSet[C]) claim(addr netip.Addr) (counted bool, why Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claimLocked(addr)
}

func (s *connSet[C]) claimLocked(addr netip.Addr) (counted bool, why Refusal) {
	if s.perAddress <= 0 || !addr.IsValid() || !s.limitLoopback && addr.IsLoopback() {
		return false, ""
	}
	key := auth.Site(addr)
	if s.byAddr[key] >= s.perAddress {
		return false, RefusedAddress
	}
	s.byAddr[key]++
	return true, ""
}

// settle has move tell a connection that its client is at addr, and gives it what
// claim counted for that.
func (s *connSet[C]) settle(c C, addr netip.Addr, counted bool, move func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.open[c]
	if !ok { // closed meanwhile
		s.releaseLocked(addr, counted)
		return
	}
	if counted {
		e.counted = true
		s.open[c] = e
	}
	move()
}

// release takes back what claim counted.
func (s *connSet[C]) release(addr netip.Addr, counted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseLocked(addr, counted)
}

func (s *connSet[C]) releaseLocked(addr netip.Addr, counted bool) {
	if !counted {
		return
	}
	key := auth.Site(addr)
	if s.byAddr[key]--; s.byAddr[key] == 0 {
		delete(s.byAddr, key)
	}
}

// remove forgets a connection that was closed. addr is where its client is.
func (s *connSet[C]) remove(c C, addr func() netip.AddrPort) {
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
	s.releaseLocked(addr().Addr(), e.counted)
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
