package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"bondy/core/wamp"
	"bondy/transport/client"
)

func publishCommand(out io.Writer) *cobra.Command {
	var c connection
	var acknowledge bool
	cmd := prepare(&cobra.Command{
		Use:   "publish TOPIC [ARGS] [KWARGS]",
		Short: "Publish an event",
		Long: `Publish an event. ARGS is a JSON list and KWARGS a JSON object. With
--acknowledge the router's answer is awaited, an error reported, and the
publication printed as {"publication":ID}.`,
		Args: cobra.RangeArgs(1, 3),
	}, &c, func(ctx context.Context, args []string) error {
		if !wamp.URI(args[0]).Valid(wamp.MatchExact, false) {
			return usagef("%q is not a valid URI for a topic", args[0])
		}
		list, dict, err := parseContent(args)
		if err != nil {
			return err
		}
		s, err := c.dial(ctx)
		if err != nil {
			return err
		}
		defer leave(ctx, s) // GOODBYE is answered after the event was taken
		ctx, stop := c.limit(ctx)
		defer stop()
		id, err := s.Publish(ctx, wamp.URI(args[0]), list, dict, client.PublishOptions{Acknowledge: acknowledge})
		if err != nil || !acknowledge {
			return err
		}
		_, err = fmt.Fprintf(out, "{\"publication\":%d}\n", id)
		return err
	})
	cmd.Flags().BoolVar(&acknowledge, "acknowledge", false, "wait until the router has accepted the event")
	return cmd
}
