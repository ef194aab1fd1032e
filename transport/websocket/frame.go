package websocket

import (
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf8"
)

// Bits and opcodes of a frame's first octets (RFC 6455, section 5.2).
const (
	bitFin      = 0x80
	bitsReserve = 0x70
	bitMask     = 0x80

	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// emptyPing is a PING frame without a payload.
const emptyPing = "\x89\x00"

// Status codes of CLOSE frames (RFC 6455, section 7.4.1).
const (
	closeNormal        = 1000
	closeProtocolError = 1002
	closeUnsupported   = 1003
	closeInvalidData   = 1007
	closePolicy        = 1008
	closeTooBig        = 1009
)

const (
	maxServerHead = 10  // octets in front of a frame without a mask
	maxControl    = 125 // octets in a control frame
	maskSize      = 4
)

// tooBig goes with closeTooBig.
const tooBig = "message above the limit"

// frame is what readFrame found; the payload is unmasked and aliases the read
// buffer.
type frame struct {
	op      byte
	fin     bool
	payload []byte
}

// readFrame reads the next frame and fails the connection when it may not
// come here.
func (c *Conn) readFrame() (f frame, err error) {
	b, err := c.peek(2)
	if err != nil {
		return f, err
	}
	f.op, f.fin = b[0]&15, b[0]&bitFin != 0
	if err := c.check(b[0], b[1], f); err != nil {
		return f, err
	}
	head, n := 2, uint64(b[1]&^bitMask)
	switch n {
	case 126:
		head = 4
	case 127:
		head = 10
	}
	if b, err = c.peek(head + maskSize); err != nil {
		return f, err
	}
	switch head {
	case 4:
		n = uint64(binary.BigEndian.Uint16(b[2:]))
	case 10:
		n = binary.BigEndian.Uint64(b[2:])
	}
	if f.op < opClose && n > uint64(c.limit-len(c.part)) { //nolint:gosec // what came is never above the limit
		return f, c.fail(closeTooBig, tooBig)
	}
	start := head + maskSize
	end := start + int(n) //nolint:gosec // checked
	if b, err = c.peek(end); err != nil {
		return f, err
	}
	c.Discard(end)
	f.payload = b[start:end:end]
	unmask(f.payload, b[head:start])
	return f, nil
}

// check judges a frame by its first two octets.
func (c *Conn) check(first, second byte, f frame) error {
	switch {
	case first&bitsReserve != 0:
		return c.fail(closeProtocolError, "reserved bit set, and no extension was negotiated")
	case second&bitMask == 0:
		return c.fail(closeProtocolError, "frame is not masked")
	}
	switch f.op {
	case opClose, opPing, opPong:
		if !f.fin || second&^bitMask > maxControl {
			return c.fail(closeProtocolError, "control frame is fragmented or too long")
		}
	case opContinuation:
		if !c.inFrag {
			return c.fail(closeProtocolError, "continuation of nothing")
		}
	case opText, opBinary:
		if c.inFrag {
			return c.fail(closeProtocolError, "new message within a fragmented one")
		}
		if f.op != c.opcode() {
			return c.fail(closeUnsupported, "wrong frame type for "+c.sub.Name())
		}
	default:
		return c.fail(closeProtocolError, "reserved opcode")
	}
	return nil
}

// peek is Peek where the end is unexpected: in order means a CLOSE frame. Who
// only half-closed within a frame is told so.
func (c *Conn) peek(n int) ([]byte, error) {
	b, err := c.Peek(n)
	switch {
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = c.fail(closeProtocolError, "connection ends without a CLOSE frame")
	}
	return b, err
}

// appendHead appends the head of an unmasked frame with n octets.
func appendHead(dst []byte, op byte, n int) []byte {
	switch {
	case n < 126:
		return append(dst, bitFin|op, byte(n)) //nolint:gosec // below 126
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, bitFin|op, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, bitFin|op, 127), uint64(n))
	}
}

func closeFrame(code uint16, why string) []byte {
	b := binary.BigEndian.AppendUint16(appendHead(nil, opClose, 2+len(why)), code)
	return append(b, why...)
}

// validClose reports whether a CLOSE frame's payload may be sent by a client.
func validClose(b []byte) bool {
	if len(b) < 2 {
		return len(b) == 0
	}
	switch code := binary.BigEndian.Uint16(b); {
	case code < 1000, code == 1004, code == 1005, code == 1006, code > 1014 && code < 3000, code > 4999:
		return false
	}
	return utf8.Valid(b[2:])
}
