package session

import (
	"log/slog"
	"maps"

	"bondy/core/rbac"
	"bondy/core/wamp"
)

// permit checks the URI and whether this session may do that with it. It reports
// whether the caller or publisher is to be disclosed although it did not ask.
func (s *Session) permit(p rbac.Permission, uri wamp.URI, match wamp.Match) (disclose bool, err error) {
	if !uri.Valid(match, s.policy.StrictURIs) {
		return false, wamp.Errorf(wamp.ErrInvalidURI, "%q is not a valid URI here", uri)
	}
	if s.member.Rights.Decide(p, uri, match) {
		return false, nil
	}
	if d := s.realm.Access.Dynamic(); d != nil && d.Asks(p, uri, match) {
		if answer := s.consult(d, p, uri, match); answer.Allow && !s.leaving.Load() { // it may have been ended meanwhile
			return answer.Disclose, nil
		}
	}
	s.denied(p, uri, match)
	return false, wamp.Errorf(wamp.ErrNotAuthorized, "%s has no grant of %s on %q", s.peer.AuthID, p, uri)
}

// consult asks the realm's dynamic authorizer. The session waits for it, so that
// its messages stay in order.
func (s *Session) consult(d *rbac.Dynamic, p rbac.Permission, uri wamp.URI, match wamp.Match) rbac.Answer {
	s.flush()
	if s.answers == nil {
		s.answers = new(rbac.Answers)
	}
	answer, err := d.Ask(s.ctx, s.realm.Caller, s.answers, s.realm.About(&s.member), p, uri, match)
	if err != nil {
		s.cfg.Log.Debug("no answer of the dynamic authorizer", slog.Any("", s), slog.Any("err", err))
	}
	return answer
}

// permitHolding is permit for what asks to hold something, whose options may ask
// to be told of others.
func (s *Session) permitHolding(p rbac.Permission, uri wamp.URI, match wamp.Match, options wamp.Dict) error {
	if _, err := s.permit(p, uri, match); err != nil {
		return err
	}
	need := rbac.Disclosing(p, options)
	if s.member.Rights.DecideAll(need, uri, match) {
		return nil
	}
	for _, p := range need.List() {
		s.denied(p, uri, match)
	}
	return wamp.Errorf(wamp.ErrOptionNotAllowed,
		"%s needs a grant of %v on %q to be told of clients that did not ask to be disclosed: leave the option out", s.peer.AuthID, need.List(), uri)
}

// stand sees to it that what the session has come to hold is still allowed if
// permissions changed since version.
func (s *Session) stand(version uint64) {
	if s.realm.Access.Version() != version {
		s.flush()
		s.realm.Review(&s.member)
	}
}

// disclosed are options with the wish of a client to be disclosed.
func disclosed(options wamp.Dict) wamp.Dict {
	with := make(wamp.Dict, len(options)+1)
	maps.Copy(with, options)
	with["disclose_me"] = true
	return with
}
