package session

import (
	"bondy/core/broker"
	"bondy/core/dealer"
	"bondy/core/mgmt"
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
		return s.yield(m)
	case *wamp.Publish:
		return s.publish(m)
	case *wamp.ErrorMessage:
		if err := s.role(m.Type(), peer.Callee); err != nil {
			return err
		}
		s.routing = true
		err := s.rpc().Error(s.batch, m)
		s.routing = false
		return err
	case *wamp.Subscribe:
		return s.subscribe(m)
	case *wamp.Unsubscribe:
		if err := s.request(m.Type(), m.Request, peer.Subscriber); err != nil {
			return err
		}
		return s.fail(m.Type(), m.Request, s.route(func() error { return s.pubsub().Unsubscribe(s.batch, m) }))
	case *wamp.Register:
		return s.register(m)
	case *wamp.Unregister:
		if err := s.request(m.Type(), m.Request, peer.Callee); err != nil {
			return err
		}
		return s.fail(m.Type(), m.Request, s.route(func() error { return s.rpc().Unregister(s.batch, m) }))
	case *wamp.Cancel:
		if err := s.role(m.Type(), peer.Caller); err != nil {
			return err
		}
		return s.route(func() error { return s.rpc().Cancel(s.batch, m) })
	default:
		return wamp.Violationf("%s is not a message that a client may send in an open session", m.Type())
	}
}

// call takes a further piece of a call, whose id is not the next, and a new
// call (section "Progressive Call Invocations").
func (s *Session) call(m *wamp.Call) error {
	var err error
	if s.rpc().Continues(m.Request) {
		err = s.role(m.Type(), peer.Caller)
	} else {
		err = s.request(m.Type(), m.Request, peer.Caller)
	}
	if err != nil {
		return err
	}
	if err := s.passthru(m.Type(), m.Options, peer.CallerPassthru); err != nil {
		return err
	}
	router := m.Procedure.Reserved() // it answers itself
	if router {
		m.Procedure = s.realm.Procedures.Canonical(m.Procedure)
	}
	disclose, err := s.permit(rbac.Call, m.Procedure, wamp.MatchExact)
	if disclose {
		m.Options = disclosed(m.Options)
	}
	switch {
	case err != nil && router:
		err = mgmt.Explained(err)
	case err != nil:
	case router:
		err = s.ask(m)
	default:
		s.routing = true
		err = s.rpc().Call(s.batch, m)
		s.routing = false
	}
	return s.fail(m.Type(), m.Request, err)
}

// publish answers errors only to publishers that asked for an answer (section
// "PUBLISH").
func (s *Session) publish(m *wamp.Publish) error {
	if err := s.request(m.Type(), m.Request, peer.Publisher); err != nil {
		return err
	}
	if err := s.passthru(m.Type(), m.Options, peer.PublisherPassthru); err != nil {
		return err
	}
	disclose, err := s.permit(rbac.Publish, m.Topic, wamp.MatchExact)
	if disclose {
		m.Options = disclosed(m.Options)
	}
	if err == nil && m.Topic.Reserved() {
		err = reserved(m.Topic)
	}
	if err == nil {
		s.routing = true
		err = s.pubsub().Publish(s.batch, m)
		s.routing = false
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
	m.Topic = m.Topic.Canonical(match)
	version := s.realm.Access.Version()
	if err == nil {
		err = s.permitHolding(rbac.Subscribe, m.Topic, match, m.Options)
	}
	if err == nil {
		err = s.route(func() error { return s.pubsub().Subscribe(s.batch, m, match) })
		s.stand(version)
	}
	return s.fail(m.Type(), m.Request, err)
}

func (s *Session) register(m *wamp.Register) error {
	if err := s.request(m.Type(), m.Request, peer.Callee); err != nil {
		return err
	}
	match, err := m.Options.Match()
	version := s.realm.Access.Version()
	if err == nil {
		err = s.permitHolding(rbac.Register, m.Procedure, match, m.Options)
	}
	if err == nil && m.Procedure.Reserved() {
		err = reserved(m.Procedure)
	}
	if err == nil {
		err = s.route(func() error { return s.rpc().Register(s.batch, m, match) })
		s.stand(version)
	}
	return s.fail(m.Type(), m.Request, err)
}

// yield handles what a callee returns.
func (s *Session) yield(m *wamp.Yield) error {
	if err := s.role(m.Type(), peer.Callee); err != nil {
		return err
	}
	if err := s.passthru(m.Type(), m.Options, peer.CalleePassthru); err != nil {
		return err
	}
	s.routing = true
	err := s.rpc().Yield(s.batch, m)
	s.routing = false
	return err
}

// route marks the time in broker or dealer, where a panic must end the process.
// The messages that come most do so on their own.
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
	if want := s.lastRequest.Next(); id != want && !s.policy.AnyRequestIDs && !s.anew {
		return wamp.Violationf(
			"%s.Request is %d, the next in sequence is %d: the realm takes other ids if it has request_ids = \"any\"", t, id, want)
	}
	s.lastRequest, s.anew = id, false
	return nil
}

func (s *Session) role(t wamp.MessageType, role peer.Features) error {
	if !s.peer.Features.Has(role) {
		return wamp.Violationf("%s from a client that did not announce the role for it", t)
	}
	return nil
}

// passthru refuses payload passthru mode to a client that did not announce it,
// where that is asked for (section "Payload Passthru Mode").
func (s *Session) passthru(t wamp.MessageType, options wamp.Dict, want peer.Features) error {
	if len(options) == 0 || s.policy.Features == dealer.Used || s.peer.Features.Has(want) {
		return nil
	}
	if scheme := options["ppt_scheme"]; scheme != nil && scheme != "" {
		return wamp.Violationf("%s.Options.ppt_scheme: this client did not announce payload_passthru_mode", t)
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
