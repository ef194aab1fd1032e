package client

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"

	"bondy/core/wamp"
)

// Frame types of RawSocket.
const (
	rawMessage = 0
	rawPing    = 1
	rawPong    = 2
)

// maxRawPing bounds a ping's payload, which has to be kept until it is echoed.
const maxRawPing = 64 << 10

// rawSocket carries messages over RawSocket (section "RawSocket Transport").
type rawSocket struct {
	conn    net.Conn
	r       *bufio.Reader
	buf     []byte
	receive int
	send    int
	ping    func([]byte) error
}

// newRawSocket shakes hands on conn, asking for messages of at most limit
// bytes, rounded up to a power of two.
func newRawSocket(conn net.Conn, s wamp.Serializer, limit, buffer int) (*rawSocket, error) {
	length := max(bits.Len(uint(limit-1))-9, 0)
	if _, err := conn.Write([]byte{0x7f, byte(length)<<4 | byte(s), 0, 0}); err != nil { //nolint:gosec // 0 to 15
		return nil, fmt.Errorf("RawSocket handshake: %w", err)
	}
	l := &rawSocket{conn: conn, r: bufio.NewReaderSize(conn, buffer), receive: 1 << (length + 9)}
	var reply [4]byte
	if _, err := io.ReadFull(l.r, reply[:]); err != nil {
		return nil, fmt.Errorf("RawSocket handshake: %w", err)
	}
	code, serializer := reply[1]>>4, wamp.Serializer(reply[1]&0x0f)
	switch {
	case reply[0] != 0x7f:
		return nil, errors.New("RawSocket handshake: the other side does not speak RawSocket")
	case serializer == 0:
		return nil, fmt.Errorf("RawSocket handshake refused: %s", refusal(code))
	case serializer != s:
		return nil, fmt.Errorf("RawSocket handshake: router answered with serializer %d, want %d", serializer, s)
	case reply[2] != 0 || reply[3] != 0:
		return nil, errors.New("RawSocket handshake: reserved octets are not zero")
	}
	l.send = 1 << (code + 9)
	return l, nil
}

func (l *rawSocket) read() ([]byte, error) {
	for {
		var head [4]byte
		if _, err := io.ReadFull(l.r, head[:]); err != nil {
			return nil, err
		}
		kind, size := head[0], int(binary.BigEndian.Uint32(head[:])&0xffffff)
		if kind&0x08 != 0 && size == 0 { // the 25th bit: exactly 16 MiB
			kind, size = kind&^0x08, MaxMessageSize
		}
		limit := l.receive
		if kind != rawMessage {
			limit = maxRawPing
		}
		if kind > rawPong || size > limit {
			return nil, wamp.Violationf("RawSocket frame of type %d with %d bytes", kind, size)
		}
		data, err := l.body(size)
		if err != nil {
			return nil, err
		}
		switch kind {
		case rawMessage:
			return data, nil
		case rawPing:
			if err := l.ping(data); err != nil {
				return nil, err
			}
		}
	}
}

// body reads size bytes. The buffer grows with what arrives, not with what a
// header claims, and a large one is not kept.
func (l *rawSocket) body(size int) ([]byte, error) {
	const chunk = 1 << 20
	if cap(l.buf) > chunk {
		l.buf = nil
	}
	l.buf = l.buf[:0]
	for len(l.buf) < size {
		n := len(l.buf)
		next := min(size, n+chunk)
		if cap(l.buf) < next {
			l.buf = append(make([]byte, 0, min(size, max(next, 2*n))), l.buf...)
		}
		l.buf = l.buf[:next]
		if _, err := io.ReadFull(l.r, l.buf[n:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return l.buf, nil
}

func (l *rawSocket) write(kind frameKind, data []byte) error {
	var t byte
	switch kind {
	case framePing:
		t = rawPing
	case framePong:
		t = rawPong
	case frameClose:
		return nil // RawSocket says no farewell
	default:
		t = rawMessage
	}
	var head [4]byte
	// The length of exactly 16 MiB sets the bit that says so.
	binary.BigEndian.PutUint32(head[:], uint32(t)<<24|uint32(len(data)>>24)<<27|uint32(len(data)&0xffffff)) //nolint:gosec // at most 2^24, see sendLimit
	if _, err := l.conn.Write(head[:]); err != nil {
		return err
	}
	_, err := l.conn.Write(data)
	return err
}

func (l *rawSocket) onPing(f func([]byte) error) { l.ping = f }

func (l *rawSocket) sendLimit() int { return l.send }

func (l *rawSocket) close() error { return l.conn.Close() }

func refusal(code byte) string {
	switch code {
	case 1:
		return "serializer not supported"
	case 2:
		return "maximum message length not acceptable"
	case 3:
		return "use of reserved bits"
	case 4:
		return "maximum number of connections reached"
	default:
		return fmt.Sprintf("code %d", code)
	}
}
