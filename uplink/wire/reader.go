package wire

import (
	"errors"
	"io"
	"sync"
)

// idleSize is the buffer of an idle Reader in bytes.
const idleSize = 512

// BufferSize is the length of what Buffers lends, in bytes.
const BufferSize = 32 << 10

// Buffers lends memory to the lanes that have traffic. The zero value is
// ready; safe for concurrent use.
type Buffers struct{ pool sync.Pool }

// Get lends BufferSize bytes with any content.
func (b *Buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[BufferSize]byte); ok {
		return p[:]
	}
	return new([BufferSize]byte)[:]
}

// Put takes back what Get lent; anything else is left to the collector.
func (b *Buffers) Put(buf []byte) {
	if cap(buf) == BufferSize {
		b.pool.Put((*[BufferSize]byte)(buf[:BufferSize]))
	}
}

// Reader cuts frames out of a lane. An idle one holds half a kilobyte; a long
// frame gets memory as its bytes arrive, not as its header promises. It
// belongs to one goroutine.
type Reader struct {
	src     io.Reader
	limit   int
	buffers *Buffers
	idle    [idleSize]byte
	buf     []byte
	r, w    int  // unread bytes are buf[r:w]
	full    bool // the last read filled the buffer: more is waiting
}

// NewReader makes a Reader of the frames in src whose bodies have at most
// limit bytes.
func NewReader(src io.Reader, limit int, buffers *Buffers) *Reader {
	r := &Reader{src: src, limit: limit, buffers: buffers}
	r.buf = r.idle[:]
	return r
}

// SetLimit changes the longest body accepted.
func (r *Reader) SetLimit(limit int) { r.limit = limit }

// Next returns the next frame; the body is valid until the next call. Errors:
// io.EOF at the end between two frames, io.ErrUnexpectedEOF inside one,
// ErrMalformed, ErrTooLong, and what the source says.
func (r *Reader) Next() (kind uint8, body []byte, err error) {
	for {
		kind, body, n, err := Next(r.buf[r.r:r.w], r.limit)
		if err != nil {
			return 0, nil, err
		}
		if n > 0 {
			r.r += n
			return kind, body, nil
		}
		if err := r.fill(); err != nil {
			return 0, nil, err
		}
	}
}

// Close gives borrowed memory back. Bodies are not valid any more.
func (r *Reader) Close() {
	r.buffers.Put(r.buf)
	r.buf, r.r, r.w = nil, 0, 0
}

// fill reads once, behind what is there.
func (r *Reader) fill() error {
	r.makeRoom()
	n, err := r.src.Read(r.buf[r.w:])
	r.w += n
	r.full = r.w == len(r.buf)
	if n > 0 {
		return nil
	}
	if errors.Is(err, io.EOF) && r.r < r.w {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *Reader) makeRoom() {
	size := len(r.buf)
	switch {
	case r.full:
		size = max(BufferSize, r.partial())
	case r.r == r.w:
		size = idleSize
	}
	old := r.buf[r.r:r.w]
	switch {
	case size == len(r.buf):
		copy(r.buf, old)
	case size == idleSize:
		r.buffers.Put(r.buf)
		r.buf = r.idle[:]
	case size == BufferSize:
		grown := r.buffers.Get()
		copy(grown, old)
		r.buf = grown
	default:
		grown := make([]byte, size)
		copy(grown, old)
		r.buffers.Put(r.buf)
		r.buf = grown
	}
	r.r, r.w = 0, len(old)
}

// partial is the size to go on with when the buffer is full: twice what the
// frame has so far, and no more than it needs.
func (r *Reader) partial() int {
	_, head, length, _ := header(r.buf[r.r:r.w], r.limit)
	return min(2*(r.w-r.r), head+length)
}
