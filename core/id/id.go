// Package id has the names of things that must differ on every node without
// asking anybody: nodes, moments and incarnations.
package id

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sync"
	"time"
)

// NodeID names a node of a cluster.
type NodeID uint64

// Incarnation tells a thing from one of the same name that was there before
// and was deleted. 0 is none.
type Incarnation uint64

// NewIncarnation draws one.
func NewIncarnation() Incarnation { return Incarnation(random()) }

// String is the incarnation in 16 hex digits.
func (i Incarnation) String() string { return fmt.Sprintf("%016x", uint64(i)) }

// MarshalText writes the incarnation in 16 hex digits: JSON numbers lose bits.
func (i Incarnation) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (i *Incarnation) UnmarshalText(text []byte) error {
	var b [8]byte
	if n, err := hex.Decode(b[:], text); err != nil || n != len(b) || len(text) != 2*len(b) {
		return fmt.Errorf("%q is not an incarnation: want 16 hex digits", text)
	}
	*i = Incarnation(binary.BigEndian.Uint64(b[:]))
	return nil
}

// random is a number above 0 that nobody can predict.
func random() uint64 {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
		if n := binary.BigEndian.Uint64(b[:]); n != 0 {
			return n
		}
	}
}

// Stamp is a moment of a hybrid logical clock: two of them differ on any two
// nodes, and a stamp taken after another was seen is later than it.
type Stamp struct {
	// Time has milliseconds since 1970 in its upper 48 bits, and a counter.
	Time uint64
	Node NodeID
}

// Compare orders stamps by time, then by node.
func (s Stamp) Compare(o Stamp) int {
	return cmp.Or(cmp.Compare(s.Time, o.Time), cmp.Compare(s.Node, o.Node))
}

// When is the time of the stamp, exact to the millisecond.
func (s Stamp) When() time.Time { return time.UnixMilli(int64(s.Time >> counterBits)) }

// counterBits of Stamp.Time count stamps within one millisecond.
const counterBits = 16

// StampSize is the length of an encoded Stamp in bytes.
const StampSize = 16

// Append encodes the stamp, in an order of bytes that is that of Compare.
func (s Stamp) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, s.Time)
	return binary.BigEndian.AppendUint64(b, uint64(s.Node))
}

// ReadStamp decodes a stamp from the beginning of b.
func ReadStamp(b []byte) (Stamp, error) {
	if len(b) < StampSize {
		return Stamp{}, fmt.Errorf("a stamp has %d bytes, not %d", StampSize, len(b))
	}
	return Stamp{binary.BigEndian.Uint64(b), NodeID(binary.BigEndian.Uint64(b[8:]))}, nil
}

// Clock gives stamps. Safe for concurrent use.
type Clock struct {
	node NodeID

	mu   sync.Mutex
	last uint64
}

// NewClock makes the clock of a node.
func NewClock(node NodeID) *Clock { return &Clock{node: node} }

// Now is later than every stamp that the clock gave or saw.
func (c *Clock) Now() Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := uint64(time.Now().UnixMilli()) << counterBits
	c.last = max(now, c.last+1)
	return Stamp{c.last, c.node}
}

// Saw tells the clock of a stamp made elsewhere or before the start.
func (c *Clock) Saw(s Stamp) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last, s.Time)
}
