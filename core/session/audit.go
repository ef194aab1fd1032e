package session

import (
	"cmp"
	"errors"
	"strings"

	"bondy/core/audit"
	"bondy/core/auth"
	"bondy/core/mgmt"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// report tells the audit log of something that this session did.
func (s *Session) report(e audit.Event) {
	if s.cfg.Audit == nil {
		return
	}
	e.Outcome = cmp.Or(e.Outcome, audit.OK)
	e.Realm, e.Remote = s.realm.URI, s.conn.Info().Remote
	if s.member.Peer != nil {
		e.AuthID, e.AuthMethod, e.Session = s.peer.AuthID, s.member.AuthMethod, s.peer.Session
	}
	s.cfg.Audit.Record(e)
}

// opened tells of a login, or of one that was refused with err. Who broke the
// protocol, or went, was not refused.
func (s *Session) opened(hello *wamp.Hello, who *auth.Identity, err error) {
	agent, _ := hello.Details["agent"].(string)
	if err == nil {
		s.report(audit.Event{Kind: audit.Login, Agent: agent})
		return
	}
	we, ok := errors.AsType[*wamp.Error](err)
	if !ok || we.URI == wamp.ErrProtocolViolation {
		return
	}
	e := audit.Event{Kind: audit.Refusal, Outcome: audit.Refused, Agent: agent, Action: string(we.URI)}
	e.Reason = strings.TrimSuffix(err.Error(), ": "+we.Error()) // or the text for the client
	if who != nil {
		e.AuthID, e.AuthMethod = who.AuthID, who.AuthMethod
	} else {
		methods, _ := hello.Details.Strings("authmethods")
		e.AuthID, _ = hello.Details["authid"].(string)
		e.AuthMethod = strings.Join(methods, ",")
	}
	s.report(e)
}

// denied tells of what the session has no grant for.
func (s *Session) denied(p rbac.Permission, uri wamp.URI, match wamp.Match) {
	s.report(audit.Event{
		Kind: audit.Denial, Outcome: audit.Refused, Action: p.String(), Object: string(uri),
		Reason: "no grant that covers it, match " + match.String(),
	})
}

// administered tells of a call that may have acted on others.
func (s *Session) administered(req *mgmt.Request, err error) {
	if e, ok := req.Event(err); ok {
		s.report(e)
	}
}

// closed tells that the session has ended.
func (s *Session) closed() { s.report(audit.Event{Kind: audit.Logout}) }
