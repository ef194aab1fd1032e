package client_test

import (
	"context"
	"io"
	"net"
	"testing"

	"bondy/core/wamp"
	"bondy/transport/client"
)

// FuzzRouter lets a router say anything: a session ends in order whatever it
// says.
func FuzzRouter(f *testing.F) {
	frame := func(kind byte, text string) string { return string([]byte{kind, 0, 0, byte(len(text))}) + text }
	welcome := "\x7f\xf1\x00\x00" + frame(0, `[2,1,{}]`)
	for _, said := range []string{
		"", "\x7f\x10\x00\x00", "HTTP/1.1 400", welcome, "\x7f\xf1\x00\x00" + frame(0, `[4,"wampcra",{"challenge":"x","salt":"s"}]`),
		welcome + frame(1, "ping") + frame(2, "pong") + frame(0, `[6,{},"a.b"]`),
		welcome + frame(0, `[50,1,{"progress":true},[1]]`) + frame(0, `[33,2,3]`) + frame(0, `[36,3,4,{},[1]]`),
		welcome + frame(0, `[65,3,3]`) + frame(0, `[68,1,3,{"timeout":1},[1]]`) + frame(0, `[69,1,{}]`) + frame(0, `[8,48,1,{},"a.b"]`),
		welcome + frame(0, `[35,0,{"subscription":-1}]`) + frame(0, `[67,0,{"registration":3}]`), welcome + "\x08\x00\x00\x00",
	} {
		f.Add([]byte(said))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		cfg := client.Config{
			Realm: "realm1", Serializer: wamp.JSON, Auth: []client.Authenticator{client.CRA("joe", "secret")},
			Dial: func(context.Context, string, string) (net.Conn, error) {
				here, there := net.Pipe()
				go func() { _, _ = io.Copy(io.Discard, there) }()
				go func() {
					_, _ = there.Write(said)
					_ = there.Close()
				}()
				return here, nil
			},
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		s, err := client.Dial(ctx, "tcp://router:1", cfg)
		if err != nil {
			return
		}
		go func() {
			<-s.Done()
			stop()
		}()
		_, _ = s.Call(ctx, "a.b", nil, nil, client.CallOptions{OnProgress: func(*client.Result) {}})
		_, _ = s.Subscribe(ctx, "a.b", func(context.Context, *client.Event) {}, client.SubscribeOptions{})
		_, _ = s.Register(ctx, "a.b", func(context.Context, *client.Invocation) (*client.Result, error) { return nil, nil }, client.RegisterOptions{})
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
