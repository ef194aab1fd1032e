package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"bondy/core/wamp"
	"bondy/transport/client"
	"bondy/transport/client/clienttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// over runs a test against the script over each transport and serializer.
func over(t *testing.T, script func(*clienttest.Peer), test func(*testing.T, *client.Session)) {
	t.Helper()
	r := clienttest.Start(t, nil, script)
	for name, url := range map[string]string{"websocket": r.WebSocket, "rawsocket": r.RawSocket, "unix": r.Unix} {
		for _, s := range []wamp.Serializer{wamp.JSON, wamp.MessagePack, wamp.CBOR} {
			t.Run(name+"/"+s.String(), func(t *testing.T) {
				test(t, dial(t, url, client.Config{Serializer: s}))
			})
		}
	}
}

func dial(t *testing.T, url string, cfg client.Config) *client.Session {
	t.Helper()
	cfg.Realm = "realm1"
	s, err := client.Dial(t.Context(), url, cfg)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestJoinAndLeave(t *testing.T) {
	script := func(p *clienttest.Peer) {
		p.Welcome()
		p.Goodbye()
		if m := p.Recv(); m != nil {
			p.Errorf("%T after GOODBYE", m)
		}
	}
	over(t, script, func(t *testing.T, s *client.Session) {
		t.Helper()
		if s.ID() != 7 || s.Details()["realm"] != "realm1" {
			t.Errorf("session %d with details %v", s.ID(), s.Details())
		}
		if err := s.Err(); err != nil {
			t.Errorf("Err of an open session = %v", err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
		<-s.Done()
		if !errors.Is(s.Err(), client.ErrClosed) {
			t.Errorf("Err = %v, want ErrClosed", s.Err())
		}
		if _, err := s.Call(t.Context(), "a.b", nil, nil, client.CallOptions{}); !errors.Is(err, client.ErrClosed) {
			t.Errorf("Call after Close = %v, want ErrClosed", err)
		}
	})
}

// Who intercepts gets what answers Post, and the invocations that Put answers.
func TestIntercept(t *testing.T) {
	r := clienttest.Start(t, nil, func(p *clienttest.Peer) {
		p.Welcome()
		call := clienttest.Expect[*wamp.Call](p)
		p.Send(&wamp.Invocation{Request: 5, Registration: 3, Payload: call.Payload.Clone()})
		yield := clienttest.Expect[*wamp.Yield](p)
		if yield.Request != 5 {
			p.Errorf("YIELD for %d, want 5", yield.Request)
		}
		p.Send(&wamp.Result{Request: 1, Payload: yield.Payload.Clone()})
		p.Goodbye()
	})
	results := make(chan int, 1)
	s := dial(t, r.WebSocket, client.Config{IOBuffer: 512, Intercept: func(s *client.Session, m wamp.Message) bool {
		switch m := m.(type) {
		case *wamp.Invocation:
			if err := s.Put(&wamp.Yield{Request: m.Request, Payload: m.Payload}); err != nil {
				t.Errorf("Put: %v", err)
			}
			return true
		case *wamp.Result:
			results <- m.Len()
			return true
		default:
			return false
		}
	}})
	payload := wamp.Payload{Serializer: wamp.MessagePack, Args: []byte{0x91, 7}}
	id, err := s.Post(func(id wamp.ID) wamp.Message {
		return &wamp.Call{Request: id, Procedure: "a.echo", Payload: payload}
	})
	if err != nil || id != 1 {
		t.Fatalf("Post = %d, %v", id, err)
	}
	if n := <-results; n != payload.Len() {
		t.Errorf("a result of %d bytes, want %d", n, payload.Len())
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Post(func(id wamp.ID) wamp.Message { return &wamp.Call{Request: id, Procedure: "a.echo"} }); !errors.Is(err, client.ErrClosed) {
		t.Errorf("Post after Close = %v, want ErrClosed", err)
	}
}

func TestHelloAnnouncesFeatures(t *testing.T) {
	details := make(chan wamp.Dict, 1)
	r := clienttest.Start(t, nil, func(p *clienttest.Peer) {
		details <- p.Welcome()
		p.Goodbye()
	})
	dial(t, r.RawSocket, client.Config{Features: map[string]map[string]bool{"caller": {"call_canceling": false}}})
	roles, err := (<-details).Dict("roles")
	if err != nil {
		t.Fatal(err)
	}
	for role, want := range map[string]map[string]bool{
		"caller":     {"call_canceling": false, "progressive_call_results": true},
		"callee":     {"call_canceling": true, "registration_revocation": true, "progressive_call_results": true},
		"publisher":  {"publisher_exclusion": true},
		"subscriber": {"subscription_revocation": true, "pattern_based_subscription": true},
	} {
		d, _ := roles.Dict(role)
		features, _ := d.Dict("features")
		for f, on := range want {
			if features[f] != on {
				t.Errorf("%s announces %s = %v, want %v", role, f, features[f], on)
			}
		}
	}
}

func TestRefusedJoin(t *testing.T) {
	r := clienttest.Start(t, nil, func(p *clienttest.Peer) {
		clienttest.Expect[*wamp.Hello](p)
		p.Send(&wamp.Abort{Details: wamp.Dict{"message": "no realm1 here"}, Reason: wamp.ErrNoSuchRealm})
	})
	_, err := client.Dial(t.Context(), r.WebSocket, client.Config{Realm: "realm1"})
	we, ok := errors.AsType[*wamp.Error](err)
	if !ok || we.URI != wamp.ErrNoSuchRealm || we.Message != "no realm1 here" {
		t.Errorf("Dial = %v, want no_such_realm", err)
	}
	if got, want := err.Error(), "wamp.error.no_such_realm: no realm1 here"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

func TestDialRefusesBadSettings(t *testing.T) {
	for url, cfg := range map[string]client.Config{
		"http://h/ws":          {Realm: "r"},
		"tcp://127.0.0.1":      {Realm: "r"},
		"tcp://":               {Realm: "r"},
		"unix:":                {Realm: "r"},
		"unix://host/path":     {Realm: "r"},
		"ws://127.0.0.1:1/ws":  {},
		"ws://127.0.0.1:1/ws2": {Realm: "r", MaxMessage: 1 << 30},
		"ws://127.0.0.1:1/ws3": {Realm: "r", Auth: []client.Authenticator{client.Ticket("a", "x"), client.CRA("b", "y")}},
		"ws://127.0.0.1:1/ws4": {Realm: "r", Auth: []client.Authenticator{client.Cryptosign("a", nil)}},
	} {
		cfg.Dial = nil
		if _, err := client.Dial(t.Context(), url, cfg); err == nil || strings.Contains(err.Error(), "refused") {
			t.Errorf("Dial(%q) = %v, want a settings error", url, err)
		}
	}
}

func TestHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := clienttest.Pipe(t, func(p *clienttest.Peer) {
			clienttest.Expect[*wamp.Hello](p)
			p.Recv() // says nothing
		})
		start := time.Now()
		_, err := client.Dial(t.Context(), "tcp://router:1", client.Config{
			Realm: "realm1", Dial: dial, HandshakeTimeout: 3 * time.Second,
		})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("Dial = %v after %s, want a deadline after 3s", err, time.Since(start))
		}
	})
}

func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		silent := func(p *clienttest.Peer) {
			p.Welcome()
			p.Recv() // answers pings, until the client is done with it
			<-stop
		}
		s, err := client.Dial(t.Context(), "tcp://router:1", client.Config{
			Realm: "realm1", Dial: clienttest.Pipe(t, silent), KeepAlive: 5 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if s.Err() != nil {
			t.Errorf("session with a router that answers pings ended: %v", s.Err())
		}
		close(stop)
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}

		hung := make(chan struct{})
		s, err = client.Dial(t.Context(), "tcp://router:1", client.Config{
			Realm: "realm1", KeepAlive: 5 * time.Second,
			Dial: clienttest.Pipe(t, func(p *clienttest.Peer) {
				p.Welcome()
				<-hung
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		<-s.Done()
		if d := time.Since(start); d > 11*time.Second {
			t.Errorf("session with a hung router lasted %s", d)
		}
		close(hung)
		_ = s.Close(t.Context())
	})
}

func TestRouterEndsSession(t *testing.T) {
	tests := map[string]struct {
		end  func(*clienttest.Peer)
		want string
	}{
		"goodbye": {func(p *clienttest.Peer) {
			p.Send(&wamp.Goodbye{Details: wamp.Dict{"message": "bye"}, Reason: wamp.CloseSystemShutdown})
			if m := clienttest.Expect[*wamp.Goodbye](p); m.Reason != wamp.CloseGoodbyeAndOut {
				p.Errorf("answer to GOODBYE is %s", m.Reason)
			}
		}, "wamp.close.system_shutdown: bye"},
		"abort": {func(p *clienttest.Peer) {
			p.Send(&wamp.Abort{Reason: wamp.ErrProtocolViolation, Payload: p.Payload([]any{"no"}, nil)})
		}, "wamp.error.protocol_violation: no"},
		"closed":    {func(*clienttest.Peer) {}, "connection lost"},
		"violation": {func(p *clienttest.Peer) { violate(p, func() { p.Send(&wamp.Hello{Realm: "a"}) }) }, "HELLO"},
		"garbage":   {func(p *clienttest.Peer) { violate(p, func() { p.SendRaw([]byte("[4711,")) }) }, "wamp.error.protocol_violation"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := clienttest.Start(t, nil, func(p *clienttest.Peer) {
				p.Welcome()
				clienttest.Expect[*wamp.Call](p)
				test.end(p)
			})
			for _, url := range []string{r.WebSocket, r.RawSocket} {
				s := dial(t, url, client.Config{Serializer: wamp.JSON})
				_, err := s.Call(t.Context(), "a.b", nil, nil, client.CallOptions{})
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("Call = %v, want %q", err, test.want)
				}
				<-s.Done()
				if !errors.Is(s.Err(), err) {
					t.Errorf("Err = %v, Call = %v", s.Err(), err)
				}
			}
		})
	}
}

func violate(p *clienttest.Peer, send func()) {
	send()
	if m := clienttest.Expect[*wamp.Abort](p); m.Reason != wamp.ErrProtocolViolation {
		p.Errorf("ABORT with %s", m.Reason)
	}
}

func TestPingIsAnswered(t *testing.T) {
	r := clienttest.Start(t, nil, func(p *clienttest.Peer) {
		p.Welcome()
		call := clienttest.Expect[*wamp.Call](p).Request
		p.Ping([]byte("are you there"))
		p.Send(&wamp.Result{Request: call})
		p.Goodbye()
		if string(p.Pong()) != "are you there" {
			p.Errorf("pong %q", p.Pong())
		}
	})
	for _, url := range []string{r.WebSocket, r.RawSocket} {
		if _, err := dial(t, url, client.Config{}).Call(t.Context(), "a.b", nil, nil, client.CallOptions{}); err != nil {
			t.Error(err)
		}
	}
}

func TestRouterThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := make(chan struct{})
		s, err := client.Dial(t.Context(), "tcp://router:1", client.Config{
			Realm: "realm1", KeepAlive: -1, SendBuffer: 1000, WriteTimeout: 20 * time.Second,
			Dial: clienttest.Pipe(t, func(p *clienttest.Peer) {
				p.Welcome()
				<-hung
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
		defer stop()
		sent := 0
		for err == nil {
			if _, err = s.Publish(ctx, "a.b", []any{strings.Repeat("x", 500)}, nil, client.PublishOptions{}); err == nil {
				sent++
			}
		}
		if !errors.Is(err, context.DeadlineExceeded) || sent > 100 {
			t.Errorf("%d publications accepted, then %v; want a full buffer", sent, err)
		}
		<-s.Done()
		if s.Err() == nil || !strings.Contains(s.Err().Error(), "connection lost") {
			t.Errorf("Err = %v, want a lost connection", s.Err())
		}
		close(hung)
		_ = s.Close(t.Context())
	})
}
