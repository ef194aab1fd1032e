package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"

	"bondy/core/wamp"
)

// frameKind is what a frame carries, on either transport.
type frameKind uint8

const (
	frameMessage frameKind = iota
	framePing
	framePong
	frameClose
)

// link is a connection that carries whole messages. One goroutine reads and
// one writes.
type link interface {
	// read returns the next message, valid until the next read.
	read() ([]byte, error)
	// write puts a frame behind what the wire has buffered.
	write(kind frameKind, data []byte) error
	// onPing sets what read calls with the payload of each ping.
	onPing(func([]byte) error)
	// sendLimit is the largest message in bytes that the router accepts, 0
	// if it did not say.
	sendLimit() int
	// close closes the connection without a farewell.
	close() error
}

// address is a parsed router URL.
type address struct {
	url       *url.URL
	websocket bool
	tls       bool
	network   string // of RawSocket
	target    string // of RawSocket
}

// ValidateURL says what is wrong with a router URL, nil if Dial can use it.
func ValidateURL(raw string) error {
	_, err := parseURL(raw)
	return err
}

// parseURL reads ws, wss, tcp, tls (or tcps) and unix URLs.
func parseURL(raw string) (*address, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("router URL: %w; it begins with ws://, wss://, tcp://, tls:// or unix:/path", err)
	}
	a := &address{url: u, network: "tcp", target: u.Host}
	switch u.Scheme {
	case "ws":
		a.websocket = true
	case "wss":
		a.websocket, a.tls = true, true
	case "tcp":
	case "tls", "tcps":
		a.tls = true
	case "unix":
		a.network, a.target = "unix", u.Opaque+u.Path
		if a.target == "" || u.Host != "" {
			return nil, fmt.Errorf("router URL %q: want unix:/path", raw)
		}
		return a, nil
	default:
		return nil, fmt.Errorf("router URL %q: the scheme must be ws, wss, tcp, tls or unix", raw)
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("router URL %q: no host", raw)
	}
	if !a.websocket && u.Port() == "" {
		return nil, fmt.Errorf("router URL %q: no port", raw)
	}
	return a, nil
}

// connect opens the link to a and the wire below it. The context bounds the
// opening alone.
func connect(ctx context.Context, a *address, cfg Config) (link, *wire, error) {
	if a.websocket {
		return dialWebSocket(ctx, a, cfg)
	}
	w, top, err := dialWire(ctx, a, cfg, a.network, a.target)
	if err != nil {
		return nil, nil, err
	}
	l, err := newRawSocket(top, cfg.Serializer, cfg.MaxMessage, cfg.IOBuffer)
	if err != nil {
		_ = top.Close()
		return nil, nil, err
	}
	return l, w, nil
}

// dialWire opens the socket and TLS on it as the URL says. Reads and writes go
// to the connection it returns beside the wire. When ctx ends the connection
// fails, until the wire starts.
func dialWire(ctx context.Context, a *address, cfg Config, network, target string) (*wire, net.Conn, error) {
	c, err := cfg.Dial(ctx, network, target)
	if err != nil {
		return nil, nil, err
	}
	w := newWire(ctx, c, cfg.IOBuffer)
	if !a.tls {
		return w, w, nil
	}
	t := tls.Client(w, tlsConfig(a, cfg))
	if err := t.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, nil, fmt.Errorf("TLS handshake with %s: %w", target, err)
	}
	return w, t, nil
}

func tlsConfig(a *address, cfg Config) *tls.Config {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.TLS != nil {
		t = cfg.TLS.Clone()
	}
	if t.ServerName == "" {
		t.ServerName = a.url.Hostname()
	}
	if a.websocket && t.NextProtos == nil {
		t.NextProtos = []string{"http/1.1"}
	}
	return t
}

// subprotocol is the WebSocket sub-protocol of a serializer.
func subprotocol(s wamp.Serializer) string {
	return "wamp.2." + s.String()
}
