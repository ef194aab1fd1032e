package session

import (
	"bondy/core/auth"
	"bondy/core/broker"
	"bondy/core/peer"
	"bondy/core/rate"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// rates bound how many messages a session sends, alone and together with others.
type rates struct {
	own    *rate.Bucket
	shared realm.Rates
}

// newRates returns nil if there is no bound.
func newRates(own int, shared realm.Rates) *rates {
	r := rates{rate.New(own), shared}
	if r == (rates{}) {
		return nil
	}
	return &r
}

// tooFast counts a message, or says whose bound it is above.
func (r *rates) tooFast() (peer.RateScope, bool) {
	switch {
	case !r.own.Take():
		return peer.RateSession, true
	case !r.shared.User.Take():
		return peer.RateUser, true
	case !r.shared.Total.Take():
		return peer.RateRealm, true
	default:
		return 0, false
	}
}

// paced handles a message of a session whose rate is bounded.
func (s *Session) paced(m wamp.Message) error {
	scope, above := s.rates.tooFast()
	if !above {
		return s.handle(m)
	}
	switch scope {
	case peer.RateUser:
		return s.refuse(m, scope, "this realm takes %d messages per second from all sessions of a user: send slower", s.realm.Policy().Limits.MaxUserRate)
	case peer.RateRealm:
		return s.refuse(m, scope, "this realm takes %d messages per second from all sessions: try again later", s.realm.Policy().Limits.MaxTotalRate)
	default:
		return s.refuse(m, scope, "this realm takes %d messages per second from a session: send slower", s.policy.Limits.MaxRate)
	}
}

// refuse answers a message that is one too many. If there is no way to answer it,
// the session ends when the bound is its own. A bound that it shares with others must
// not end who sends little: then a PUBLISH is dropped, and what belongs to calls under
// way goes on.
func (s *Session) refuse(m wamp.Message, scope peer.RateScope, format string, limit int) error {
	own, refusal := scope == peer.RateSession, wamp.Errorf(wamp.ErrTooManyRequests, format, limit)
	var id wamp.ID
	var role peer.Features
	answer := true
	switch m := m.(type) {
	case *wamp.Call:
		id, role, answer = m.Request, peer.Caller, !s.rpc().Continues(m.Request)
	case *wamp.Publish:
		id, role, answer = m.Request, peer.Publisher, broker.Acknowledge(m)
	case *wamp.Subscribe:
		id, role = m.Request, peer.Subscriber
	case *wamp.Unsubscribe:
		id, role = m.Request, peer.Subscriber
	case *wamp.Register:
		id, role = m.Request, peer.Callee
	case *wamp.Unregister:
		id, role = m.Request, peer.Callee
	default:
		answer = false
	}
	if !own && !answer && role != peer.Publisher {
		return s.handle(m)
	}
	s.cfg.Counters.Limited[scope].Add(1)
	if own && !answer {
		return refusal
	}
	if err := s.request(m.Type(), id, role); err != nil || !answer {
		return err
	}
	return s.fail(m.Type(), id, refusal)
}

// greeted refuses a client whose address says HELLO too often. Those of this
// machine may.
func (s *Session) greeted() error {
	from := s.conn.Info().Remote.Addr()
	if s.cfg.Hellos == nil || !from.IsValid() || from.IsLoopback() || s.cfg.Hellos.Take(auth.Site(from)) {
		return nil
	}
	s.cfg.Counters.Limited[peer.RateHello].Add(1)
	return wamp.Errorf(wamp.ErrTooManyRequests, "too many sessions are opened from your address: try again in a few seconds")
}
