package transport

import (
	"net/netip"
	"sync"

	"bondy/transport/pipe"
)

// refusalSlots is how many connections above the limit are told so at a time;
// the others are just closed.
const refusalSlots = 64

// connSet holds the open connections of a listener and their limits.
type connSet struct {
	max, perAddress int
	limitLoopback   bool

	mu       sync.Mutex
	open     map[*pipe.Pipe]*place
	admitted int
	byAddr   map[netip.Prefix]int
}

// place is one connection's entry.
type place struct {
	admitted bool
	addr     netip.Prefix // counted under; zero if not
}

func newConnSet(cfg Config) *connSet {
	return &connSet{
		max: cfg.MaxConnections, perAddress: cfg.MaxConnectionsPerAddress, limitLoopback: cfg.LimitLoopback,
		open:   map[*pipe.Pipe]*place{},
		byAddr: map[netip.Prefix]int{},
	}
}

// add enters a connection that was just accepted. It reports false, and does
// not enter it, when not even a refusal can be afforded.
func (s *connSet) add(p *pipe.Pipe) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.max > 0 && len(s.open) >= s.max+refusalSlots {
		return false
	}
	s.open[p] = &place{}
	return true
}

// admit counts a connection whose address is known. It returns the limit that
// stands against it, or "".
func (s *connSet) admit(p *pipe.Pipe, addr netip.Addr) Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.open[p]
	if e == nil {
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
		e.addr = key
	}
	e.admitted = true
	s.admitted++
	return ""
}

// remove forgets a connection that was closed.
func (s *connSet) remove(p *pipe.Pipe) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.open[p]
	if e == nil {
		return
	}
	delete(s.open, p)
	if e.admitted {
		s.admitted--
	}
	if e.addr.IsValid() {
		if s.byAddr[e.addr]--; s.byAddr[e.addr] == 0 {
			delete(s.byAddr, e.addr)
		}
	}
}

func (s *connSet) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// kill closes every socket.
func (s *connSet) kill() {
	for _, p := range s.all() {
		_ = p.Close() // it may be closed already
	}
}

func (s *connSet) all() []*pipe.Pipe {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*pipe.Pipe, 0, len(s.open))
	for p := range s.open {
		list = append(list, p)
	}
	return list
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
