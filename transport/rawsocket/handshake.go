// Package rawsocket is the router's side of WAMP over RawSocket (section
// "RawSocket Transport" of the specification): a handshake of four octets,
// then frames with a prefix of four octets, on TCP, TLS or a unix socket.
//
// [Accept] does the handshake; the [Conn] that it returns is a session.Conn.
// A PING of up to 128 KiB is answered; a longer one is a protocol violation, as
// are PINGs whose PONGs nobody reads.
package rawsocket

import (
	"errors"
	"fmt"
	"math/bits"
	"net"
	"time"

	"bondy/core/wamp"
)

// shortPing is a PING with a payload: autobahn-js answers one without only when
// something else comes.
const shortPing = string(typePing) + "\x00\x00\x01p"

// Limits of the LENGTH field: messages of 2^9 to 2^24 bytes.
const (
	minExponent = 9
	maxExponent = 24
	// MaxMessageSize is the longest message that RawSocket can carry, in bytes.
	MaxMessageSize = 1 << maxExponent
)

const magic = 0x7f

// refusal is the error code of a handshake reply.
type refusal byte

const (
	serializerUnsupported refusal = 1
	reservedBits          refusal = 3
	tooManyConnections    refusal = 4
)

// ErrHandshake is what Accept returns, wrapped, when the client's octets are
// at fault and not the network.
var ErrHandshake = errors.New("RawSocket handshake refused")

// Config says how connections are accepted.
type Config struct {
	// MaxMessageSize is the longest message accepted, in bytes, rounded down
	// to a power of two between 512 and 16 MiB; 0 means 16 MiB.
	MaxMessageSize int
	// HandshakeTimeout bounds the handshake as a whole; 0 means no bound.
	HandshakeTimeout time.Duration
	// PingInterval is the time between the PINGs that find out whether the
	// client is there; 0 means none.
	PingInterval time.Duration
}

// Accept does the handshake on c, a *pipe.Pipe or TLS on one, and takes c
// over. On error the connection has been closed.
func Accept(c net.Conn, cfg Config) (*Conn, error) {
	return handshake(c, cfg, (*Conn).negotiate)
}

// Refuse answers the handshake on c with "maximum connection count reached"
// and closes.
func Refuse(c net.Conn, cfg Config) {
	_, _ = handshake(c, cfg, func(conn *Conn, _ []byte, _ Config) error {
		return conn.refuse(tooManyConnections, "too many connections")
	})
}

func handshake(c net.Conn, cfg Config, answer func(*Conn, []byte, Config) error) (*Conn, error) {
	conn, err := newConn(c)
	if err != nil {
		_ = c.Close() // the first error says more
		return nil, err
	}
	if err := conn.request(cfg, answer); err != nil {
		conn.Wait()
		return nil, err
	}
	return conn, nil
}

// request reads the client's octets, within the deadline.
func (c *Conn) request(cfg Config, answer func(*Conn, []byte, Config) error) error {
	if cfg.HandshakeTimeout > 0 {
		if err := c.SetReadDeadline(time.Now().Add(cfg.HandshakeTimeout)); err != nil {
			return err
		}
	}
	b, err := c.Peek(1)
	if err != nil {
		return err
	}
	if b[0] != magic {
		return fmt.Errorf("%w: first octet is %#02x, not 0x7f", ErrHandshake, b[0])
	}
	if b, err = c.Peek(4); err != nil {
		return err
	}
	if err := answer(c, b[:4], cfg); err != nil {
		return err
	}
	c.Discard(4)
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	return c.Keepalive(cfg.PingInterval, shortPing)
}

func (c *Conn) negotiate(req []byte, cfg Config) error {
	if req[2] != 0 || req[3] != 0 {
		return c.refuse(reservedBits, "reserved octets are set")
	}
	switch s := wamp.Serializer(req[1] & 15); s {
	case wamp.JSON, wamp.MessagePack, wamp.CBOR:
		c.serializer = s
	default:
		return c.refuse(serializerUnsupported, "unknown serializer")
	}
	own := exponent(cfg.MaxMessageSize)
	c.sendMax = 1 << (req[1]>>4 + minExponent)
	c.recvMax = 1 << own
	c.limit = c.recvMax
	reply := [4]byte{magic, byte(own-minExponent)<<4 | byte(c.serializer)} //nolint:gosec // 0 to 15
	if err := c.Stream.Append(reply[:], nil, nil); err != nil {
		return err
	}
	c.Flush()
	return nil
}

func (c *Conn) refuse(code refusal, why string) error {
	c.Stream.Close([]byte{magic, byte(code) << 4, 0, 0})
	return fmt.Errorf("%w: %s", ErrHandshake, why)
}

// exponent is the largest power of two that is not above size.
func exponent(size int) int {
	if size <= 0 {
		return maxExponent
	}
	return min(max(bits.Len(uint(size))-1, minExponent), maxExponent)
}
