// Package web is what the transports on top of HTTP share: the names of their
// subprotocols with the batches that some of them carry (sections "WebSocket
// Transport" and "Batched WebSocket Transport" of the specification), and the
// web pages that may connect.
package web

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"

	"bondy/core/wamp"
)

const (
	// RecordSeparator stands behind each JSON message of a batch.
	RecordSeparator = 0x1e
	// BatchHead is the number of octets in front of each binary message of a
	// batch, which say its length.
	BatchHead = 4
)

// ErrSubprotocol means that a client speaks nothing that we do.
var ErrSubprotocol = errors.New("none of the requested subprotocols is known: " +
	"offered are wamp.2.json, wamp.2.msgpack, wamp.2.cbor, each also with .batched")

// Subprotocol is one of those that WAMP registered.
type Subprotocol struct {
	Serializer wamp.Serializer
	Batched    bool
}

// Name is how the subprotocol is registered.
func (s Subprotocol) Name() string {
	name := "wamp.2." + s.Serializer.String()
	if s.Batched {
		name += ".batched"
	}
	return name
}

// Choose takes the first of names that we know, or returns ErrSubprotocol: the
// client's order counts.
func Choose(names []string) (Subprotocol, error) {
	for _, name := range names {
		if sub, ok := parse(name); ok {
			return sub, nil
		}
	}
	return Subprotocol{}, ErrSubprotocol
}

// parse reads a name such as wamp.2.json.batched.
func parse(name string) (sub Subprotocol, ok bool) {
	rest, ok := strings.CutPrefix(name, "wamp.2.")
	if !ok {
		return sub, false
	}
	rest, sub.Batched = strings.CutSuffix(rest, ".batched")
	sub.Serializer, ok = wamp.ParseSerializer(rest)
	return sub, ok
}

// Append appends msg to dst, as one of a batch if s is batched.
func (s Subprotocol) Append(dst, msg []byte) []byte {
	switch {
	case !s.Batched:
		return append(dst, msg...)
	case s.Serializer.Binary():
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(msg))) //nolint:gosec // far below 4 GiB
		return append(dst, msg...)
	default:
		return append(append(dst, msg...), RecordSeparator)
	}
}

// Split takes the first message off b, which is all of b unless s is batched.
// It reports false when b is a batch that ends within a message. The message
// aliases b.
func (s Subprotocol) Split(b []byte) (msg, rest []byte, ok bool) {
	if !s.Batched {
		return b, nil, true
	}
	if !s.Serializer.Binary() {
		return bytes.Cut(b, []byte{RecordSeparator})
	}
	if len(b) < BatchHead {
		return nil, nil, false
	}
	n := uint64(binary.BigEndian.Uint32(b))
	b = b[BatchHead:]
	if n > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:n:n], b[n:], true
}
