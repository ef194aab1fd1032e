package session

import (
	"time"

	"bondy/core/wamp"
)

// CloseExpired is the reason of GOODBYE when the identity of a session has ended,
// with the token, ticket or certificate that gave it.
const CloseExpired wamp.URI = "bondy.session.expired"

// expiryCheck is how long a timer runs at most: it measures time, and the end of
// an identity is on the clock, which may be set meanwhile.
const expiryCheck = 10 * time.Minute

// expiry ends a session whose identity does.
type expiry struct {
	at    time.Time
	timer *time.Timer
}

// expiresLocked makes the session end at that time; the zero time is never.
func (s *Session) expiresLocked(at time.Time) {
	s.lastsLocked()
	if at.IsZero() {
		return
	}
	e := &expiry{at: at}
	e.timer = time.AfterFunc(e.wait(), func() { s.outlived(e) })
	s.expiry = e
}

// lastsLocked takes back expiresLocked.
func (s *Session) lastsLocked() {
	if s.expiry != nil {
		s.expiry.timer.Stop()
		s.expiry = nil
	}
}

func (e *expiry) wait() time.Duration { return min(time.Until(e.at), expiryCheck) }

// outlived ends the session if it is time, on a goroutine of the timer: the
// session itself may have none.
func (s *Session) outlived(e *expiry) {
	if s.due(e) {
		s.Kill(CloseExpired, "your credentials have expired: log in again")
	}
}

func (s *Session) due(e *expiry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expiry != e {
		return false // it left, or its client logged in again
	}
	if e.wait() > 0 {
		e.timer.Reset(e.wait())
		return false
	}
	return true
}
