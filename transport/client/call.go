package client

import (
	"context"
	"fmt"
	"maps"
	"time"

	"bondy/core/codec"
	"bondy/core/wamp"
)

// progressQueued is how many progressive results wait for OnProgress; the
// session reads no further then.
const progressQueued = 64

// The modes of CANCEL (section "Call Canceling").
const (
	CancelKillNoWait = "killnowait" // the default: interrupt the callee
	CancelSkip       = "skip"       // let the callee finish unheard
	CancelKill       = "kill"       // interrupt the callee and wait for what it answers
)

// CallOptions are the options of a call; the zero value is usable.
type CallOptions struct {
	// OnProgress, if set, asks for progressive results and is called with
	// each, in order, on the goroutine of Call.
	OnProgress func(*Result)
	// Timeout asks the router, or the callee, to end the call with
	// wamp.error.timeout after this time without a result; rounded up to
	// milliseconds. It needs no context with a deadline beside it.
	Timeout time.Duration
	// CancelMode is how the call is canceled when the context ends;
	// CancelKillNoWait if empty.
	CancelMode string
	// DiscloseMe asks for the caller's identity to be told to the callee.
	DiscloseMe bool
	// Options are further options of CALL; they win over the fields above.
	Options wamp.Dict
}

// Result is a result of a call, or what an invocation handler returns.
type Result struct {
	// Details of RESULT; the options of YIELD in a handler's result.
	Details wamp.Dict
	Args    []any
	Kwargs  map[string]any
}

// Call calls a procedure and waits for its result. Values of args and kwargs
// are those of codec.NewPayload. When ctx ends the call is canceled at the
// router; Call returns at once with the context's error, or, with CancelKill,
// when the callee has answered. An ERROR comes back as *Error.
func (s *Session) Call(
	ctx context.Context, procedure wamp.URI, args []any, kwargs map[string]any, opts CallOptions,
) (*Result, error) {
	payload, err := codec.NewPayload(s.cfg.Serializer, args, kwargs)
	if err != nil {
		return nil, err
	}
	p := &pending{reply: make(chan reply, 1), gone: make(chan struct{})}
	defer close(p.gone)
	options := wamp.Dict{}
	if opts.OnProgress != nil {
		p.reply = make(chan reply, progressQueued)
		options["receive_progress"] = true
	}
	if opts.Timeout > 0 {
		options["timeout"] = int64((opts.Timeout + time.Millisecond - 1) / time.Millisecond)
	}
	if opts.DiscloseMe {
		options["disclose_me"] = true
	}
	maps.Copy(options, opts.Options)
	id, err := s.request(ctx, p, func(id wamp.ID) wamp.Message {
		return &wamp.Call{Request: id, Options: options, Procedure: procedure, Payload: payload}
	})
	if err != nil {
		return nil, err
	}
	return s.awaitResult(ctx, id, p, opts)
}

func (s *Session) awaitResult(ctx context.Context, id wamp.ID, p *pending, opts CallOptions) (*Result, error) {
	canceled := ctx.Done()
	for {
		var r reply
		select {
		case r = <-p.reply:
		case <-s.quit:
			var err error
			if r, err = s.lastReply(p); err != nil {
				return nil, err
			}
		case <-canceled:
			canceled = nil
			if s.cancelCall(id, opts.CancelMode) {
				return nil, fmt.Errorf("call canceled: %w", ended(ctx))
			}
			continue
		}
		if err := r.err(); err != nil {
			return nil, err
		}
		args, kwargs, err := decodePayload(r.payload)
		if err != nil {
			return nil, err
		}
		result := &Result{Details: r.details, Args: args, Kwargs: kwargs}
		if !r.progress {
			return result, nil
		}
		if opts.OnProgress != nil {
			opts.OnProgress(result)
		}
	}
}

// cancelCall sends CANCEL unless the answer has come, and reports whether
// nothing is left to wait for.
func (s *Session) cancelCall(id wamp.ID, mode string) bool {
	if mode == "" {
		mode = CancelKillNoWait
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending[id] == nil {
		return false
	}
	_ = s.out.put(&wamp.Cancel{Request: id, Options: wamp.Dict{"mode": mode}}) // fails only when the session has ended
	if mode == CancelKill {
		return false
	}
	delete(s.pending, id)
	return true
}
