package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"

	"bondy/core/codec"
	"bondy/core/wamp"
)

// reader is the session's reading side: it decodes what the router sends and
// hands it to whoever waits for it.
type reader struct {
	s   *Session
	dec *codec.Decoder
}

func newReader(s *Session) *reader {
	s.link.onPing(func(data []byte) error { return s.out.control(framePong, data) })
	return &reader{s: s, dec: codec.NewDecoder(s.cfg.Serializer, codec.Limits{})}
}

// next reads a message, valid until the next call.
func (r *reader) next() (wamp.Message, error) {
	data, err := r.s.link.read()
	if err != nil {
		return nil, err
	}
	return r.dec.Decode(data)
}

// run reads until the session ends. ctx lasts as long as the session.
func (r *reader) run(ctx context.Context) {
	s := r.s
	defer s.stopHandlers()
	for {
		m, err := r.next()
		if take := s.cfg.Intercept; err == nil && (take == nil || !take(s, m)) {
			err = r.dispatch(ctx, m)
		}
		if err != nil {
			s.end(r.reason(err))
			return
		}
	}
}

// reason tells the router of a violation, and turns what ended the reading
// into the session's error.
func (r *reader) reason(err error) error {
	s := r.s
	if _, ok := errors.AsType[*Error](err); ok {
		return err // the router's own
	}
	switch {
	case isViolation(err):
		_ = s.out.put(&wamp.Abort{Details: wamp.Dict{"message": err.Error()}, Reason: wamp.ErrProtocolViolation})
		return err
	case r.leaving():
		return ErrClosed
	case errors.Is(err, io.EOF):
		return errors.New("connection lost: closed by the router")
	}
	return fmt.Errorf("connection lost: %w", err)
}

func (r *reader) leaving() bool {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.s.goodbye
}

// dispatch handles one message; an error ends the session.
func (r *reader) dispatch(ctx context.Context, m wamp.Message) error {
	s := r.s
	switch m := m.(type) {
	case *wamp.Event:
		return r.event(ctx, m)
	case *wamp.Result:
		return r.result(m)
	case *wamp.Invocation:
		return r.invocation(ctx, m)
	case *wamp.Interrupt:
		return s.interrupt(m)
	case *wamp.Published:
		r.answer(m.Request, reply{id: m.Publication})
	case *wamp.Subscribed:
		r.answer(m.Request, reply{id: m.Subscription})
	case *wamp.Registered:
		r.answer(m.Request, reply{id: m.Registration})
	case *wamp.Unsubscribed:
		if m.Request == 0 {
			return r.revoked(m.Details, "subscription", s.dropSubscriptionLocked)
		}
		r.answer(m.Request, reply{})
	case *wamp.Unregistered:
		if m.Request == 0 {
			return r.revoked(m.Details, "registration", s.dropRegistrationLocked)
		}
		r.answer(m.Request, reply{})
	case *wamp.ErrorMessage:
		r.answer(m.Request, reply{errorURI: m.Error, details: maps.Clone(m.Details), payload: m.Payload.Clone()})
	case *wamp.Goodbye:
		return r.farewell(m)
	case *wamp.Abort:
		return newError(m.Reason, maps.Clone(m.Details), m.Payload)
	default:
		return wamp.Violationf("%s in an open session", m.Type())
	}
	return nil
}

// answer gives the final answer to whoever made the request. Answers to
// requests that were given up are dropped.
func (r *reader) answer(request wamp.ID, a reply) {
	if p := r.s.finish(request, a); p != nil {
		r.pass(p, a)
	}
}

// finish takes the request from those that wait and acts on a grant.
func (s *Session) finish(request wamp.ID, a reply) *pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pending[request]
	if p == nil {
		return nil
	}
	delete(s.pending, request)
	if p.granted != nil && a.errorURI == "" {
		p.granted(a.id, p.abandoned)
	}
	return p
}

func (r *reader) pass(p *pending, a reply) {
	select {
	case p.reply <- a:
	case <-p.gone:
	case <-r.s.quit:
	}
}

// result passes a result to its call. It waits while progressive ones pile up.
func (r *reader) result(m *wamp.Result) error {
	a := reply{details: maps.Clone(m.Details), payload: m.Payload.Clone()}
	progress, err := m.Details.Bool("progress")
	if err != nil {
		return err
	}
	if a.progress = progress; !progress {
		r.answer(m.Request, a)
		return nil
	}
	if p := r.s.waiting(m.Request); p != nil {
		r.pass(p, a)
	}
	return nil
}

func (s *Session) waiting(request wamp.ID) *pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending[request]
}

// revoked handles UNSUBSCRIBED and UNREGISTERED that nobody asked for.
func (r *reader) revoked(details wamp.Dict, key string, drop func(id wamp.ID, reason wamp.URI)) error {
	id, err := details.Int(key)
	if err != nil {
		return err
	}
	reason, _ := details.String("reason")
	r.s.cfg.Logger.Warn("router revoked a "+key, slog.Int64("id", id), slog.String("reason", reason)) //nolint:sloglint // one of two constants
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	drop(wamp.ID(id), cmp.Or(wamp.URI(reason), wamp.ErrCanceled)) //nolint:gosec // an id that nobody has drops nothing
	return nil
}

// farewell answers the router's GOODBYE, unless it is the answer to ours.
func (r *reader) farewell(m *wamp.Goodbye) error {
	if r.leaving() {
		return ErrClosed
	}
	_ = r.s.out.put(&wamp.Goodbye{Reason: wamp.CloseGoodbyeAndOut})
	return &Error{URI: m.Reason, Details: maps.Clone(m.Details)}
}
