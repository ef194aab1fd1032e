package auth

import (
	"net/netip"

	"bondy/core/wamp"
)

// Try makes an attempt at a user's password that is no login, from an address;
// realm is the one that keeps the user's credentials. One that comes too soon after
// failures is refused with ErrTooManyRequests, and one that is wrong counts as a
// failed login. A nil Guard lets everybody try.
func (g *Guard) Try(remote netip.Addr, realm wamp.URI, user string, attempt func() (right bool, err error)) (bool, error) {
	a := newAttempt(remote, realm, user, MethodPassword)
	if err := g.start(a); err != nil {
		return false, err
	}
	right, err := attempt()
	switch {
	case right:
		g.succeed(a)
	case err != nil:
		g.undo(a)
	}
	return right, err
}
