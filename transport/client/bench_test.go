package client_test

import (
	"testing"

	"bondy/core/wamp"
	"bondy/transport/client"
	"bondy/transport/client/clienttest"
)

// BenchmarkCall measures a call and its result over loopback, one at a time
// and many at once.
func BenchmarkCall(b *testing.B) {
	r := clienttest.Start(b, nil, func(p *clienttest.Peer) {
		p.Welcome()
		for {
			switch m := p.Recv().(type) {
			case *wamp.Call:
				p.Send(&wamp.Result{Request: m.Request, Payload: m.Payload})
			case *wamp.Goodbye:
				p.Send(&wamp.Goodbye{Reason: wamp.CloseGoodbyeAndOut})
			default:
				return
			}
		}
	})
	call := func(b *testing.B, s *client.Session) {
		b.Helper()
		if _, err := s.Call(b.Context(), "com.example.echo", []any{"hello", 1}, nil, client.CallOptions{}); err != nil {
			b.Error(err)
		}
	}
	for name, url := range map[string]string{"websocket": r.WebSocket, "rawsocket": r.RawSocket} {
		s, err := client.Dial(b.Context(), url, client.Config{Realm: "realm1"})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/sequential", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				call(b, s)
			}
		})
		b.Run(name+"/concurrent", func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(64)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					call(b, s)
				}
			})
		})
		if err := s.Close(b.Context()); err != nil {
			b.Error(err)
		}
	}
}
