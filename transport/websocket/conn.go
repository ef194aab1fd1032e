package websocket

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"unicode/utf8"

	"bondy/core/peer"
	"bondy/core/session"
	"bondy/core/wamp"
	"bondy/transport/pipe"
	"bondy/transport/web"
)

// Conn is a connection after its upgrade.
type Conn struct {
	recvMax int    // longest message accepted
	limit   int    // longest message accepted now, at most recvMax
	part    []byte // of a fragmented message what came, or of a batch what is left
	inFrag  bool   // a fragmented message is being read
	sub     web.Subprotocol

	pipe.Stream // which the reader writes to, behind what senders read
}

var _ session.Conn = (*Conn)(nil)

// newConn frames messages on c, which has done the opening handshake.
func newConn(c net.Conn, sub web.Subprotocol, cfg Config) (*Conn, error) {
	conn := &Conn{sub: sub, recvMax: cfg.MaxMessageSize, limit: cfg.MaxMessageSize}
	if err := conn.Open(c); err != nil {
		return nil, err
	}
	return conn, conn.Keepalive(cfg.PingInterval, emptyPing)
}

// Serializer implements peer.Sink.
func (c *Conn) Serializer() wamp.Serializer { return c.sub.Serializer }

// Info implements session.Conn.
func (c *Conn) Info() session.ConnInfo {
	return session.ConnInfo{Transport: "websocket", Remote: c.Remote(), Proxied: c.Proxied(), TLS: c.TLS()}
}

// Append implements peer.Sink.
func (c *Conn) Append(msg []byte, keep *peer.Buffer) error {
	var buf [maxServerHead + web.BatchHead]byte
	op := c.opcode()
	switch {
	case !c.sub.Batched:
		return c.Stream.Append(appendHead(buf[:0], op, len(msg)), msg, keep)
	case op == opText:
		msg = append(slices.Clip(msg), web.RecordSeparator)
		return c.Stream.Append(appendHead(buf[:0], op, len(msg)), msg, nil)
	default:
		head := appendHead(buf[:0], op, len(msg)+web.BatchHead)
		return c.Stream.Append(binary.BigEndian.AppendUint32(head, uint32(len(msg))), msg, keep) //nolint:gosec // far below 4 GiB
	}
}

// SetReadLimit implements session.Conn. A batch counts as one message; once it
// was read, each message in it does.
func (c *Conn) SetReadLimit(bytes int) {
	c.limit = c.recvMax
	if bytes > 0 {
		c.limit = min(bytes, c.recvMax)
	}
}

// ReadMessage implements session.Conn.
func (c *Conn) ReadMessage() ([]byte, error) {
	for {
		if !c.inFrag && len(c.part) > 0 {
			return c.nextOfBatch()
		}
		f, err := c.readFrame()
		if err != nil {
			return nil, err
		}
		var msg []byte
		switch {
		case f.op >= opClose:
			if err := c.control(f); err != nil {
				return nil, err
			}
			continue
		case !f.fin || f.op == opContinuation:
			c.part = append(c.part, f.payload...)
			if c.inFrag = !f.fin; c.inFrag {
				continue
			}
			msg, c.part = c.part, nil
		default:
			msg = f.payload
		}
		if c.opcode() == opText && !utf8.Valid(msg) {
			return nil, c.fail(closeInvalidData, "text message is not UTF-8")
		}
		c.Active()
		if !c.sub.Batched {
			return msg, nil
		}
		if len(msg) == 0 {
			return nil, c.fail(closeProtocolError, "empty batch")
		}
		c.part = msg
	}
}

// Sleep implements session.Conn.
func (c *Conn) Sleep() bool { return c.Stream.Sleep(!c.inFrag && len(c.part) > 0) }

// Close implements session.Conn with a CLOSE frame.
func (c *Conn) Close() { c.Stream.Close(closeFrame(closeNormal, "")) }

// opcode is that of the frames that carry messages.
func (c *Conn) opcode() byte {
	if c.sub.Serializer.Binary() {
		return opBinary
	}
	return opText
}

// nextOfBatch takes a message off a batch (section "Message Batching").
func (c *Conn) nextOfBatch() ([]byte, error) {
	msg, rest, ok := c.sub.Split(c.part)
	if !ok {
		return nil, c.fail(closeProtocolError, "batch ends within a message")
	}
	if len(msg) > c.limit { // which was lowered behind the batch
		return nil, c.fail(closeTooBig, tooBig)
	}
	c.part = nil // which nothing is appended to in place
	if len(rest) > 0 {
		c.part = rest
	}
	return msg, nil
}

// control handles a control frame; an error ends the connection.
func (c *Conn) control(f frame) error {
	switch f.op {
	case opPing:
		var buf [maxServerHead]byte
		err := c.Reply(appendHead(buf[:0], opPong, len(f.payload)), f.payload)
		if errors.Is(err, pipe.ErrControlFlood) {
			return c.fail(closePolicy, "PINGs without end, and their PONGs are not read")
		}
		return err
	case opClose:
		if !validClose(f.payload) {
			return c.fail(closeProtocolError, "malformed CLOSE frame")
		}
		code := f.payload[:min(len(f.payload), 2)]
		c.Stream.Close(append(appendHead(nil, opClose, len(code)), code...))
		return io.EOF
	default:
		return nil
	}
}

// fail closes with a CLOSE frame that says why, and returns the error that
// says the same.
func (c *Conn) fail(code uint16, why string) error {
	c.Stream.Close(closeFrame(code, why))
	return wamp.Violationf("WebSocket: %s", why)
}
