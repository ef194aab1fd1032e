package dealer

import (
	"sync"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// registration is one procedure or pattern that somebody registered. It exists
// in the index exactly as long as it has callees. Callees of this node and
// those behind bridges stand beside each other: the former win, and the latter
// neither conflict with them nor among themselves.
type registration struct {
	id      wamp.ID
	match   wamp.Match
	uri     wamp.URI
	holders peer.Holders // guarded by Dealer.mu

	mu      sync.Mutex
	local   group
	bridged group
}

// callee is one session's hold on a registration.
type callee struct {
	reg            *registration
	sess           *Session
	pos            int // in its group
	gate           peer.Gate
	discloseCaller bool
	forwardTimeout bool
}

// add makes h a callee, or says why it cannot be one.
func (r *registration) add(h *callee, policy invoke) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.group(h)
	if g == &r.local && g.live > 0 {
		switch {
		case g.policy == single && policy == single:
			return wamp.Errorf(wamp.ErrProcedureExists, "%q is registered already", r.uri)
		case g.policy != policy:
			return wamp.Errorf(wamp.ErrProcedureExists, "%q is registered already with another invocation policy", r.uri)
		}
	}
	if g.live == 0 {
		g.policy = policy
	}
	h.reg = r
	g.add(h)
	return nil
}

// remove takes h out and reports whether any callee is left.
func (r *registration) remove(h *callee) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.group(h).remove(h)
	return r.local.live+r.bridged.live > 0
}

func (r *registration) group(h *callee) *group {
	if h.sess.peer.Via != nil {
		return &r.bridged
	}
	return &r.local
}

// pick chooses the callee of a call that came over via, nil if there is none.
func (r *registration) pick(procedure wamp.URI, via *peer.Bridge) *callee {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.local.pick(procedure, via); h != nil {
		return h
	}
	return r.bridged.pick(procedure, via)
}

// others lists the callees but h, for a call that h could not take.
func (r *registration) others(h *callee, procedure wamp.URI, via *peer.Bridge) []*callee {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bridged.others(r.local.others(nil, h, procedure, via), h, procedure, via)
}

// policy is the one by which callees are picked now.
func (r *registration) policy() invoke {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.local.live > 0 {
		return r.local.policy
	}
	return r.bridged.policy
}

// Register makes the session a callee of m's procedure under match, whose URI
// the caller has checked, and queues REGISTERED.
func (s *Session) Register(b *peer.Batch, m *wamp.Register, match wamp.Match) error {
	h, policy, err := s.readRegister(m)
	if err != nil {
		return err
	}
	id := s.d.cfg.Load().ID(match, m.Procedure)
	if _, twice := s.held[id]; twice {
		return wamp.Errorf(wamp.ErrProcedureExists, "this session has registered %q already", m.Procedure)
	}
	if limit := s.d.cfg.Load().MaxRegistrations; limit > 0 && len(s.held) >= limit {
		return wamp.Errorf(wamp.ErrUnavailable, "this session holds %d registrations, the most it may", limit)
	}
	if err := s.d.add(b, id, match, m.Procedure, policy, h); err != nil {
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

// RegistrationID is the id of a registration, whether or not it exists.
func (s *Session) RegistrationID(match wamp.Match, procedure wamp.URI) wamp.ID {
	return s.d.cfg.Load().ID(match, procedure)
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
	if h.discloseCaller && s.d.cfg.Load().NoDisclosure {
		return nil, 0, wamp.Errorf(wamp.ErrDiscloseMeDisallowed, "this realm does not disclose callers")
	}
	if h.forwardTimeout, err = m.Options.Bool("forward_timeout"); err != nil {
		return nil, 0, err
	}
	return h, policy, nil
}

// add makes h a callee; its gate is still shut, so that no invocation precedes
// REGISTERED.
func (d *Dealer) add(b *peer.Batch, id wamp.ID, match wamp.Match, uri wamp.URI, policy invoke, h *callee) (err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.index.Update(match, uri, func(r *registration, ok bool) (*registration, bool) {
		if !ok {
			if other, taken := d.byID[id]; taken {
				err = wamp.Errorf(wamp.ErrUnavailable, "the id of this procedure is taken by %s %q", other.match, other.uri)
				return nil, false
			}
			r = &registration{id: id, match: match, uri: uri}
			d.byID[id] = r
		}
		err = r.add(h, policy)
		return r, true
	})
	if err == nil {
		d.notifyLocked(b, h.reg, h.reg.holders.Add(h.sess.peer.Via))
	}
	return err
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
	s.d.remove(b, h)
	f := peer.NewFrame(&wamp.Unregistered{Request: m.Request})
	defer f.Free()
	s.peer.Shut(b, f, &h.gate)
	return nil
}

func (d *Dealer) remove(b *peer.Batch, h *callee) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := h.reg
	d.index.Update(r.match, r.uri, func(*registration, bool) (*registration, bool) {
		if r.remove(h) {
			return r, true
		}
		delete(d.byID, r.id)
		return nil, false
	})
	d.notifyLocked(b, r, r.holders.Remove(h.sess.peer.Via))
}
