package client_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/wamp"
	"bondy/transport/client"
	"bondy/transport/client/clienttest"
)

func TestRunReconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts []time.Duration
		start := time.Now()
		pipe := clienttest.Pipe(t, func(p *clienttest.Peer) {
			p.Welcome()
			if len(attempts) == 8 {
				p.Goodbye()
			}
		})
		cfg := client.Config{Realm: "realm1", Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			attempts = append(attempts, time.Since(start))
			if n := len(attempts); n <= 6 {
				return nil, errors.New("connection refused")
			}
			return pipe(ctx, network, address)
		}}
		ctx, stop := context.WithCancel(t.Context())
		setups := 0
		err := client.Run(ctx, "tcp://router:1", cfg, func(context.Context, *client.Session) error {
			if setups++; setups == 2 {
				time.AfterFunc(time.Hour, stop)
			}
			return nil
		})
		if err != nil || setups != 2 || time.Since(start) < time.Hour {
			t.Errorf("Run = %v after %d setups and %s", err, setups, time.Since(start))
		}
		for i, seconds := range []int{1, 2, 4, 8, 16, 30, 1} {
			most := time.Duration(seconds) * time.Second
			if d := attempts[i+1] - attempts[i]; d > most || d < most/2 {
				t.Errorf("pause %d is %s, want %s to %s", i, d, most/2, most)
			}
		}
	})
}

func TestRunGivesUpOnRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		setup := func(ctx context.Context, s *client.Session) error {
			_, err := s.Subscribe(ctx, "a.b", nil, client.SubscribeOptions{})
			return err
		}
		for name, script := range map[string]func(*clienttest.Peer){
			"session": func(p *clienttest.Peer) {
				clienttest.Expect[*wamp.Hello](p)
				p.Send(&wamp.Abort{Reason: wamp.ErrNotAuthorized})
			},
			"setup": func(p *clienttest.Peer) {
				p.Welcome()
				m := clienttest.Expect[*wamp.Subscribe](p)
				p.Send(&wamp.ErrorMessage{RequestType: wamp.TypeSubscribe, Request: m.Request, Error: wamp.ErrNotAuthorized})
				p.Goodbye()
			},
		} {
			cfg := client.Config{Realm: "realm1", Dial: clienttest.Pipe(t, script)}
			err := client.Run(t.Context(), "tcp://router:1", cfg, setup)
			if we, ok := errors.AsType[*wamp.Error](err); !ok || we.URI != wamp.ErrNotAuthorized {
				t.Errorf("%s: Run = %v", name, err)
			}
		}
		if err := client.Run(t.Context(), "nonsense", client.Config{Realm: "realm1"}, setup); err == nil {
			t.Error("Run with a bad URL succeeded")
		}
	})
}
