package dealer

import (
	"sync"
	"sync/atomic"
	"time"

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
	holders peer.Holders // guarded, as is created, by Dealer.mu
	created time.Time    // when the first callee of this node came

	// sole is the callee that gets every call, if there is no choice.
	sole atomic.Pointer[callee]

	mu          sync.Mutex
	local       group
	bridged     group
	waiting     waiting
	maxWaiting  int
	dispatching bool // somebody gives waiting calls to callees
}

// callee is one session's hold on a registration.
type callee struct {
	reg            *registration
	sess           *Session
	joined         uint64 // the order of registration
	gate           peer.Gate
	discloseCaller bool
	forwardTimeout bool
	sessionInfo    string // the detail that tells of the caller's session
	maxWaiting     int    // of the registration, if this is its first callee
	limit          int    // most calls at a time; 0 means no limit
	counts         bool   // load is counted

	pos, load int // in its group; guarded by registration.mu
}

// outcome is what became of looking for a callee.
type outcome uint8

const (
	nobody   outcome = iota // may have the call
	keyless                 // the call lacks the key by which it goes
	busy                    // all who may have it are full
	callable                // there is one
)

// add makes h a callee, or says why it cannot be one. A forced one sets the
// terms anew.
func (r *registration) add(h *callee, policy invoke, force bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.group(h)
	if g == &r.local && g.live > 0 && !force {
		switch {
		case g.policy == single && policy == single:
			return wamp.Errorf(wamp.ErrProcedureExists, "%q is registered already", r.uri)
		case g.policy != policy:
			return wamp.Errorf(wamp.ErrProcedureExists, "%q is registered already with the invocation policy %s", r.uri, g.policy)
		}
	}
	if g.live == 0 || force {
		g.policy = policy
		if g == &r.local {
			r.maxWaiting = h.maxWaiting
		}
	}
	h.reg = r
	h.counts = h.limit > 0 || policy == leastLoaded || policy == leastOfTwo
	g.add(h)
	r.settleLocked()
	return nil
}

// remove takes h out and reports whether any callee is left.
func (r *registration) remove(h *callee) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.group(h).remove(h)
	r.settleLocked()
	return r.local.live+r.bridged.live > 0
}

func (r *registration) group(h *callee) *group {
	if h.sess.peer.Via != nil {
		return &r.bridged
	}
	return &r.local
}

// settleLocked finds out whether there is a choice of callees.
func (r *registration) settleLocked() {
	g := &r.local
	if g.live != 1 || r.bridged.live > 0 && g.policy != single || g.policy == jumpHash || r.waiting.n > 0 || r.dispatching {
		r.sole.Store(nil)
		return
	}
	if h := g.list[g.nth(0)]; !h.counts {
		r.sole.Store(h)
	}
}

// pick chooses the callee of a call that came over via and takes a place in
// its load.
func (r *registration) pick(procedure wamp.URI, via *peer.Bridge, o *callOptions) (*callee, outcome) {
	if h := r.sole.Load(); h != nil {
		return h, callable
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting.n > 0 || r.dispatching {
		return nil, busy // behind those that wait
	}
	return r.pickLocked(procedure, via, o)
}

func (r *registration) pickLocked(procedure wamp.URI, via *peer.Bridge, o *callOptions) (*callee, outcome) {
	g := &r.local
	h, found := g.pick(procedure, via, o)
	if found == nobody || found == busy {
		g = &r.bridged
		bridged, also := g.pick(procedure, via, o)
		h, found = bridged, max(found, also)
	}
	if h != nil {
		o.spare = r.local.live+r.bridged.live > 1 && g.policy != single
		if h.counts {
			h.load++
		}
	}
	return h, found
}

// others lists the callees but h, for a call that h could not take.
func (r *registration) others(h *callee, procedure wamp.URI, via *peer.Bridge) []*callee {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bridged.after(r.local.after(nil, h, procedure, via), h, procedure, via)
}

// takes reports whether h may have a call of the procedure that came over via.
func (h *callee) takes(procedure wamp.URI, via *peer.Bridge) bool {
	to := h.sess.peer
	return to.Via == nil || to.Via != via && to.Procedures(procedure)
}

// untold is the procedure of a call if the registration leaves it open, and the
// INVOCATION has to tell it; a router behind a bridge is always told.
func (h *callee) untold(procedure wamp.URI) wamp.URI {
	if h.reg.match == wamp.MatchExact && h.sess.peer.Via == nil {
		return ""
	}
	return procedure
}

func (h *callee) full() bool { return h.limit > 0 && h.load >= h.limit }

// reserve takes a place in h's load if it has one.
func (h *callee) reserve() bool {
	if !h.counts {
		return true
	}
	h.reg.mu.Lock()
	defer h.reg.mu.Unlock()
	if h.full() {
		return false
	}
	h.load++
	return true
}

// release gives back a place in h's load, which a waiting call may take.
func (h *callee) release(b *peer.Batch) {
	if h.counts && h.vacate() {
		h.sess.d.dispatch(b, h.reg)
	}
}

// vacate reports whether calls wait.
func (h *callee) vacate() bool {
	h.reg.mu.Lock()
	defer h.reg.mu.Unlock()
	h.load--
	return h.reg.waiting.n > 0
}
