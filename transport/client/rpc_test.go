package client_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/wamp"
	"bondy/transport/client"
	"bondy/transport/client/clienttest"
)

func TestCall(t *testing.T) {
	script := func(p *clienttest.Peer) {
		p.Welcome()
		call := clienttest.Expect[*wamp.Call](p)
		if call.Request != 1 || call.Procedure != "com.echo" || call.Options["timeout"] != int64(1500) ||
			call.Options["disclose_me"] != true || call.Options["x"] != "y" {
			p.Errorf("CALL %+v", call)
		}
		p.Send(&wamp.Result{Request: call.Request, Payload: call.Payload.Clone(), Details: wamp.Dict{"d": true}})
		call = clienttest.Expect[*wamp.Call](p)
		p.Send(&wamp.ErrorMessage{
			RequestType: wamp.TypeCall, Request: call.Request, Error: "com.myapp.error",
			Payload: p.Payload([]any{"broken", int64(7)}, map[string]any{"k": "v"}),
		})
		p.Goodbye()
	}
	over(t, script, func(t *testing.T, s *client.Session) {
		t.Helper()
		args := []any{int64(1) << 62, "text", []byte{0, 1, 2}, nil, []any{true}}
		kwargs := map[string]any{"deep": map[string]any{"x": int64(1)}}
		r, err := s.Call(t.Context(), "com.echo", args, kwargs, client.CallOptions{
			Timeout: 1500 * time.Millisecond, DiscloseMe: true, Options: wamp.Dict{"x": "y"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(r.Args, args) || !reflect.DeepEqual(r.Kwargs, kwargs) || r.Details["d"] != true {
			t.Errorf("Call = %+v", r)
		}
		_, err = s.Call(t.Context(), "com.fail", nil, nil, client.CallOptions{})
		e, ok := errors.AsType[*client.Error](err)
		if !ok || e.Error() != "com.myapp.error: broken" || e.Args[1] != int64(7) || e.Kwargs["k"] != "v" {
			t.Errorf("Call = %#v", err)
		}
	})
}

func TestProgressiveResults(t *testing.T) {
	const n = 500 // more than may wait
	script := func(p *clienttest.Peer) {
		p.Welcome()
		call := clienttest.Expect[*wamp.Call](p)
		if call.Options["receive_progress"] != true {
			p.Errorf("CALL options %v", call.Options)
		}
		for i := range int64(n) {
			p.Send(&wamp.Result{Request: call.Request, Details: wamp.Dict{"progress": true}, Payload: p.Payload([]any{i}, nil)})
		}
		p.Send(&wamp.Result{Request: call.Request, Payload: p.Payload([]any{"done"}, nil)})
		p.Goodbye()
	}
	over(t, script, func(t *testing.T, s *client.Session) {
		t.Helper()
		var got []any
		r, err := s.Call(t.Context(), "a.b", nil, nil, client.CallOptions{
			OnProgress: func(r *client.Result) { got = append(got, r.Args...) },
		})
		if err != nil || r.Args[0] != "done" || len(got) != n || got[n-1] != int64(n-1) {
			t.Errorf("%d results, then %+v, %v", len(got), r, err)
		}
	})
}

func TestCancel(t *testing.T) {
	script := func(p *clienttest.Peer) {
		p.Welcome()
		call := clienttest.Expect[*wamp.Call](p).Request
		m := clienttest.Expect[*wamp.Cancel](p)
		if m.Request != call || m.Options["mode"] != "killnowait" {
			p.Errorf("CANCEL %+v", m)
		}
		p.Send(&wamp.ErrorMessage{RequestType: wamp.TypeCall, Request: call, Error: wamp.ErrCanceled})
		call = clienttest.Expect[*wamp.Call](p).Request
		if m := clienttest.Expect[*wamp.Cancel](p); m.Options["mode"] != "kill" {
			p.Errorf("CANCEL %+v", m)
		}
		p.Send(&wamp.Result{Request: call, Payload: p.Payload([]any{"finished after all"}, nil)})
		p.Goodbye()
	}
	over(t, script, func(t *testing.T, s *client.Session) {
		t.Helper()
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer stop()
		if _, err := s.Call(ctx, "a.b", nil, nil, client.CallOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Call = %v, want a deadline", err)
		}
		ctx, stop = context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer stop()
		r, err := s.Call(ctx, "a.b", nil, nil, client.CallOptions{CancelMode: client.CancelKill})
		if err != nil || r.Args[0] != "finished after all" {
			t.Errorf("Call = %+v, %v", r, err)
		}
	})
}

// callee registers handler in a bubble and plays script behind the
// registration, whose id is 9.
func callee(t *testing.T, cfg client.Config, handler client.InvocationHandler, script func(*clienttest.Peer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		played := make(chan struct{})
		cfg.Realm, cfg.Serializer = "realm1", wamp.JSON
		cfg.Dial = clienttest.Pipe(t, func(p *clienttest.Peer) {
			p.Welcome()
			reg := clienttest.Expect[*wamp.Register](p)
			if reg.Options["match"] != "prefix" || reg.Options["invoke"] != "roundrobin" || reg.Procedure != "com.p" {
				p.Errorf("REGISTER %+v", reg)
			}
			p.Send(&wamp.Registered{Request: reg.Request, Registration: 9})
			script(p)
			close(played)
			p.Goodbye()
		})
		s, err := client.Dial(t.Context(), "tcp://router:1", cfg)
		if err != nil {
			t.Fatal(err)
		}
		reg, err := s.Register(t.Context(), "com.p", handler, client.RegisterOptions{Match: wamp.MatchPrefix, Invoke: "roundrobin"})
		if err != nil {
			t.Fatal(err)
		}
		if reg.ID() != 9 || reg.Procedure() != "com.p" {
			t.Errorf("registration %d of %s", reg.ID(), reg.Procedure())
		}
		<-played
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestInvocation(t *testing.T) {
	handler := func(ctx context.Context, inv *client.Invocation) (*client.Result, error) {
		switch inv.Args[0] {
		case "progress":
			for i := range int64(2) {
				if err := inv.Progress(ctx, []any{i}, nil); err != nil {
					return nil, err
				}
			}
			return &client.Result{Args: []any{inv.WantsProgress(), string(inv.Procedure)}}, nil
		case "wamp":
			return nil, wamp.Errorf("com.myapp.no", "not %d", 1)
		case "client":
			return nil, fmt.Errorf("wrapped: %w", &client.Error{URI: "com.myapp.args", Args: []any{int64(1)}, Kwargs: map[string]any{"k": "v"}})
		case "unencodable":
			return &client.Result{Args: []any{make(chan int)}}, nil
		default:
			return nil, errors.New("the database password is 1234")
		}
	}
	callee(t, client.Config{}, handler, func(p *clienttest.Peer) {
		p.Send(&wamp.Invocation{
			Request: 1, Registration: 9, Details: wamp.Dict{"receive_progress": true, "procedure": "com.p.x"},
			Payload: p.Payload([]any{"progress"}, nil),
		})
		for i := range int64(2) {
			y := clienttest.Expect[*wamp.Yield](p)
			if y.Options["progress"] != true || p.Args(y.Payload)[0] != i {
				p.Errorf("YIELD %+v", y)
			}
		}
		y := clienttest.Expect[*wamp.Yield](p)
		if y.Options != nil || !reflect.DeepEqual(p.Args(y.Payload), []any{true, "com.p.x"}) {
			p.Errorf("YIELD %+v", y)
		}
		for i, test := range []struct {
			arg  string
			uri  wamp.URI
			args []any
		}{
			{"wamp", "com.myapp.no", []any{"not 1"}},
			{"client", "com.myapp.args", []any{int64(1)}},
			{"unencodable", wamp.ErrInvalidArgument, nil},
			{"internal", wamp.ErrInternal, []any{"the procedure failed"}},
		} {
			request := wamp.ID(i + 2)
			p.Send(&wamp.Invocation{Request: request, Registration: 9, Payload: p.Payload([]any{test.arg}, nil)})
			m := clienttest.Expect[*wamp.ErrorMessage](p)
			if m.Request != request || m.RequestType != wamp.TypeInvocation || m.Error != test.uri ||
				test.args != nil && !reflect.DeepEqual(p.Args(m.Payload), test.args) {
				p.Errorf("%s: ERROR %+v", test.arg, m)
			}
		}
		p.Send(&wamp.Invocation{Request: 99, Registration: 10})
		if m := clienttest.Expect[*wamp.ErrorMessage](p); m.Error != wamp.ErrNoSuchRegistration {
			p.Errorf("unknown registration: %s", m.Error)
		}
	})
}

func TestInterruptAndTimeout(t *testing.T) {
	handler := func(ctx context.Context, inv *client.Invocation) (*client.Result, error) {
		<-ctx.Done()
		if err := inv.Progress(context.WithoutCancel(ctx), nil, nil); inv.Args[0] != "kill" && err == nil {
			return &client.Result{Args: []any{"progress after the end"}}, nil
		}
		return nil, ctx.Err()
	}
	callee(t, client.Config{}, handler, func(p *clienttest.Peer) {
		invoke := func(id wamp.ID, arg string, details wamp.Dict) {
			p.Send(&wamp.Invocation{Request: id, Registration: 9, Details: details, Payload: p.Payload([]any{arg}, nil)})
		}
		invoke(1, "nowait", nil)
		invoke(2, "kill", nil)
		invoke(3, "timeout", wamp.Dict{"timeout": int64(60_000)})
		time.Sleep(time.Second)                                                       // the handlers run
		p.Send(&wamp.Interrupt{Request: 1, Options: wamp.Dict{"mode": "killnowait"}}) // not answered
		p.Send(&wamp.Interrupt{Request: 2, Options: wamp.Dict{"mode": "kill"}})
		clienttest.Expect[*wamp.Yield](p)
		if m := clienttest.Expect[*wamp.ErrorMessage](p); m.Request != 2 || m.Error != wamp.ErrCanceled {
			p.Errorf("ERROR %+v", m)
		}
		if m := clienttest.Expect[*wamp.ErrorMessage](p); m.Request != 3 || m.Error != wamp.ErrTimeout {
			p.Errorf("ERROR %+v", m)
		}
		p.Send(&wamp.Interrupt{Request: 4711}) // unknown: ignored
	})
}

func TestInvocationsAreBounded(t *testing.T) {
	running, most := make(chan struct{}, 100), 0
	handler := func(context.Context, *client.Invocation) (*client.Result, error) {
		running <- struct{}{}
		most = max(most, len(running))
		time.Sleep(time.Second)
		<-running
		return nil, nil
	}
	callee(t, client.Config{MaxInvocations: 1}, handler, func(p *clienttest.Peer) {
		for id := wamp.ID(1); id <= 50; id++ {
			p.Send(&wamp.Invocation{Request: id, Registration: 9})
		}
		for id := wamp.ID(1); id <= 50; id++ {
			if y := clienttest.Expect[*wamp.Yield](p); y.Request != id {
				p.Errorf("YIELD %d, want %d", y.Request, id)
			}
		}
	})
	if most != 1 {
		t.Errorf("%d handlers at once, want 1", most)
	}
}

func TestCloseCancelsHandlers(t *testing.T) {
	var cause error
	handler := func(ctx context.Context, _ *client.Invocation) (*client.Result, error) {
		<-ctx.Done()
		cause = ctx.Err()
		return nil, cause
	}
	callee(t, client.Config{}, handler, func(p *clienttest.Peer) {
		p.Send(&wamp.Invocation{Request: 1, Registration: 9})
		time.Sleep(time.Second) // the handler runs
	})
	if !errors.Is(cause, context.Canceled) {
		t.Errorf("handler's context ended with %v", cause)
	}
}

func TestUnregisterAndRevocation(t *testing.T) {
	script := func(p *clienttest.Peer) {
		p.Welcome()
		for range 2 {
			p.Send(&wamp.Registered{Request: clienttest.Expect[*wamp.Register](p).Request, Registration: 9})
			if m, ok := p.Recv().(*wamp.Unregister); ok {
				p.Send(&wamp.Unregistered{Request: m.Request})
				continue
			}
			p.Send(&wamp.Unregistered{Details: wamp.Dict{"registration": int64(9), "reason": "moved"}})
		}
		p.Send(&wamp.ErrorMessage{RequestType: wamp.TypeRegister, Request: clienttest.Expect[*wamp.Register](p).Request, Error: wamp.ErrProcedureExists})
		p.Goodbye()
	}
	nothing := func(context.Context, *client.Invocation) (*client.Result, error) { return nil, nil }
	over(t, script, func(t *testing.T, s *client.Session) {
		t.Helper()
		reg, err := s.Register(t.Context(), "a.b", nothing, client.RegisterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := reg.Unregister(t.Context()); err != nil {
				t.Error(err)
			}
		}
		reg, err = s.Register(t.Context(), "a.b", nothing, client.RegisterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = s.Publish(t.Context(), "a.b", nil, nil, client.PublishOptions{})
		<-reg.Done()
		_, err = s.Register(t.Context(), "a.b", nothing, client.RegisterOptions{})
		if we, ok := errors.AsType[*wamp.Error](err); !ok || we.URI != wamp.ErrProcedureExists {
			t.Errorf("Register = %v", err)
		}
	})
}

func TestConcurrentCallsHaveSequentialIDs(t *testing.T) {
	const n = 200
	script := func(p *clienttest.Peer) {
		p.Welcome()
		var ids []wamp.ID
		for range n {
			ids = append(ids, clienttest.Expect[*wamp.Call](p).Request)
		}
		for i, id := range ids {
			if id != wamp.ID(i+1) {
				p.Errorf("request %d is number %d", id, i+1)
			}
		}
		for _, id := range slices.Backward(ids) {
			p.Send(&wamp.Result{Request: id, Payload: p.Payload([]any{int64(id)}, nil)})
		}
		p.Goodbye()
	}
	over(t, script, func(t *testing.T, s *client.Session) {
		t.Helper()
		errs := make(chan error, n)
		for range n {
			go func() {
				_, err := s.Call(t.Context(), "a.b", []any{strings.Repeat("x", 100)}, nil, client.CallOptions{})
				errs <- err
			}()
		}
		for range n {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}
