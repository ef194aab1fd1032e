package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"bondy/cmd/internal/node"
)

// adminSocket finds the admin socket of a running node and asks it things.
type adminSocket struct {
	source
	path string
}

func (a *adminSocket) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.file, "config", "", "configuration `FILE` of the node; tells where its data is")
	cmd.Flags().StringVar(&a.data, "data", "", "data `DIR` of the node")
	cmd.Flags().StringVar(&a.path, "socket", "", "`PATH` of the admin socket; by default admin.sock in the data directory")
}

// do sends a request and returns the body of a successful answer; what the
// node refuses comes back as its text.
func (a *adminSocket) do(ctx context.Context, method, target string) ([]byte, error) {
	path := a.path
	if path == "" {
		cfg, err := a.load()
		if err != nil {
			return nil, err
		}
		path = node.Socket(cfg.DataDir)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://admin"+target, nil)
	if err != nil {
		return nil, err
	}
	resp, err := node.DialSocket(path).Do(req)
	if err != nil {
		return nil, errors.Unwrap(err) // the URL around it means nothing here
	}
	defer func() { _ = resp.Body.Close() }()
	const most = 64 << 20
	body, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s", bytes.TrimSpace(body))
	}
	return body, nil
}

func reloadCommand() *cobra.Command {
	var socket adminSocket
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Make a running node read its configuration file again",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			notes, err := socket.do(cmd.Context(), http.MethodPost, "/reload")
			if err != nil {
				return fmt.Errorf("not reloaded: %w", err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "reloaded\n%s", notes)
			return err
		},
	}
	socket.flags(cmd)
	return cmd
}
