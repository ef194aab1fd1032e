package uplink_test

import (
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/quic-go/quic-go"

	"bondy/uplink"
)

// BenchmarkThroughput sends frames of one source to a handler that counts.
func BenchmarkThroughput(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 16 << 10} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			// Half a queue may be on its way, so that no time is spent on
			// tries that fail.
			room := make(chan struct{}, max(1, uplink.DefaultLaneQueue/2/size))
			core := newRecorder()
			core.frame = func(*uplink.Link, int, uint8, []byte) { <-room }
			p := newPair(b, core, newRecorder())
			body := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				room <- struct{}{}
				if err := p.atEdge.Send(1, kind, body); err != nil {
					b.Fatal(err)
				}
			}
			for range cap(room) {
				room <- struct{}{} // until all have arrived
			}
			b.StopTimer()
			for range cap(room) {
				<-room
			}
		})
	}
}

// BenchmarkRoundTrip is the latency of a frame and its answer.
func BenchmarkRoundTrip(b *testing.B) {
	core, edge := newRecorder(), newRecorder()
	core.frame = func(l *uplink.Link, _ int, k uint8, body []byte) { _ = l.Send(1, k, body) }
	back := make(chan struct{})
	edge.frame = func(*uplink.Link, int, uint8, []byte) { back <- struct{}{} }
	p := newPair(b, core, edge)
	body := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if err := p.atEdge.Send(1, kind, body); err != nil {
			b.Fatal(err)
		}
		<-back
	}
}

// BenchmarkPlainQUIC is the same round trip over a bare QUIC stream, to
// compare.
func BenchmarkPlainQUIC(b *testing.B) {
	ca := newAuthority(b)
	server := ca.config(b, "core")
	server.NextProtos = []string{uplink.ALPN}
	listener, err := quic.ListenAddr("127.0.0.1:0", server, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept(b.Context())
		if err != nil {
			return
		}
		stream, err := conn.AcceptStream(b.Context())
		if err != nil {
			return
		}
		_, _ = io.Copy(stream, stream)
	}()
	conn, err := stranger(b, ca.config(b, "edge"), listener.Addr(), uplink.ALPN)
	if err != nil {
		b.Fatal(err)
	}
	stream, err := conn.OpenStream()
	if err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := stream.Write(body); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(stream, body); err != nil {
			b.Fatal(err)
		}
	}
	_ = conn.CloseWithError(0, "")
}

// BenchmarkIdleLinks is what a link costs that does nothing: both of its ends,
// which are in this process, with the socket and the read buffers of a dialer.
func BenchmarkIdleLinks(b *testing.B) {
	const links = 200
	ca := newAuthority(b)
	for b.Loop() {
		core := newRecorder()
		before := memory()
		listener, stop := listen(b, uplink.ListenerConfig{Config: config(ca.config(b, "core"), core)})
		var stops []func()
		for n := range links {
			_, stop := dial(b, uplink.DialerConfig{Config: config(ca.config(b, fmt.Sprint("edge", n)), newRecorder())}, listener)
			stops = append(stops, stop)
		}
		for range links {
			core.up(b)
		}
		heap, goroutines := memory()[0]-before[0], memory()[1]-before[1]
		b.ReportMetric(float64(heap)/links, "B/link")
		b.ReportMetric(float64(goroutines)/links, "goroutines/link")
		for _, stop := range stops {
			stop()
		}
		stop()
	}
}

// memory is the heap and stacks in use, and the number of goroutines.
func memory() [2]int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return [2]int64{int64(m.HeapInuse + m.StackInuse), int64(runtime.NumGoroutine())}
}
