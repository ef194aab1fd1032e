package pipe

import (
	"errors"
	"sync"

	"bondy/core/peer"
)

// ErrControlFlood means that a peer asks for replies and does not read them.
var ErrControlFlood = errors.New("too many control replies wait for a peer that does not read")

const (
	// maxBatch is the number of segments handed over in one write.
	maxBatch = 8
	// maxRounds is how often a flush goes on because others appended in the
	// meantime, before it leaves that to a goroutine.
	maxRounds = 8
	// maxControl bounds the control replies that wait, in bytes.
	maxControl = 256 << 10
	// maxInline bounds what whoever flushes encrypts itself, in bytes; more
	// than that is left to a goroutine, so that it holds up nobody else's work.
	maxInline = maxControl
	// keepChunks is the length of the chunk list kept while idle.
	keepChunks = 16
)

// writer takes bytes from an outbound buffer. Unless park is set it must not
// block and may take less than it is given.
type writer interface {
	write(batch [][]byte, park bool) (int, error)
}

// chunk is a piece of what waits: a pooled buffer that is filled up, or bytes
// that are shared with others.
type chunk struct {
	b    []byte
	keep *peer.Buffer // nil for a pooled buffer
}

// outbound is a queue of bytes with at most one goroutine that writes from it:
// whoever flushes while nobody does. It is safe for concurrent use.
type outbound struct {
	pipe *Pipe
	w    writer // to the socket, or to the pipe's outbound buffer

	mu       sync.Mutex
	chunks   []chunk
	off      int // of chunks[0], what was written
	size     int
	control  int // bytes of control replies appended since nothing waited
	busy     bool
	closed   bool
	err      error
	progress func()
	idle     chan struct{} // closed when busy ends; made by wait

	batch *[maxBatch][]byte // belongs to who set busy; made when first needed
}

// append puts head and body behind what waits; body is held in keep if that is
// not nil.
func (o *outbound) append(head, body []byte, keep *peer.Buffer) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.err != nil {
		return peer.ErrClosed
	}
	o.copyLocked(head)
	if keep != nil {
		keep.Retain()
		o.chunks = append(o.chunks, chunk{b: body, keep: keep})
		o.size += len(body)
	} else {
		o.copyLocked(body)
	}
	return nil
}

// reply is append for what the peer makes us send, which has a bound.
func (o *outbound) reply(head, body []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.err != nil {
		return peer.ErrClosed
	}
	if o.size == 0 && (o == &o.pipe.out || o.pipe.out.buffered() == 0) {
		o.control = 0
	}
	n := len(head) + len(body)
	if o.control+n > maxControl {
		return ErrControlFlood
	}
	o.control += n
	o.copyLocked(head)
	o.copyLocked(body)
	return nil
}

// finish appends the last bytes. It reports whether it was the first to do so.
func (o *outbound) finish(farewell []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.closed = true
	if o.err == nil {
		o.copyLocked(farewell)
	}
	return true
}

func (o *outbound) buffered() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size
}

func (o *outbound) onProgress(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.progress = f
}

// flush writes what waits unless somebody else is doing so.
func (o *outbound) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy || o.size == 0 {
		return
	}
	o.busy = true
	if o != &o.pipe.out && o.size > maxInline {
		go o.writeBacklog()
		return
	}
	for round := 1; o.size > 0; round++ {
		all := o.writeLocked(false)
		if o.size > 0 && (!all || round == maxRounds) {
			go o.writeBacklog()
			return
		}
	}
	o.restLocked()
}

// wait flushes and returns when nothing waits any more, or why writing failed.
func (o *outbound) wait() error {
	for {
		o.flush()
		o.mu.Lock()
		if !o.busy {
			err := o.err
			o.mu.Unlock()
			return err
		}
		if o.idle == nil {
			o.idle = make(chan struct{})
		}
		idle := o.idle
		o.mu.Unlock()
		<-idle
	}
}

// writeBacklog is the goroutine that writes what a flush left; whoever closes
// the connection waits for it.
func (o *outbound) writeBacklog() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.size > 0 {
		o.writeLocked(true)
		if f := o.progress; f != nil {
			o.mu.Unlock()
			f()
			o.mu.Lock()
		}
	}
	o.restLocked()
}

// writeLocked hands one batch over, with the lock released meanwhile. It
// reports whether all of the batch was taken.
func (o *outbound) writeLocked(park bool) bool {
	if o.batch == nil {
		o.batch = new([maxBatch][]byte)
	}
	batch, want := o.batch[:0], 0
	off := o.off
	for _, c := range o.chunks[:min(len(o.chunks), maxBatch)] {
		batch = append(batch, c.b[off:])
		want += len(c.b) - off
		off = 0
	}
	o.mu.Unlock()
	n, err := o.w.write(batch, park)
	clear(batch)
	o.mu.Lock()
	o.advanceLocked(n)
	if err != nil && o.err == nil {
		o.err = err
		o.dropLocked()
		o.pipe.interrupt()
	}
	return n == want
}

func (o *outbound) advanceLocked(n int) {
	o.size -= n
	n += o.off
	done := 0
	for done < len(o.chunks) && n >= len(o.chunks[done].b) {
		n -= len(o.chunks[done].b)
		o.freeLocked(o.chunks[done])
		done++
	}
	o.off = n
	if done == 0 {
		return
	}
	left := copy(o.chunks, o.chunks[done:])
	clear(o.chunks[left:])
	o.chunks = o.chunks[:left]
	if left == 0 && cap(o.chunks) > keepChunks {
		o.chunks = nil
	}
}

func (o *outbound) copyLocked(b []byte) {
	for len(b) > 0 {
		last := len(o.chunks) - 1
		if last < 0 || o.chunks[last].keep != nil || len(o.chunks[last].b) == cap(o.chunks[last].b) {
			n := smallSize
			if len(b) > smallSize || o.size > 0 && last >= 0 && o.chunks[last].keep == nil {
				n = largeSize
			}
			o.chunks = append(o.chunks, chunk{b: o.pipe.shared.get(n)[:0]})
			last++
		}
		c := &o.chunks[last]
		n := copy(c.b[len(c.b):cap(c.b)], b)
		c.b = c.b[:len(c.b)+n]
		o.size += n
		b = b[n:]
	}
}

func (o *outbound) freeLocked(c chunk) {
	if c.keep != nil {
		c.keep.Release()
		return
	}
	o.pipe.shared.put(c.b)
}

func (o *outbound) dropLocked() {
	for _, c := range o.chunks {
		o.freeLocked(c)
	}
	o.chunks, o.off, o.size = nil, 0, 0
}

// claim keeps others from writing until release, and gives back what only
// writing needs. It reports false if something waits or is being written.
func (o *outbound) claim() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy || o.size > 0 || o.closed || o.err != nil {
		return false
	}
	o.busy, o.batch, o.chunks = true, nil, nil
	return true
}

// release ends a claim and writes what was appended meanwhile.
func (o *outbound) release() {
	o.mu.Lock()
	o.restLocked()
	o.mu.Unlock()
	o.flush()
}

func (o *outbound) restLocked() {
	o.busy = false
	if o.idle != nil {
		close(o.idle)
		o.idle = nil
	}
}
