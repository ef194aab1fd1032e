package pipe

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Sizes of the pooled buffers in bytes: small ones for a peer that sends or
// gets a few messages at a time, large ones for a peer that keeps them full,
// and twice, four times... as much up to hugeSize for long messages.
const (
	smallSize = 4 << 10
	largeSize = 64 << 10
	hugeSize  = 1 << 20
	numHuge   = 4
)

// Shared is what the pipes of one listener have in common: the pools of their
// buffers and the count of their bytes. It is safe for concurrent use and must
// not be copied.
type Shared struct {
	// BytesIn and BytesOut count what went through the sockets.
	BytesIn, BytesOut atomic.Int64

	small, large sync.Pool
	huge         [numHuge]sync.Pool // of *[]byte
}

// NewShared makes empty pools.
func NewShared() *Shared {
	return &Shared{
		small: sync.Pool{New: func() any { return new([smallSize]byte) }},
		large: sync.Pool{New: func() any { return new([largeSize]byte) }},
	}
}

// get returns a buffer of full length that is at least n bytes long.
func (s *Shared) get(n int) []byte {
	switch {
	case n <= smallSize:
		return s.small.Get().(*[smallSize]byte)[:]
	case n <= largeSize:
		return s.large.Get().(*[largeSize]byte)[:]
	case n <= hugeSize:
		class := bits.Len(uint(n-1) / largeSize)
		if b, ok := s.huge[class-1].Get().(*[]byte); ok {
			return *b
		}
		return make([]byte, largeSize<<class)
	default:
		return make([]byte, n)
	}
}

// put gives a buffer of get back; nobody may use it any more.
func (s *Shared) put(b []byte) {
	switch cap(b) {
	case smallSize:
		s.small.Put((*[smallSize]byte)(b[:smallSize]))
	case largeSize:
		s.large.Put((*[largeSize]byte)(b[:largeSize]))
	case 2 * largeSize, 4 * largeSize, 8 * largeSize, hugeSize:
		b = b[:cap(b)]
		s.huge[bits.Len(uint(cap(b)-1)/largeSize)-1].Put(&b)
	}
}
