package dealer_test

import (
	"testing"
	"time"

	"bondy/core/codec"
	"bondy/core/dealer"
	"bondy/core/peer"
	"bondy/core/wamp"
)

func BenchmarkCall(b *testing.B) {
	for _, tc := range []struct {
		name    string
		cfg     dealer.Config
		callees int
		options wamp.Dict
	}{
		{"single", dealer.Config{MaxCalls: 100}, 1, nil},
		{"pattern", dealer.Config{MaxCalls: 100}, 1, wamp.Dict{"match": "prefix"}},
		{"timeout", dealer.Config{MaxCalls: 100, Timeout: time.Minute}, 1, nil},
		{"roundrobin", dealer.Config{MaxCalls: 100}, 4, wamp.Dict{"invoke": "roundrobin"}},
		{"announced", dealer.Config{MaxCalls: 100, Features: dealer.Announced}, 4, wamp.Dict{"invoke": "roundrobin"}},
		{"concurrency", dealer.Config{MaxCalls: 100}, 4, wamp.Dict{"invoke": "roundrobin", "concurrency": int64(2)}},
	} {
		b.Run(tc.name, func(b *testing.B) {
			r := newRig(b, tc.cfg)
			var callees []*client
			for range tc.callees {
				c := r.join(peer.Callee)
				c.register("a.b", tc.options)
				c.sink.discard = true
				callees = append(callees, c)
			}
			caller := r.join(peer.Caller)
			caller.sink.discard = true
			payload, err := codec.NewPayload(wamp.MessagePack, []any{"hello", make([]byte, 60)}, nil)
			if err != nil {
				b.Fatal(err)
			}
			call, yield := &wamp.Call{Procedure: "a.b", Payload: payload}, &wamp.Yield{Payload: payload}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				call.Request++
				yield.Request = wamp.ID(n/len(callees) + 1)
				if err := caller.Session.Call(caller.batch, call); err != nil {
					b.Fatal(err)
				}
				if err := callees[n%len(callees)].Session.Yield(caller.batch, yield); err != nil {
					b.Fatal(err)
				}
				caller.batch.Flush()
			}
		})
	}
}
