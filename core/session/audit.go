package session

import (
	"cmp"
	"log/slog"
	"slices"
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
	e, ok := audit.Refuse(err)
	if !ok {
		return
	}
	s.logRefusal(hello, wamp.URI(e.Action), err)
	e.Agent = agent
	if who != nil {
		e.AuthID, e.AuthMethod = who.AuthID, who.AuthMethod
	} else {
		methods, _ := hello.Details.Strings("authmethods")
		e.AuthID, _ = hello.Details["authid"].(string)
		e.AuthMethod = strings.Join(methods, ",")
	}
	s.report(e)
}

// logRefusal logs a login that was refused for who the client is, or claims to be.
func (s *Session) logRefusal(hello *wamp.Hello, reason wamp.URI, err error) {
	if !slices.Contains([]wamp.URI{wamp.ErrAuthenticationDenied, wamp.ErrTooManyRequests, wamp.ErrNoMatchingAuthMethod}, reason) {
		return
	}
	authid, _ := hello.Details["authid"].(string)
	s.cfg.Log.Info("login refused", slog.Any("", s.door), slog.String("realm", string(s.realm.URI)),
		slog.String("authid", strings.ToValidUTF8(authid[:min(len(authid), maxLogged)], "\uFFFD")), slog.Any("err", err))
}

// maxLogged bounds what a log line has of the authid that a client claims, in bytes.
const maxLogged = 128

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
