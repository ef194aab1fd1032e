package uplink

import (
	"crypto/tls"
	"io"
	"net"
	"time"
)

// conn is a secured connection with one-way streams, as a Link uses it.
type conn interface {
	// open opens a stream without waiting; the control lane goes first where
	// the connection can arrange it. The peer sees it with the first bytes.
	open(lane int) (io.Writer, error)
	// accept waits for the next stream of the peer, in the order of opening.
	accept() (io.Reader, error)
	// datagrams says whether both sides take datagrams.
	datagrams() bool
	// sendDatagram may block.
	sendDatagram(body []byte) error
	// receiveDatagram waits for the next datagram.
	receiveDatagram() ([]byte, error)
	// close tells the peer and ends all calls above. It does not wait for
	// the peer; calls after the first do nothing.
	close(code Code, reason string)
	// state is what the handshake found out about the peer.
	state() tls.ConnectionState
	// rtt is the smoothed round-trip time.
	rtt() time.Duration
	remote() net.Addr
}
