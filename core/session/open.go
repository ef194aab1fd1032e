package session

import (
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
// Establishment" and "Authentication"). The error is what to abort with.
func (s *Session) open(ctx context.Context) error {
	s.conn.SetReadLimit(maxHandshake)
	deadline := time.Now().Add(s.cfg.HelloTimeout)
	m, err := s.read(deadline)
	if err != nil {
		return err
	}
	hello, ok := m.(*wamp.Hello)
	switch {
	case ok:
	case m.Type() == wamp.TypeAbort:
		return errLeft
	default:
		return wamp.Violationf("%s before a session was established", m.Type())
	}
	features, err := peer.ParseFeatures(hello.Details)
	if err != nil {
		return err
	}
	if !hello.Realm.Valid(wamp.MatchExact, false) {
		return wamp.Errorf(wamp.ErrInvalidURI, "the realm %q is not a valid URI", hello.Realm)
	}
	if s.realm, err = s.cfg.Realm(hello.Realm); err != nil {
		return err
	}
	s.policy = s.realm.Policy()
	if s.policy.RefuseConnections {
		return wamp.Errorf(wamp.ErrNoSuchRealm, "the realm %q takes no connections at present", hello.Realm)
	}
	s.id = wamp.RandomID()
	who, err := s.authenticate(ctx, hello, deadline)
	if err != nil {
		return err
	}
	return s.welcome(who, features)
}

func (s *Session) authenticate(ctx context.Context, hello *wamp.Hello, deadline time.Time) (*auth.Identity, error) {
	req, err := s.authRequest(hello)
	if err != nil {
		return nil, err
	}
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
	req := auth.Request{Session: s.id, Realm: hello.Realm, Remote: info.Remote, TLS: info.TLS}
	var err error
	if req.AuthID, err = hello.Details.String("authid"); err != nil {
		return req, err
	}
	if req.AuthRole, err = hello.Details.String("authrole"); err != nil {
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
func (s *Session) welcome(who *auth.Identity, features peer.Features) error {
	if err := s.conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	s.conn.SetReadLimit(0)
	s.who, s.rights = who, s.realm.Access.Rights(who.Roles)
	s.queue.Close()
	s.queue = peer.NewQueue(s.conn, &s.policy.Queue, s.cfg.Budget, s.cfg.Counters, s.conn.Close)
	s.peer = &peer.Peer{
		Session: s.id, AuthID: who.AuthID, AuthRole: who.AuthRole,
		Features: features, Trust: s.policy.Trust[who.AuthRole], Queue: s.queue,
	}
	s.member = s.describe()
	details := wamp.Dict{
		"realm": string(s.realm.URI), "agent": s.cfg.Agent, "roles": s.cfg.announced(),
		"authid": who.AuthID, "authrole": who.AuthRole,
		"authmethod": who.AuthMethod, "authprovider": who.AuthProvider,
	}
	if who.Extra != nil {
		details["authextra"] = map[string]any(who.Extra)
	}
	if err := s.join(&wamp.Welcome{Session: s.id, Details: details}); err != nil {
		return err
	}
	s.broker, s.dealer = s.realm.Broker.Join(s.peer), s.realm.Dealer.Join(s.peer)
	s.cfg.Log.Debug("session opened", slog.Any("", s),
		slog.String("authid", who.AuthID), slog.String("authmethod", who.AuthMethod))
	return s.route(func() error {
		s.realm.Events.Joined(s.batch, s.member)
		return nil
	})
}

// join enters the realm's table and queues WELCOME in one step for Goodbye.
func (s *Session) join(welcome *wamp.Welcome) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch err := s.realm.Join(s.member); {
	case errors.Is(err, realm.ErrClosed):
		return wamp.Errorf(wamp.CloseSystemShutdown, "the realm is closing")
	case err != nil:
		return wamp.Errorf(wamp.ErrUnavailable, "%v: try again", err)
	}
	s.send(welcome)
	return nil
}
