package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"bondy/cmd/internal/config"
	"bondy/cmd/internal/node"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check a configuration file, or print the default one"}
	cmd.AddCommand(&cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration file without starting anything",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := config.Load(args[0])
			var warnings []string
			if err == nil {
				warnings, err = node.Check(&cfg)
			}
			for _, text := range warnings {
				if _, err := fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+text); err != nil {
					return err
				}
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", args[0])
			return err
		},
	}, &cobra.Command{
		Use:   "default",
		Short: "Print the configuration that runs without a file, with every key explained",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), config.DefaultTOML())
			return err
		},
	})
	return cmd
}
