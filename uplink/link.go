package uplink

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"bondy/uplink/internal/step"
	"bondy/uplink/wire"
)

// Link is one established connection. Its methods are safe for concurrent
// use.
type Link struct {
	cfg     *Config
	conn    conn
	shared  *shared
	serial  uint64
	control *wire.Reader
	// Known after the handshake, and unchanged since.
	peer     Identity
	hello    wire.Hello
	maxFrame int
	log      *slog.Logger

	lanes     []*lane // by number, the control lane first
	opened    openedLanes
	datagrams datagrams
	pulse     pulse
	counters  counters

	tasks  sync.WaitGroup // goroutines that Down waits for
	once   sync.Once
	err    error         // written before done is closed
	done   chan struct{} // closed when the link is down
	joined chan struct{} // closed when Down has returned
}

// shared is what the links of one Dialer or Listener have in common.
type shared struct {
	buffers wire.Buffers

	mu   sync.Mutex
	live map[*Link]struct{}
	past Traffic // of links that are gone
}

func (s *shared) add(l *Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil {
		s.live = make(map[*Link]struct{})
	}
	s.live[l] = struct{}{}
}

func (s *shared) remove(l *Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, l)
	s.past = s.past.plus(l.counters.traffic())
}

// links are those that are up, in no order.
func (s *shared) links() []*Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.live))
}

// traffic is that of all links so far.
func (s *shared) traffic() Traffic {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := s.past
	for l := range s.live {
		sum = sum.plus(l.counters.traffic())
	}
	return sum
}

// newLink makes a link of a connection; it is not up before its handshake.
func newLink(cfg *Config, c conn, shared *shared, live step.LiveConfig) *Link {
	l := &Link{
		cfg: cfg, conn: c, shared: shared, log: cfg.Log,
		done: make(chan struct{}), joined: make(chan struct{}),
	}
	l.lanes = make([]*lane, 1+cfg.Lanes)
	for n := range l.lanes {
		l.lanes[n] = &lane{link: l, number: n}
	}
	l.datagrams.link = l
	l.pulse.link, l.pulse.began, l.pulse.cfg = l, time.Now(), live
	return l
}

// Send queues a frame on the data lane that the hash of its source selects,
// and returns without waiting for the network. It copies body. Errors:
// ErrFull, ErrDown, ErrTooLong, ErrKind.
func (l *Link) Send(source uint64, kind uint8, body []byte) error {
	return l.send(l.laneOf(source), kind, body)
}

func (l *Link) laneOf(source uint64) int {
	return 1 + int(source%uint64(l.Lanes())) //nolint:gosec // lanes are few
}

// Queued is how many bytes wait on the data lane of a source.
func (l *Link) Queued(source uint64) int { return l.lanes[l.laneOf(source)].queued() }

// SendControl queues a frame on the control lane, which has a queue of its
// own and goes before the data lanes. Errors as of Send.
func (l *Link) SendControl(kind uint8, body []byte) error {
	return l.send(wire.Control, kind, body)
}

func (l *Link) send(number int, kind uint8, body []byte) error {
	if kind < wire.FirstKind {
		return ErrKind
	}
	c := l.counters.out(number)
	if err := l.lanes[number].put(kind, body); err != nil {
		c.refused.Add(1)
		return err
	}
	c.frames.Add(1)
	c.bytes.Add(uint64(len(body)))
	l.pulse.sent()
	return nil
}

// SendDatagram queues a datagram, which may get lost without a word. It
// copies body. Errors: ErrFull, ErrDown, ErrTooLong, ErrNoDatagrams.
func (l *Link) SendDatagram(body []byte) error { return l.datagrams.put(body) }

// AddBusy counts what waits for the peer: 1 for a call that begins, -1 for
// one that ended. While the count is above zero the peer is pinged often.
func (l *Link) AddBusy(delta int) { l.pulse.addBusy(delta) }

// Peer is who is at the other end.
func (l *Link) Peer() Identity { return l.peer }

// PeerNode is the name that the peer goes by; for logs alone.
func (l *Link) PeerNode() string { return l.hello.Node }

// PeerIncarnation tells one run of the peer from another.
func (l *Link) PeerIncarnation() uint64 { return l.hello.Incarnation }

// Serial counts the links that the dialer of this one opened in its run; it is
// the same at both ends.
func (l *Link) Serial() uint64 { return l.serial }

// Features has the bits that both sides have.
func (l *Link) Features() uint64 { return l.cfg.Features & l.hello.Features }

// Lanes is how many data lanes Send uses.
func (l *Link) Lanes() int { return len(l.lanes) - 1 }

// Remote is the peer's address.
func (l *Link) Remote() net.Addr { return l.conn.remote() }

// AddrPort is Remote; invalid if that is no address and port.
func (l *Link) AddrPort() netip.AddrPort { return addrPort(l.conn.remote()) }

// RTT is the smoothed round-trip time.
func (l *Link) RTT() time.Duration { return l.conn.rtt() }

// Done is closed when the link is down.
func (l *Link) Done() <-chan struct{} { return l.done }

// Err is why the link is down, nil while it is up.
func (l *Link) Err() error {
	select {
	case <-l.done:
		return l.err
	default:
		return nil
	}
}

// Close takes the link down; the reason goes to the peer and both logs. What
// is queued is lost. A Dialer dials again.
func (l *Link) Close(reason string) {
	l.fail(&CloseError{Code: CodeClosed, Reason: reason})
}

// Abort is Close for a peer that broke the rules of what the frames carry.
func (l *Link) Abort(reason string) {
	l.fail(&CloseError{Code: CodeProtocol, Reason: reason})
}

// recheck takes the link down if the peer's identity is refused by now.
func (l *Link) recheck() {
	if _, err := l.cfg.Identify(l.conn.state()); err != nil {
		l.fail(&CloseError{Code: CodeRefused, Reason: "identity refused: " + err.Error()})
	}
}

// serve runs the link until it is down; ctx ends it.
func (l *Link) serve(ctx context.Context) {
	defer close(l.joined)
	stop := context.AfterFunc(ctx, func() { l.Close("shutting down") })
	defer stop()
	l.log.Info("link up", slog.String("role", l.peer.Role), slog.String("peer_node", l.hello.Node),
		slog.String("remote", l.conn.remote().String()))
	l.shared.add(l)
	l.recheck() // a Recheck may have missed the handshake
	l.pulse.start()
	l.cfg.Handler.Up(l)
	l.tasks.Go(l.acceptLanes)
	l.receiveDatagrams()
	l.guard(func() error { return l.read(l.control, wire.Control) })
	l.tasks.Wait()
	l.shared.remove(l)
	l.log.Info("link down", slog.Any("err", l.err))
	l.cfg.Handler.Down(l, l.err)
}

// fail takes the link down, once; the first reason counts.
func (l *Link) fail(err error) {
	l.once.Do(func() {
		l.err = blame(err)
		close(l.done)
		l.pulse.stop()
		for _, lane := range l.lanes {
			lane.shut()
		}
		l.datagrams.shut()
	})
	l.conn.close(told(l.err))
}

// guard takes the link down with what read fails with, a panic included.
func (l *Link) guard(read func() error) {
	defer func() {
		if p := recover(); p != nil {
			l.log.Error("panic while handling a frame", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			l.fail(&CloseError{Code: CodeInternal, Reason: "internal error"})
		}
	}()
	if err := read(); err != nil {
		l.fail(err)
	}
}
