package broker_test

import (
	"fmt"
	"testing"

	"bondy/core/broker"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// benchmark publishes to n subscribers of com.topic.
func benchmark(b *testing.B, cfg broker.Config, n int, options wamp.Dict) {
	b.Helper()
	benchmarkMatch(b, cfg, n, nil, options)
}

// benchmarkMatch is benchmark with subscribers that have options too.
func benchmarkMatch(b *testing.B, cfg broker.Config, n int, subscribe, options wamp.Dict) {
	b.Helper()
	r := newRig(b, cfg)
	for range n {
		s := r.joinAs(&peer.Peer{})
		s.peer.Queue = peer.NewQueue(drain{}, &r.limits, r.budget, &r.counters, func() {})
		if err := s.trySubscribe("com.topic", subscribe); err != nil {
			b.Fatal(err)
		}
		s.batch.Flush()
	}
	p := r.joinAs(&peer.Peer{})
	p.peer.Queue = peer.NewQueue(drain{}, &r.limits, r.budget, &r.counters, func() {})
	m := &wamp.Publish{Request: 1, Options: options, Topic: "com.topic", Payload: payload(b, "0123456789abcdef")}
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Publish(p.batch, m); err != nil {
			b.Fatal(err)
		}
		p.batch.Flush()
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{1, 50, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmark(b, broker.Config{}, n, nil) })
	}
}

func BenchmarkPublishPattern(b *testing.B) {
	benchmarkMatch(b, broker.Config{}, 1, wamp.Dict{"match": "prefix"}, nil)
}

func BenchmarkPublishAcknowledged(b *testing.B) {
	benchmark(b, broker.Config{}, 1, wamp.Dict{"acknowledge": true})
}

func BenchmarkPublishRetained(b *testing.B) {
	benchmark(b, broker.Config{}, 1, wamp.Dict{"retain": true})
}

func BenchmarkPublishWithHistory(b *testing.B) {
	benchmark(b, historyOf(broker.HistoryRule{URI: "com.topic"}), 1, nil)
}

// Retained events of one device among many, by a pattern.
func BenchmarkSubscribeRetained(b *testing.B) {
	r := newRig(b, broker.Config{Retention: broker.Retention{MaxEvents: 200_000, MaxBytes: 1 << 30}})
	p := r.join("publisher")
	for i := range 100_000 {
		p.publish(wamp.URI(fmt.Sprintf("com.device.n%06d.state", i)), wamp.Dict{"retain": true}, "on")
	}
	s := r.joinAs(&peer.Peer{})
	s.peer.Queue = peer.NewQueue(drain{}, &r.limits, r.budget, &r.counters, func() {})
	b.ReportAllocs()
	for b.Loop() {
		if err := s.trySubscribe("com.device.n000042", wamp.Dict{"get_retained": true, "match": "prefix"}); err != nil {
			b.Fatal(err)
		}
		s.batch.Flush()
	}
}

// BenchmarkMatching asks which of 100,000 patterns match a topic, as
// wamp.subscription.match does.
func BenchmarkMatching(b *testing.B) {
	r := newRig(b, broker.Config{})
	s := r.joinAs(&peer.Peer{})
	s.peer.Queue = peer.NewQueue(drain{}, &r.limits, r.budget, &r.counters, func() {})
	for i := range 50_000 {
		for uri, match := range map[string]string{"com.site%05d.": "prefix", "com..dev%05d.state": "wildcard"} {
			if err := s.trySubscribe(wamp.URI(fmt.Sprintf(uri, i)), wamp.Dict{"match": match}); err != nil {
				b.Fatal(err)
			}
			s.batch.Flush()
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if ids := r.Matching("com.site00042.dev00023.state"); len(ids) != 2 {
			b.Fatalf("%d patterns match, want 2", len(ids))
		}
	}
}
