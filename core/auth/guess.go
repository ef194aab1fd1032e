package auth

// Try makes an attempt at a user's password that is no login; req says who tries
// from where. One that comes too soon after failures is refused with
// ErrTooManyRequests, and one that is wrong counts as a failed login. A nil Guard
// lets everybody try.
func (g *Guard) Try(req *Request, attempt func() (right bool, err error)) (bool, error) {
	a := newAttempt(req, MethodPassword)
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
