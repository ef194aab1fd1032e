package rbac

import (
	"sync/atomic"

	"bondy/core/wamp"
)

// Rights are what one subject may do, always by the Authorizer's latest
// configuration. It is safe for concurrent use.
type Rights struct{ view atomic.Pointer[view] }

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
	return r.view.Load().permissions(uri.Canonical(m), m).Has(p)
}

// DecideAll is Decide for each of several permissions.
func (r *Rights) DecideAll(ps PermissionSet, uri wamp.URI, m wamp.Match) bool {
	return ps == 0 || ps&^r.view.Load().permissions(uri.Canonical(m), m) == 0
}

// Valid reports whether the subject is what it was made for.
func (r *Rights) Valid() bool { return r.Flaw() == nil }

// Flaw is why the subject is not what it was made for any more: its user is
// gone or disabled, which is wamp.ErrNoSuchPrincipal, or it was narrowed to a
// role that it no longer holds, wamp.ErrNoSuchRole. Then it may do nothing.
func (r *Rights) Flaw() *wamp.Error { return r.view.Load().flaw }
