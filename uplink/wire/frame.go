package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Control is the number of the control lane; data lanes are 1 and above.
const Control = 0

// MaxLanes bounds the data lanes of a link.
const MaxLanes = 64

// MaxBody is the longest body that any limit may allow, in bytes.
const MaxBody = 1 << 28

// Kinds of the link's own frames, all on the control lane. Those below
// FirstKind are reserved, the others belong to the users of the link.
const (
	KindHello uint8 = 1
	KindPing  uint8 = 2
	KindPong  uint8 = 3
	FirstKind uint8 = 16
)

// MaxHead is the longest frame header in bytes: the kind, and MaxBody as varint.
const MaxHead = 1 + 5

// Errors of the decoders.
var (
	// ErrMalformed means that the bytes are not of this format.
	ErrMalformed = errors.New("malformed")
	// ErrTooLong means that a frame is longer than the receiver accepts.
	ErrTooLong = errors.New("frame too long")
)

// Append appends a frame to dst.
func Append(dst []byte, kind uint8, body []byte) []byte {
	return append(AppendHead(dst, kind, len(body)), body...)
}

// AppendHead appends what comes before a body of so many bytes, MaxHead bytes
// at most.
func AppendHead(dst []byte, kind uint8, length int) []byte {
	return binary.AppendUvarint(append(dst, kind), uint64(length)) //nolint:gosec // lengths are positive
}

// Next cuts the first frame off data. The body is part of data; n is the
// length of the whole frame, 0 when data holds only the beginning of one. A
// body longer than limit is ErrTooLong, before any of it was received.
func Next(data []byte, limit int) (kind uint8, body []byte, n int, err error) {
	kind, head, length, err := header(data, limit)
	if err != nil || head == 0 || len(data) < head+length {
		return 0, nil, 0, err
	}
	return kind, data[head : head+length], head + length, nil
}

// header reads a frame header of head bytes; head is 0 when data is too short.
func header(data []byte, limit int) (kind uint8, head, length int, err error) {
	if len(data) < 2 {
		return 0, 0, 0, nil
	}
	size, n := binary.Uvarint(data[1:min(len(data), MaxHead)])
	switch {
	case n == 0 && len(data) < MaxHead:
		return 0, 0, 0, nil
	case n <= 0:
		return 0, 0, 0, fmt.Errorf("%w frame length", ErrMalformed)
	case size > uint64(min(limit, MaxBody)): //nolint:gosec // limits are positive
		return 0, 0, 0, fmt.Errorf("%w: kind %d with %d bytes, limit %d", ErrTooLong, data[0], size, limit)
	}
	return data[0], 1 + n, int(size), nil //nolint:gosec // size is at most MaxBody
}

// AppendPing appends the body of a ping, or of the pong that answers it.
func AppendPing(dst []byte, seq uint64) []byte { return binary.AppendUvarint(dst, seq) }

// ParsePing returns the sequence number in the body of a ping or pong.
func ParsePing(body []byte) (uint64, error) {
	seq, n := binary.Uvarint(body)
	if n <= 0 || n != len(body) {
		return 0, fmt.Errorf("%w ping", ErrMalformed)
	}
	return seq, nil
}
