package client

import (
	"context"
	"fmt"
	"maps"

	"bondy/core/wamp"
)

// maxChallenges bounds the rounds of CHALLENGE and AUTHENTICATE.
const maxChallenges = 8

// join opens the session: HELLO, challenges, WELCOME.
func (s *Session) join(ctx context.Context, r *reader) error {
	err := s.shakeHands(r)
	if !s.wire.unwatch() {
		return fmt.Errorf("join %s: %w", s.cfg.Realm, ended(ctx))
	}
	return err
}

func (s *Session) shakeHands(r *reader) error {
	methods := provers(s.cfg.Auth)
	hello, err := s.hello(methods)
	if err != nil {
		return err
	}
	var judge prover // of the router, if it is to prove something
	if len(methods) == 1 {
		judge, _ = methods[0].(prover)
	}
	if err := s.say(hello); err != nil {
		return err
	}
	for range maxChallenges {
		m, err := r.next()
		if err != nil {
			return s.refuse(fmt.Errorf("join %s: %w", s.cfg.Realm, err))
		}
		switch m := m.(type) {
		case *wamp.Welcome:
			if !m.Session.Valid() {
				return s.refuse(wamp.Violationf("WELCOME with the session id %d", m.Session))
			}
			if judge != nil {
				extra, _ := m.Details.Dict("authextra")
				if err := judge.welcomed(extra); err != nil {
					return s.refuse(fmt.Errorf("join %s: %w", s.cfg.Realm, err))
				}
			}
			s.id, s.welcome = m.Session, m.Details
			return nil
		case *wamp.Challenge:
			answer, by, err := authenticate(methods, m)
			if err != nil {
				return s.refuse(fmt.Errorf("authenticate by %s: %w", m.AuthMethod, err))
			}
			judge, _ = by.(prover)
			if err := s.say(answer); err != nil {
				return err
			}
		case *wamp.Abort:
			return newError(m.Reason, m.Details, m.Payload)
		default:
			return s.refuse(wamp.Violationf("%s before WELCOME", m.Type()))
		}
	}
	return s.refuse(wamp.Violationf("more than %d challenges", maxChallenges))
}

// say writes one message at once, before the writer runs.
func (s *Session) say(m wamp.Message) error {
	if err := s.out.put(m); err != nil {
		return err
	}
	b, _ := s.out.take(batch{})
	if err := s.writeBatch(b); err != nil {
		return fmt.Errorf("join %s: %w", s.cfg.Realm, err)
	}
	return nil
}

// refuse tells the router why the client does not go on, if it still listens.
func (s *Session) refuse(err error) error {
	reason := wamp.ErrAuthenticationFailed
	if isViolation(err) {
		reason = wamp.ErrProtocolViolation
	}
	_ = s.say(&wamp.Abort{Details: wamp.Dict{"message": err.Error()}, Reason: reason})
	return err
}

// authenticate answers a challenge by one of the methods, which it returns too.
func authenticate(methods []Authenticator, c *wamp.Challenge) (*wamp.Authenticate, Authenticator, error) {
	for _, a := range methods {
		if a.Method() != c.AuthMethod {
			continue
		}
		signature, err := a.Answer(c.Extra)
		m := &wamp.Authenticate{Signature: signature}
		if p, ok := a.(prover); ok {
			m.Extra = p.answered()
		}
		return m, a, err
	}
	return nil, nil, wamp.Violationf("the client did not offer this method")
}

func (s *Session) hello(auth []Authenticator) (*wamp.Hello, error) {
	d := wamp.Dict{"agent": "bondy", "roles": roles(s.cfg.Features)}
	authid, err := authID(auth)
	if err != nil {
		return nil, err
	}
	if authid != "" {
		d["authid"] = authid
	}
	var methods []any
	extra := map[string]any{}
	maps.Copy(extra, s.cfg.Extra)
	for _, a := range auth {
		methods = append(methods, a.Method())
		maps.Copy(extra, a.Extra())
	}
	if methods != nil {
		d["authmethods"] = methods
	}
	if len(extra) > 0 {
		d["authextra"] = extra
	}
	return &wamp.Hello{Realm: s.cfg.Realm, Details: d}, nil
}

// roles announces what this client does (section "Feature Announcement"),
// changed as the configuration says.
func roles(override map[string]map[string]bool) map[string]any {
	out := map[string]any{}
	for role, features := range map[string][]string{
		"publisher": {"publisher_exclusion", "publisher_identification", "subscriber_blackwhite_listing"},
		"subscriber": {
			"pattern_based_subscription", "publication_trustlevels", "publisher_identification",
			"subscription_revocation",
		},
		"caller": {"call_canceling", "call_timeout", "caller_identification", "progressive_call_results"},
		"callee": {
			"call_canceling", "call_timeout", "call_trustlevels", "caller_identification",
			"pattern_based_registration", "progressive_call_results", "registration_revocation",
			"shared_registration",
		},
	} {
		announced := map[string]any{}
		for _, f := range features {
			announced[f] = true
		}
		for f, on := range override[role] {
			announced[f] = on
		}
		out[role] = map[string]any{"features": announced}
	}
	return out
}
