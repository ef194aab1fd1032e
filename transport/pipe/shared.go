package pipe

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
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
	// Asleep is the number of connections that sleep, Wakeups counts how often
	// one woke up.
	Asleep, Wakeups atomic.Int64

	// Settled, if not nil, is called when a connection begins to wait for its
	// first message, falls asleep after some work, or is closed. It must not
	// block and be set before there are connections.
	Settled func()

	epoch time.Time     // of now
	quiet time.Duration // after which a connection may sleep
	watch *watch        // nil where connections stay awake

	small, large sync.Pool
	huge         [numHuge]sync.Pool // of *[]byte
}

// NewShared makes empty pools.
func NewShared() *Shared {
	return &Shared{
		epoch: time.Now(),
		small: sync.Pool{New: func() any { return new([smallSize]byte) }},
		large: sync.Pool{New: func() any { return new([largeSize]byte) }},
	}
}

// Hibernate lets connections sleep that received no message for quiet. It must
// be called before there are any; stop must be called when there are none left.
// It fails where the system cannot watch sleeping connections, which then stay
// awake.
func (s *Shared) Hibernate(quiet time.Duration) (stop func(), err error) {
	w, err := newWatch(s)
	if err != nil {
		return nil, err
	}
	s.quiet, s.watch = quiet, w
	var running sync.WaitGroup
	running.Go(w.run)
	return func() {
		w.close()
		running.Wait()
	}, nil
}

func (s *Shared) settled() {
	if s.Settled != nil {
		s.Settled()
	}
}

// now is the time that has passed since s was made.
func (s *Shared) now() time.Duration { return time.Since(s.epoch) }

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
