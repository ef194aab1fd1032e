package session

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"bondy/core/auth"
	"bondy/core/peer"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// maxHandshake bounds the messages of a client that has not joined, in bytes.
const maxHandshake = 64 << 10

// open takes the connection from HELLO to WELCOME (sections "Session
// Establishment" and "Authentication") and returns the session, which may be one
// that had another connection. The error is what to abort with.
func (s *Session) open(ctx context.Context) (*Session, error) {
	hello, deadline, err := s.hello()
	if err != nil {
		return nil, err
	}
	if err := s.greeted(); err != nil {
		return nil, err
	}
	features, err := peer.ParseFeatures(hello.Details)
	if err != nil {
		return nil, err
	}
	wish, err := readWish(hello.Details)
	if err != nil {
		return nil, err
	}
	if !hello.Realm.Valid(wamp.MatchExact, false) {
		return nil, wamp.Errorf(wamp.ErrInvalidURI, "the realm %q is not a valid URI", hello.Realm)
	}
	if s.realm, err = s.cfg.Realm(hello.Realm); err != nil {
		return nil, err
	}
	since := s.realm.Mark()
	s.policy = s.realm.Policy()
	if s.policy.RefuseConnections {
		return nil, wamp.Errorf(wamp.ErrNoSuchRealm, "the realm %q takes no connections at present", hello.Realm)
	}
	s.peer.Session = wamp.RandomID()
	who, err := s.authenticate(ctx, hello, deadline)
	if err != nil {
		s.opened(hello, nil, err)
		return nil, err
	}
	if err := s.conn.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	s.conn.SetReadLimit(0)
	if old := s.resume(wish, who, features, deadline); old != nil {
		old.opened(hello, who, nil)
		return old, nil
	}
	err = s.welcome(who, features, wish, since)
	s.opened(hello, who, err)
	return s, err
}

// hello reads the first message.
func (s *Session) hello() (*wamp.Hello, time.Time, error) {
	s.conn.SetReadLimit(maxHandshake)
	deadline := time.Now().Add(s.cfg.HelloTimeout)
	m, err := s.read(deadline)
	if err != nil {
		return nil, deadline, err
	}
	hello, ok := m.(*wamp.Hello)
	switch {
	case ok:
		return hello, deadline, nil
	case m.Type() == wamp.TypeAbort:
		return nil, deadline, errLeft
	default:
		return nil, deadline, wamp.Violationf("%s before a session was established", m.Type())
	}
}

func (s *Session) authenticate(ctx context.Context, hello *wamp.Hello, deadline time.Time) (*auth.Identity, error) {
	req, err := s.authRequest(hello)
	if err != nil {
		return nil, err
	}
	return s.prove(ctx, req, deadline)
}

// prove takes the client through an authentication method.
func (s *Session) prove(ctx context.Context, req auth.Request, deadline time.Time) (*auth.Identity, error) {
	who, exchange, err := s.policy.Auth.Begin(ctx, req)
	if err != nil || who != nil {
		return who, err
	}
	s.send(&wamp.Challenge{AuthMethod: exchange.Method, Extra: exchange.Challenge})
	s.batch.Flush()
	m, err := s.read(deadline)
	if err != nil {
		return nil, err
	}
	answer, ok := m.(*wamp.Authenticate)
	switch {
	case ok:
		return exchange.Finish(ctx, answer.Signature, answer.Extra)
	case m.Type() == wamp.TypeAbort:
		return nil, errLeft
	default:
		return nil, wamp.Violationf("%s instead of AUTHENTICATE", m.Type())
	}
}

func (s *Session) authRequest(hello *wamp.Hello) (auth.Request, error) {
	info := s.conn.Info()
	req := auth.Request{Session: s.peer.Session, Realm: s.realm.URI, Remote: info.Remote, Proxied: info.Proxied, TLS: info.TLS}
	var err error
	if req.Roles, err = askedRoles(hello.Details); err != nil {
		return req, err
	}
	if req.AuthID, err = hello.Details.String("authid"); err != nil {
		return req, err
	}
	if req.Methods, err = hello.Details.Strings("authmethods"); err != nil {
		return req, err
	}
	req.Extra, err = hello.Details.Dict("authextra")
	return req, err
}

// welcome makes the session known and tells the client; from here on others
// may send to it.
func (s *Session) welcome(who *auth.Identity, features peer.Features, w wish, since *realm.Mark) error {
	if w.resumable && s.policy.ResumeTimeout > 0 {
		s.after = &afterlife{timeout: s.policy.ResumeTimeout, who: who}
		s.peer.Close()
		s.peer.Queue = peer.NewLastingQueue(s.conn, &s.policy.Queue, s.cfg.Budget, s.cfg.Counters, s.End)
	} else {
		s.peer.SetLimits(&s.policy.Queue)
	}
	s.peer.AuthID, s.peer.AuthRole, s.peer.About = who.AuthID, who.AuthRole, &s.member
	s.peer.Features, s.peer.Trust = features, s.policy.Trust[who.AuthRole]
	s.member.Peer, s.member.Conn, s.member.Rights = &s.peer, s, s.realm.Rights(who)
	s.member.AuthMethod, s.member.AuthProvider, s.member.Roles = who.AuthMethod, who.AuthProvider, who.Roles
	s.member.Principal, s.member.Unsecured = who.Principal, s.policy.SecurityDisabled
	m := s.greeting(who)
	if w.asked {
		w.answer(m.Details, s.after)
	}
	if err := s.join(m, since, who.Expires); err != nil {
		return err
	}
	s.cfg.Log.Debug("session opened", slog.Any("", s),
		slog.String("authid", who.AuthID), slog.String("authmethod", who.AuthMethod))
	return s.route(func() error {
		s.realm.Events.Joined(s.batch, &s.member)
		return nil
	})
}

// greeting is WELCOME.
func (s *Session) greeting(who *auth.Identity) *wamp.Welcome {
	roles := make([]any, len(who.Roles))
	for i, role := range who.Roles {
		roles[i] = role
	}
	details := wamp.Dict{
		"realm": string(s.realm.URI), "agent": s.cfg.Agent, "roles": s.cfg.announced(),
		"authid": who.AuthID, "authrole": who.AuthRole,
		"authmethod": cmp.Or(who.Alias, who.AuthMethod), "authprovider": who.AuthProvider,
		"_authroles": roles, "x_authroles": roles,
	}
	if who.Extra != nil {
		details["authextra"] = map[string]any(who.Extra)
	}
	return &wamp.Welcome{Session: s.peer.Session, Details: details}
}

// join enters the realm's table and queues WELCOME in one step for Goodbye.
func (s *Session) join(welcome *wamp.Welcome, since *realm.Mark, expires time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	shared, err := s.realm.Join(&s.member, since)
	if err != nil {
		return s.turnedAway(err)
	}
	s.rates = newRates(s.policy.Limits.MaxRate, shared)
	s.send(welcome)
	s.expiresLocked(expires)
	return nil
}

// turnedAway is what a client learns of an error of Realm.Join.
func (s *Session) turnedAway(err error) error {
	switch {
	case errors.Is(err, realm.ErrClosed):
		return wamp.Errorf(wamp.CloseSystemShutdown, "the realm is closing")
	case errors.Is(err, realm.ErrFull):
		s.cfg.Counters.RealmFull.Add(1)
		return wamp.Errorf(wamp.ErrUnavailable, "the realm has as many sessions as its max_sessions allows: try again later")
	case errors.Is(err, realm.ErrUserFull):
		s.cfg.Counters.UserFull.Add(1)
		return wamp.Errorf(wamp.ErrTooManyRequests, "%s has as many sessions as the realm's max_sessions_per_user allows: end one of them first", s.peer.AuthID)
	case errors.Is(err, realm.ErrTaken):
		return wamp.Errorf(wamp.ErrUnavailable, "%v: try again", err)
	default:
		return err
	}
}
