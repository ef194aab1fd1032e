package main

import (
	"bytes"
	"context"
	"encoding/json"
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
	path   string
	client *http.Client // made by the first request
}

func (a *adminSocket) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.file, "config", "", "configuration `FILE` of the node; tells where its data is")
	cmd.Flags().StringVar(&a.data, "data", "", "data `DIR` of the node")
	cmd.Flags().StringVar(&a.path, "socket", "", "`PATH` of the admin socket; by default admin.sock in the data directory")
}

// do sends a request and returns the body of a successful answer; what the
// node refuses comes back as its text.
func (a *adminSocket) do(ctx context.Context, method, target string) ([]byte, error) {
	resp, err := a.send(ctx, method, target, nil)
	if err != nil {
		return nil, err
	}
	if resp.status/100 != 2 {
		return nil, fmt.Errorf("%s", bytes.TrimSpace(resp.body))
	}
	return resp.body, nil
}

// answer is what a procedure returned.
type answer struct {
	args   []json.RawMessage
	kwargs map[string]json.RawMessage
}

// call has a procedure of the call's realm answer.
func (a *adminSocket) call(ctx context.Context, c *node.Call) (*answer, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	if len(body) > node.MaxCall {
		return nil, fmt.Errorf("%s has %.1f MiB to send, and the node takes %d: without --prune the realms, and the users and grants of one realm, can go in several documents, one after the other; or put them into the node's realms_dir",
			c.Procedure, float64(len(body))/(1<<20), node.MaxCall>>20)
	}
	resp, err := a.send(ctx, http.MethodPost, "/call", body)
	if err != nil {
		return nil, err
	}
	if resp.status != http.StatusOK {
		refused := &node.CallError{}
		if err := json.Unmarshal(resp.body, refused); err != nil {
			return nil, fmt.Errorf("the node answered %d: %s", resp.status, bytes.TrimSpace(resp.body))
		}
		return nil, refused
	}
	var got node.Answer
	if err := json.Unmarshal(resp.body, &got); err != nil {
		return nil, err
	}
	out := &answer{}
	if got.Args != nil {
		err = json.Unmarshal(got.Args, &out.args)
	}
	if err == nil && got.Kwargs != nil {
		err = json.Unmarshal(got.Kwargs, &out.kwargs)
	}
	return out, err
}

type response struct {
	status int
	body   []byte
}

func (a *adminSocket) send(ctx context.Context, method, target string, body []byte) (*response, error) {
	path := a.path
	if path == "" {
		cfg, err := a.load()
		if err != nil {
			return nil, err
		}
		path = node.Socket(cfg.DataDir)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://admin"+target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if a.client == nil {
		a.client = node.DialSocket(path)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, errors.Unwrap(err) // the URL around it means nothing here
	}
	defer func() { _ = resp.Body.Close() }()
	const most = 64 << 20
	b, err := io.ReadAll(io.LimitReader(resp.Body, most))
	return &response{resp.StatusCode, b}, err
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
