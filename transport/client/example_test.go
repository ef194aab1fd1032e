package client_test

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"bondy/core/wamp"
	"bondy/transport/client"
)

func ExampleDial() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx := context.Background()
	s, err := client.Dial(ctx, "ws://127.0.0.1:18080/ws", client.Config{
		Realm: "realm1",
		Auth:  []client.Authenticator{client.Ticket("joe", os.Getenv("TICKET"))},
	})
	if err != nil {
		log.Error("join", slog.Any("err", err))
		return
	}
	defer func() { _ = s.Close(ctx) }()
	result, err := s.Call(ctx, "com.example.add", []any{1, 2}, nil, client.CallOptions{})
	if e, ok := errors.AsType[*wamp.Error](err); ok && e.URI == wamp.ErrNoSuchProcedure {
		log.Info("nobody adds")
		return
	}
	if err != nil {
		log.Error("call", slog.Any("err", err))
		return
	}
	log.Info("sum", slog.Any("args", result.Args))
}

func ExampleRun() {
	add := func(_ context.Context, inv *client.Invocation) (*client.Result, error) {
		sum := int64(0)
		for _, v := range inv.Args {
			n, ok := v.(int64)
			if !ok {
				return nil, wamp.Errorf(wamp.ErrInvalidArgument, "%v is no integer", v)
			}
			sum += n
		}
		return &client.Result{Args: []any{sum}}, nil
	}
	err := client.Run(context.Background(), "ws://127.0.0.1:18080/ws", client.Config{Realm: "realm1"},
		func(ctx context.Context, s *client.Session) error {
			_, err := s.Register(ctx, "com.example.add", add, client.RegisterOptions{})
			return err
		})
	if err != nil {
		slog.New(slog.NewTextHandler(os.Stderr, nil)).Error("run", slog.Any("err", err))
	}
}
