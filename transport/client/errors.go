package client

import (
	"context"
	"errors"
	"fmt"

	"bondy/core/codec"
	"bondy/core/wamp"
)

// ErrClosed is the error of a session that was closed by Close.
var ErrClosed = errors.New("session closed")

// Error is what the router or a callee said: the content of an ERROR, an
// ABORT, or a GOODBYE that the router began. It unwraps to a *wamp.Error with
// the same URI and Message. A handler may return one to choose the arguments
// of its ERROR.
type Error struct {
	URI     wamp.URI
	Details wamp.Dict
	Args    []any
	Kwargs  map[string]any
}

// Error is "URI: message", or the URI alone.
func (e *Error) Error() string {
	if m := e.Message(); m != "" {
		return string(e.URI) + ": " + m
	}
	return string(e.URI)
}

// Message is the sentence for a reader: the first argument if it is a string,
// else "message" of the keyword arguments or of the details, else "".
func (e *Error) Message() string {
	if len(e.Args) > 0 {
		if s, ok := e.Args[0].(string); ok {
			return s
		}
	}
	for _, d := range []map[string]any{e.Kwargs, e.Details} {
		if s, ok := d["message"].(string); ok {
			return s
		}
	}
	return ""
}

// Unwrap makes errors.AsType[*wamp.Error] work.
func (e *Error) Unwrap() error { return &wamp.Error{URI: e.URI, Message: e.Message()} }

// ended is why ctx ended: an error that wraps both ctx.Err and the cause.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

func newError(uri wamp.URI, details wamp.Dict, p wamp.Payload) error {
	args, kwargs, err := decodePayload(p)
	if err != nil {
		return err
	}
	return &Error{URI: uri, Details: details, Args: args, Kwargs: kwargs}
}

func decodePayload(p wamp.Payload) (args []any, kwargs map[string]any, err error) {
	if args, err = codec.DecodeArgs(p); err != nil {
		return nil, nil, err
	}
	kwargs, err = codec.DecodeKwargs(p)
	return args, kwargs, err
}

// asError is err as an error, which is nil if err is.
func asError(err *wamp.Error) error {
	if err == nil {
		return nil
	}
	return err
}
