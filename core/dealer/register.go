package dealer

import (
	"cmp"
	"slices"
	"time"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// replaced is the reason that callees are given for a registration that
// another one took with force_reregister.
const replaced wamp.URI = "wamp.registration.replaced"

// Register makes the session a callee of m's procedure under match, whose URI
// the caller has checked, and queues REGISTERED (sections "Shared
// Registration" and "Pattern-based Registrations").
//
// Beside the specification's options it knows concurrency, the most calls that
// this callee takes at a time, with _max_waiting, how many may wait when all
// callees are full: at most 10,000, and by default none, which then fail with
// ErrMaxConcurrency; force_reregister, which revokes the registration from all
// other callees; and _disclose_session_info. The first callee's invoke and
// _max_waiting are those of the registration. Extension keys may begin with x_
// instead of _, and concurrency with either.
func (s *Session) Register(b *peer.Batch, m *wamp.Register, match wamp.Match) error {
	cfg := s.d.cfg.Load()
	o, err := readRegister(cfg, m.Options)
	if err != nil {
		return err
	}
	o.callee.sess = s
	if err := s.register(b, m, match, o, cfg); err != nil {
		return err
	}
	s.d.changed(b, o.callee.reg)
	return nil
}

func (s *Session) register(b *peer.Batch, m *wamp.Register, match wamp.Match, o *registerOptions, cfg *Config) error {
	h, id := o.callee, cfg.ID(match, m.Procedure)
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if _, twice := s.held[id]; twice {
		return wamp.Errorf(wamp.ErrProcedureExists, "this session has registered %q already", m.Procedure)
	}
	if limit := cfg.MaxRegistrations; limit > 0 && len(s.held) >= limit {
		return wamp.Errorf(wamp.ErrUnavailable, "this session holds %d registrations, the most it may", limit)
	}
	if err := s.d.addLocked(b, id, match, m.Procedure, o); err != nil {
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

// addLocked makes a callee; its gate is still shut, so that no invocation
// precedes REGISTERED. A forced one comes in the place of all others.
func (d *Dealer) addLocked(b *peer.Batch, id wamp.ID, match wamp.Match, uri wamp.URI, o *registerOptions) (err error) {
	h := o.callee
	var others []*callee
	d.index.Update(match, uri, func(r *registration, ok bool) (*registration, bool) {
		if !ok {
			if other, taken := d.byID[id]; taken {
				err = wamp.Errorf(wamp.ErrUnavailable, "the id of this procedure is taken by %s %q", other.match, other.uri)
				return nil, false
			}
			r = &registration{id: id, match: match, uri: uri}
			d.byID[id] = r
		}
		if o.force {
			others = r.members()
		}
		err = r.add(h, o.policy, o.force)
		return r, true
	})
	if err != nil {
		return err
	}
	d.joined++
	h.joined = d.joined
	if p := h.sess.peer; p.Via == nil {
		first := h.reg.locals() == 1
		if first {
			h.reg.created = time.Now()
		}
		if events := d.cfg.Load().Events; events != nil {
			if first {
				events.Created(p.Session, h.reg.describeLocked())
			}
			events.Registered(p.Session, id)
		}
	}
	d.notifyLocked(b, h.reg, h.reg.holders.Add(h.sess.peer.Via))
	for _, other := range others {
		d.revokeLocked(b, other, replaced)
	}
	return nil
}

// Unregister withdraws the session from a registration and queues
// UNREGISTERED, after which no invocation of it follows. Invocations that the
// session has already may still be answered.
func (s *Session) Unregister(b *peer.Batch, m *wamp.Unregister) error {
	h := s.unregister(b, m)
	if h == nil {
		return wamp.Errorf(wamp.ErrNoSuchRegistration, "this session holds no registration %d", m.Registration)
	}
	s.d.changed(b, h.reg)
	return nil
}

func (s *Session) unregister(b *peer.Batch, m *wamp.Unregister) *callee {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	h := s.held[m.Registration]
	if h == nil {
		return nil
	}
	s.d.removeLocked(b, h)
	f := peer.NewFrame(&wamp.Unregistered{Request: m.Request})
	defer f.Free()
	s.peer.Shut(b, f, &h.gate)
	return h
}

// withdraw gives up all registrations of a session that leaves, in the order
// in which they were made.
func (s *Session) withdraw(b *peer.Batch) {
	for _, h := range s.holds() {
		if s.d.drop(b, h) {
			s.d.changed(b, h.reg)
		}
	}
}

func (s *Session) holds() []*callee {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	list := make([]*callee, 0, len(s.held))
	for _, h := range s.held {
		list = append(list, h)
	}
	slices.SortFunc(list, func(a, b *callee) int { return cmp.Compare(a.joined, b.joined) })
	return list
}

// drop takes h out unless it was revoked meanwhile.
func (d *Dealer) drop(b *peer.Batch, h *callee) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if h.sess.held[h.reg.id] != h {
		return false
	}
	d.removeLocked(b, h)
	return true
}

func (d *Dealer) removeLocked(b *peer.Batch, h *callee) {
	r, p := h.reg, h.sess.peer
	delete(h.sess.held, r.id)
	d.index.Update(r.match, r.uri, func(*registration, bool) (*registration, bool) {
		if r.remove(h) {
			return r, true
		}
		delete(d.byID, r.id)
		return nil, false
	})
	if events := d.cfg.Load().Events; events != nil && p.Via == nil {
		events.Unregistered(p.Session, r.id)
		if r.locals() == 0 {
			events.Deleted(p.Session, r.id)
		}
	}
	d.notifyLocked(b, r, r.holders.Remove(p.Via))
}

// RemoveCallee revokes a registration from one session of this node (section
// "Registration Revocation"), which is told so if it announced the feature.
// Calls that it has already it may still answer. Errors: ErrNoSuchRegistration,
// ErrNoSuchSession.
func (d *Dealer) RemoveCallee(b *peer.Batch, registration, session wamp.ID, reason wamp.URI) error {
	r, err := d.revoke(b, registration, session, reason)
	if err == nil {
		d.changed(b, r)
	}
	return err
}

func (d *Dealer) revoke(b *peer.Batch, registration, session wamp.ID, reason wamp.URI) (*registration, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.byID[registration]
	if !ok || r.locals() == 0 {
		return nil, noSuchRegistration(registration)
	}
	for _, h := range r.members() {
		if h.sess.peer.Session == session {
			d.revokeLocked(b, h, reason)
			return r, nil
		}
	}
	return nil, wamp.Errorf(wamp.ErrNoSuchSession, "session %d is no callee of registration %d", session, registration)
}

func noSuchRegistration(id wamp.ID) *wamp.Error {
	return wamp.Errorf(wamp.ErrNoSuchRegistration, "there is no registration %d", id)
}

func (d *Dealer) revokeLocked(b *peer.Batch, h *callee, reason wamp.URI) {
	d.removeLocked(b, h)
	p := h.sess.peer
	if !p.Features.Has(peer.CalleeRevocation) {
		p.Shut(b, nil, &h.gate)
		return
	}
	details := wamp.Dict{"registration": h.reg.id}
	if reason != "" {
		details["reason"] = string(reason)
	}
	f := peer.NewFrame(&wamp.Unregistered{Details: details})
	defer f.Free()
	p.Shut(b, f, &h.gate)
}

// changed follows a change of r, with no lock held: calls that wait may have
// found a callee, or lost the last, and who listens is told.
func (d *Dealer) changed(b *peer.Batch, r *registration) {
	d.dispatch(b, r)
	if events := d.cfg.Load().Events; events != nil {
		events.Drain(b)
	}
}
