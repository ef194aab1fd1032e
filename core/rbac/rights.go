package rbac

import (
	"sync/atomic"

	"bondy/core/wamp"
)

// Rights are what one subject may do, always by the Authorizer's latest
// configuration. It is safe for concurrent use.
type Rights struct {
	a       *Authorizer
	subject Subject
	state   atomic.Pointer[state]
	seen    atomic.Pointer[view] // when Changed was asked last
}

// state is a view and the version of the policy for which it is right. Rights
// with the same view share it.
type state struct {
	version uint64
	view    *view
}

// Decide reports whether the grants allow p on uri, which is a pattern if m
// says so and must be valid for m. It allocates nothing once the answer is
// cached.
//
// A pattern wholly within management needs a grant that names it; a wider one,
// such as prefix "" under a grant to prefix "", may overlap management. So who
// delivers a message to the holder of a pattern, and Management says that the
// message's own URI is of that kind, asks again with that URI and exact match.
//
// Unregister, Unsubscribe and Cancel are always allowed: they only undo what
// the session was allowed to do, and whether it holds that is for the broker
// or dealer to check.
func (r *Rights) Decide(p Permission, uri wamp.URI, m wamp.Match) bool {
	switch {
	case p == Unregister, p == Unsubscribe, p == Cancel:
		return true
	case p >= numPermissions:
		return false
	}
	return r.look().permissions(uri.Canonical(m), m).Has(p)
}

// DecideAll is Decide for each of several permissions.
func (r *Rights) DecideAll(ps PermissionSet, uri wamp.URI, m wamp.Match) bool {
	return ps == 0 || ps&^r.look().permissions(uri.Canonical(m), m) == 0
}

// Valid reports whether the subject is what it was made for.
func (r *Rights) Valid() bool { return r.Flaw() == nil }

// Flaw is why the subject is not what it was made for any more: its user is
// gone or disabled, which is wamp.ErrNoSuchPrincipal, or it was narrowed to a
// role that it no longer holds, wamp.ErrNoSuchRole. Then it may do nothing.
func (r *Rights) Flaw() *wamp.Error { return r.look().flaw }

// Changed reports whether something else may be allowed than when it was asked
// last, or when the Rights were made. It is for one who sees to what sessions
// hold.
func (r *Rights) Changed() bool {
	v := r.look()
	return r.seen.Swap(v) != v
}

func (r *Rights) look() *view {
	if s := r.state.Load(); s.version == r.a.version.Load() {
		return s.view
	}
	r.a.mu.Lock()
	defer r.a.mu.Unlock()
	return r.lookLocked().view
}

// lookLocked takes the view of the present policy.
func (r *Rights) lookLocked() *state {
	version := r.a.version.Load()
	if s := r.state.Load(); s != nil && s.version == version {
		return s
	}
	v := r.a.viewLocked(&r.subject)
	s := v.latest
	if s == nil || s.version != version {
		s = &state{version, v}
		v.latest = s
	}
	r.state.Store(s)
	return s
}
