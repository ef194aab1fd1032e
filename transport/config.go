package transport

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"bondy/transport/longpoll"
	"bondy/transport/rawsocket"
	tlsconf "bondy/transport/tls"
	"bondy/transport/websocket"
)

// The services that a listener provides itself; all others are HTTP handlers
// that Config.HTTP mounts.
const (
	ServiceWebSocket = "websocket"
	ServiceRawSocket = "rawsocket"
	ServiceLongPoll  = "longpoll"
)

// Where the transports on top of HTTP are found.
const (
	WebSocketPath = "/ws"
	LongPollPath  = "/wamp/longpoll" // with /open and the like below
)

// Defaults of a Config.
const (
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultMaxMessageSize   = 16 << 20
	DefaultPingInterval     = 30 * time.Second // of WebSocket
	DefaultGrace            = 10 * time.Second
	DefaultSocketMode       = 0o600
)

// Config describes a listener.
type Config struct {
	// Address is host:port, or unix:/path.
	Address string
	// Services names what is served. "rawsocket" stands alone; "websocket"
	// mounts WebSocketPath and "longpoll" LongPollPath; any other needs HTTP.
	Services []string
	// HTTP serves the requests that are for neither; nil answers them with 404. A request has three times HandshakeTimeout to come in with
	// its body, and from the end of its header on as long again to be answered.
	// A handler that needs longer extends both with the SetReadDeadline and
	// SetWriteDeadline of http.ResponseController before they pass: once the
	// deadline for reading has passed, the request's context ends even if its
	// body was read.
	HTTP http.Handler
	// SocketMode is the permission of a unix socket; 0 means 0600.
	SocketMode fs.FileMode
	// TLS, if not nil, names the certificate files.
	TLS *tlsconf.Config
	// ProxyProtocol lists the sources whose connections must start with a
	// PROXY header, version 1 or 2; that of any other is not understood.
	ProxyProtocol []netip.Prefix
	// TrustedProxies lists the HTTP proxies that are believed where requests come
	// from, by X-Forwarded-For or Forwarded; see web.Proxies.
	TrustedProxies []netip.Prefix
	// MaxConnections bounds the open connections, and beside them the long-poll
	// transports, which are connections to a session; 0 means no bound.
	MaxConnections int
	// MaxConnectionsPerAddress bounds those of one client address, for IPv6
	// of one /64 network; 0 means no bound.
	MaxConnectionsPerAddress int
	// MaxConnectionRate bounds how many connections, and long-poll transports, come
	// in a second, and MaxConnectionRatePerAddress those of one client address, as
	// MaxConnectionsPerAddress counts them; twice that at once, 0 means no bound.
	MaxConnectionRate, MaxConnectionRatePerAddress int
	// LimitLoopback applies what is per address to loopback addresses too.
	LimitLoopback bool
	// HandshakeTimeout bounds each of PROXY header, TLS handshake, RawSocket
	// handshake and HTTP request header; 0 means 10 s.
	HandshakeTimeout time.Duration
	// MaxMessageSize is the longest message accepted, in bytes; 0 means 16 MiB.
	MaxMessageSize int
	// PingInterval is the time between the PINGs that find out whether a
	// client is there; 0 means 30 s for WebSocket and none for RawSocket,
	// less than 0 none at all. A long-poll client without a receive for two
	// intervals, or 1 min where there are none, is gone.
	PingInterval time.Duration
	// HibernateAfter is how long nothing is received from a session until it
	// gives its goroutine and buffers back, at most twice as long; 0 means
	// never.
	HibernateAfter time.Duration
	// Settled, if not nil, is called whenever a session begins to wait for its
	// first message, falls asleep after some work, or ends.
	Settled func()
	// Origins lists web pages that may connect; see web.ParseOrigins.
	Origins []string
	// Grace is how long Run waits for its connections to end; 0 means 10 s.
	Grace time.Duration
}

// Validate names the key that is wrong.
func (c Config) Validate() error {
	others := slices.ContainsFunc(c.Services, func(s string) bool {
		return s != ServiceWebSocket && s != ServiceRawSocket && s != ServiceLongPoll
	})
	switch {
	case c.Address == "":
		return errors.New("listener: address is missing")
	case len(c.Services) == 0:
		return errors.New("listener: services is empty")
	case c.rawSocket() && (len(c.Services) > 1 || c.HTTP != nil):
		return errors.New("listener: services: rawsocket can't share a listener")
	case others && c.HTTP == nil:
		return fmt.Errorf("listener: services %s need an HTTP handler", strings.Join(c.Services, ", "))
	case c.MaxConnections < 0:
		return errors.New("listener: max_connections is negative")
	case c.MaxConnectionsPerAddress < 0:
		return errors.New("listener: max_connections_per_address is negative")
	case c.MaxConnectionRate < 0:
		return errors.New("listener: max_connections_per_second is negative")
	case c.MaxConnectionRatePerAddress < 0:
		return errors.New("listener: max_connections_per_second_per_address is negative")
	case c.rawSocket() && len(c.TrustedProxies) > 0:
		return errors.New("listener: trusted_proxies is for HTTP, RawSocket has proxy_protocol")
	case c.HandshakeTimeout < 0:
		return errors.New("listener: handshake_timeout is negative")
	case c.HibernateAfter < 0:
		return errors.New("listener: hibernate_after is negative")
	case c.Grace < 0:
		return errors.New("listener: grace is negative")
	case c.MaxMessageSize < 0 || c.MaxMessageSize > 1<<30:
		return errors.New("listener: max_message_size is not between 0 and 1 GiB")
	default:
		return nil
	}
}

func (c Config) rawSocket() bool { return slices.Contains(c.Services, ServiceRawSocket) }

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	if c.HandshakeTimeout == 0 {
		c.HandshakeTimeout = DefaultHandshakeTimeout
	}
	if c.MaxMessageSize == 0 {
		c.MaxMessageSize = DefaultMaxMessageSize
	}
	if c.PingInterval == 0 && !c.rawSocket() {
		c.PingInterval = DefaultPingInterval
	}
	c.PingInterval = max(c.PingInterval, 0)
	if c.Grace == 0 {
		c.Grace = DefaultGrace
	}
	if c.SocketMode == 0 {
		c.SocketMode = DefaultSocketMode
	}
	return c
}

func (c Config) raw() rawsocket.Config {
	return rawsocket.Config{MaxMessageSize: c.MaxMessageSize, HandshakeTimeout: c.HandshakeTimeout, PingInterval: c.PingInterval}
}

func (c Config) web() websocket.Config {
	return websocket.Config{MaxMessageSize: c.MaxMessageSize, PingInterval: c.PingInterval, Origins: c.Origins}
}

func (c Config) poll(accept func(*longpoll.Conn) error, refused func(error)) longpoll.Config {
	return longpoll.Config{
		Accept: accept, Refused: refused, MaxMessageSize: c.MaxMessageSize, Origins: c.Origins,
		Silence: 2 * c.PingInterval, Timeout: requestTimeouts * c.HandshakeTimeout,
	}
}
