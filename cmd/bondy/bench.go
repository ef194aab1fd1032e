package main

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"bondy/cmd/internal/bench"
	"bondy/cmd/internal/cli"
	"bondy/core/wamp"
)

// benchFlags are what all scenarios have.
type benchFlags struct {
	bench.Options

	output              string
	histogram, progress bool
}

func (b *benchFlags) flags(cmd *cobra.Command, runs int) {
	f := cmd.Flags()
	f.IntVar(&b.Runs, "runs", runs, "how many `TIMES` to measure; the figures are medians")
	f.IntVar(&b.PID, "pid", 0, "process `ID` of the router, for its CPU time and memory; by default found by its port, if it is local")
	outputFlag(cmd, &b.output)
	f.BoolVar(&b.progress, "progress", terminal(os.Stderr), "tell on standard error what goes on")
}

// load are the flags of scenarios that send messages.
func (b *benchFlags) load(cmd *cobra.Command) {
	f := cmd.Flags()
	f.DurationVar(&b.Duration, "duration", 3*time.Second, "how long each run measures")
	f.DurationVar(&b.Warmup, "warmup", time.Second, "how long it runs before")
	f.Float64Var(&b.Rate, "rate", 0, "begin so many operations a second, and count their latency from when they were due; 0 begins one when another has ended")
	f.BoolVar(&b.histogram, "histogram", false, "show how the latencies are distributed")
}

func benchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure a router: calls, events, idle sessions, patterns",
		Long: `Measure any WAMP router from outside. Each figure is the median of the runs,
with the lowest and the highest. Refused and lost messages are counted, and the
exit status is 1 if there were any. Ctrl-C shows what was measured so far.`,
	}
	cmd.AddCommand(benchRPC(), benchPubSub(), benchIdle(), benchPatterns())
	return cmd
}

func benchRPC() *cobra.Command {
	var b benchFlags
	var s bench.RPC
	cmd := b.command(&cobra.Command{
		Use:   "rpc",
		Short: "Measure calls",
	}, 5, func() bench.Scenario { return s })
	b.load(cmd)
	f := cmd.Flags()
	f.IntVar(&s.Callers, "callers", 4, "`SESSIONS` that call")
	f.IntVar(&s.Depth, "depth", 16, "`CALLS` that each has under way")
	f.IntVar(&s.Callees, "callees", 4, "`SESSIONS` that are called, each by a procedure of its own")
	payloadFlags(cmd, &s.Size, &s.Structured)
	f.StringVar((*string)(&s.Procedure), "procedure", "com.example.bench", "`URI` that those of the procedures begin with")
	return cmd
}

func benchPubSub() *cobra.Command {
	var b benchFlags
	var s bench.PubSub
	cmd := b.command(&cobra.Command{
		Use:   "pubsub",
		Short: "Measure events from publishers to all subscribers of a topic",
	}, 5, func() bench.Scenario { return s })
	b.load(cmd)
	f := cmd.Flags()
	f.IntVar(&s.Publishers, "publishers", 1, "`SESSIONS` that publish, in turn")
	f.IntVar(&s.Subscribers, "subscribers", 50, "`SESSIONS` that receive every event")
	f.IntVar(&s.Window, "window", 32, "`PUBLICATIONS` under way, not received by everybody")
	payloadFlags(cmd, &s.Size, &s.Structured)
	f.StringVar(&s.Match, "match", "exact", "how the subscriptions match: exact, prefix or wildcard")
	f.BoolVar(&s.Acknowledge, "acknowledge", false, "ask for each publication to be acknowledged")
	f.StringVar((*string)(&s.Topic), "topic", "com.example.bench", "`URI` that that of the topic begins with")
	return cmd
}

func benchIdle() *cobra.Command {
	b := benchFlags{Options: bench.Options{Duration: time.Second}} // not used
	var s bench.Idle
	cmd := b.command(&cobra.Command{
		Use:   "idle",
		Short: "Measure what sessions cost that do nothing",
	}, 1, func() bench.Scenario { return s })
	f := cmd.Flags()
	f.IntVar(&s.Sessions, "sessions", 1000, "how many `SESSIONS` join")
	f.DurationVar(&s.Hold, "hold", 5*time.Second, "how long they stay")
	return cmd
}

func benchPatterns() *cobra.Command {
	var b benchFlags
	var s bench.Patterns
	cmd := b.command(&cobra.Command{
		Use:   "pattern",
		Short: "Measure publications, or calls, with many patterns and without",
	}, 5, func() bench.Scenario { return s })
	b.load(cmd)
	f := cmd.Flags()
	f.IntVar(&s.Patterns, "patterns", 10000, "how many `PATTERNS`")
	f.StringVar(&s.Match, "match", "prefix", "how they match: prefix, wildcard or mixed")
	f.StringVar(&s.Kind, "kind", "subscribe", "what they are: subscribe or register")
	f.IntVar(&s.Window, "window", 32, "`MESSAGES` under way")
	f.IntVar(&s.Size, "size", 32, "`BYTES` of each payload; fewer than 22, which tell the time, become 22")
	f.StringVar((*string)(&s.URI), "uri", "com.example.bench", "`URI` that those of the patterns begin with")
	return cmd
}

func payloadFlags(cmd *cobra.Command, size *int, structured *bool) {
	cmd.Flags().IntVar(size, "size", 32, "`BYTES` of each payload; fewer than 22, which tell the time, become 22")
	cmd.Flags().BoolVar(structured, "structured", false, "make the payload of nested lists and dicts instead of one string")
}

// command completes the command of a scenario, which scenario gives once the
// flags are read; runs is how often it runs by default.
func (b *benchFlags) command(cmd *cobra.Command, runs int, scenario func() bench.Scenario) *cobra.Command {
	b.flags(cmd, runs)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		for _, check := range []func() error{
			func() error { return cobra.NoArgs(cmd, args) },
			b.Validate,
			scenario().Validate,
		} {
			if err := check(); err != nil {
				return err
			}
		}
		return nil
	}
	return cli.Connected(cmd, func(ctx context.Context, to cli.Target) error {
		if b.progress {
			b.Progress = cmd.ErrOrStderr()
		}
		report, err := bench.Run(ctx, bench.Target(to), scenario(), b.Options)
		if report == nil {
			return err
		}
		if shown := b.show(cmd.OutOrStdout(), report); shown != nil {
			return shown
		}
		if err == nil && report.Failed() {
			err = wamp.Errorf(bench.ErrFailed, "refused %d, lost %d, not sent in time %d, sessions ended %d",
				report.Refused, report.Lost, report.Unsent, report.Ended)
		}
		return err
	})
}

func (b *benchFlags) show(w io.Writer, report *bench.Report) error {
	if !b.histogram {
		report.Histogram = nil
	}
	if b.output == "json" {
		return show(w, b.output, report, nil)
	}
	return report.WriteTable(w)
}
