package session

import (
	"bondy/core/broker"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// handle routes one message; an error ends the session.
func (s *Session) handle(m wamp.Message) error {
	switch m := m.(type) {
	case *wamp.Call:
		return s.call(m)
	case *wamp.Yield:
		if err := plain(m.Type(), m.Options); err != nil {
			return err
		}
		return s.answer(m.Type(), func() error { return s.dealer.Yield(s.batch, m) })
	case *wamp.Publish:
		return s.publish(m)
	case *wamp.ErrorMessage:
		return s.answer(m.Type(), func() error { return s.dealer.Error(s.batch, m) })
	case *wamp.Subscribe:
		return s.subscribe(m)
	case *wamp.Unsubscribe:
		if err := s.request(m.Type(), m.Request, peer.Subscriber); err != nil {
			return err
		}
		return s.fail(m.Type(), m.Request, s.route(func() error { return s.broker.Unsubscribe(s.batch, m) }))
	case *wamp.Register:
		return s.register(m)
	case *wamp.Unregister:
		if err := s.request(m.Type(), m.Request, peer.Callee); err != nil {
			return err
		}
		return s.fail(m.Type(), m.Request, s.route(func() error { return s.dealer.Unregister(s.batch, m) }))
	case *wamp.Cancel:
		if err := s.role(m.Type(), peer.Caller); err != nil {
			return err
		}
		return s.route(func() error { return s.dealer.Cancel(s.batch, m) })
	default:
		return wamp.Violationf("%s is not a message that a client may send in an open session", m.Type())
	}
}

func (s *Session) call(m *wamp.Call) error {
	if err := s.request(m.Type(), m.Request, peer.Caller); err != nil {
		return err
	}
	if err := plain(m.Type(), m.Options); err != nil {
		return err
	}
	err := s.permit(rbac.Call, m.Procedure, wamp.MatchExact)
	switch {
	case err != nil:
	case m.Procedure.Reserved():
		err = s.ask(m)
	default:
		err = s.route(func() error { return s.dealer.Call(s.batch, m) })
	}
	return s.fail(m.Type(), m.Request, err)
}

// publish answers errors only to publishers that asked for an answer (section
// "PUBLISH").
func (s *Session) publish(m *wamp.Publish) error {
	if err := s.request(m.Type(), m.Request, peer.Publisher); err != nil {
		return err
	}
	if err := plain(m.Type(), m.Options); err != nil {
		return err
	}
	err := s.permit(rbac.Publish, m.Topic, wamp.MatchExact)
	if err == nil && m.Topic.Reserved() {
		err = reserved(m.Topic)
	}
	if err == nil {
		err = s.route(func() error { return s.broker.Publish(s.batch, m) })
	}
	if err == nil || !broker.Acknowledge(m) && !violation(err) {
		return nil
	}
	return s.fail(m.Type(), m.Request, err)
}

func (s *Session) subscribe(m *wamp.Subscribe) error {
	if err := s.request(m.Type(), m.Request, peer.Subscriber); err != nil {
		return err
	}
	match, err := m.Options.Match()
	if err == nil {
		err = s.permit(rbac.Subscribe, m.Topic, match)
	}
	if err == nil {
		err = s.route(func() error { return s.broker.Subscribe(s.batch, m, match) })
	}
	return s.fail(m.Type(), m.Request, err)
}

func (s *Session) register(m *wamp.Register) error {
	if err := s.request(m.Type(), m.Request, peer.Callee); err != nil {
		return err
	}
	match, err := m.Options.Match()
	if err == nil {
		err = s.permit(rbac.Register, m.Procedure, match)
	}
	if err == nil && m.Procedure.Reserved() {
		err = reserved(m.Procedure)
	}
	if err == nil {
		err = s.route(func() error { return s.dealer.Register(s.batch, m, match) })
	}
	return s.fail(m.Type(), m.Request, err)
}

// answer handles what a callee says of an invocation.
func (s *Session) answer(t wamp.MessageType, f func() error) error {
	if err := s.role(t, peer.Callee); err != nil {
		return err
	}
	return s.route(f)
}

// route marks the time in broker or dealer, where a panic must end the process.
func (s *Session) route(f func() error) error {
	s.routing = true
	err := f()
	s.routing = false
	return err
}

// request checks the role and the sequence of request ids (sections "IDs" and
// "Protocol Errors").
func (s *Session) request(t wamp.MessageType, id wamp.ID, role peer.Features) error {
	if err := s.role(t, role); err != nil {
		return err
	}
	if want := s.lastRequest.Next(); id != want {
		return wamp.Violationf("%s.Request is %d, the next in sequence is %d", t, id, want)
	}
	s.lastRequest = id
	return nil
}

func (s *Session) role(t wamp.MessageType, role peer.Features) error {
	if !s.peer.Features.Has(role) {
		return wamp.Violationf("%s from a client that did not announce the role for it", t)
	}
	return nil
}

// permit checks the URI and whether this session may do that with it.
func (s *Session) permit(p rbac.Permission, uri wamp.URI, match wamp.Match) error {
	if !uri.Valid(match, s.policy.StrictURIs) {
		return wamp.Errorf(wamp.ErrInvalidURI, "%q is not a valid URI here", uri)
	}
	if !s.rights.Decide(p, uri, match) {
		return wamp.Errorf(wamp.ErrNotAuthorized, "%s has no grant of %s on %q", s.who.AuthID, p, uri)
	}
	return nil
}

// plain refuses payload passthru mode, which this router does not announce
// (section "Payload Passthru Mode").
func plain(t wamp.MessageType, options wamp.Dict) error {
	if len(options) > 0 {
		if _, ok := options["ppt_scheme"]; ok {
			return wamp.Violationf("%s.Options.ppt_scheme: payload passthru mode is not announced", t)
		}
	}
	return nil
}

func reserved(uri wamp.URI) error {
	return wamp.Errorf(wamp.ErrNotAuthorized, "%q begins with a component that is reserved for the router", uri)
}

func violation(err error) bool {
	we, ok := err.(*wamp.Error) //nolint:errorlint // broker errors come bare
	return ok && we.URI == wamp.ErrProtocolViolation
}
