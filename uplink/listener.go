package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/quic-go/quic-go"

	"bondy/core/audit"
)

// ListenerConfig describes a Listener.
type ListenerConfig struct {
	Config
	// Address is where to listen, host:port.
	Address string
	// MaxLinks bounds the links.
	MaxLinks int
	// MaxHandshakes bounds the connections that are no links yet. When a
	// quarter of it is taken, addresses must prove that they are no forgery,
	// and no address gets more than a quarter.
	MaxHandshakes int
	// ProbeRate bounds the answers to probes, per second.
	ProbeRate int
	// Audit is told of peers that are refused; nil tells nobody.
	Audit audit.Recorder
}

// Validate names the field that is wrong.
func (c ListenerConfig) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	switch {
	case c.Address == "":
		return errors.New("uplink: address is missing")
	case c.TLS.GetConfigForClient == nil && c.TLS.ClientAuth != tls.RequireAndVerifyClientCert:
		return errors.New("uplink: tls does not require certificates of clients")
	case min(c.MaxLinks, c.MaxHandshakes, c.ProbeRate) < 0:
		return errors.New("uplink: a limit is negative")
	}
	return nil
}

func (c ListenerConfig) withDefaults() ListenerConfig {
	c.Config = c.Config.withDefaults()
	fill(&c.MaxLinks, DefaultMaxLinks)
	fill(&c.MaxHandshakes, DefaultMaxHandshakes)
	fill(&c.ProbeRate, DefaultProbeRate)
	return c
}

// Listener accepts links. Its methods are safe for concurrent use.
type Listener struct {
	cfg    ListenerConfig
	socket net.PacketConn
	shared shared
	probes probeKeys
	doors  admission

	accepted, refused, replaced, answers, echo atomic.Uint64

	mu    sync.Mutex
	links map[Identity]*Link // up, or on the way from register to there
}

// Listen opens the socket; Run serves it.
func Listen(ctx context.Context, cfg ListenerConfig) (*Listener, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	cfg.Log = cfg.Log.With(slog.String("part", "uplink_listener"))
	socket, err := cfg.ListenPacket(ctx, cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("uplink listener: %w", err)
	}
	return &Listener{
		cfg: cfg, socket: socket, links: make(map[Identity]*Link),
		probes: newProbeKeys(2*cfg.MaxLinks, cfg.ProbeRate),
		doors:  admission{limit: cfg.MaxHandshakes, places: make(map[netip.Addr]int)},
	}, nil
}

// Addr is where the listener listens.
func (l *Listener) Addr() net.Addr { return l.socket.LocalAddr() }

// Close closes the socket of a listener that does not run.
func (l *Listener) Close() error { return l.socket.Close() }

// Run accepts links until ctx ends, closes them, and returns nil when the last
// is down. It may be called once, and closes the socket.
func (l *Listener) Run(ctx context.Context) error {
	defer func() { _ = l.socket.Close() }()
	ctx, cancel := context.WithCancel(ctx)
	transport := &quic.Transport{
		Conn: l.socket, ConnContext: l.admit, VerifySourceAddress: l.doors.busy,
	}
	defer func() { _ = transport.Close() }()
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()
	listener, err := transport.Listen(tlsFor(l.cfg.TLS), quicConfig(l.cfg.Config))
	if err != nil {
		return fmt.Errorf("uplink listener: %w", err)
	}
	defer func() { _ = listener.Close() }()
	tasks.Go(func() { l.answerProbes(ctx, transport) })
	for {
		c, err := listener.Accept(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("uplink listener: %w", err)
		}
		tasks.Go(func() { l.serve(ctx, c) })
	}
}

// Links are the links that are up, in no order.
func (l *Listener) Links() []*Link { return l.shared.links() }

// Recheck takes down the links of peers whose identity is refused by now, as
// after a change of the revocation list.
func (l *Listener) Recheck() {
	for _, link := range l.Links() {
		link.recheck()
	}
}

// admit counts what admission refuses, and sees to connections that end for their
// certificate, before there is a link.
func (l *Listener) admit(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	ctx, err := l.doors.admit(ctx, info)
	if err != nil {
		l.refused.Add(1)
		return ctx, err
	}
	context.AfterFunc(ctx, func() { l.distrusted(info.RemoteAddr, context.Cause(ctx)) })
	return ctx, nil
}

// serve makes a link of a connection and serves it until it is down.
func (l *Listener) serve(ctx context.Context, c *quic.Conn) {
	link := newLink(&l.cfg.Config, newQUICConn(c), &l.shared, l.cfg.live(false))
	var older *Link
	err := link.accepted(ctx, func() (err error) {
		older, err = l.register(link)
		return err
	})
	defer l.unregister(link)
	placeOf(c).release()
	if err != nil {
		l.refused.Add(1)
		l.cfg.Log.Warn("link refused", slog.String("remote", c.RemoteAddr().String()),
			slog.String("peer", link.peer.Name), slog.Any("err", err))
		l.ended(c.RemoteAddr(), link.peer, err)
	}
	if older != nil {
		l.replaced.Add(1)
		older.fail(&CloseError{Code: CodeReplaced, Reason: "replaced by a newer link"})
		<-older.joined // its Down comes before our Up
	}
	if err != nil {
		close(link.joined)
		return
	}
	l.accepted.Add(1)
	link.serve(ctx)
	l.ended(c.RemoteAddr(), link.peer, link.err)
}

// register puts a link in the place of an older one of the same identity,
// which it returns.
func (l *Listener) register(link *Link) (*Link, error) {
	key, err := probeKey(link.conn)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	older := l.links[link.peer]
	switch {
	case older == nil && len(l.links) >= l.cfg.MaxLinks:
		return nil, &CloseError{Code: CodeFull, Reason: "too many links"}
	case older != nil && older.hello.Incarnation == link.hello.Incarnation && older.serial >= link.serial:
		return nil, &CloseError{Code: CodeReplaced, Reason: "a newer link is up"}
	}
	l.links[link.peer] = link
	l.probes.put(link.peer, key)
	return older, nil
}

func (l *Listener) unregister(link *Link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.links[link.peer] == link {
		delete(l.links, link.peer)
	}
}

// ListenerStats describes a Listener.
type ListenerStats struct {
	// Links are up, Handshakes are connections on the way there.
	Links, Handshakes int
	// Accepted, Refused and Replaced count links so far.
	Accepted, Refused, Replaced uint64
	// ProbesAnswered counts probes of known links, ProbesUnknown others.
	ProbesAnswered, ProbesUnknown uint64
	// Traffic is that of all links so far.
	Traffic Traffic
}

// Stats describes the listener. It may be called at any time.
func (l *Listener) Stats() ListenerStats {
	return ListenerStats{
		Links: len(l.Links()), Handshakes: l.doors.pending(),
		Accepted: l.accepted.Load(), Refused: l.refused.Load(), Replaced: l.replaced.Load(),
		ProbesAnswered: l.answers.Load(), ProbesUnknown: l.echo.Load(), Traffic: l.shared.traffic(),
	}
}
