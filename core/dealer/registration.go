package dealer

import (
	"math/rand/v2"
	"slices"
	"sync"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// invoke is the policy by which a shared registration picks a callee (section
// "Shared Registration").
type invoke uint8

const (
	single invoke = iota
	first
	last
	roundRobin
	random
)

func parseInvoke(name string) (invoke, error) {
	switch name {
	case "", "single":
		return single, nil
	case "first":
		return first, nil
	case "last":
		return last, nil
	case "roundrobin":
		return roundRobin, nil
	case "random":
		return random, nil
	default:
		return single, wamp.Errorf(wamp.ErrInvalidArgument,
			"unknown invocation policy %q: use single, first, last, roundrobin or random", name)
	}
}

// registration is one procedure or pattern that somebody registered. It exists
// in the index exactly as long as it has callees.
type registration struct {
	id     wamp.ID
	match  wamp.Match
	uri    wamp.URI
	invoke invoke

	mu   sync.Mutex
	list []*callee // in order of registration; nil where one left
	live int
	turn int // where round robin goes on
}

// callee is one session's hold on a registration.
type callee struct {
	reg            *registration
	sess           *Session
	pos            int // in reg.list
	gate           peer.Gate
	discloseCaller bool
	forwardTimeout bool
}

// add appends h; O(1).
func (r *registration) add(h *callee) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h.reg, h.pos = r, len(r.list)
	r.list = append(r.list, h)
	r.live++
}

// remove takes h out and returns how many are left; O(1) amortized.
func (r *registration) remove(h *callee) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list[h.pos] = nil
	r.live--
	if r.live < len(r.list)/2 {
		r.compact()
	}
	return r.live
}

func (r *registration) compact() {
	kept := make([]*callee, 0, max(8, r.live+r.live/2))
	turn := 0
	for i, h := range r.list {
		if i == r.turn {
			turn = len(kept)
		}
		if h != nil {
			h.pos = len(kept)
			kept = append(kept, h)
		}
	}
	r.list, r.turn = kept, turn
}

func (r *registration) has(s *Session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.list, func(h *callee) bool { return h != nil && h.sess == s })
}

// pick chooses the callee of the next call, nil if there is none. At least
// half of the list is alive, so that each search is short.
func (r *registration) pick() *callee {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live == 0 {
		return nil
	}
	switch n := len(r.list); r.invoke {
	case last:
		for i := n - 1; i >= 0; i-- {
			if r.list[i] != nil {
				return r.list[i]
			}
		}
	case random:
		for {
			if h := r.list[rand.IntN(n)]; h != nil { //nolint:gosec // load balancing, not a secret
				return h
			}
		}
	case roundRobin:
		for {
			h := r.list[r.turn%n]
			r.turn = (r.turn + 1) % n
			if h != nil {
				return h
			}
		}
	case single, first:
		for _, h := range r.list {
			if h != nil {
				return h
			}
		}
	}
	return nil
}

// others lists the callees but h, for a call that h could not take.
func (r *registration) others(h *callee) []*callee {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.list), func(o *callee) bool { return o == nil || o == h })
}

// Register makes the session a callee of m's procedure under match, whose URI
// the caller has checked, and queues REGISTERED.
func (s *Session) Register(b *peer.Batch, m *wamp.Register, match wamp.Match) error {
	h, policy, err := s.readRegister(m)
	if err != nil {
		return err
	}
	if limit := s.d.cfg.MaxRegistrations; limit > 0 && len(s.held) >= limit {
		return wamp.Errorf(wamp.ErrUnavailable, "this session holds %d registrations, the most it may", limit)
	}
	id := s.d.cfg.ID(match, m.Procedure)
	if err := s.d.add(id, match, m.Procedure, policy, h); err != nil {
		return err
	}
	if s.held == nil {
		s.held = make(map[wamp.ID]*callee)
	}
	s.held[id] = h
	f := peer.NewFrame(&wamp.Registered{Request: m.Request, Registration: id})
	defer f.Free()
	s.peer.Open(b, f, &h.gate)
	return nil
}

func (s *Session) readRegister(m *wamp.Register) (*callee, invoke, error) {
	h := &callee{sess: s}
	name, err := m.Options.String("invoke")
	if err != nil {
		return nil, 0, err
	}
	policy, err := parseInvoke(name)
	if err != nil {
		return nil, 0, err
	}
	if h.discloseCaller, err = m.Options.Bool("disclose_caller"); err != nil {
		return nil, 0, err
	}
	if h.discloseCaller && s.d.cfg.NoDisclosure {
		return nil, 0, wamp.Errorf(wamp.ErrDiscloseMeDisallowed, "this realm does not disclose callers")
	}
	if h.forwardTimeout, err = m.Options.Bool("forward_timeout"); err != nil {
		return nil, 0, err
	}
	return h, policy, nil
}

// add makes h a callee; its gate is still shut, so that no invocation precedes
// REGISTERED.
func (d *Dealer) add(id wamp.ID, match wamp.Match, uri wamp.URI, policy invoke, h *callee) (err error) {
	d.index.Update(match, uri, func(r *registration, ok bool) (*registration, bool) {
		switch {
		case !ok:
			if r, err = d.create(id, match, uri, policy); err != nil {
				return nil, false
			}
		case r.invoke == single && policy == single:
			err = wamp.Errorf(wamp.ErrProcedureExists, "%q is registered already", uri)
		case r.invoke != policy:
			err = wamp.Errorf(wamp.ErrProcedureExists, "%q is registered already with another invocation policy", uri)
		case r.has(h.sess):
			err = wamp.Errorf(wamp.ErrProcedureExists, "this session has registered %q already", uri)
		}
		if err == nil {
			r.add(h)
		}
		return r, true
	})
	return err
}

func (d *Dealer) create(id wamp.ID, match wamp.Match, uri wamp.URI, policy invoke) (*registration, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if other, taken := d.byID[id]; taken {
		return nil, wamp.Errorf(wamp.ErrUnavailable, "the id of this procedure is taken by %s %q", other.match, other.uri)
	}
	r := &registration{id: id, match: match, uri: uri, invoke: policy}
	d.byID[id] = r
	return r, nil
}

// Unregister withdraws the session from a registration and queues
// UNREGISTERED, after which no invocation of it follows. Invocations that the
// session has already may still be answered.
func (s *Session) Unregister(b *peer.Batch, m *wamp.Unregister) error {
	h, ok := s.held[m.Registration]
	if !ok {
		return wamp.Errorf(wamp.ErrNoSuchRegistration, "this session holds no registration %d", m.Registration)
	}
	delete(s.held, m.Registration)
	s.d.remove(h)
	f := peer.NewFrame(&wamp.Unregistered{Request: m.Request})
	defer f.Free()
	s.peer.Shut(b, f, &h.gate)
	return nil
}

func (d *Dealer) remove(h *callee) {
	d.index.Update(h.reg.match, h.reg.uri, func(r *registration, _ bool) (*registration, bool) {
		if r.remove(h) > 0 {
			return r, true
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.byID, r.id)
		return nil, false
	})
}
