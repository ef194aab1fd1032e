package client

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"bondy/core/codec"
	"bondy/core/wamp"
)

// Invocation is a call on its way through a handler. It is safe for concurrent
// use while the handler runs.
type Invocation struct {
	s       *Session
	request wamp.ID
	cancel  context.CancelCauseFunc
	// timer ends the invocation when the caller's timeout was left to this
	// client (section "Call Timeouts"); nil if not.
	timer   *time.Timer
	timeout time.Duration
	payload wamp.Payload

	// Procedure that was called, also under a pattern.
	Procedure wamp.URI
	Details   wamp.Dict
	Args      []any
	Kwargs    map[string]any
}

// WantsProgress reports whether the caller receives progressive results.
func (inv *Invocation) WantsProgress() bool { return inv.Details["receive_progress"] == true }

// Progress sends a progressive result. Its error is wamp.error.canceled when
// nobody waits for one any more.
func (inv *Invocation) Progress(ctx context.Context, args []any, kwargs map[string]any) error {
	payload, err := codec.NewPayload(inv.s.cfg.Serializer, args, kwargs)
	if err != nil {
		return err
	}
	if err := inv.s.out.wait(ctx); err != nil {
		return err
	}
	if inv.timer != nil {
		inv.timer.Reset(inv.timeout)
	}
	return inv.s.reply(inv, false, &wamp.Yield{
		Request: inv.request, Options: wamp.Dict{"progress": true}, Payload: payload,
	})
}

// invocation queues an invocation for its handler. While the queue is full the
// session reads nothing.
func (r *reader) invocation(ctx context.Context, m *wamp.Invocation) error {
	s := r.s
	timeout, err := m.Details.Int("timeout")
	if err != nil {
		return err
	}
	procedure, err := m.Details.String("procedure")
	if err != nil {
		return err
	}
	weight, err := s.hold(ctx, m.Payload)
	if err != nil {
		return err
	}
	inv := &Invocation{
		s: s, request: m.Request, Procedure: wamp.URI(procedure),
		Details: maps.Clone(m.Details), payload: m.Payload.Clone(),
	}
	hctx, cancel := context.WithCancelCause(ctx)
	inv.cancel = cancel
	reg := s.begin(inv, m.Registration)
	if reg == nil {
		s.ahead.Release(weight)
		cancel(nil)
		return nil
	}
	if timeout > 0 {
		inv.watch(time.Duration(min(timeout, int64(maxTimeout/time.Millisecond))) * time.Millisecond)
	}
	run := func() {
		defer cancel(nil)
		s.ahead.Release(weight)
		s.answer(ctx, inv, inv.handle(hctx, reg))
	}
	s.startWork()
	select {
	case s.work <- run:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// maxTimeout bounds the timers of forwarded timeouts.
const maxTimeout = 365 * 24 * time.Hour

// begin records the invocation and returns its registration. It refuses one
// whose registration has ended, and drops another invocation with an id that
// is in use.
func (s *Session) begin(inv *Invocation, registration wamp.ID) *Registration {
	s.mu.Lock()
	defer s.mu.Unlock()
	reg := s.registrations[registration]
	if reg == nil {
		_ = s.out.put(errorMessage(inv.request, wamp.ErrNoSuchRegistration, wamp.Payload{}))
		return nil
	}
	if s.invocations[inv.request] != nil {
		return nil
	}
	if inv.Procedure == "" {
		inv.Procedure = reg.procedure
	}
	s.invocations[inv.request] = inv
	return reg
}

// watch ends the invocation after d without a result.
func (inv *Invocation) watch(d time.Duration) {
	inv.timeout = d
	expired := wamp.Errorf(wamp.ErrTimeout, "no result within %s", d)
	inv.timer = time.AfterFunc(d, func() {
		payload, _ := codec.NewPayload(inv.s.cfg.Serializer, []any{expired.Message}, nil)
		_ = inv.s.reply(inv, true, errorMessage(inv.request, expired.URI, payload)) // refused if just answered
		inv.cancel(expired)
	})
}

// interrupt cancels an invocation. The handler's answer goes out only if the
// dealer waits for it.
func (s *Session) interrupt(m *wamp.Interrupt) error {
	mode, err := m.Options.String("mode")
	if err != nil {
		return err
	}
	if inv := s.interrupted(m.Request, mode == CancelKillNoWait); inv != nil {
		inv.cancel(wamp.Errorf(wamp.ErrCanceled, "call canceled"))
	}
	return nil
}

func (s *Session) interrupted(request wamp.ID, forget bool) *Invocation {
	s.mu.Lock()
	defer s.mu.Unlock()
	inv := s.invocations[request]
	if forget {
		delete(s.invocations, request)
	}
	return inv
}

// handleInvocations runs the handlers, a bounded number at once.
func (s *Session) handleInvocations(ctx context.Context) {
	var group sync.WaitGroup
	defer group.Wait()
	slots := make(chan struct{}, s.cfg.MaxInvocations)
	for run := range s.work {
		if ctx.Err() != nil {
			continue // nobody is left to answer
		}
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			run()
		})
	}
}

// handle runs the handler and makes the message that answers.
func (inv *Invocation) handle(ctx context.Context, reg *Registration) wamp.Message {
	if inv.timer != nil {
		defer inv.timer.Stop()
	}
	result, err := inv.call(ctx, reg)
	if err == nil {
		if result == nil {
			result = &Result{}
		}
		var payload wamp.Payload
		if payload, err = codec.NewPayload(inv.s.cfg.Serializer, result.Args, result.Kwargs); err == nil {
			return &wamp.Yield{Request: inv.request, Options: result.Details, Payload: payload}
		}
	}
	return inv.failure(ctx, err)
}

func (inv *Invocation) call(ctx context.Context, reg *Registration) (*Result, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var err error
	if inv.Args, inv.Kwargs, err = decodePayload(inv.payload); err != nil {
		return nil, wamp.Errorf(wamp.ErrInvalidArgument, "%s", err)
	}
	inv.payload = wamp.Payload{}
	return reg.handler(ctx, inv)
}

// failure is the ERROR for what a handler returned.
func (inv *Invocation) failure(ctx context.Context, err error) wamp.Message {
	s := inv.s
	if e, ok := errors.AsType[*Error](err); ok {
		if payload, err := codec.NewPayload(s.cfg.Serializer, e.Args, e.Kwargs); err == nil {
			m := errorMessage(inv.request, e.URI, payload)
			m.Details = e.Details
			return m
		}
	}
	we, ok := errors.AsType[*wamp.Error](err)
	switch {
	case ok:
	case ctx.Err() != nil:
		if we, ok = errors.AsType[*wamp.Error](context.Cause(ctx)); !ok {
			we = wamp.Errorf(wamp.ErrCanceled, "session closed")
		}
	default:
		s.cfg.Logger.Warn("invocation failed", slog.String("procedure", string(inv.Procedure)), slog.Any("err", err))
		we = wamp.Errorf(wamp.ErrInternal, "the procedure failed")
	}
	payload, _ := codec.NewPayload(s.cfg.Serializer, []any{we.Message}, nil)
	return errorMessage(inv.request, we.URI, payload)
}

// answer sends the final answer. One that is too long becomes an ERROR.
func (s *Session) answer(ctx context.Context, inv *Invocation, m wamp.Message) {
	if s.out.wait(ctx) != nil {
		return // the session has ended
	}
	err := s.reply(inv, true, m)
	if err == nil {
		return
	}
	if we, ok := errors.AsType[*wamp.Error](err); ok && we.URI != wamp.ErrCanceled {
		payload, _ := codec.NewPayload(s.cfg.Serializer, []any{we.Message}, nil)
		err = s.reply(inv, true, errorMessage(inv.request, we.URI, payload))
	}
	s.cfg.Logger.Debug("result not sent", slog.Uint64("request", uint64(inv.request)), slog.Any("err", err))
}

// reply queues an answer to an invocation that still wants one.
func (s *Session) reply(inv *Invocation, final bool, m wamp.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.invocations[inv.request] != inv {
		return wamp.Errorf(wamp.ErrCanceled, "nobody waits for a result")
	}
	if err := s.out.put(m); err != nil {
		return err
	}
	if final {
		delete(s.invocations, inv.request)
	}
	return nil
}

func errorMessage(request wamp.ID, uri wamp.URI, payload wamp.Payload) *wamp.ErrorMessage {
	return &wamp.ErrorMessage{RequestType: wamp.TypeInvocation, Request: request, Error: uri, Payload: payload}
}
