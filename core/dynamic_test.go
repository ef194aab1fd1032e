package core_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core"
	"bondy/core/auth"
	"bondy/core/codec"
	"bondy/core/coretest"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// decided is a realm where joe's group decides by com.decide what nobody has a
// grant for.
func decided(ttl time.Duration) realm.Config {
	cfg := secured(grant("com.decide", wamp.MatchExact, []string{"user"}, rbac.Register))
	cfg.Access.Dynamic = rbac.Dynamic{Procedure: "com.decide", TTL: ttl}
	return cfg
}

// authorizer registers com.decide and answers with what decide says of each
// question.
func authorizer(t *testing.T, r *core.Router, decide func(args []any) any) {
	t.Helper()
	c := joe(t, r)
	c.Register("com.decide", nil)
	go func() {
		for {
			inv, ok := c.Receive().(*wamp.Invocation)
			if !ok {
				return
			}
			args, err := codec.DecodeArgs(inv.Payload)
			if err != nil {
				t.Error(err)
				return
			}
			if answer := decide(args); answer != nil {
				c.Send(&wamp.Yield{Request: inv.Request, Payload: c.Args(answer)})
			}
		}
	}()
}

func TestDynamicAuthorizer(t *testing.T) {
	r := coretest.Router(t, decided(0))
	authorizer(t, r, func(args []any) any {
		session, _ := args[0].(map[string]any)
		if session["authrole"] != "anonymous" || session["realm"] != "realm1" || session["session"] == nil {
			t.Errorf("asked about %v", session)
		}
		switch args[1] {
		case "com.open":
			return true
		case "com.told":
			return map[string]any{"allow": true, "disclose": true}
		case "com.odd":
			return "yes"
		default:
			return false
		}
	})
	c, other := coretest.Join(t, r), coretest.Join(t, r)
	c.Register("com.open", nil)
	c.Register("com.told", nil)
	c.Subscribe("com.open", nil)
	for _, u := range []wamp.URI{"com.closed", "com.odd", "bondy.x", "wamp.session.kill_all"} {
		denied(t, c, u, wamp.ErrNotAuthorized)
	}
	c.Send(&wamp.Register{Request: c.Next(), Procedure: "com.decide"})
	c.ExpectError(wamp.ErrNotAuthorized)
	c.Send(&wamp.Register{Request: c.Next(), Procedure: "com.open", Options: wamp.Dict{"disclose_caller": true, "match": "prefix"}})
	c.ExpectError(wamp.ErrOptionNotAllowed)
	other.Call("com.open", nil)
	other.Call("com.told", nil)
	if d := coretest.Expect[*wamp.Invocation](c).Details; d["caller"] != nil {
		t.Errorf("disclosed: %v", d)
	}
	if d := coretest.Expect[*wamp.Invocation](c).Details; d["caller"] != int64(other.ID) {
		t.Errorf("not disclosed: %v", d)
	}
	other.Publish("com.open", nil)
	coretest.Expect[*wamp.Event](c)
}

func TestDynamicAuthorizerThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := coretest.Router(t, decided(0))
		c := coretest.Join(t, r)
		denied(t, c, "com.x", wamp.ErrNotAuthorized) // there is none
		authorizer(t, r, func([]any) any { return nil })
		start := time.Now()
		denied(t, c, "com.x", wamp.ErrNotAuthorized)
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("denied after %v", took)
		}
	})
}

// What a session is told is in the order in which it asked.
func TestDynamicAuthorizerKeepsOrder(t *testing.T) {
	cfg := decided(time.Minute)
	cfg.Access.Grants = append(cfg.Access.Grants, grant("org.", wamp.MatchPrefix, []string{"all"}, allow()...))
	r := coretest.Router(t, cfg)
	asked := 0
	authorizer(t, r, func([]any) any { asked++; return true })
	c := coretest.Join(t, r)
	for range 100 {
		for _, u := range []wamp.URI{"com.x", "org.x"} {
			c.Send(&wamp.Publish{Request: c.Next(), Topic: u, Options: wamp.Dict{"acknowledge": true}})
		}
	}
	for i := range 200 {
		if m := coretest.Expect[*wamp.Published](c); m.Request != wamp.ID(i+1) {
			t.Fatalf("answer to %d, want %d", m.Request, i+1)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
}

// Who had a grant and has none any more keeps what the procedure allows.
func TestDynamicAuthorizerIsAskedWhenGrantsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := decided(0)
		r := coretest.Router(t, cfg)
		authorizer(t, r, func(args []any) any { return args[1] != "com.lost" })
		wide := cfg
		wide.Access.Grants = append(wide.Access.Grants, grant("com.", wamp.MatchPrefix, []string{"anonymous"}, allow()...))
		apply(t, r, wide)
		c := coretest.JoinWith(t, r, wamp.MessagePack, revocable())
		lost, kept := c.Subscribe("com.lost", nil), c.Subscribe("com.kept", nil)
		registered := c.Register("com.lost", nil)
		apply(t, r, cfg)
		synctest.Wait()
		for range 2 {
			switch m := c.Receive().(type) {
			case *wamp.Unsubscribed:
				if m.Details["subscription"] != int64(lost) {
					t.Errorf("%+v", m)
				}
			case *wamp.Unregistered:
				if m.Details["registration"] != int64(registered) {
					t.Errorf("%+v", m)
				}
			default:
				t.Fatalf("%v", m)
			}
		}
		c.Nothing()
		coretest.Join(t, r).Publish("com.kept", nil)
		if e := coretest.Expect[*wamp.Event](c); e.Subscription != kept {
			t.Errorf("%+v", e)
		}
		closed := cfg
		closed.Access.Dynamic = rbac.Dynamic{}
		apply(t, r, closed)
		if m := coretest.Expect[*wamp.Unsubscribed](c); m.Details["subscription"] != int64(kept) {
			t.Errorf("%+v", m)
		}
	})
}

// What was granted again while the procedure was asked stays, whatever that says.
func TestGrantedAgainWhileTheAuthorizerIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		narrow := decided(0)
		wide := narrow
		wide.Access.Grants = append(slices.Clip(wide.Access.Grants), grant("com.", wamp.MatchPrefix, []string{"anonymous"}, allow()...))
		r := coretest.Router(t, wide)
		asked := 0
		authorizer(t, r, func([]any) any {
			if asked++; asked == 1 {
				apply(t, r, wide)
			}
			return false
		})
		c := coretest.JoinWith(t, r, wamp.MessagePack, revocable())
		c.Subscribe("com.kept", nil)
		c.Register("com.kept", nil)
		apply(t, r, narrow)
		synctest.Wait()
		c.Nothing()
		if asked == 0 {
			t.Error("nobody was asked")
		}
	})
}

// Who is to leave while the procedure is asked does nothing any more, whatever that
// says.
func TestEndedWhileTheAuthorizerIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := decided(0)
		cfg.Access.Grants = append(cfg.Access.Grants, grant("com.x", wamp.MatchExact, []string{"user"}, rbac.Register))
		r := coretest.Router(t, cfg)
		c := coretest.Join(t, r)
		authorizer(t, r, func([]any) any {
			dismiss(t, r, wamp.CloseKilled, "out", c)
			return true
		})
		callee := joe(t, r)
		callee.Register("com.x", nil)
		c.Call("com.x", nil)
		synctest.Wait()
		gone(t, c, wamp.CloseKilled)
		callee.Nothing()
	})
}

// A realm's own caller is what dynamic authenticators are called with.
func TestDynamicAuthenticator(t *testing.T) {
	cfg := secured(
		grant("com.login", wamp.MatchExact, []string{"anonymous"}, rbac.Register),
		grant("com.x", wamp.MatchExact, []string{"guest"}, allow()...),
	)
	cfg.Auth.Users = nil
	cfg.Auth.Dynamic = map[string]wamp.URI{auth.MethodTicket: "com.login"}
	r := coretest.Router(t, cfg)
	clerk := coretest.Join(t, r)
	clerk.Register("com.login", nil)
	go func() {
		for {
			inv, ok := clerk.Receive().(*wamp.Invocation)
			if !ok {
				return
			}
			clerk.Send(&wamp.Yield{Request: inv.Request, Payload: clerk.Args("guest")})
		}
	}()
	c := joe(t, r)
	if c.Welcome["authrole"] != "guest" || c.Welcome["authprovider"] != "dynamic" {
		t.Errorf("%v", c.Welcome)
	}
	c.Subscribe("com.x", nil)
	denied(t, c, "com.y", wamp.ErrNotAuthorized)
}

func TestRealmCaller(t *testing.T) {
	r := coretest.Router(t)
	call := func(ctx context.Context, procedure wamp.URI, args ...any) (any, error) {
		return home(t, r).Caller.Call(ctx, procedure, args)
	}
	if _, err := call(t.Context(), "com.nobody"); wamp.AsError(err).URI != wamp.ErrNoSuchProcedure {
		t.Errorf("nobody: %v", err)
	}
	callee := coretest.JoinWith(t, r, wamp.JSON, coretest.Roles())
	callee.Register("com.echo", wamp.Dict{"disclose_caller": true})
	answer := func(reply func(*wamp.Invocation) wamp.Message) {
		go func() { callee.Send(reply(coretest.Expect[*wamp.Invocation](callee))) }()
	}
	for _, tc := range []struct {
		args   []any
		kwargs map[string]any
		want   any
	}{
		{[]any{"x", 1}, nil, "x"},
		{[]any{map[string]any{"a": true}}, map[string]any{"b": 1}, map[string]any{"a": true}},
		{nil, map[string]any{"b": true}, map[string]any{"b": true}},
		{nil, nil, nil},
	} {
		answer(func(inv *wamp.Invocation) wamp.Message {
			if inv.Details["caller_authid"] != "bondy" {
				t.Errorf("details %v", inv.Details)
			}
			p, err := codec.NewPayload(wamp.JSON, tc.args, tc.kwargs)
			if err != nil {
				t.Error(err)
			}
			return &wamp.Yield{Request: inv.Request, Payload: p}
		})
		if got, err := call(t.Context(), "com.echo", "hello", int64(7)); err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%v, %v, want %v", got, err, tc.want)
		}
	}
	answer(func(inv *wamp.Invocation) wamp.Message {
		return &wamp.ErrorMessage{RequestType: wamp.TypeInvocation, Request: inv.Request, Error: "com.error", Payload: callee.Args("no")}
	})
	if _, err := call(t.Context(), "com.echo"); wamp.AsError(err).URI != "com.error" || wamp.AsError(err).Message != "no" {
		t.Errorf("error: %v", err)
	}
	answer(func(inv *wamp.Invocation) wamp.Message {
		return &wamp.Yield{Request: inv.Request, Payload: callee.Args(string(make([]byte, 100<<10)))}
	})
	if _, err := call(t.Context(), "com.echo"); wamp.AsError(err).URI != wamp.ErrPayloadSizeExceeded {
		t.Errorf("too long: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		inv := coretest.Expect[*wamp.Invocation](callee)
		cancel()
		if m := coretest.Expect[*wamp.Interrupt](callee); m.Request != inv.Request {
			t.Errorf("%+v", m)
		}
		callee.Drop()
	}()
	if _, err := call(ctx, "com.echo"); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	<-callee.Closed()
	if _, err := call(t.Context(), "com.echo"); err == nil {
		t.Error("a callee that is gone answers")
	}
}
