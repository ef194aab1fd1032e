package uplink_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"

	"bondy/uplink"
)

// network is a simulated one between a core and edges: 50 ms each way, and a
// switch.
type network struct {
	simnet.PerfectRouter
	down  atomic.Bool
	loss  atomic.Int32 // percent
	nat   atomic.Int32 // added to the ports of edges, as the core sees them
	delay time.Duration

	mu       sync.Mutex
	next     int
	bytes    int
	packets  int
	lossDice *rand.Rand
}

// edgePorts is the lowest port of edges.
const edgePorts = 10_000

func newNetwork(delay time.Duration) *network {
	return &network{delay: delay, lossDice: rand.New(rand.NewPCG(1, 2))}
}

// SendPacket drops what the state of the network lets get lost.
func (n *network) SendPacket(p simnet.Packet) error {
	n.mu.Lock()
	n.bytes += len(p.Data) + 28
	n.packets++
	lost := n.down.Load() || n.lossDice.IntN(100) < int(n.loss.Load())
	n.mu.Unlock()
	if !lost {
		p.From, p.To = n.translate(p.From, 1), n.translate(p.To, -1)
		// A destination that is gone is a packet lost.
		_ = n.PerfectRouter.SendPacket(p)
	}
	return nil
}

// translate is a NAT between the edges and the core.
func (n *network) translate(a net.Addr, sign int) net.Addr {
	udp := *a.(*net.UDPAddr)
	if udp.Port >= edgePorts {
		udp.Port += sign * int(n.nat.Load())
	}
	return &udp
}

func (n *network) sent() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.bytes
}

// listenPacket makes sockets for one address; the port 0 is a new one each
// time.
func (n *network) listenPacket(ip net.IP, port int) func(context.Context, string) (net.PacketConn, error) {
	return func(context.Context, string) (net.PacketConn, error) {
		port := port
		if port == 0 {
			n.mu.Lock()
			n.next++
			port = edgePorts + n.next
			n.mu.Unlock()
		}
		addr := &net.UDPAddr{IP: ip, Port: port}
		link := &simnet.SimulatedLink{Latency: n.delay, UploadPacket: n}
		socket := &simSocket{SimConn: simnet.NewBlockingSimConn(addr, link), network: n, link: link}
		link.Start()
		n.AddNode(addr, link)
		return socket, nil
	}
}

type simSocket struct {
	*simnet.SimConn
	network *network
	link    *simnet.SimulatedLink
	once    sync.Once
}

func (s *simSocket) Close() error {
	s.once.Do(func() {
		s.network.RemoveNode(s.LocalAddr())
		_ = s.SimConn.Close()
		_ = s.link.Close()
	})
	return nil
}

// simulated runs a test with a core and an edge on a simulated network.
func simulated(t *testing.T, delay time.Duration, test func(t *scene)) {
	t.Helper()
	ca := newAuthority(t)
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(delay)
		s := &scene{T: t, network: n, core: newRecorder(), edge: newRecorder()}
		coreIP, edgeIP := net.IPv4(10, 0, 0, 1).To4(), net.IPv4(10, 0, 0, 2).To4()
		s.coreConfig = uplink.ListenerConfig{Config: config(ca.config(t, "core"), s.core), Address: "10.0.0.1:443"}
		s.coreConfig.ListenPacket = n.listenPacket(coreIP, 443)
		s.edgeConfig = uplink.DialerConfig{Config: config(ca.config(t, "edge"), s.edge), Endpoints: []string{"10.0.0.1:443"}}
		s.edgeConfig.ListenPacket = n.listenPacket(edgeIP, 0)
		s.start()
		var err error
		if s.dialer, err = uplink.NewDialer(s.edgeConfig); err != nil {
			t.Fatal(err)
		}
		stopDialer := run(t, s.dialer.Run)
		test(s)
		stopDialer()
		s.stop()
		s.core.check(t)
		s.edge.check(t)
	})
}

// scene is what a simulated test has.
type scene struct {
	*testing.T
	*network
	core, edge *recorder
	coreConfig uplink.ListenerConfig
	edgeConfig uplink.DialerConfig
	listener   *uplink.Listener
	dialer     *uplink.Dialer
	stop       func() // the listener
}

func (s *scene) start() { s.listener, s.stop = listen(s, s.coreConfig) }

// wait passes virtual time.
func wait(d time.Duration) { <-time.After(d) }

// within gets a value, which in virtual time may take as long as it takes.
func within[T any](from <-chan T, d time.Duration) (v T, took time.Duration, ok bool) {
	began := time.Now()
	select {
	case v = <-from:
		return v, time.Since(began), true
	case <-time.After(d):
		return v, d, false
	}
}

func TestOutages(t *testing.T) {
	for _, outage := range []time.Duration{2 * time.Second, 10 * time.Second, time.Minute, 10 * time.Minute} {
		for _, phase := range []time.Duration{0, 130 * time.Millisecond, 470 * time.Millisecond, 910 * time.Millisecond} {
			simulated(t, 50*time.Millisecond, func(t *scene) {
				l := t.edge.up(t)
				atCore := t.core.up(t)
				wait(40*time.Second + phase)
				l.AddBusy(1)
				atCore.AddBusy(1)
				wait(phase)
				t.down.Store(true)
				cut := time.Now()
				err, took, ok := within(t.edge.downs, 10*time.Second)
				var ce *uplink.CloseError
				if !ok || took > 2200*time.Millisecond || !errors.As(err, &ce) || ce.Code != uplink.CodeSilent {
					t.Errorf("outage %v, phase %v: down after %v with %v", outage, phase, took, err)
				}
				wait(max(0, outage-time.Since(cut)))
				t.down.Store(false)
				_, took, ok = within(t.edge.ups, time.Hour)
				t.Logf("outage %v, phase %v: up %v after its end", outage, phase, took)
				if !ok || took > 1500*time.Millisecond {
					t.Errorf("outage %v, phase %v: up %v after its end", outage, phase, took)
				}
				t.core.up(t)
				if err := t.core.down(t); !errors.As(err, &ce) {
					t.Errorf("down at the core: %v", err)
				}
			})
		}
	}
}

// A core that restarts has forgotten the edge, which comes back as fast.
func TestRestartedCore(t *testing.T) {
	simulated(t, 50*time.Millisecond, func(t *scene) {
		t.edge.up(t).AddBusy(1)
		t.down.Store(true) // as if killed: nobody says goodbye
		t.stop()
		t.down.Store(false)
		wait(45 * time.Second)
		t.start()
		_, took, ok := within(t.edge.ups, time.Hour)
		if !ok || took > 1500*time.Millisecond {
			t.Errorf("up %v after the restart", took)
		}
		// a dial that was due anyway may come before the next probe
		if got := t.listener.Stats(); got.ProbesUnknown == 0 && took > 900*time.Millisecond {
			t.Errorf("stats = %+v", got)
		}
	})
}

// An idle edge notices too, if later, and a core whose edge vanished.
func TestIdleOutage(t *testing.T) {
	simulated(t, 50*time.Millisecond, func(t *scene) {
		t.edge.up(t)
		t.core.up(t)
		wait(time.Minute)
		t.down.Store(true)
		for name, downs := range map[string]chan error{"edge": t.edge.downs, "core": t.core.downs} {
			if err, took, ok := within(downs, 25*time.Second); !ok || took > 22*time.Second {
				t.Errorf("%s: down after %v with %v", name, took, err)
			}
		}
		t.down.Store(false)
		t.edge.up(t)
	})
}

// Twenty minutes of idleness cost less than a kilobyte a minute, and the link
// stays.
func TestIdleCost(t *testing.T) {
	simulated(t, 50*time.Millisecond, func(t *scene) {
		l := t.edge.up(t)
		wait(time.Minute)
		before := t.sent()
		wait(20 * time.Minute)
		rate := (t.sent() - before) / 20
		t.Logf("%d bytes a minute with IP and UDP headers", rate)
		if rate > 1000 {
			t.Errorf("%d bytes a minute, want at most 1000", rate)
		}
		if l.Err() != nil {
			t.Errorf("idle link went down: %v", l.Err())
		}
	})
}

// While the core is away the edge spends little.
func TestOutageCost(t *testing.T) {
	simulated(t, 50*time.Millisecond, func(t *scene) {
		t.edge.up(t)
		wait(time.Minute)
		t.down.Store(true)
		t.edge.down(t)
		wait(2 * time.Minute)
		before := t.sent()
		wait(20 * time.Minute)
		rate := (t.sent() - before) / 20
		t.Logf("%d bytes a minute with IP and UDP headers", rate)
		if rate > 40_000 {
			t.Errorf("%d bytes a minute", rate)
		}
		if got := t.dialer.Stats(); got.ProbesSent < 1000 {
			t.Errorf("stats = %+v", got)
		}
	})
}

// Order holds over a path that loses packets, and nothing takes it for dead.
func TestLossyPath(t *testing.T) {
	simulated(t, 50*time.Millisecond, func(t *scene) {
		const messages = 20_000
		var next uint32
		done := make(chan struct{})
		t.core.frame = func(_ *uplink.Link, _ int, _ uint8, body []byte) {
			got := uint32(body[0])<<16 | uint32(body[1])<<8 | uint32(body[2])
			if got != next {
				t.Errorf("message %d, want %d", got, next)
			}
			if next++; next == messages {
				close(done)
			}
		}
		l := t.edge.up(t)
		t.loss.Store(2)
		l.AddBusy(1)
		for i := range messages {
			body := []byte{byte(i >> 16), byte(i >> 8), byte(i), 0, 0, 0, 0, 0}
			if err := send(l, 1, body); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, ok := within(done, 10*time.Minute); !ok {
			t.Error("messages got lost")
		}
		wait(time.Minute)
		if l.Err() != nil {
			t.Errorf("link went down: %v", l.Err())
		}
		t.loss.Store(0)
	})
}

// A NAT that forgets costs a round trip and not the link.
func TestNewAddress(t *testing.T) {
	simulated(t, 50*time.Millisecond, func(t *scene) {
		echoes := make(chan string, 1)
		t.core.frame = func(l *uplink.Link, _ int, k uint8, body []byte) { _ = l.Send(1, k, body) }
		t.edge.frame = func(_ *uplink.Link, _ int, _ uint8, body []byte) { echoes <- string(body) }
		l := t.edge.up(t)
		for i := range int32(10) {
			t.nat.Store(100 * i)
			if err := l.Send(1, kind, []byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, took, ok := within(echoes, time.Minute); !ok || took > time.Second {
				t.Errorf("echo %d after %v", i, took)
			}
			wait(time.Minute)
		}
		if l.Err() != nil {
			t.Errorf("link went down: %v", l.Err())
		}
	})
}

// A slow path is not taken for a dead one.
func TestSatellite(t *testing.T) {
	simulated(t, 600*time.Millisecond, func(t *scene) {
		l := t.edge.up(t)
		l.AddBusy(1)
		wait(10 * time.Minute)
		if l.Err() != nil {
			t.Fatalf("link went down: %v", l.Err())
		}
		t.down.Store(true)
		t.edge.down(t)
		wait(time.Minute)
		t.down.Store(false)
		if _, took, ok := within(t.edge.ups, time.Hour); !ok || took > 6*time.Second {
			t.Errorf("up %v after the end of the outage", took)
		}
	})
}

// Two edges with the same certificate replace one another, and slow down.
func TestTwins(t *testing.T) {
	simulated(t, 50*time.Millisecond, func(t *scene) {
		t.edge.up(t)
		twin := newRecorder()
		cfg := t.edgeConfig
		cfg.Handler = twin
		d, err := uplink.NewDialer(cfg)
		if err != nil {
			t.Fatal(err)
		}
		stop := run(t, d.Run)
		wait(10 * time.Minute)
		stop()
		if got := d.Stats().Links + t.dialer.Stats().Links; got > 150 {
			t.Errorf("%d links in ten minutes", got)
		}
		twin.check(t)
	})
}
