package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"bondy/cmd/internal/node"
)

func reloadCommand() *cobra.Command {
	var src source
	var socket string
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Make a running node read its configuration file again",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := socket
			if path == "" {
				cfg, err := src.load()
				if err != nil {
					return err
				}
				path = node.Socket(cfg.DataDir)
			}
			req, err := http.NewRequestWithContext(cmd.Context(), http.MethodPost, "http://admin/reload", nil)
			if err != nil {
				return err
			}
			resp, err := node.DialSocket(path).Do(req)
			if err != nil {
				return errors.Unwrap(err) // the URL around it means nothing here
			}
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode == http.StatusNoContent {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "reloaded")
				return err
			}
			const most = 64 << 10
			text, err := io.ReadAll(io.LimitReader(resp.Body, most))
			if err != nil {
				return err
			}
			return fmt.Errorf("not reloaded: %s", bytes.TrimSpace(text))
		},
	}
	src.flags(cmd)
	cmd.Flags().StringVar(&socket, "socket", "", "`PATH` of the admin socket; by default admin.sock in the data directory")
	return cmd
}
