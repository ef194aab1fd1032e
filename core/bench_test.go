package core_test

import (
	"fmt"
	"testing"

	"bondy/core/broker"
	"bondy/core/dealer"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// drain is a receiver that takes everything at once.
type drain struct{ waiting int }

func (*drain) Serializer() wamp.Serializer             { return wamp.MessagePack }
func (d *drain) Append(b []byte, _ *peer.Buffer) error { d.waiting += len(b); return nil }
func (d *drain) Buffered() int                         { return d.waiting }
func (d *drain) Flush()                                { d.waiting = 0 }
func (*drain) OnProgress(func())                       {}

type bench struct {
	counters peer.Counters
	limits   peer.Limits
	budget   *peer.Budget
	ids      wamp.ID
}

func newBench() *bench {
	return &bench{limits: peer.Limits{Soft: 1 << 20, Hard: 4 << 20, Reserve: 4 << 20}, budget: peer.NewBudget(0)}
}

func (b *bench) peer() *peer.Peer {
	b.ids++
	return &peer.Peer{
		Session: b.ids, Features: peer.Caller | peer.Callee | peer.CalleeCanceling,
		Queue: peer.NewQueue(&drain{}, &b.limits, b.budget, &b.counters, func() {}),
	}
}

func (b *bench) id(wamp.Match, wamp.URI) wamp.ID { return 4711 }

var payload = wamp.Payload{Serializer: wamp.MessagePack, Args: append([]byte{0x91, 0xd9, 60}, make([]byte, 60)...)}

func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			k := newBench()
			br := broker.New(broker.Config{ID: k.id})
			batch := peer.NewBatch(&k.counters)
			for range n {
				if err := br.Join(k.peer()).Subscribe(batch, &wamp.Subscribe{Request: 1, Topic: "com.example.topic"}, wamp.MatchExact); err != nil {
					b.Fatal(err)
				}
			}
			publisher := br.Join(k.peer())
			m := &wamp.Publish{Request: 1, Topic: "com.example.topic", Payload: payload}
			b.ReportAllocs()
			for b.Loop() {
				if err := publisher.Publish(batch, m); err != nil {
					b.Fatal(err)
				}
				batch.Flush()
			}
		})
	}
}

func BenchmarkCall(b *testing.B) {
	k := newBench()
	d := dealer.New(dealer.Config{ID: k.id, Counters: &k.counters})
	batch := peer.NewBatch(&k.counters)
	callee, caller := d.Join(k.peer()), d.Join(k.peer())
	if err := callee.Register(batch, &wamp.Register{Request: 1, Procedure: "com.example.procedure"}, wamp.MatchExact); err != nil {
		b.Fatal(err)
	}
	call := &wamp.Call{Procedure: "com.example.procedure", Payload: payload}
	yield := &wamp.Yield{Payload: payload}
	b.ReportAllocs()
	for b.Loop() {
		call.Request++
		yield.Request++
		if err := caller.Call(batch, call); err != nil {
			b.Fatal(err)
		}
		if err := callee.Yield(batch, yield); err != nil {
			b.Fatal(err)
		}
		batch.Flush()
	}
}
