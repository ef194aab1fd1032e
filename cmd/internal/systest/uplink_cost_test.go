//go:build e2e && linux

package systest_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	netrig "bondy/cmd/internal/systest/rig"
	"bondy/core/coretest"
	"bondy/core/pattern"
	"bondy/core/peer"
	"bondy/core/wamp"
	"bondy/transport/client"
	"bondy/uplink"
	"bondy/uplink/bridge"
)

// TestCostOfCalls compares what answers over the same link: UDP, a frame of a
// link, and a bridged call.
func TestCostOfCalls(t *testing.T) {
	costs(t)
	rows := []string{"delay each way\tlocal call\tUDP echo\tframe echo\tcall edge to core\tcall core to edge\tcall/frame"}
	for _, delay := range []time.Duration{0, 5 * time.Millisecond, wayTime} {
		s := newSpan(t, netrig.Params{Delay: delay}, everything)
		tr := newTraffic(t, s)
		times := min(1000, int(2*time.Second/(2*delay+time.Millisecond)))
		procedure := func(from, of int) time.Duration {
			return median(t, times, func() error {
				_, err := tr.sides[from].away.Call(t.Context(), wamp.URI("com.example.echo."+tr.sides[of].name), []any{strings.Repeat("x", 64)}, nil, client.CallOptions{})
				return err
			})
		}
		local, up, down := procedure(0, 0), procedure(0, 1), procedure(1, 0)
		frame := frameEcho(t, s, times)
		rows = append(rows, fmt.Sprintf("%v\t%v\t%v\t%v\t%v\t%v\t%.2f", delay, local, udpEcho(t, s, times), frame, up, down, up.Seconds()/frame.Seconds()))
	}
	table(t, rows...)
}

// median is how long the function takes.
func median(t *testing.T, times int, f func() error) time.Duration {
	t.Helper()
	all := make([]time.Duration, times)
	for i := range all {
		began := time.Now()
		if err := f(); err != nil {
			t.Fatal(err)
		}
		all[i] = time.Since(began)
	}
	slices.Sort(all)
	return all[times/2].Round(time.Microsecond)
}

// udpEcho is the round trip of 64 bytes over the link of a span.
func udpEcho(t *testing.T, s *span, times int) time.Duration {
	t.Helper()
	server, err := listenIn(t.Context(), s.coreHost, s.coreHost.Addr().String()+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		for b := make([]byte, 1500); ; {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(b[:n], from)
		}
	}()
	c, err := s.edgeHost.DialContext(t.Context(), "udp", server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	b := make([]byte, 64)
	return median(t, times, func() error {
		if _, err := c.Write(b); err != nil {
			return err
		}
		_, err := c.Read(b)
		return err
	})
}

func listenIn(ctx context.Context, h *netrig.Host, address string) (c net.PacketConn, err error) {
	err = h.Do(func() error {
		c, err = new(net.ListenConfig).ListenPacket(ctx, "udp", address)
		return err
	})
	return c, err
}

// echoing is an uplink.Handler that sends frames back, or tells of them.
type echoing struct {
	back chan struct{}
	up   chan *uplink.Link
}

func (e echoing) Up(l *uplink.Link) { e.up <- l }
func (e echoing) Frame(l *uplink.Link, _ int, kind uint8, body []byte) {
	if e.back == nil {
		_ = l.Send(0, kind, body)
		return
	}
	e.back <- struct{}{}
}
func (echoing) Down(*uplink.Link, error) {}

// frameEcho is the round trip of a frame of 64 bytes over the link of a span,
// on an uplink of its own.
func frameEcho(t *testing.T, s *span, times int) time.Duration {
	t.Helper()
	a := newAuthority(t)
	a.pki("issue", "core", "--address", s.coreHost.Addr().String())
	a.pki("issue", "edge", "--role", "edge")
	listening := a.config("core")
	far, near := echoing{up: make(chan *uplink.Link, 1)}, echoing{make(chan struct{}), make(chan *uplink.Link, 1)}
	lc := uplink.ListenerConfig{Address: s.coreHost.Addr().String() + ":0", Config: linkConfig(listening, far)}
	lc.ListenPacket = func(ctx context.Context, address string) (net.PacketConn, error) {
		return listenIn(ctx, s.coreHost, address)
	}
	listener, err := uplink.Listen(t.Context(), lc)
	if err != nil {
		t.Fatal(err)
	}
	serveUntilEnd(t, listener.Run)
	dc := uplink.DialerConfig{Endpoints: []string{listener.Addr().String()}, Config: linkConfig(a.config("edge"), near)}
	dc.ListenPacket = func(ctx context.Context, address string) (net.PacketConn, error) {
		return listenIn(ctx, s.edgeHost, address)
	}
	dialer, err := uplink.NewDialer(dc)
	if err != nil {
		t.Fatal(err)
	}
	serveUntilEnd(t, dialer.Run)
	l := <-near.up
	body := make([]byte, 64)
	return median(t, times, func() error {
		err := l.Send(0, bridge.KindMessage, body)
		<-near.back
		return err
	})
}

// TestCostOfEvents compares the processor time of events that cross a link with
// that of events that stay, and counts the bytes of those that cross.
func TestCostOfEvents(t *testing.T) {
	costs(t)
	const events = 100_000
	s := newSpan(t, netrig.Params{}, everything)
	payload := strings.Repeat("x", 64)
	stream := func(from *station, topic wamp.URI, arrived <-chan struct{}, n, ahead int) {
		c := from.join()
		for i := range n {
			if i >= ahead {
				<-arrived
			}
			if _, err := c.Publish(t.Context(), topic, []any{payload}, nil, client.PublishOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		for range min(ahead, n) {
			<-arrived
		}
		closeSession(t, c)
	}
	watch := func(at *station, topic wamp.URI) <-chan struct{} {
		arrived := make(chan struct{}, events)
		subscribe(t, at.join(), topic, wamp.MatchExact, func(*client.Event) { arrived <- struct{}{} })
		return arrived
	}
	local, up, down := watch(s.edge, "org.example.local"), watch(s.core, "com.example.up"), watch(s.edge, "com.example.down")
	s.settled(t)

	var rows []string
	used := func(name string, run func()) {
		before := [2]time.Duration{processorTime(t, s.edge), processorTime(t, s.core)}
		began := time.Now()
		run()
		took := time.Since(began)
		edge, core := processorTime(t, s.edge)-before[0], processorTime(t, s.core)-before[1]
		rows = append(rows, fmt.Sprintf("%s\t%v\t%v\t%v\t%.0f", name, edge/events, core/events, (edge+core)/events, events/took.Seconds()))
	}
	const ahead = 1000
	used("local at the edge", func() { stream(s.edge, "org.example.local", local, events, ahead) })
	used("edge to core", func() { stream(s.edge, "com.example.up", up, events, ahead) })
	used("core to edge", func() { stream(s.core, "com.example.down", down, events, ahead) })
	table(t, append([]string{"processor time per event\tedge\tcore\tboth\tevents per second"}, rows...)...)

	rows = nil
	bytes := func(name string, n int, run func()) {
		before := s.link.Stats()
		run()
		after := s.link.Stats()
		there, back := after.There.Bytes-before.There.Bytes, after.Back.Bytes-before.Back.Bytes
		rows = append(rows, fmt.Sprintf("%s\t%.0f\t%.0f\t%.0f", name, float64(back)/float64(n), float64(there)/float64(n), float64(back+there)/float64(n)))
	}
	const single, burst = 50, 10_000
	bytes("events 100 ms apart", single, func() {
		c := s.edge.join()
		for range single {
			publish(t, c, "com.example.up", payload)
			<-up
			<-time.After(100 * time.Millisecond)
		}
	})
	bytes("burst", burst, func() { stream(s.edge, "com.example.up", up, burst, burst/2) })
	bytes("10 s of silence", 1, func() { <-time.After(10 * time.Second) })
	table(t, append([]string{"bytes of IP packets per event of 64 bytes\tedge to core\tcore to edge\tboth"}, rows...)...)
}

// processorTime is what the node's process has used, to a hundredth of a second.
func processorTime(t *testing.T, s *station) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	// The name, in parentheses, may hold spaces; utime and stime are the 14th
	// and 15th field.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var sum int
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return time.Duration(sum) * 10 * time.Millisecond
}

// residentMemory is the node's resident set in bytes.
func residentMemory(t *testing.T, s *station) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// inProcess is the handler of an edge that shares this process with others.
type inProcess struct{ edge *bridge.Edge }

func (h inProcess) Up(l *uplink.Link) { h.edge.Up(l) }
func (h inProcess) Frame(l *uplink.Link, _ int, _ uint8, body []byte) {
	if err := h.edge.Frame(l, body); err != nil {
		l.Abort(err.Error())
	}
}
func (h inProcess) Down(l *uplink.Link, _ error) { h.edge.Down(l) }

// TestCostOfIdleEdges weighs a core with many edges that do nothing.
func TestCostOfIdleEdges(t *testing.T) {
	costs(t)
	const edges = 500
	a := newAuthority(t)
	a.pki("issue", "core", "--address", "127.0.0.1")
	core := newStation(t, here(), coreConfig(a, "127.0.0.1:0", "com."))
	core.start()
	router := coretest.Router(t)
	counters, budget := router.Peers()
	rule := []bridge.Rule{{Pattern: pattern.Pattern{Match: wamp.MatchPrefix, URI: "com."}, Direction: bridge.Both}}
	names := make([]string, edges)
	for i := range names {
		names[i] = fmt.Sprintf("edge%d", i)
		a.pki("issue", names[i], "--role", "edge")
	}
	before := residentMemory(t, core)
	rows := []string{"idle edges\tresident memory of the core\tper edge"}
	for i, name := range names {
		edge, err := bridge.NewEdge(name, []bridge.Realm{{URI: "realm1", Rules: bridge.Rules{Topics: rule, Procedures: rule}}}, &bridge.Shared{
			Realm: router.Realm, Counters: counters, Budget: budget, Queue: peer.Limits{Soft: 1 << 20, Hard: 4 << 20, Reserve: 4 << 20},
			Log: linkConfig(nil, nil).Log,
		})
		if err != nil {
			t.Fatal(err)
		}
		dialer, err := uplink.NewDialer(uplink.DialerConfig{Endpoints: []string{core.arrivals()}, Config: linkConfig(a.config(name), inProcess{edge})})
		if err != nil {
			t.Fatal(err)
		}
		serveUntilEnd(t, dialer.Run)
		if n := i + 1; n == 100 || n == edges {
			eventually(t, "edges bridged", func() bool {
				bridged := 0
				for _, u := range core.uplinks() {
					if len(u.Realms) == 1 && u.Realms[0].State == "bridged" {
						bridged++
					}
				}
				return bridged == n
			})
			<-time.After(5 * time.Second)
			now := residentMemory(t, core)
			rows = append(rows, fmt.Sprintf("%d\t%.1f MiB\t%.1f KiB", n, float64(now)/(1<<20), float64(now-before)/float64(n)/(1<<10)))
		}
	}
	rows = slices.Insert(rows, 1, fmt.Sprintf("0\t%.1f MiB\t", float64(before)/(1<<20)))
	used := processorTime(t, core)
	<-time.After(20 * time.Second)
	now := residentMemory(t, core)
	rows = append(rows, fmt.Sprintf("%d, 25 s later\t%.1f MiB\t%.1f KiB", edges, float64(now)/(1<<20), float64(now-before)/edges/(1<<10)))
	table(t, append(rows, fmt.Sprintf("processor time of the core in 20 s\t%v", processorTime(t, core)-used))...)
}
