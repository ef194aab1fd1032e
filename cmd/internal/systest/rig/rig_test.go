//go:build linux && e2e

package rig_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bondy/cmd/internal/systest/rig"
)

// patience bounds every wait for the network.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestDelay measures one way by itself: both ends share a clock.
func TestDelay(t *testing.T) {
	const delay, count = 50 * time.Millisecond, 40
	p := newPair(t, rig.Params{Delay: delay})
	times := make([]time.Duration, count)
	for i := range times {
		sent := time.Now()
		p.send(t, []byte{byte(i)})
		p.receive(t)
		times[i] = time.Since(sent)
	}
	slices.Sort(times)
	t.Logf("one way, set to %s: least %s, median %s, most %s", delay, times[0], times[count/2], times[count-1])
	if times[0] < delay || times[count/2] > delay+10*time.Millisecond {
		t.Errorf("one way takes %s at least and %s in the median, want %s", times[0], times[count/2], delay)
	}
}

// TestJitter wants delays spread over the range, and packets out of order.
func TestJitter(t *testing.T) {
	const count = 200
	p := newPair(t, rig.Params{Delay: 5 * time.Millisecond, Jitter: 20 * time.Millisecond})
	for i := range count {
		p.send(t, []byte{byte(i)})
	}
	overtaken, last := 0, byte(0)
	for range count {
		if i := p.receive(t)[0]; i < last {
			overtaken++
		} else {
			last = i
		}
	}
	if overtaken < count/4 {
		t.Errorf("%d of %d packets were overtaken", overtaken, count)
	}
}

func TestLoss(t *testing.T) {
	const count, loss = 2000, 0.1
	// The rate paces the packets, so that the receiver's buffer does not lose any.
	p := newPair(t, rig.Params{Loss: loss, RateBytesPerSec: 1 << 20, QueueBytes: 1 << 20})
	for range count {
		p.send(t, make([]byte, 72))
	}
	stats := p.settle(t, count)
	for range stats.There.Packets {
		p.receive(t)
	}
	t.Logf("lost %d of %d at %g", stats.There.Dropped, count, loss)
	if got := float64(stats.There.Dropped); got < 200-3*13.4 || got > 200+3*13.4 { // sqrt(2000 * 0.1 * 0.9)
		t.Errorf("lost %g of %d, want %g within three sigma", got, count, loss*count)
	}
	if stats.There.Bytes != 100*stats.There.Packets || stats.Back != (rig.Counters{}) {
		t.Errorf("sent packets of 100 bytes, all one way, counted %+v", stats)
	}
}

func TestRate(t *testing.T) {
	const count, size, rate = 500, 1000, 1_000_000
	p := newPair(t, rig.Params{RateBytesPerSec: rate, QueueBytes: count * size})
	for range count {
		p.send(t, make([]byte, size-28)) // IPv4 and UDP headers
	}
	p.receive(t)
	start := time.Now()
	for range count - 1 {
		p.receive(t)
	}
	got := (count - 1) * size / time.Since(start).Seconds()
	t.Logf("%.0f bytes per second, set to %d", got, rate)
	if got < 0.95*rate || got > 1.05*rate {
		t.Errorf("%.0f bytes per second, want %d", got, rate)
	}
}

// TestQueue sends a burst to a slow line.
func TestQueue(t *testing.T) {
	const count, size = 100, 1000
	p := newPair(t, rig.Params{RateBytesPerSec: 20_000, QueueBytes: 10 * size})
	for range count {
		p.send(t, make([]byte, size-28))
	}
	stats := p.settle(t, count)
	if got := stats.There.Packets; got < 10 || got > 13 {
		t.Errorf("%d packets came through a queue of 10: %+v", got, stats.There)
	}
}

func TestDown(t *testing.T) {
	p := newPair(t, rig.Params{Delay: 20 * time.Millisecond})
	p.send(t, []byte("up"))
	p.receive(t)
	p.link.Down(true)
	p.send(t, []byte("down"))
	if got := p.settle(t, 2).There.Dropped; got != 1 {
		t.Errorf("a link that is down dropped %d packets of 1", got)
	}
	p.link.Down(false)
	p.send(t, []byte("again"))
	if got := string(p.receive(t)); got != "again" {
		t.Errorf("received %q from a link that is up again", got)
	}
	p.link.Set(rig.Params{Loss: 1})
	p.send(t, []byte("lost"))
	if got := p.settle(t, 4).There.Dropped; got != 2 {
		t.Errorf("a link set to lose all dropped %d packets, want 2", got)
	}
	p.link.Set(rig.Params{Delay: 50 * time.Millisecond})
	p.send(t, []byte("under way as the link falls"))
	p.link.Down(true)
	if got := p.settle(t, 5).There.Dropped; got != 3 {
		t.Errorf("a link that fell dropped %d packets, want 3", got)
	}
}

// TestStar has all edges call the core at once, at one address.
func TestStar(t *testing.T) {
	n := rig.New(t)
	core, edges := n.Star(20, rig.Params{Delay: 5 * time.Millisecond})
	var listener net.Listener
	if err := core.Do(func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(core.Addr(), 0).String())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	answers := make(chan error, len(edges))
	for _, e := range edges {
		go func() { answers <- callCore(t.Context(), e, listener.Addr().String()) }()
	}
	for range edges {
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		// The answer is the name of the host that has the address.
		from := netip.MustParseAddrPort(conn.RemoteAddr().String()).Addr()
		for _, e := range edges {
			if e.Addr() == from {
				_, err = io.WriteString(conn, e.Name())
			}
		}
		if err := errors.Join(err, conn.Close()); err != nil {
			t.Error(err)
		}
	}
	for range edges {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	for _, e := range edges {
		if s := e.Link.Stats(); s.There.Packets == 0 || s.Back.Packets == 0 || s.There.Dropped+s.Back.Dropped > 0 {
			t.Errorf("link of %s: %+v", e.Name(), s)
		}
	}
	if err := edges[0].Do(func() error {
		_, err := net.DialTimeout("tcp", netip.AddrPortFrom(edges[1].Addr(), 1).String(), patience)
		return err
	}); err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("one edge calls another: %v, want that it is unreachable", err)
	}
}

func callCore(ctx context.Context, e rig.Spoke, address string) error {
	conn, err := e.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if string(answer) != e.Name() {
		err = errors.Join(err, errors.New(e.Name()+" was taken for "+string(answer)))
	}
	return errors.Join(err, conn.Close())
}

// TestIsolation looks at what a host sees: its own devices, and no way out.
func TestIsolation(t *testing.T) {
	n := rig.New(t)
	a, b := n.Host("a"), n.Host("b")
	first, second := n.Link(a, b, rig.Params{}), n.Link(a, b, rig.Params{})
	if n.Host("a") != a {
		t.Error("a host is made twice")
	}
	devices, err := a.Command(t.Context(), "ip", "-brief", "address").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"lo ", "tun0 ", "tun1 ", a.Addr().String(), first.Addr(a).String(), second.Addr(a).String()} {
		if !strings.Contains(string(devices), want) {
			t.Errorf("host has no %s:\n%s", want, devices)
		}
	}
	if got := strings.Count(string(devices), "\n"); got != 3 {
		t.Errorf("host has %d devices, want 3:\n%s", got, devices)
	}
	routes, err := a.Command(t.Context(), "ip", "route").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(routes)) {
		if !strings.HasPrefix(line, "10.98.") {
			t.Errorf("host has the route %s", line)
		}
	}
	if got := first.Stats(); got != (rig.Stats{}) {
		t.Errorf("an idle link counts %+v", got)
	}
	// The second link is used by its own addresses alone.
	for _, address := range []netip.Addr{b.Addr(), second.Addr(b)} {
		if out, err := a.Command(t.Context(), "ip", "route", "get", address.String()).Output(); err != nil {
			t.Error(err)
		} else if got, want := strings.Contains(string(out), "tun1"), address == second.Addr(b); got != want {
			t.Errorf("route to %s: %s", address, out)
		}
	}
}

// TestDo leaves the caller's goroutine where it was.
func TestDo(t *testing.T) {
	n := rig.New(t)
	a, b := n.Host("a"), n.Host("b")
	home, inA, inB, again := namespace(t), "", "", ""
	failure := errors.New("failure")
	if err := a.Do(func() error {
		inA = namespace(t)
		if err := b.Do(func() error { inB = namespace(t); return nil }); err != nil {
			t.Error(err)
		}
		again = namespace(t)
		return failure
	}); !errors.Is(err, failure) {
		t.Errorf("Do = %v, want %v", err, failure)
	}
	if inA == home || inB == home || inA == inB || again != inA || namespace(t) != home {
		t.Errorf("at home %s, in a %s, there in b %s, again in a %s, back home %s", home, inA, inB, again, namespace(t))
	}
}

// pair is two hosts and a UDP socket in each.
type pair struct {
	link     *rig.Link
	from, to net.PacketConn
	received chan []byte
}

func newPair(t *testing.T, params rig.Params) *pair {
	t.Helper()
	n := rig.New(t)
	a, b := n.Host("a"), n.Host("b")
	p := &pair{link: n.Link(a, b, params), from: listen(t, a), to: listen(t, b), received: make(chan []byte, 4096)}
	go p.collect()
	return p
}

func listen(t testing.TB, h *rig.Host) net.PacketConn {
	t.Helper()
	var conn net.PacketConn
	if err := h.Do(func() (err error) {
		conn, err = net.ListenPacket("udp", netip.AddrPortFrom(h.Addr(), 0).String())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// collect empties the socket until it is closed.
func (p *pair) collect() {
	defer close(p.received)
	buf := make([]byte, 2000)
	for {
		n, from, err := p.to.ReadFrom(buf)
		if err != nil {
			return
		}
		if from.String() == p.from.LocalAddr().String() {
			p.received <- append([]byte(nil), buf[:n]...)
		}
	}
}

func (p *pair) send(t *testing.T, data []byte) {
	t.Helper()
	if _, err := p.from.WriteTo(data, p.to.LocalAddr()); err != nil {
		t.Fatal(err)
	}
}

func (p *pair) receive(t *testing.T) []byte {
	t.Helper()
	select {
	case data := <-p.received:
		return data
	case <-time.After(patience):
		t.Fatalf("nothing received within %s", patience)
		return nil
	}
}

// settle waits until so many packets were delivered or dropped.
func (p *pair) settle(t *testing.T, packets uint64) rig.Stats {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for {
		stats := p.link.Stats()
		if stats.There.Packets+stats.There.Dropped >= packets {
			return stats
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%d packets were sent, the link counts %+v", packets, stats)
		}
	}
}

// namespace is that of the calling thread.
func namespace(t *testing.T) string {
	t.Helper()
	name, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return name
}
