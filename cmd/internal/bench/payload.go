package bench

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"bondy/core/codec"
	"bondy/core/wamp"
)

// A payload begins with a string that begins with a mark and a time in
// hexadecimal digits, which are written into the encoded bytes.
const (
	mark       = "bench:"
	stampSize  = 16
	minPayload = len(mark) + stampSize
)

// payload is the content of each publication or call.
type payload struct {
	wamp.Payload

	stamp []byte // within Args
}

// newPayload makes one with a string of size bytes, or of the least size that
// a stamp needs; structured, with lists and dicts that have size bytes when
// encoded, or a little more.
func newPayload(s wamp.Serializer, size int, structured bool) (*payload, error) {
	text := mark + strings.Repeat("0", stampSize)
	args := []any{text + strings.Repeat("x", max(size-minPayload, 0))}
	if structured {
		args = []any{text, nil}
		one, err := codec.AppendValue(nil, s, record(0))
		if err != nil {
			return nil, err
		}
		records := make([]any, (size+len(one)-1)/len(one))
		for i := range records {
			records[i] = record(i)
		}
		args[1] = records
	}
	p, err := codec.NewPayload(s, args, nil)
	if err != nil {
		return nil, err
	}
	at := bytes.Index(p.Args, []byte(mark)) + len(mark)
	return &payload{Payload: p, stamp: p.Args[at : at+stampSize]}, nil
}

// record is a measurement as a device would send it.
func record(i int) map[string]any {
	return map[string]any{
		"sensor": "temperature",
		"number": 1000 + i%1000,
		"values": []any{21.5, 22.25, -3, true, nil},
		"tags":   map[string]any{"site": "Berlin", "floor": 3},
	}
}

// setStamp writes a time into the payload.
func (p *payload) setStamp(at time.Duration) {
	var b [stampSize / 2]byte
	binary.BigEndian.PutUint64(b[:], uint64(at)) //nolint:gosec // back to the same
	hex.Encode(p.stamp, b[:])
}

// stampOf reads the time back, wherever a router that encodes anew has put it.
func stampOf(args []byte) (at time.Duration, ok bool) {
	i := bytes.Index(args[:min(len(args), 64)], []byte(mark))
	if i < 0 || len(args) < i+minPayload {
		return 0, false
	}
	var b [stampSize / 2]byte
	if _, err := hex.Decode(b[:], args[i+len(mark):i+minPayload]); err != nil {
		return 0, false
	}
	return time.Duration(binary.BigEndian.Uint64(b[:])), true //nolint:gosec // from the same
}
