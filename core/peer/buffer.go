package peer

import (
	"sync"
	"sync/atomic"
)

// ShareSize is the size in bytes from which a message is kept by reference
// where it waits; a shorter one is cheaper to copy.
const ShareSize = 16 << 10

// maxPooled is the capacity in bytes above which a Buffer is left to the
// garbage collector: it was for one message that is not like the others.
const maxPooled = 1 << 20

// Buffer holds the bytes of a long message that several receivers share. It
// goes back to a pool when the last of those who hold it has released it. Safe
// for concurrent use.
type Buffer struct {
	b    []byte
	refs atomic.Int32
}

var buffers = sync.Pool{New: func() any { return new(Buffer) }} //nolint:gochecknoglobals // a pool is shared by nature and holds no state

// newBuffer takes a buffer from the pool, held once.
func newBuffer() *Buffer {
	k := buffers.Get().(*Buffer) // the pool holds nothing else
	k.refs.Store(1)
	return k
}

// Retain holds the buffer once more, on behalf of who does not let its bytes go
// before Release.
func (k *Buffer) Retain() { k.refs.Add(1) }

// Release gives up one hold. The bytes must not be used after it.
func (k *Buffer) Release() {
	if k.refs.Add(-1) > 0 {
		return
	}
	if cap(k.b) > maxPooled {
		k.b = nil
	}
	buffers.Put(k)
}
