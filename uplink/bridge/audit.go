package bridge

import (
	"bondy/core/audit"
	"bondy/core/auth"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// report tells the audit log of something that the edge did, as whom it is logged
// in, or claims to be.
func (s *coreSession) report(cl *coreLink, e audit.Event) {
	e.Realm, e.AuthID, e.AuthMethod, e.Remote = s.uri, s.claim, auth.MethodCryptosign, cl.remote
	if s.opened {
		e.AuthID, e.AuthMethod, e.Session = s.who.AuthID, s.who.AuthMethod, s.id
	}
	if e.Object == "" {
		e.Object = "edge " + cl.name
	}
	audit.Emit(s.shared.Audit, e)
}

// closed tells that the edge has left the realm, if it had joined.
func (s *coreSession) closed(cl *coreLink, reason string) {
	if s.opened {
		s.report(cl, audit.Event{Kind: audit.Logout, Outcome: audit.OK, Reason: reason})
	}
}

// deny has the audit log told of what the edge has no grant for.
func (s *coreSession) deny(cl *coreLink) {
	s.denied = func(p rbac.Permission, uri wamp.URI, match wamp.Match) {
		s.report(cl, audit.Event{
			Kind: audit.Denial, Outcome: audit.Refused, Action: p.String(), Object: string(uri),
			Reason: "no grant that covers it, match " + match.String() + ", edge " + cl.name,
		})
	}
}
