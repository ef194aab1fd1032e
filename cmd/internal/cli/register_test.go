package cli_test

import (
	"context"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"bondy/core/codec"
	"bondy/core/wamp"
	"bondy/transport/client/clienttest"
)

// answer is how a registered command answered a call.
type answer struct {
	uri    wamp.URI
	args   []any
	kwargs map[string]any
}

// register runs `bondy register` with args and lets script act as the router
// behind the registration, whose id is 9.
func register(t *testing.T, script func(*clienttest.Peer), args ...string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	r := clienttest.Start(t, nil, func(p *clienttest.Peer) {
		p.Welcome()
		m := clienttest.Expect[*wamp.Register](p)
		if m.Procedure != "a.b" || m.Options["invoke"] != "roundrobin" {
			p.Errorf("REGISTER %+v", m)
		}
		p.Send(&wamp.Registered{Request: m.Request, Registration: 9})
		script(p)
		stop()
		p.Goodbye()
	})
	errOut := newLines()
	args = append([]string{"register", "a.b", "--invoke", "roundrobin", "--url", r.RawSocket}, args...)
	if text, status := run(ctx, io.Discard, errOut, args...); status != 0 {
		t.Errorf("register = %q, status %d", text, status)
	}
	if line := <-errOut.C; line != "registered a.b" {
		t.Errorf("notice %q", line)
	}
}

func invoke(p *clienttest.Peer, args []any, kwargs map[string]any) answer {
	p.Send(&wamp.Invocation{Request: 1, Registration: 9, Payload: p.Payload(args, kwargs)})
	return read(p)
}

func read(p *clienttest.Peer) answer {
	var a answer
	var payload wamp.Payload
	switch m := p.Recv().(type) {
	case *wamp.Yield:
		payload = m.Payload
	case *wamp.ErrorMessage:
		a.uri, payload = m.Error, m.Payload
	default:
		p.Errorf("answer %T", m)
	}
	a.args = p.Args(payload)
	a.kwargs, _ = codec.DecodeKwargs(payload)
	return a
}

func TestRegister(t *testing.T) {
	kwargs := map[string]any{"k": int64(1) << 62}
	failed := func(message string) answer { return answer{uri: "bondy.error.exec_failed", args: []any{message}} }
	for _, test := range []struct {
		flag, value string
		want        answer
	}{
		{"--echo", "", answer{args: []any{"x"}, kwargs: kwargs}},
		{"--value", `{"a":9007199254740993}`, answer{args: []any{map[string]any{"a": int64(9007199254740993)}}}},
		{"--exec", "cat", answer{args: []any{"x"}, kwargs: kwargs}},
		{"--exec", "echo hello; echo world", answer{args: []any{"hello\nworld"}}},
		{"--exec", `echo '[1,2]'`, answer{args: []any{[]any{int64(1), int64(2)}}}},
		{"--exec", `echo '{"args":[1],"other":2}'`, answer{args: []any{map[string]any{"args": []any{int64(1)}, "other": int64(2)}}}},
		{"--exec", `echo '{"args":1}'`, answer{args: []any{map[string]any{"args": int64(1)}}}},
		{"--exec", "true", answer{}},
		{"--exec", `printf '\377'`, answer{args: []any{[]byte{0xff}}}},
		{"--exec", `printf %s "$BONDY_PROCEDURE"`, answer{args: []any{"a.b"}}},
		{"--exec", "echo 'no such thing' >&2; exit 3", failed("no such thing")},
		{"--exec", "exit 3", failed("exit status 3")},
		{"--exec", "head -c 9000000 /dev/zero", failed("output longer than 8388608 bytes")},
	} {
		t.Run(test.flag+" "+test.value, func(t *testing.T) {
			args := []string{test.flag}
			if test.value != "" {
				args = append(args, test.value)
			}
			register(t, func(p *clienttest.Peer) {
				if got := invoke(p, []any{"x"}, kwargs); !reflect.DeepEqual(got, test.want) {
					p.Errorf("answer %+v, want %+v", got, test.want)
				}
			}, args...)
		})
	}
}

func TestExecIsKilled(t *testing.T) {
	start := time.Now()
	register(t, func(p *clienttest.Peer) {
		p.Send(&wamp.Invocation{Request: 1, Registration: 9})
		p.Send(&wamp.Interrupt{Request: 1, Options: wamp.Dict{"mode": "kill"}})
		if a := read(p); a.uri != wamp.ErrCanceled {
			p.Errorf("answer %+v", a)
		}
		p.Send(&wamp.Invocation{Request: 2, Registration: 9, Details: wamp.Dict{"timeout": int64(50)}})
		if a := read(p); a.uri != wamp.ErrTimeout || !strings.Contains(a.args[0].(string), "50ms") {
			p.Errorf("answer %+v", a)
		}
	}, "--exec", "sleep 60 & sleep 60")
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("killed after %s", d)
	}
}
