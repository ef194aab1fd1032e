package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"

	"bondy/core/wamp"
	"bondy/transport/client"
)

func subscribeCommand(out, errOut io.Writer) *cobra.Command {
	var c connection
	var match string
	cmd := prepare(&cobra.Command{
		Use:   "subscribe TOPIC",
		Short: "Print the events of a topic until interrupted",
		Long: `Subscribe to a topic and print each event as a line
{"topic":...,"args":...,"kwargs":...,"publication":...,"details":{...}}.
The command reconnects until it is interrupted, and ends with status 1 when the
router revokes the subscription.`,
		Args: cobra.ExactArgs(1),
	}, &c, func(ctx context.Context, args []string) error {
		m, err := parseMatch(match)
		if err != nil {
			return err
		}
		topic := wamp.URI(args[0])
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		handle := func(_ context.Context, ev *client.Event) {
			if err := printEvent(out, ev); err != nil {
				cancel(&Error{text: "write event: " + err.Error(), status: 1, cause: err})
			}
		}
		return c.keep(ctx, errOut, func(ctx context.Context, s *client.Session) (held, error) {
			sub, err := s.Subscribe(ctx, topic, handle, client.SubscribeOptions{Match: m})
			if err != nil {
				return nil, err
			}
			_, err = fmt.Fprintf(errOut, "subscribed to %s\n", topic)
			return sub, err
		})
	})
	cmd.Flags().StringVar(&match, "match", "exact", "exact, prefix or wildcard")
	return cmd
}

// held is what a command stays for.
type held interface {
	Done() <-chan struct{}
	// Err says why the router revoked it, if it did.
	Err() error
}

// keep runs a session until ctx ends, which is no error unless an *Error is
// the cause, or until the router revokes what setup made, which is one.
func (c *connection) keep(ctx context.Context, errOut io.Writer, setup func(context.Context, *client.Session) (held, error)) error {
	cfg, err := c.config(errOut)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var watches sync.WaitGroup
	defer watches.Wait()
	err = client.Run(ctx, c.url, cfg, func(ctx context.Context, s *client.Session) error {
		ctx, stop := c.limit(ctx)
		defer stop()
		h, err := setup(ctx, s)
		if err == nil {
			watches.Go(func() {
				select {
				case <-h.Done():
				case <-s.Done():
				}
				if err := h.Err(); err != nil {
					cancel(failure(err))
				}
			})
		}
		return err
	})
	if e, ok := errors.AsType[*Error](context.Cause(ctx)); ok && err == nil {
		return e
	}
	return err
}

func parseMatch(s string) (wamp.Match, error) {
	m, ok := wamp.ParseMatch(s)
	if !ok {
		return 0, usagef("--match must be exact, prefix or wildcard, got %q", s)
	}
	return m, nil
}

func printEvent(out io.Writer, ev *client.Event) error {
	line, err := member([]byte{'{'}, "topic", ev.Topic)
	if err != nil {
		return err
	}
	if line, err = content(line, ev.Args, ev.Kwargs); err != nil {
		return err
	}
	if line, err = member(line, "publication", ev.Publication); err != nil {
		return err
	}
	if line, err = member(line, "details", ev.Details); err != nil {
		return err
	}
	_, err = out.Write(append(line, "}\n"...))
	return err
}
