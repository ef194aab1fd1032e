package uplink_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bondy/uplink"
)

const kind = 20

// send retries while the queue is full.
func send(l *uplink.Link, source uint64, body []byte) error {
	for {
		err := l.Send(source, kind, body)
		if !errors.Is(err, uplink.ErrFull) {
			return err
		}
		select {
		case <-l.Done():
		case <-time.After(time.Millisecond):
		}
	}
}

func TestOrderPerLane(t *testing.T) {
	const sources, each = 20, 5000
	var got [sources]atomic.Uint64
	done := make(chan struct{}, sources)
	core := newRecorder()
	core.frame = func(_ *uplink.Link, lane int, k uint8, body []byte) {
		source, n := binary.BigEndian.Uint64(body), binary.BigEndian.Uint64(body[8:])
		if want := got[source].Add(1); n != want || k != kind || lane != 1+int(source%8) {
			t.Errorf("source %d lane %d kind %d: message %d, want %d", source, lane, k, n, want)
		}
		if n == each {
			done <- struct{}{}
		}
	}
	p := newPair(t, core, newRecorder())
	var senders sync.WaitGroup
	for source := range uint64(sources) {
		senders.Go(func() {
			body := make([]byte, 16+source*10)
			binary.BigEndian.PutUint64(body, source)
			for n := uint64(1); n <= each; n++ {
				binary.BigEndian.PutUint64(body[8:], n)
				if err := send(p.atEdge, source, body); err != nil {
					t.Errorf("source %d message %d: %v", source, n, err)
					return
				}
			}
		})
	}
	senders.Wait()
	for range sources {
		receive(t, done, "last message")
	}
	if s := p.listener.Stats().Traffic.Data; s.FramesIn != sources*each {
		t.Errorf("frames in = %d, want %d", s.FramesIn, sources*each)
	}
	if s := p.dialer.Stats().Traffic.Data; s.FramesOut != sources*each {
		t.Errorf("frames out = %d, want %d", s.FramesOut, sources*each)
	}
}

func TestBothWaysAndControl(t *testing.T) {
	core, edge := newRecorder(), newRecorder()
	core.frame = func(l *uplink.Link, lane int, k uint8, body []byte) {
		var err error
		if lane == 0 {
			err = l.SendControl(k, body)
		} else {
			err = l.Send(uint64(lane), k, body)
		}
		if err != nil {
			t.Errorf("echo: %v", err)
		}
	}
	type echo struct {
		lane int
		body string
	}
	echoes := make(chan echo, 10)
	edge.frame = func(_ *uplink.Link, lane int, _ uint8, body []byte) { echoes <- echo{lane, string(body)} }
	p := newPair(t, core, edge)
	if err := p.atEdge.SendControl(kind, []byte("control")); err != nil {
		t.Fatal(err)
	}
	if got, want := receive(t, echoes, "echo"), (echo{0, "control"}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	large := strings.Repeat("x", 3<<20)
	if err := p.atEdge.Send(5, kind, []byte(large)); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, echoes, "echo"); got.body != large {
		t.Errorf("large body of %d bytes came back with %d on lane %d", len(large), len(got.body), got.lane)
	}
	for _, body := range []string{"", "\x00"} {
		if err := p.atEdge.Send(3, kind, []byte(body)); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, echoes, "echo"); got.body != body {
			t.Errorf("got %q, want %q", got.body, body)
		}
	}
}

func TestBounds(t *testing.T) {
	p := newPair(t, newRecorder(), newRecorder(), func(core, _ *uplink.Config) { core.MaxFrame = 1000 })
	if err := p.atEdge.Send(1, 15, nil); !errors.Is(err, uplink.ErrKind) {
		t.Errorf("reserved kind: %v, want %v", err, uplink.ErrKind)
	}
	if err := p.atEdge.Send(1, kind, make([]byte, 1001)); !errors.Is(err, uplink.ErrTooLong) {
		t.Errorf("longer than the peer accepts: %v, want %v", err, uplink.ErrTooLong)
	}
	if err := p.atEdge.SendDatagram([]byte("x")); !errors.Is(err, uplink.ErrNoDatagrams) {
		t.Errorf("datagram without a handler: %v, want %v", err, uplink.ErrNoDatagrams)
	}
	p.atEdge.Close("test")
	if err := p.atEdge.Send(1, kind, nil); !errors.Is(err, uplink.ErrDown) {
		t.Errorf("send on a closed link: %v, want %v", err, uplink.ErrDown)
	}
	if err, want := p.core.down(t), "peer closed the link: \"test\""; err.Error() != want {
		t.Errorf("down at the core: %v, want %v", err, want)
	}
	p.edge.down(t)
}

// A lane whose reader is stuck fills up; Send says so at once, and the other
// lanes, the control lane and the pings go on.
func TestStalledLane(t *testing.T) {
	release := make(chan struct{})
	core := newRecorder()
	others := make(chan int, 100)
	core.frame = func(_ *uplink.Link, lane int, _ uint8, _ []byte) {
		if lane == 1 {
			<-release
			return
		}
		others <- lane
	}
	p := newPair(t, core, newRecorder(), func(core, edge *uplink.Config) {
		edge.LaneQueue = 256 << 10
		for _, c := range []*uplink.Config{core, edge} {
			c.StreamWindow = 128 << 10
			c.BusyPing, c.PongTimeout = 20*time.Millisecond, 500*time.Millisecond
		}
	})
	t.Cleanup(func() { close(release) }) // before the links are closed
	body := make([]byte, 10_000)
	sent := 0
	for began := time.Now(); ; sent += len(body) {
		if err := p.atEdge.Send(8, kind, body); errors.Is(err, uplink.ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if sent > 10<<20 || time.Since(began) > patience {
			t.Fatalf("a stalled lane took %d bytes", sent)
		}
	}
	for source := range uint64(7) {
		if err := p.atEdge.Send(source+1, kind, body); err != nil {
			t.Fatalf("other lane: %v", err)
		}
		receive(t, others, "frame on another lane")
	}
	if err := p.atEdge.SendControl(kind, body); err != nil {
		t.Fatal(err)
	}
	if lane := receive(t, others, "control frame"); lane != 0 {
		t.Errorf("lane %d, want 0", lane)
	}
	p.atEdge.AddBusy(1)
	select {
	case <-p.atEdge.Done():
		t.Errorf("a stalled lane took the link down: %v", p.atEdge.Err())
	case <-time.After(time.Second):
	}
	s := p.atEdge.Stats()
	if s.Data.Refused != 1 || s.Queued == 0 || s.Queued > 256<<10+20 || s.Busy != 1 {
		t.Errorf("stats = %+v", s)
	}
}

func TestDatagrams(t *testing.T) {
	core, edge := &datagramRecorder{recorder: newRecorder(), got: make(chan string, 1)}, newRecorder()
	ca := newAuthority(t)
	listener, _ := listen(t, uplink.ListenerConfig{Config: config(ca.config(t, "core"), core)})
	dial(t, uplink.DialerConfig{Config: config(ca.config(t, "edge"), &datagramRecorder{recorder: edge})}, listener)
	l := edge.up(t)
	if err := l.SendDatagram(make([]byte, uplink.MaxDatagram+1)); !errors.Is(err, uplink.ErrTooLong) {
		t.Errorf("long datagram: %v, want %v", err, uplink.ErrTooLong)
	}
	body := strings.Repeat("d", uplink.MaxDatagram)
	for received := false; !received; {
		if err := l.SendDatagram([]byte(body)); err != nil && !errors.Is(err, uplink.ErrFull) {
			t.Fatal(err)
		}
		select {
		case got := <-core.got:
			received = true
			if got != body {
				t.Errorf("datagram of %d bytes, want %d", len(got), len(body))
			}
		case <-time.After(20 * time.Millisecond):
		}
	}
	if s := l.Stats(); s.DatagramsOut == 0 {
		t.Errorf("stats = %+v", s)
	}
}

type datagramRecorder struct {
	*recorder
	got chan string
}

func (r *datagramRecorder) Datagram(_ *uplink.Link, body []byte) {
	select {
	case r.got <- string(body):
	default:
	}
}

func TestPeerIsKnown(t *testing.T) {
	p := newPair(t, newRecorder(), newRecorder(), func(core, edge *uplink.Config) {
		core.Node, core.Incarnation, core.Features, core.Lanes = "core-1", 7, 0b011, 4
		edge.Node, edge.Incarnation, edge.Features = "edge-1", 9, 0b110
	})
	for _, c := range []struct {
		at          *uplink.Link
		name, node  string
		incarnation uint64
	}{{p.atCore, "edge", "edge-1", 9}, {p.atEdge, "core", "core-1", 7}} {
		got := fmt.Sprint(c.at.Peer().Name, c.at.PeerNode(), c.at.PeerIncarnation(), c.at.Serial(), c.at.Features(), c.at.Lanes())
		if want := fmt.Sprint(c.name, c.node, c.incarnation, 1, 0b010, 4); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if c.at.RTT() <= 0 || c.at.Remote() == nil || c.at.Err() != nil {
			t.Errorf("rtt %v, remote %v, err %v", c.at.RTT(), c.at.Remote(), c.at.Err())
		}
	}
	if got := p.dialer.Stats(); got.State != uplink.StateUp || got.Links != 1 || p.dialer.Link() != p.atEdge {
		t.Errorf("dialer stats = %+v", got)
	}
}

// A handler that panics costs its link and nothing else.
func TestPanicInHandler(t *testing.T) {
	core := newRecorder()
	core.frame = func(*uplink.Link, int, uint8, []byte) { panic("test") }
	p := newPair(t, core, newRecorder())
	if err := p.atEdge.Send(1, kind, nil); err != nil {
		t.Fatal(err)
	}
	var ce *uplink.CloseError
	if err := p.edge.down(t); !errors.As(err, &ce) || ce.Code != uplink.CodeInternal {
		t.Errorf("down: %v, want code %d", err, uplink.CodeInternal)
	}
	core.down(t)
	p.edge.up(t)
}

func TestShutdown(t *testing.T) {
	p := newPair(t, newRecorder(), newRecorder())
	p.stopListener()
	if err := p.edge.down(t); err.Error() != `peer closed the link: "shutting down"` {
		t.Errorf("down at the edge: %v", err)
	}
	p.core.down(t)
	p.stopDialer()
	if got := p.dialer.Stats(); got.State != uplink.StateWaiting || got.Err == nil {
		t.Errorf("dialer after Run: %+v", got)
	}
}
