package bridge

import (
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// Recheck implements realm.Rechecked.
func (s *session) Recheck() {
	if s.recheck != nil {
		s.recheck()
	}
}

// watch has the realm tell the session when permissions change, and when it has to
// leave. Who does that holds locks that the session's lane may be waiting for, and
// does not wait.
func (s *coreSession) watch(cl *coreLink) {
	open := s.session
	open.recheck = func() { go s.changed(open) }
	open.dismissed = func(message string) { go s.dismiss(cl, open, message) }
}

// dismiss leaves the realm with an open session, whatever the edge answers to
// GOODBYE.
func (s *coreSession) dismiss(cl *coreLink, open *session, message string) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if !s.ended && s.session == open {
		s.renew(cl, message)
	}
}

// changed acts on other permissions of an open session: if it holds something
// that it may no longer have, it leaves the realm, and the edge begins anew.
func (s *coreSession) changed(open *session) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.ended || s.session != open || !s.opened {
		return
	}
	reason, message := wamp.ErrNotAuthorized, "the uplink may no longer have all that crosses"
	if flaw := s.rights.Flaw(); flaw != nil {
		reason, message = flaw.URI, flaw.Message
	} else if s.covered() {
		return
	}
	s.Goodbye(reason, message)
}

// covered reports whether the grants cover all that the session holds.
func (s *session) covered() bool {
	for of, held := range map[rbac.Permission]map[wamp.ID]wamp.ID{rbac.Subscribe: s.topics, rbac.Register: s.offers} {
		for _, id := range held {
			if p := s.held[id]; !s.rights.Decide(of, p.URI, p.Match) {
				return false
			}
		}
	}
	return true
}
