// Package cli has the client commands of bondy: call, publish, subscribe and
// register. Each is one WAMP session, or one kept alive until the command's
// context ends. The commands write results and events as lines of JSON, and
// return what went wrong as an *Error; only the caller prints it and exits.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"bondy/core/codec"
	"bondy/core/wamp"
	"bondy/transport/client"
)

// Error is why a command failed. Its text is "URI: message" for what happened
// at run time.
type Error struct {
	text   string
	status int
	cause  error
}

// Error is the text for standard error.
func (e *Error) Error() string { return e.text }

// ExitStatus is 2 when the command line could not be understood, else 1.
func (e *Error) ExitStatus() int { return e.status }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

// Commands are the client commands. They write results and events to out and
// notices to errOut, which must be safe for concurrent use, and end when the
// command's context does.
func Commands(out, errOut io.Writer) []*cobra.Command {
	return []*cobra.Command{
		callCommand(out, errOut), publishCommand(out), subscribeCommand(out, errOut), registerCommand(errOut),
	}
}

// Target is a router and how to join it.
type Target struct {
	URL    string
	Client client.Config
}

// Connected makes cmd a client command: it gets the flags of a connection, its
// errors their exit status, and run the router that the flags name.
func Connected(cmd *cobra.Command, run func(ctx context.Context, to Target) error) *cobra.Command {
	var c connection
	return prepare(cmd, &c, func(ctx context.Context, _ []string) error {
		cfg, err := c.config(io.Discard)
		if err != nil {
			return err
		}
		return run(ctx, Target{c.url, cfg})
	})
}

// prepare gives the command the flags of the connection, and run the errors
// with their exit status.
func prepare(cmd *cobra.Command, c *connection, run func(ctx context.Context, args []string) error) *cobra.Command {
	c.flags(cmd.Flags())
	check := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error { return asUsage(check(cmd, args)) }
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return asUsage(err) })
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return failure(run(cmd.Context(), args)) }
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return cmd
}

func usagef(format string, args ...any) error { return asUsage(fmt.Errorf(format, args...)) }

func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return &Error{text: err.Error(), status: 2, cause: err}
}

// failure gives every error that is no usage error a URI and status 1.
func failure(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	return &Error{text: describe(err), status: 1, cause: err}
}

func describe(err error) string {
	if e, ok := errors.AsType[*client.Error](err); ok {
		if e.Message() != "" || len(e.Args)+len(e.Kwargs) == 0 {
			return e.Error()
		}
		if text, err := content(nil, e.Args, e.Kwargs); err == nil {
			return string(e.URI) + ": {" + string(text) + "}"
		}
		return string(e.URI)
	}
	if e, ok := errors.AsType[*wamp.Error](err); ok {
		return e.Error()
	}
	uri := wamp.ErrNetworkFailure
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		uri = wamp.ErrTimeout
	case errors.Is(err, context.Canceled):
		uri = wamp.ErrCanceled
	}
	return wamp.Errorf(uri, "%v", err).Error()
}

// content appends the members "args" and "kwargs" of a JSON object, those that
// are present.
func content(dst []byte, args []any, kwargs map[string]any) ([]byte, error) {
	var err error
	if args != nil {
		if dst, err = member(dst, "args", args); err != nil {
			return nil, err
		}
	}
	if kwargs != nil {
		return member(dst, "kwargs", kwargs)
	}
	return dst, nil
}

// member appends a member of a JSON object.
func member(dst []byte, name string, value any) ([]byte, error) {
	if n := len(dst); n > 0 && dst[n-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(append(append(dst, '"'), name...), `":`...)
	return codec.AppendValue(dst, wamp.JSON, value)
}

// object is a JSON object of args and kwargs.
func object(args []any, kwargs map[string]any) ([]byte, error) {
	line, err := content([]byte{'{'}, args, kwargs)
	return append(line, '}'), err
}

// parseContent reads the arguments ARGS and KWARGS of a command line that
// follow the URI; those left out or empty are absent.
func parseContent(args []string) (list []any, dict map[string]any, err error) {
	if len(args) > 1 && args[1] != "" {
		v, err := codec.DecodeValue(wamp.JSON, []byte(args[1]))
		if err != nil {
			return nil, nil, usagef("ARGS must be a JSON list such as '[\"Hello\", 1]': %w", err)
		}
		var ok bool
		if list, ok = v.([]any); !ok {
			return nil, nil, usagef("ARGS must be a JSON list, got %s", wamp.TypeName(v))
		}
	}
	if len(args) > 2 {
		dict, err = parseObject("KWARGS", args[2])
	}
	return list, dict, err
}

// parseObject reads an argument or flag that is a JSON object; an empty one is
// absent.
func parseObject(name, text string) (map[string]any, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // absent
	}
	v, err := codec.DecodeValue(wamp.JSON, []byte(text))
	if err != nil {
		return nil, usagef("%s must be a JSON object such as '{\"a\": 1}': %w", name, err)
	}
	dict, ok := v.(map[string]any)
	if !ok {
		return nil, usagef("%s must be a JSON object, got %s", name, wamp.TypeName(v))
	}
	return dict, nil
}
