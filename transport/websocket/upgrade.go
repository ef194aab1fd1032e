// Package websocket is the router's side of WAMP over WebSocket (sections
// "WebSocket Transport" and "Message Batching" of the specification).
//
// gorilla/websocket does the opening handshake; after it the frames are ours,
// on a pipe.Stream. [Upgrader.Upgrade] is called by an HTTP handler, which
// then returns, so that nothing of the request stays in memory while the
// session lives on the [Conn].
package websocket

import (
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"bondy/transport/web"
)

// Config says how connections are accepted.
type Config struct {
	// MaxMessageSize is the longest message accepted, in bytes; 0 means 16 MiB.
	MaxMessageSize int
	// PingInterval is the time between the PINGs that find out whether the
	// client is there; 0 means none.
	PingInterval time.Duration
	// Origins lists the web pages that may connect, beside those of loopback
	// hosts and of the host connected to: an origin such as
	// https://app.example.com, all hosts below one as *.example.com, or * for
	// all.
	Origins []string
}

// Upgrader accepts WebSocket connections. It is safe for concurrent use.
type Upgrader struct {
	cfg     Config
	origins web.Origins
	gorilla websocket.Upgrader
}

// NewUpgrader checks cfg.
func NewUpgrader(cfg Config) (*Upgrader, error) {
	o, err := web.ParseOrigins(cfg.Origins)
	if err != nil {
		return nil, err
	}
	if cfg.MaxMessageSize <= 0 {
		cfg.MaxMessageSize = 16 << 20
	}
	return &Upgrader{cfg: cfg, origins: o, gorilla: websocket.Upgrader{
		CheckOrigin: func(*http.Request) bool { return true }, // done before
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			http.Error(w, reason.Error(), status)
		},
	}}, nil
}

// Upgrade answers the opening handshake r, whose connection must be a
// *pipe.Pipe or TLS on one, and takes the connection over. On error, among
// them web.ErrOrigin and web.ErrSubprotocol, the request has been answered or its
// connection closed.
func (u *Upgrader) Upgrade(w http.ResponseWriter, r *http.Request) (*Conn, error) {
	if !websocket.IsWebSocketUpgrade(r) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "This is a WebSocket endpoint; connect with a WAMP client.", http.StatusUpgradeRequired)
		return nil, errors.New("not a WebSocket handshake")
	}
	if !u.origins.Allow(r) {
		http.Error(w, web.ErrOrigin.Error(), http.StatusForbidden)
		return nil, web.ErrOrigin
	}
	sub, err := web.Choose(websocket.Subprotocols(r))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return nil, err
	}
	g, err := u.gorilla.Upgrade(w, r, http.Header{"Sec-Websocket-Protocol": {sub.Name()}})
	if err != nil {
		return nil, err
	}
	conn := g.NetConn()
	c, err := newConn(conn, sub, u.cfg)
	if err != nil {
		_ = conn.Close() // the first error says more
		return nil, err
	}
	return c, nil
}
