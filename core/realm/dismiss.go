package realm

import (
	"bondy/core/meta"
	"bondy/core/wamp"
)

// Mark is a moment in the life of a realm: Join refuses who was dismissed since.
type Mark struct {
	dismissal

	next *Mark // guarded by Realm.mu
}

// dismissal is a call of Dismiss.
type dismissal struct {
	which   func(*meta.Session) bool
	reason  wamp.URI
	message string
}

// Mark is now. A session takes it before it looks at anything by which it is let
// in.
func (r *Realm) Mark() *Mark {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.mark
}

// sinceLocked refuses a session that was dismissed since m; nil is now.
func (m *Mark) sinceLocked(s *meta.Session) error {
	for m != nil {
		if m = m.next; m != nil && m.which(s) {
			return wamp.Errorf(m.reason, "%s", m.message)
		}
	}
	return nil
}

// Dismiss ends the sessions that match, with GOODBYE for the given reason, those
// without connection too; none of them can be resumed. Clients that are being
// logged in meanwhile are refused with ABORT for the same reason. It returns how many
// sessions it ended. which must be quick, must not call the realm, and may be
// called at the same time from several goroutines and after Dismiss returned.
func (r *Realm) Dismiss(which func(*meta.Session) bool, reason wamp.URI, message string) int {
	n := 0
	for _, s := range r.dismissed(dismissal{which, reason, message}) {
		if s.Conn.Kill(reason, message) {
			n++
		}
	}
	return n
}

// dismissed finds the sessions that match and leaves word for those to come.
func (r *Realm) dismissed(d dismissal) (found []*meta.Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := &Mark{dismissal: d}
	r.mark.next, r.mark = m, m
	for _, s := range r.sessions {
		if d.which(s) {
			found = append(found, s)
		}
	}
	return found
}

// secure ends what was let in while the realm had no security.
func (r *Realm) secure() {
	const message = "the realm has security from now on: log in"
	for _, m := range r.unsecuredBridges() {
		m.Goodbye(wamp.CloseKilled, message)
	}
	r.Dismiss(func(s *meta.Session) bool { return s.Unsecured }, wamp.CloseKilled, message)
}

func (r *Realm) unsecuredBridges() (found []Member) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, b := range r.bridges {
		if b.unsecured {
			found = append(found, b.Member)
		}
	}
	return found
}
