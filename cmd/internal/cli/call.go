package cli

import (
	"context"
	"errors"
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

func callCommand(out, errOut io.Writer) *cobra.Command {
	var c connection
	return prepare(&cobra.Command{
		Use:   "call PROCEDURE [ARGS] [KWARGS]",
		Short: "Call a procedure and print its results",
		Long: `Call a procedure. ARGS is a JSON list and KWARGS a JSON object. Each result,
progressive ones included, is a line {"args":[...],"kwargs":{...}}. With
--timeout the router is asked to end the call when no result comes for so long. An
error that says more than a sentence is such a line on standard error, too.`,
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
			printError(errOut, err)
			return err
		}
		return printResult(out, result)
	})
}

// printError prints what an error has beside the sentence that is shown of it anyway.
func printError(out io.Writer, err error) {
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Message() == "" || len(e.Args) < 2 && len(e.Kwargs) == 0 {
		return
	}
	_ = printResult(out, &client.Result{Args: e.Args, Kwargs: e.Kwargs}) // the error itself is what matters
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
