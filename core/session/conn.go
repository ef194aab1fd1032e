package session

import (
	"crypto/tls"
	"errors"
	"net/netip"
	"time"

	"bondy/core/peer"
)

// ErrIdle is what ReadMessage returns when a connection may fall asleep:
// nothing was received for some time and nothing is left of what was.
var ErrIdle = errors.New("nothing received for some time")

// Conn is one connection that carries whole WAMP messages, made by a
// transport. ReadMessage, ServedBy, SetReadDeadline and Sleep belong to the one
// goroutine that serves the session; Close may be called from any.
type Conn interface {
	peer.Wire
	// ReadMessage returns the next message. The bytes are valid until the
	// next call. An error ends the connection: io.EOF when the other side
	// closed it in order, a *wamp.Error when it broke the transport's rules
	// (the transport has then said so in its own way where it can); all but
	// ErrIdle, which it returns only once Sleep was called and while no
	// deadline is set.
	ReadMessage() ([]byte, error)
	// ServedBy says who serves the connection. It is called once, first.
	ServedBy(s Server)
	// SetReadDeadline ends ReadMessage with os.ErrDeadlineExceeded at t,
	// whatever trickles in until then; the zero time lifts it. Keepalive is
	// the transport's own and independent of it.
	SetReadDeadline(t time.Time) error
	// SetReadLimit makes a message longer than that many bytes end the
	// connection, as one above the transport's own limit does; 0 lifts it
	// back to that.
	SetReadLimit(bytes int)
	// Sleep gives back what reading needs and calls Server.Serve on a goroutine
	// of its own, once, when there may be something to read or Close was called.
	// Until then nobody may use what belongs to the goroutine that serves. It
	// reports false, and does not call Serve, if the connection has to stay awake
	// for now. Sending is not affected.
	Sleep() bool
	// Close says the transport's farewell, gives what was appended a few
	// seconds to leave, and closes. It does not block, ends a pending
	// ReadMessage, and may be called more than once.
	Close()
	// Info tells where the connection comes from.
	Info() ConnInfo
}

// Server is who serves a Conn, on one goroutine at a time.
type Server interface {
	// Flush is called by ReadMessage each time before it would wait for the
	// network.
	Flush()
	// Serve goes on with a connection that slept.
	Serve()
}

// ConnInfo describes a connection.
type ConnInfo struct {
	// Transport is "websocket", "rawsocket" or another transport's name.
	Transport string
	// Remote is the client's address, after the PROXY protocol; the zero
	// value for unix sockets.
	Remote netip.AddrPort
	// TLS is nil on plain connections.
	TLS *tls.ConnectionState
	// Proxied says that a proxy stands between: Remote is what it told, or its
	// own address, and proves nothing of where the client is.
	Proxied bool
}
