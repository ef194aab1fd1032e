package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"bondy/uplink/internal/step"
	"bondy/uplink/wire"
)

// ALPN is the name of the protocol in the TLS handshake.
const ALPN = "bondy-link/1"

// Defaults of a Config.
const (
	DefaultLanes            = 8
	DefaultMaxFrame         = 16 << 20
	DefaultLaneQueue        = 1 << 20
	DefaultStreamWindow     = 1 << 20
	DefaultHandshakeTimeout = 5 * time.Second
	DefaultBusyPing         = 500 * time.Millisecond
	DefaultIdlePing         = 15 * time.Second
	DefaultPongTimeout      = 1500 * time.Millisecond
	DefaultMinBackoff       = time.Second
	DefaultMaxBackoff       = 30 * time.Second
	DefaultProbeInterval    = time.Second
	DefaultMaxLinks         = 10_000
	DefaultMaxHandshakes    = 256
	DefaultProbeRate        = 2000
)

// Identity is who a peer is, by its certificate. A newer link of an identity
// replaces the older one.
type Identity struct {
	// Name is the node's name.
	Name string
	// Role is what the certificate allows it to be: node or edge.
	Role string
}

// Handler gets what happens on links. Its methods are called without locks
// and must not block; a call that does holds up its lane, or the link's end.
type Handler interface {
	// Up comes first: the link may be used.
	Up(l *Link)
	// Frame brings a frame, in order on each lane and concurrently for
	// different lanes. The body is valid until Frame returns.
	Frame(l *Link, lane int, kind uint8, body []byte)
	// Down comes last, once, after the last Frame has returned.
	Down(l *Link, err error)
}

// DatagramHandler is a Handler that wants datagrams; without it the peer
// can't send any.
type DatagramHandler interface {
	// Datagram brings one, in no order with anything else.
	Datagram(l *Link, body []byte)
}

// Config is what both ends of a link need. The zero value of all but TLS,
// Identify, Handler and Log means the default.
type Config struct {
	// TLS has the certificates of this side and the authority for those of
	// the other. The protocol's name and version are filled in here.
	TLS *tls.Config
	// Identify says who the peer is, or why it is refused. It is called
	// after each handshake, and again by Recheck.
	Identify func(tls.ConnectionState) (Identity, error)
	// Handler gets what happens.
	Handler Handler
	// Log gets life events.
	Log *slog.Logger

	// Node is the name that the other side shows in its log.
	Node string
	// Incarnation tells this run of the node from others; 0 means a random
	// number.
	Incarnation uint64
	// Features has a bit for each thing this side can do beyond version 1.
	Features uint64

	// Lanes is the number of data lanes.
	Lanes int
	// MaxFrame bounds the body of a frame in bytes, both ways.
	MaxFrame int
	// LaneQueue bounds what waits to be sent on one lane, in bytes. A frame
	// longer than that is taken by an empty queue.
	LaneQueue int
	// StreamWindow bounds what a peer may send on a lane ahead of what was
	// read, in bytes; it starts with an eighth of that.
	StreamWindow int

	// HandshakeTimeout bounds the time from the first packet to a link.
	HandshakeTimeout time.Duration
	// BusyPing is the time between pings while something waits for the
	// peer, IdlePing that on an idle link.
	BusyPing, IdlePing time.Duration
	// PongTimeout is how long a pong may take on a fast link; on others it
	// is four round trips.
	PongTimeout time.Duration

	// ListenPacket opens a UDP socket; nil means one of the system.
	ListenPacket func(ctx context.Context, address string) (net.PacketConn, error)
}

// Validate names the field that is wrong.
func (c Config) Validate() error {
	switch {
	case c.TLS == nil:
		return errors.New("uplink: tls is missing")
	case c.Identify == nil:
		return errors.New("uplink: identify is missing")
	case c.Handler == nil:
		return errors.New("uplink: handler is missing")
	case c.Log == nil:
		return errors.New("uplink: log is missing")
	case len(c.Node) > wire.MaxNode:
		return fmt.Errorf("uplink: node is longer than %d bytes", wire.MaxNode)
	case c.Lanes < 0 || c.Lanes > wire.MaxLanes:
		return fmt.Errorf("uplink: lanes is not within 1 to %d", wire.MaxLanes)
	case c.MaxFrame < 0 || c.MaxFrame > wire.MaxBody:
		return fmt.Errorf("uplink: max_frame is not within 1 to %d", wire.MaxBody)
	case c.LaneQueue < 0:
		return errors.New("uplink: lane_queue is negative")
	case c.StreamWindow < 0:
		return errors.New("uplink: stream_window is negative")
	case min(c.HandshakeTimeout, c.BusyPing, c.IdlePing, c.PongTimeout) < 0:
		return errors.New("uplink: a time is negative")
	}
	return nil
}

func (c Config) withDefaults() Config {
	fill(&c.Incarnation, rand.Uint64()) //nolint:gosec // it is no secret
	fill(&c.Lanes, DefaultLanes)
	fill(&c.MaxFrame, DefaultMaxFrame)
	fill(&c.LaneQueue, DefaultLaneQueue)
	fill(&c.StreamWindow, DefaultStreamWindow)
	fill(&c.HandshakeTimeout, DefaultHandshakeTimeout)
	fill(&c.BusyPing, DefaultBusyPing)
	fill(&c.IdlePing, DefaultIdlePing)
	fill(&c.PongTimeout, DefaultPongTimeout)
	if c.ListenPacket == nil {
		c.ListenPacket = listenUDP
	}
	return c
}

// live are the times of a link's liveness. The dialer pings first when idle,
// which is a sign of life for the listener and spares its ping.
func (c Config) live(dialer bool) step.LiveConfig {
	idle := c.IdlePing
	if !dialer {
		idle += idle / 3
	}
	return step.LiveConfig{Busy: c.BusyPing, Idle: idle, Timeout: c.PongTimeout}
}

func (c Config) hello(serial uint64) wire.Hello {
	return wire.Hello{
		MinVersion: wire.MinVersion, Version: wire.Version, Features: c.Features, Lanes: c.Lanes, MaxFrame: c.MaxFrame,
		Incarnation: c.Incarnation, Serial: serial, Node: c.Node,
	}
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func listenUDP(ctx context.Context, address string) (net.PacketConn, error) {
	var lc net.ListenConfig
	return lc.ListenPacket(ctx, "udp", address)
}

// tlsFor completes a configuration that the caller keeps.
func tlsFor(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	cfg.NextProtos = []string{ALPN}
	cfg.MinVersion = tls.VersionTLS13
	cfg.SessionTicketsDisabled = true
	if forClient := cfg.GetConfigForClient; forClient != nil {
		cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			own, err := forClient(hello)
			if own == nil || err != nil {
				return nil, err
			}
			return tlsFor(own), nil
		}
	}
	return cfg
}
