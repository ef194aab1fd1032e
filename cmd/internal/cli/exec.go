package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"time"
	"unicode/utf8"

	"bondy/core/codec"
	"bondy/core/wamp"
	"bondy/transport/client"
)

const (
	// errExecFailed is the error of a call whose command failed.
	errExecFailed wamp.URI = "bondy.error.exec_failed"
	// maxOutput bounds a command's output in bytes; more fails the call.
	maxOutput = 8 << 20
	// maxMessage bounds its error output; more is cut off.
	maxMessage = 4 << 10
)

// program answers calls by a shell command.
type program string

// answer runs the command for one call; it is killed, with its children, when
// ctx ends.
func (p program) answer(ctx context.Context, inv *client.Invocation) (*client.Result, error) {
	input, err := object(inv.Args, inv.Kwargs)
	if err != nil {
		return nil, err
	}
	stdout, stderr := bounded{max: maxOutput}, bounded{max: maxMessage}
	cmd := exec.CommandContext(ctx, "sh", "-c", string(p)) //nolint:gosec // running the user's command is the point
	cmd.Env = append(os.Environ(), "BONDY_PROCEDURE="+string(inv.Procedure))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	cmd.WaitDelay = time.Second // for children that keep the output open
	killGroup(cmd)
	err = cmd.Run()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if stdout.over {
		return nil, wamp.Errorf(errExecFailed, "output longer than %d bytes", maxOutput)
	}
	if err != nil {
		message := strings.TrimSpace(strings.ToValidUTF8(stderr.buf.String(), "\uFFFD"))
		if _, exited := errors.AsType[*exec.ExitError](err); !exited || message == "" {
			message = err.Error()
		}
		return nil, wamp.Errorf(errExecFailed, "%s", message)
	}
	return parseOutput(stdout.buf.Bytes()), nil
}

// parseOutput makes a result of what a command printed.
func parseOutput(out []byte) *client.Result {
	if len(bytes.TrimSpace(out)) == 0 {
		return &client.Result{}
	}
	v, err := codec.DecodeValue(wamp.JSON, out)
	if err != nil {
		text := bytes.TrimSuffix(out, []byte("\n"))
		if !utf8.Valid(text) {
			return &client.Result{Args: []any{text}}
		}
		return &client.Result{Args: []any{string(text)}}
	}
	if dict, ok := v.(map[string]any); ok {
		if r := asResult(dict); r != nil {
			return r
		}
	}
	return &client.Result{Args: []any{v}}
}

// asResult reads an object that has nothing but args and kwargs of the right
// types.
func asResult(dict map[string]any) *client.Result {
	r := &client.Result{}
	for k, v := range dict {
		var ok bool
		switch k {
		case "args":
			r.Args, ok = v.([]any)
		case "kwargs":
			r.Kwargs, ok = v.(map[string]any)
		}
		if !ok {
			return nil
		}
	}
	return r
}

// bounded keeps the first max bytes that are written to it.
type bounded struct {
	buf  bytes.Buffer // not embedded: its ReadFrom knows no bound
	max  int
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := b.max - b.buf.Len(); len(p) > room {
		b.over = true
		b.buf.Write(p[:room])
		return len(p), nil
	}
	return b.buf.Write(p)
}
