package cli

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"bondy/core/wamp"
	"bondy/transport/client"
)

const (
	// grace is how much longer than the router's timer call waits itself.
	grace = time.Second
	// forever is how long it waits without a timeout.
	forever = 100 * 365 * 24 * time.Hour
)

func callCommand(out io.Writer) *cobra.Command {
	var c connection
	return prepare(&cobra.Command{
		Use:   "call PROCEDURE [ARGS] [KWARGS]",
		Short: "Call a procedure and print its results",
		Long: `Call a procedure. ARGS is a JSON list and KWARGS a JSON object. Each result,
progressive ones included, is a line {"args":[...],"kwargs":{...}}. With
--timeout the router is asked to end the call when no result comes for so long.`,
		Args: cobra.RangeArgs(1, 3),
	}, &c, func(ctx context.Context, args []string) error {
		list, dict, err := parseContent(args)
		if err != nil {
			return err
		}
		s, err := c.dial(ctx)
		if err != nil {
			return err
		}
		defer leave(ctx, s)
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		wait := forever
		if c.timeout > 0 {
			wait = c.timeout + grace
		}
		alive := time.AfterFunc(wait, func() { // in case the router has no timer
			cancel(wamp.Errorf(wamp.ErrTimeout, "no result within %s", c.timeout))
		})
		defer alive.Stop()
		result, err := s.Call(ctx, wamp.URI(args[0]), list, dict, client.CallOptions{
			Timeout: c.timeout,
			OnProgress: func(r *client.Result) {
				alive.Reset(wait)
				if err := printResult(out, r); err != nil {
					cancel(err)
				}
			},
		})
		if err != nil {
			return err
		}
		return printResult(out, result)
	})
}

// leave closes the session; what fails then is of no interest any more.
func leave(ctx context.Context, s *client.Session) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer stop()
	_ = s.Close(ctx)
}

func printResult(out io.Writer, r *client.Result) error {
	line, err := object(r.Args, r.Kwargs)
	if err != nil {
		return err
	}
	_, err = out.Write(append(line, '\n'))
	return err
}
