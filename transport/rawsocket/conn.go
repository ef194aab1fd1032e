package rawsocket

import (
	"encoding/binary"
	"errors"
	"net"

	"bondy/core/peer"
	"bondy/core/session"
	"bondy/core/wamp"
	"bondy/transport/pipe"
)

// Frame types (section "RawSocket Transport", "Framing").
const (
	typeMessage byte = 0
	typePing    byte = 1
	typePong    byte = 2
)

// The prefix of a frame.
const (
	headSize     = 4    // octets
	extraBit     = 0x08 // set for a length of 2^24 alone
	reservedMask = 0xf0
)

// maxPing is the longest payload of a PING or PONG, in octets. The specification
// allows that of a message; nobody needs it, and what a PONG repeats is held for
// a peer that may not read it.
const maxPing = 128 << 10

// Conn is a connection after its handshake.
type Conn struct {
	serializer wamp.Serializer
	sendMax    int32 // longest message that the client accepts, in bytes
	recvMax    int32 // longest message that the router accepts
	limit      int32 // longest message accepted now, at most recvMax

	pipe.Stream // which the reader writes to, behind what senders read
}

var _ session.Conn = (*Conn)(nil)

// Serializer implements peer.Sink.
func (c *Conn) Serializer() wamp.Serializer { return c.serializer }

// Info implements session.Conn.
func (c *Conn) Info() session.ConnInfo {
	return session.ConnInfo{Transport: "rawsocket", Remote: c.Remote(), Proxied: c.Proxied(), TLS: c.TLS()}
}

// Append implements peer.Sink.
func (c *Conn) Append(msg []byte, keep *peer.Buffer) error {
	if len(msg) > int(c.sendMax) {
		return peer.ErrTooLong
	}
	head := header(typeMessage, len(msg))
	return c.Stream.Append(head[:], msg, keep)
}

// SetReadLimit implements session.Conn; PING and PONG have their own limit.
func (c *Conn) SetReadLimit(bytes int) {
	c.limit = c.recvMax
	if bytes > 0 {
		c.limit = int32(min(bytes, int(c.recvMax))) //nolint:gosec // at most recvMax
	}
}

// ReadMessage implements session.Conn.
func (c *Conn) ReadMessage() ([]byte, error) {
	for {
		b, err := c.Peek(headSize)
		if err != nil {
			return nil, err
		}
		typ, n := b[0]&7, int(binary.BigEndian.Uint32(b)&0xffffff|uint32(b[0]&extraBit)<<21)
		switch {
		case b[0]&reservedMask != 0:
			return nil, wamp.Violationf("frame prefix with reserved bits set: %#02x", b[0])
		case typ > typePong:
			return nil, wamp.Violationf("frame of reserved type %d", typ)
		case typ == typeMessage && n > int(c.limit):
			return nil, wamp.Violationf("message of %d bytes, the limit is %d", n, c.limit)
		case typ != typeMessage && n > min(maxPing, int(c.recvMax)):
			return nil, wamp.Violationf("PING or PONG of %d bytes, the limit is %d", n, min(maxPing, int(c.recvMax)))
		}
		if b, err = c.Peek(headSize + n); err != nil {
			return nil, err
		}
		c.Discard(headSize + n)
		b = b[headSize : headSize+n : headSize+n]
		switch typ {
		case typeMessage:
			c.Active()
			return b, nil
		case typePing:
			if err := c.pong(b); err != nil {
				return nil, err
			}
		}
	}
}

// Sleep implements session.Conn.
func (c *Conn) Sleep() bool { return c.Stream.Sleep(false) }

// Close implements session.Conn. RawSocket has no farewell of its own.
func (c *Conn) Close() { c.Stream.Close(nil) }

func (c *Conn) pong(payload []byte) error {
	if len(payload) > int(c.sendMax) {
		return wamp.Violationf("PING of %d bytes from a peer that accepts %d", len(payload), c.sendMax)
	}
	head := header(typePong, len(payload))
	err := c.Reply(head[:], payload)
	if errors.Is(err, pipe.ErrControlFlood) {
		return wamp.Violationf("PINGs without end, and their PONGs are not read")
	}
	return err
}

// header is the prefix of a frame; a length of 2^24 sets the extra bit.
func header(typ byte, n int) (h [headSize]byte) {
	binary.BigEndian.PutUint32(h[:], uint32(n&0xffffff))
	h[0] = typ
	if n == MaxMessageSize {
		h[0] |= extraBit
	}
	return h
}

func newConn(c net.Conn) (*Conn, error) {
	conn := &Conn{}
	return conn, conn.Open(c)
}
