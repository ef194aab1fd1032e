package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"bondy/core/codec"
	"bondy/core/wamp"
	"bondy/transport/client"
)

func registerCommand(errOut io.Writer) *cobra.Command {
	var c connection
	var match, invoke string
	var a answerer
	cmd := prepare(&cobra.Command{
		Use:   "register PROCEDURE",
		Short: "Offer a procedure until interrupted",
		Long: `Register a procedure and answer its calls: with their own arguments (--echo),
with a constant (--value), or with the output of a command (--exec).

The command runs by "sh -c" with {"args":[...],"kwargs":{...}} of the call on
its standard input and the procedure in BONDY_PROCEDURE. Its output is the
result: a JSON object with nothing but "args" and "kwargs", any other JSON value
as the only argument, or text as one string. A status other than 0 becomes the
error bondy.error.exec_failed with the standard error output as message.

The command reconnects until it is interrupted, and ends with status 1 when the
router revokes the registration.`,
		Args: cobra.ExactArgs(1),
	}, &c, func(ctx context.Context, args []string) error {
		m, err := parseMatch(match)
		if err != nil {
			return err
		}
		handler, err := a.handler()
		if err != nil {
			return err
		}
		procedure := wamp.URI(args[0])
		return c.keep(ctx, errOut, func(ctx context.Context, s *client.Session) (held, error) {
			opts := client.RegisterOptions{Match: m, Invoke: invoke}
			reg, err := s.Register(ctx, procedure, handler, opts)
			if err != nil {
				return nil, err
			}
			_, err = fmt.Fprintf(errOut, "registered %s\n", procedure)
			return reg, err
		})
	})
	f := cmd.Flags()
	f.StringVar(&match, "match", "exact", "exact, prefix or wildcard")
	f.StringVar(&invoke, "invoke", "", "policy of a shared registration: single, first, last, roundrobin, random, jump_consistent_hash, queue_least_loaded or queue_least_loaded_sample")
	f.BoolVar(&a.echo, "echo", false, "answer with the arguments of the call")
	f.StringVar(&a.value, "value", "", "answer with this JSON value")
	f.StringVar(&a.exec, "exec", "", "answer with the output of this command")
	return cmd
}

// answerer is how calls are answered: exactly one field is set.
type answerer struct {
	echo        bool
	value, exec string
}

func (a answerer) handler() (client.InvocationHandler, error) {
	given := 0
	for _, set := range []bool{a.echo, a.value != "", a.exec != ""} {
		if set {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, usagef("register needs exactly one of --echo, --value and --exec")
	case a.echo:
		return func(_ context.Context, inv *client.Invocation) (*client.Result, error) {
			return &client.Result{Args: inv.Args, Kwargs: inv.Kwargs}, nil
		}, nil
	case a.exec != "":
		return program(a.exec).answer, nil
	}
	v, err := codec.DecodeValue(wamp.JSON, []byte(a.value))
	if err != nil {
		return nil, usagef("--value: %w", err)
	}
	return func(context.Context, *client.Invocation) (*client.Result, error) {
		return &client.Result{Args: []any{v}}, nil
	}, nil
}
