package cli_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"bondy/cmd/internal/cli"
	"bondy/cmd/internal/pki"
	"bondy/core/wamp"
	"bondy/transport/client/clienttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lines is a writer that hands on whole lines.
type lines struct {
	mu   sync.Mutex
	rest []byte
	C    chan string
}

func newLines() *lines { return &lines{C: make(chan string, 100)} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.C <- string(line)
		l.rest = rest
	}
}

// run executes a command line; it returns the error's text and exit status.
func run(ctx context.Context, out, errOut io.Writer, args ...string) (text string, status int) {
	root := &cobra.Command{Use: "bondy", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(cli.Commands(out, errOut)...) //nolint:contextcheck // they take theirs from ExecuteContext
	root.SetArgs(args)
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return "", 0
	}
	if e, ok := errors.AsType[*cli.Error](err); ok {
		return e.Error(), e.ExitStatus()
	}
	return err.Error(), -1
}

func TestCall(t *testing.T) {
	r := clienttest.Start(t, nil, func(p *clienttest.Peer) {
		p.Welcome()
		m := clienttest.Expect[*wamp.Call](p)
		request, payload := m.Request, m.Payload.Clone()
		switch string(m.Procedure) {
		case "a.echo":
			p.Send(&wamp.Result{Request: request, Payload: payload})
		case "a.progress":
			p.Send(&wamp.Result{Request: request, Details: wamp.Dict{"progress": true}, Payload: p.Payload([]any{int64(1)}, nil)})
			p.Send(&wamp.Result{Request: request})
		case "a.binary":
			p.Send(&wamp.Result{Request: request, Payload: p.Payload([]any{[]byte{1, 2, 3}}, nil)})
		case "a.fail":
			p.Send(&wamp.ErrorMessage{RequestType: wamp.TypeCall, Request: request, Error: "a.error.bad", Payload: payload})
		case "a.slow":
			if m.Options["timeout"] != int64(20) {
				p.Errorf("options %v", m.Options)
			}
			clienttest.Expect[*wamp.Cancel](p)
		}
		p.Goodbye()
	})
	for _, test := range []struct {
		args      []string
		out, text string
		status    int
	}{
		{[]string{"call", "a.echo"}, "{}\n", "", 0},
		{[]string{"call", "a.echo", `[9223372036854775807,-9223372036854775808,18446744073709551615,1.5,"\u0000AQID"]`}, `{"args":[9223372036854775807,-9223372036854775808,18446744073709551615,1.5,"\u0000AQID"]}` + "\n", "", 0},
		{[]string{"call", "a.echo", `[1]`, `{"k":{"x":[null,true]}}`}, `{"args":[1],"kwargs":{"k":{"x":[null,true]}}}` + "\n", "", 0},
		{[]string{"call", "a.progress"}, "{\"args\":[1]}\n{}\n", "", 0},
		{[]string{"call", "a.binary"}, `{"args":["\u0000AQID"]}` + "\n", "", 0},
		{[]string{"call", "a.fail", `["it broke"]`}, "", "a.error.bad: it broke", 1},
		{[]string{"call", "a.fail", `[]`, `{"message":"in kwargs"}`}, "", "a.error.bad: in kwargs", 1},
		{[]string{"call", "a.fail", `[1]`}, "", `a.error.bad: {"args":[1]}`, 1},
		{[]string{"call", "a.fail"}, "", "a.error.bad", 1},
		{[]string{"call", "a.slow", "--timeout", "20ms"}, "", "wamp.error.timeout: no result within 20ms", 1},
		{[]string{"call"}, "", "arg", 2},
		{[]string{"call", "a.echo", "{}"}, "", "ARGS must be a JSON list", 2},
		{[]string{"call", "a.echo", "[1"}, "", "ARGS must be a JSON list such as", 2},
		{[]string{"call", "a.echo", "[]", "[]"}, "", "KWARGS must be a JSON object", 2},
		{[]string{"call", "a.echo", "--nonsense"}, "", "unknown flag", 2},
		{[]string{"call", "a.echo", "--serializer", "xml"}, "", "--serializer must be", 2},
		{[]string{"call", "a.echo", "--url", "ftp://x"}, "", "scheme", 2},
		{[]string{"call", "a.echo", "--ticket", "x"}, "", "needs --authid", 2},
		{[]string{"call", "a.echo", "--authid", "joe", "--ticket", ""}, "", "--ticket is empty", 2},
		{[]string{"call", "a.echo", "--authid", "joe", "--secret="}, "", "--secret is empty", 2},
		{[]string{"call", "a.echo", "--key-file="}, "", "--key-file is empty", 2},
		{[]string{"call", "a.echo", "--authmethod", "trust"}, "", "needs --authid", 2},
		{[]string{"call", "a.echo", "--authmethod", "jwt"}, "", "--authmethod jwt needs --ticket, or BONDY_TICKET in the environment", 2},
		{[]string{"call", "a.echo", "--authid", "joe", "--authmethod", "wampcra"}, "", "--authmethod wampcra needs --secret, or BONDY_SECRET in the environment", 2},
		{[]string{"call", "a.echo", "--authmethod", "tls"}, "", "--authmethod tls needs --cert", 2},
		{[]string{"call", "a.echo", "--authid", "joe"}, "", "--authid joe needs a credential: --ticket, --secret, --key-file or --cert, or BONDY_TICKET or BONDY_SECRET in the environment; or name --authmethod", 2},
		{[]string{"publish", "a.echo", "--authid", "joe"}, "", "--authid joe needs a credential", 2},
		{[]string{"call", "a.echo", "--authmethod", "magic"}, "", "unknown", 2},
		{[]string{"call", "a.echo", "--authmethod", "cryptosign"}, "", "--authmethod cryptosign needs --key-file", 2},
		{[]string{"call", "a.echo", "--key-file", "/nonexistent"}, "", "--key-file: ", 2},
		{[]string{"call", "a.echo", "--cert", "/nonexistent"}, "", "--cert and --key go together", 2},
		{[]string{"register", "a.b"}, "", "needs exactly one of", 2},
		{[]string{"register", "a.b", "--echo", "--value", "1"}, "", "needs exactly one of", 2},
		{[]string{"register", "a.b", "--value", "{"}, "", "--value: ", 2},
		{[]string{"register", "a.b", "--echo", "--match", "fuzzy"}, "", "--match must be", 2},
	} {
		for _, s := range []string{"json", "msgpack", "cbor"} {
			args := append([]string{test.args[0], "--serializer", s, "--url", r.RawSocket}, test.args[1:]...)
			var out bytes.Buffer
			text, status := run(t.Context(), &out, io.Discard, args...)
			if out.String() != test.out || status != test.status || !strings.Contains(text, test.text) {
				t.Errorf("%s over %s: %q, %q, status %d; want %q, %q, status %d",
					test.args, s, out.String(), text, status, test.out, test.text, test.status)
			}
			if test.status == 2 || test.text != "" {
				break // the serializer plays no part
			}
		}
	}
}

// TestCallShowsTheWholeError: what an error has beside its sentence is on standard error.
func TestCallShowsTheWholeError(t *testing.T) {
	r := clienttest.Start(t, nil, func(p *clienttest.Peer) {
		p.Welcome()
		m := clienttest.Expect[*wamp.Call](p)
		p.Send(&wamp.ErrorMessage{RequestType: wamp.TypeCall, Request: m.Request, Error: "a.error.bad", Payload: m.Payload.Clone()})
		p.Goodbye()
	})
	for _, tc := range []struct{ args, kwargs, want string }{
		{`["it broke"]`, `{"key":"a","limit":7}`, `{"args":["it broke"],"kwargs":{"key":"a","limit":7}}` + "\n"},
		{`["it broke",[1]]`, ``, `{"args":["it broke",[1]]}` + "\n"},
		{`["it broke"]`, ``, ""},
		{`[1]`, `{"key":"a"}`, ""}, // all of it is in the line of the error
	} {
		var out, errOut bytes.Buffer
		text, status := run(t.Context(), &out, &errOut, "call", "a.fail", tc.args, tc.kwargs, "--serializer", "json", "--url", r.RawSocket)
		if errOut.String() != tc.want || out.Len() > 0 || status != 1 || !strings.HasPrefix(text, "a.error.bad: ") {
			t.Errorf("%s %s: %q, %q, status %d, want %q", tc.args, tc.kwargs, errOut.String(), text, status, tc.want)
		}
	}
}

func TestCallWithoutRouter(t *testing.T) {
	url := "unix:" + filepath.Join(t.TempDir(), "nobody")
	text, status := run(t.Context(), io.Discard, io.Discard, "call", "a.b", "--url", url)
	if !strings.HasPrefix(text, "wamp.error.network_failure: dial unix") || status != 1 {
		t.Errorf("call = %q, status %d", text, status)
	}
}

func TestCredentials(t *testing.T) {
	public, key, _ := ed25519.GenerateKey(nil)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(hex.EncodeToString(key.Seed())+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	hellos := make(chan wamp.Dict, 1)
	r := clienttest.Start(t, nil, func(p *clienttest.Peer) {
		hello := clienttest.Expect[*wamp.Hello](p).Details
		methods, _ := hello.Strings("authmethods")
		if len(methods) > 0 && slices.Contains([]string{"ticket", "jwt", "password"}, methods[0]) {
			p.Send(&wamp.Challenge{AuthMethod: methods[0]})
			hello["signature"] = clienttest.Expect[*wamp.Authenticate](p).Signature
		}
		hellos <- hello
		p.Send(&wamp.Welcome{Session: 1})
		clienttest.Expect[*wamp.Publish](p)
		p.Goodbye()
	})
	publish := func(args ...string) wamp.Dict {
		t.Helper()
		args = append([]string{"publish", "a.b", "--url", r.WebSocket, "--authid", "joe"}, args...)
		if text, status := run(t.Context(), io.Discard, io.Discard, args...); status != 0 {
			t.Fatalf("publish = %q", text)
		}
		return <-hellos
	}
	if d := publish("--ticket", "t1"); d["signature"] != "t1" || d["authid"] != "joe" {
		t.Errorf("HELLO %v", d)
	}
	d := publish("--key-file", file)
	if extra, _ := d.Dict("authextra"); extra["pubkey"] != hex.EncodeToString(public) {
		t.Errorf("HELLO %v", d)
	}
	if d := publish("--authmethod", "jwt", "--ticket", "t3"); d["signature"] != "t3" {
		t.Errorf("HELLO %v", d)
	}
	if d := publish("--authmethod", "password", "--secret", "s1"); d["signature"] != "s1" {
		t.Errorf("HELLO %v", d)
	}
	if d := publish("--authmethod", "trust"); d["authid"] != "joe" || !reflect.DeepEqual(d["authmethods"], []any{"trust"}) {
		t.Errorf("HELLO %v", d)
	}
	authority, err := pki.Init(filepath.Dir(file), pki.P256, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authority.Issue(pki.Request{Name: "joe", Role: pki.RoleEdge}); err != nil {
		t.Fatal(err)
	}
	pair := []string{"--cert", filepath.Join(filepath.Dir(file), "joe.crt"), "--key", filepath.Join(filepath.Dir(file), "joe.key")}
	if d := publish(pair...); !reflect.DeepEqual(d["authmethods"], []any{"tls"}) {
		t.Errorf("HELLO %v", d)
	}
	t.Setenv("BONDY_TICKET", "")
	t.Setenv("BONDY_SECRET", "")
	if text, status := run(t.Context(), io.Discard, io.Discard, "publish", "a.b", "--url", r.WebSocket, "--authid", "joe"); status != 2 || !strings.Contains(text, "needs a credential") {
		t.Errorf("an authid without a credential: %q, status %d", text, status)
	}
	t.Setenv("BONDY_TICKET", "t2")
	if d := publish(); d["signature"] != "t2" {
		t.Errorf("HELLO %v", d)
	}
	if d := publish("--authmethod", "anonymous"); d["signature"] != nil {
		t.Errorf("HELLO %v", d)
	}
	t.Setenv("BONDY_SECRET", "s2")
	if d := publish(); !reflect.DeepEqual(d["authmethods"], []any{"wampcra", "ticket"}) {
		t.Errorf("HELLO %v with two credentials in the environment", d)
	}
}

func TestPublish(t *testing.T) {
	r := clienttest.Start(t, nil, func(p *clienttest.Peer) {
		p.Welcome()
		m := clienttest.Expect[*wamp.Publish](p)
		switch {
		case m.Topic == "a.forbidden":
			p.Send(&wamp.ErrorMessage{RequestType: wamp.TypePublish, Request: m.Request, Error: wamp.ErrNotAuthorized})
		case m.Options["acknowledge"] == true:
			p.Send(&wamp.Published{Request: m.Request, Publication: 9007199254740992})
		case p.Args(m.Payload)[0] != int64(1):
			p.Errorf("PUBLISH %+v", m)
		}
		p.Goodbye()
	})
	for _, test := range []struct {
		args      []string
		out, text string
	}{
		{[]string{"a.b", "[1]"}, "", ""},
		{[]string{"a.b", "--acknowledge"}, "{\"publication\":9007199254740992}\n", ""},
		{[]string{"a.forbidden", "--acknowledge"}, "", "wamp.error.not_authorized"},
	} {
		var out bytes.Buffer
		text, _ := run(t.Context(), &out, io.Discard, append([]string{"publish", "--url", r.RawSocket}, test.args...)...)
		if out.String() != test.out || text != test.text {
			t.Errorf("publish %s = %q, %q", test.args, out.String(), text)
		}
	}
}

func TestSubscribeReconnects(t *testing.T) {
	first := make(chan struct{}, 1)
	first <- struct{}{}
	r := clienttest.Start(t, nil, func(p *clienttest.Peer) {
		p.Welcome()
		m := clienttest.Expect[*wamp.Subscribe](p)
		if m.Options["match"] != "prefix" {
			p.Errorf("SUBSCRIBE %+v", m)
		}
		p.Send(&wamp.Subscribed{Request: m.Request, Subscription: 3})
		p.Send(&wamp.Event{Subscription: 3, Publication: 4, Details: wamp.Dict{"topic": "a.b.c"}, Payload: p.Payload([]any{"x"}, nil)})
		select {
		case <-first: // the connection is lost
		default:
			p.Goodbye()
		}
	})
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	out, errOut := newLines(), newLines()
	done := make(chan int, 1)
	go func() {
		_, status := run(ctx, out, errOut, "subscribe", "a.b", "--match", "prefix", "--url", r.WebSocket)
		done <- status
	}()
	for range 2 {
		want := `{"topic":"a.b.c","args":["x"],"publication":4,"details":{"topic":"a.b.c"}}`
		if line := <-out.C; line != want {
			t.Errorf("event %s, want %s", line, want)
		}
	}
	stood := 0
	for stood < 2 {
		if strings.HasPrefix(<-errOut.C, "subscribed to a.b") {
			stood++
		}
	}
	stop()
	if status := <-done; status != 0 {
		t.Errorf("interrupted subscribe ends with status %d", status)
	}
}

// What the router has revoked is over: the command must not look alive.
func TestRevokedIsTheEnd(t *testing.T) {
	for _, command := range [][]string{{"subscribe", "a.b"}, {"register", "a.b", "--echo"}} {
		r := clienttest.Start(t, nil, func(p *clienttest.Peer) {
			p.Welcome()
			if command[0] == "subscribe" {
				p.Send(&wamp.Subscribed{Request: clienttest.Expect[*wamp.Subscribe](p).Request, Subscription: 3})
				p.Send(&wamp.Unsubscribed{Details: wamp.Dict{"subscription": int64(3), "reason": "wamp.error.not_authorized"}})
			} else {
				p.Send(&wamp.Registered{Request: clienttest.Expect[*wamp.Register](p).Request, Registration: 3})
				p.Send(&wamp.Unregistered{Details: wamp.Dict{"registration": int64(3), "reason": "wamp.error.not_authorized"}})
			}
			p.Goodbye()
		})
		text, status := run(t.Context(), io.Discard, io.Discard, append(command, "--url", r.WebSocket)...)
		if !strings.HasPrefix(text, "wamp.error.not_authorized: the router revoked the ") || !strings.HasSuffix(text, " a.b") || status != 1 {
			t.Errorf("%s = %q, status %d", command, text, status)
		}
	}
}

func TestSubscribeRefused(t *testing.T) {
	r := clienttest.Start(t, nil, func(p *clienttest.Peer) {
		p.Welcome()
		m := clienttest.Expect[*wamp.Subscribe](p)
		p.Send(&wamp.ErrorMessage{RequestType: wamp.TypeSubscribe, Request: m.Request, Error: wamp.ErrInvalidURI, Payload: p.Payload([]any{"no"}, nil)})
		p.Goodbye()
	})
	text, status := run(t.Context(), io.Discard, io.Discard, "subscribe", "a..b", "--url", r.RawSocket)
	if text != "wamp.error.invalid_uri: no" || status != 1 {
		t.Errorf("subscribe = %q, status %d", text, status)
	}
}
