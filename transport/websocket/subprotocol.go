package websocket

import (
	"bytes"
	"encoding/binary"
	"strings"

	"bondy/core/wamp"
)

const (
	recordSeparator = 0x1e // behind each JSON message of a batch
	batchHead       = 4    // octets of length before each binary one
)

// subprotocol is one of those that WAMP registered with WebSocket.
type subprotocol struct {
	name       string
	serializer wamp.Serializer
	batched    bool
}

// offered is what a client is told when it asks for nothing we speak.
const offered = "wamp.2.json, wamp.2.msgpack, wamp.2.cbor, each also with .batched"

// parseSubprotocol reads a name such as wamp.2.json.batched.
func parseSubprotocol(name string) (sub subprotocol, ok bool) {
	rest, ok := strings.CutPrefix(name, "wamp.2.")
	if !ok {
		return sub, false
	}
	sub.name = strings.Clone(name) // not the request's header
	rest, sub.batched = strings.CutSuffix(rest, ".batched")
	sub.serializer, ok = wamp.ParseSerializer(rest)
	return sub, ok
}

// opcode is that of the frames that carry messages.
func (s subprotocol) opcode() byte {
	if s.serializer.Binary() {
		return opBinary
	}
	return opText
}

// split takes the first message off a batch.
func (s subprotocol) split(b []byte) (msg, rest []byte, ok bool) {
	if s.opcode() == opText {
		return bytes.Cut(b, []byte{recordSeparator})
	}
	if len(b) < batchHead {
		return nil, nil, false
	}
	n := uint64(binary.BigEndian.Uint32(b))
	b = b[batchHead:]
	if n > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:n:n], b[n:], true
}
