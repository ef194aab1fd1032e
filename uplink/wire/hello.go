package wire

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// Version is the link protocol spoken here, and MinVersion the oldest one
// that is still understood.
const (
	Version    = 1
	MinVersion = 1
)

// MaxHello bounds the body of a hello in bytes, and MaxNode the name in it.
const (
	MaxHello = 1 << 10
	MaxNode  = 255
)

// Hello is the first frame of each side on the control lane.
type Hello struct {
	// MinVersion and Version are the range of protocols understood.
	MinVersion, Version uint64
	// Features has a bit for each thing beyond the version that the sender
	// can do; bits that the receiver doesn't know mean nothing to it.
	Features uint64
	// Lanes is how many data lanes the sender accepts, 1 to MaxLanes.
	Lanes int
	// MaxFrame is the longest body the sender accepts, 1 to MaxBody bytes.
	MaxFrame int
	// Incarnation tells one run of a node from another.
	Incarnation uint64
	// Serial counts the links that a dialer opened in one run.
	Serial uint64
	// Node is the name the sender goes by in logs; the identity that counts
	// is that of its certificate.
	Node string
}

// Append appends the hello as a frame to dst.
func (h Hello) Append(dst []byte) []byte {
	body := make([]byte, 0, 64)
	for _, n := range []uint64{
		h.MinVersion, h.Version, h.Features, uint64(h.Lanes), uint64(h.MaxFrame), //nolint:gosec // positive
		h.Incarnation, h.Serial, uint64(len(h.Node)),
	} {
		body = binary.AppendUvarint(body, n)
	}
	return Append(dst, KindHello, append(body, h.Node...))
}

// ParseHello reads the body of a hello. Bytes behind the last field belong to
// later versions and are ignored.
func ParseHello(body []byte) (Hello, error) {
	var h Hello
	var lanes, frame, length uint64
	for _, field := range []*uint64{
		&h.MinVersion, &h.Version, &h.Features, &lanes, &frame, &h.Incarnation, &h.Serial, &length,
	} {
		v, n := binary.Uvarint(body)
		if n <= 0 {
			return Hello{}, fmt.Errorf("%w hello", ErrMalformed)
		}
		*field, body = v, body[n:]
	}
	switch {
	case lanes < 1 || lanes > MaxLanes:
		return Hello{}, fmt.Errorf("%w hello: %d lanes", ErrMalformed, lanes)
	case frame < 1 || frame > MaxBody:
		return Hello{}, fmt.Errorf("%w hello: frames of %d bytes", ErrMalformed, frame)
	case length > MaxNode || length > uint64(len(body)) || !utf8.Valid(body[:length]):
		return Hello{}, fmt.Errorf("%w hello: node name", ErrMalformed)
	}
	h.Lanes, h.MaxFrame, h.Node = int(lanes), int(frame), string(body[:length])
	return h, nil
}

// Compatible says in an error why the two sides can't talk.
func (h Hello) Compatible(peer Hello) error {
	switch {
	case peer.Version < h.MinVersion:
		return fmt.Errorf("link protocol of the peer is too old: it speaks %d to %d, %d to %d needed",
			peer.MinVersion, peer.Version, h.MinVersion, h.Version)
	case peer.MinVersion > h.Version:
		return fmt.Errorf("link protocol of the peer is too new: it speaks %d to %d, %d to %d understood",
			peer.MinVersion, peer.Version, h.MinVersion, h.Version)
	}
	return nil
}
