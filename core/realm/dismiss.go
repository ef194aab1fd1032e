package realm

import (
	"bondy/core/meta"
	"bondy/core/wamp"
)

// Mark is a moment in the life of a realm: Join refuses who was dismissed since.
type Mark struct {
	why  func(*meta.Session) *wamp.Error // of the call of Dismiss that made it
	next *Mark                           // guarded by Realm.mu
}

// Mark is now. A session takes it before it looks at anything by which it is let
// in.
func (r *Realm) Mark() *Mark {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.mark
}

// sinceLocked is why a session cannot join that began to at m, which is now if it is
// nil: it was dismissed since then, or is not what it was.
func (m *Mark) sinceLocked(s *meta.Session) *wamp.Error {
	for m != nil {
		if m = m.next; m != nil {
			if why := m.why(s); why != nil {
				return why
			}
		}
	}
	if s.Rights == nil {
		return nil
	}
	return s.Rights.Flaw()
}

// Dismiss ends the sessions for which why gives a reason, with GOODBYE for that
// reason, those without connection and those of bridges too; none of them can be
// resumed, and none of their testaments is published. Clients that are being logged in meanwhile are
// refused with ABORT for the same reason. It returns how many sessions it ended.
// why must be quick, must not call the realm, and may be called at the same time
// from several goroutines and after Dismiss returned.
func (r *Realm) Dismiss(why func(*meta.Session) *wamp.Error) int {
	sessions, bridges := r.dismissed(why)
	n := len(bridges)
	for m, because := range bridges {
		m.Goodbye(because.URI, because.Message)
	}
	for s, because := range sessions {
		if end(s, because) {
			n++
		}
	}
	return n
}

// end ends a session that may not go on, and reports whether it was not ending
// already.
func end(s *meta.Session, because *wamp.Error) bool {
	s.VoidTestaments()
	return s.Conn.Kill(because.URI, because.Message)
}

// dismissed finds the sessions that are to end and leaves word for those to come.
func (r *Realm) dismissed(why func(*meta.Session) *wamp.Error) (sessions map[*meta.Session]*wamp.Error, bridges map[Member]*wamp.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := &Mark{why: why}
	r.mark.next, r.mark = m, m
	sessions, bridges = make(map[*meta.Session]*wamp.Error), make(map[Member]*wamp.Error)
	for _, s := range r.sessions {
		if because := why(s); because != nil {
			sessions[s] = because
		}
	}
	for _, b := range r.bridges {
		if because := why(b.session); because != nil {
			bridges[b.Member] = because
		}
	}
	return sessions, bridges
}

// secure ends what was let in while the realm had no security.
func (r *Realm) secure() {
	because := wamp.Errorf(wamp.CloseKilled, "the realm has security from now on: log in")
	r.Dismiss(func(s *meta.Session) *wamp.Error {
		if s.Unsecured {
			return because
		}
		return nil
	})
}
