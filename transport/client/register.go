package client

import (
	"context"
	"maps"

	"bondy/core/wamp"
)

// RegisterOptions are the options of a registration; the zero value is usable.
type RegisterOptions struct {
	// Match is how procedures are compared with the registration's.
	Match wamp.Match
	// Invoke is the policy of a shared registration: single, roundrobin,
	// random, first, last or one of the router's own; single if empty.
	Invoke string
	// ForwardTimeout asks the router to leave call timeouts to this client,
	// which ends the handler's context then.
	ForwardTimeout bool
	// Options are further options of REGISTER; they win over the fields above.
	Options wamp.Dict
}

// InvocationHandler handles one invocation and returns its result; nil is an
// empty one. An error becomes an ERROR: an *Error as it is, a *wamp.Error with
// its message as the argument, any other as wamp.error.internal_error with the
// cause going to the log alone, or as wamp.error.canceled when the context has
// ended. The context ends when the call is canceled or times out, and with the
// session.
type InvocationHandler func(ctx context.Context, inv *Invocation) (*Result, error)

// Registration is a procedure that this session offers. It is safe for
// concurrent use.
type Registration struct {
	s         *Session
	procedure wamp.URI
	handler   InvocationHandler
	done      chan struct{} // closed under Session.mu
	revoked   *wamp.Error   // set before it, if the router ended it
	id        wamp.ID
}

// Register offers a procedure. handler can be called before Register returns,
// and concurrently, up to Config.MaxInvocations of the session.
func (s *Session) Register(
	ctx context.Context, procedure wamp.URI, handler InvocationHandler, opts RegisterOptions,
) (*Registration, error) {
	options := wamp.Dict{}
	if opts.Match != wamp.MatchExact {
		options["match"] = opts.Match.String()
	}
	if opts.Invoke != "" {
		options["invoke"] = opts.Invoke
	}
	if opts.ForwardTimeout {
		options["forward_timeout"] = true
	}
	maps.Copy(options, opts.Options)
	reg := &Registration{s: s, procedure: procedure, handler: handler, done: make(chan struct{})}
	_, err := s.ask(ctx, reg.grantedLocked, func(id wamp.ID) wamp.Message {
		return &wamp.Register{Request: id, Options: options, Procedure: procedure}
	})
	if err != nil {
		return nil, err
	}
	return reg, nil
}

// ID is the router's id of the registration.
func (reg *Registration) ID() wamp.ID { return reg.id }

// Procedure is the procedure or pattern that was registered.
func (reg *Registration) Procedure() wamp.URI { return reg.procedure }

// Done is closed when the registration has ended while the session may last:
// by Unregister or because the router revoked it.
func (reg *Registration) Done() <-chan struct{} { return reg.done }

// Err says, once Done is closed, why the router revoked the registration; it is
// nil if it did not.
func (reg *Registration) Err() error {
	select {
	case <-reg.done:
		return asError(reg.revoked)
	default:
		return nil
	}
}

// Unregister withdraws the procedure. Invocations that were under way when the
// router answered are still handled. Doing it again after it succeeded does
// nothing.
func (reg *Registration) Unregister(ctx context.Context) error {
	select {
	case <-reg.done:
		return nil
	default:
	}
	drop := func(wamp.ID, bool) { reg.s.dropRegistrationLocked(reg.id, "") }
	_, err := reg.s.ask(ctx, drop, func(id wamp.ID) wamp.Message {
		return &wamp.Unregister{Request: id, Registration: reg.id}
	})
	return err
}

// grantedLocked takes note of REGISTERED before any invocation is read.
func (reg *Registration) grantedLocked(id wamp.ID, abandoned bool) {
	s := reg.s
	reg.id = id
	if !abandoned {
		s.registrations[id] = reg
		return
	}
	// The answer is of no interest, and the session may have ended.
	_, _ = s.requestLocked(nil, func(request wamp.ID) wamp.Message {
		return &wamp.Unregister{Request: request, Registration: id}
	})
}

// dropRegistrationLocked ends that of that id; revoked is the router's reason, if
// it was the router.
func (s *Session) dropRegistrationLocked(id wamp.ID, revoked wamp.URI) {
	if reg := s.registrations[id]; reg != nil {
		if revoked != "" {
			reg.revoked = wamp.Errorf(revoked, "the router revoked the registration of %s", reg.procedure)
		}
		close(reg.done)
		delete(s.registrations, id)
	}
}
