// Command bondy is the router and every tool around it: the server, WAMP
// client commands and administration. This package knows flags, signals and
// exit codes; all else is in the packages it calls.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"bondy/cmd/internal/cli"
	"bondy/cmd/internal/pki"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// run executes one command line and returns the exit status: 0, 1 when the
// command failed, 2 when it could not be understood.
func run(ctx context.Context, args []string) int {
	root := &cobra.Command{
		Use:           "bondy",
		Short:         "WAMP v2 router for the edge and the cloud",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetArgs(args)
	root.SetOut(os.Stdout)
	root.SetErr(os.Stderr)
	root.AddCommand(serveCommand(), versionCommand(), configCommand(), reloadCommand(), uplinkCommand(), sessionCommand(), registrationCommand(), subscriptionCommand(), auditCommand(), benchCommand(), migrateCommand(), pki.Command(os.Stdout)) //nolint:contextcheck // commands get ctx when they run
	root.AddCommand(append(administration(), cli.Commands(os.Stdout, os.Stderr)...)...)                                                                                                                                                            //nolint:contextcheck // commands get ctx when they run
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	strict(root)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(os.Stderr, text)
	}
	if status, ok := errors.AsType[interface {
		error
		ExitStatus() int
	}](err); ok {
		return status.ExitStatus()
	}
	return 1
}

// usageError is a command line that could not be understood.
type usageError struct{ error }

// ExitStatus is 2.
func (usageError) ExitStatus() int { return 2 }

// Unwrap gives the cause.
func (e usageError) Unwrap() error { return e.error }

func usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// strict makes a command and those below it refuse what they do not understand
// with status 2, and those that only hold others an unknown one of them.
func strict(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error { return usage(check(cmd, args)) }
	}
	if !cmd.Runnable() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(fmt.Errorf("unknown command %q for %q; see %[2]s --help", args[0], cmd.CommandPath()))
			}
			return cmd.Help()
		}
	}
	for _, sub := range cmd.Commands() {
		strict(sub)
	}
}
