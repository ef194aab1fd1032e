package pipe

import (
	"crypto/tls"
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
	tls  *tls.Conn // encrypts into the Pipe's outbound buffer; nil to write to the socket

	mu       sync.Mutex
	line     *line // nil while asleep
	size     int
	taken    int64 // by the writer so far
	progress func()
	control  int32 // bytes of control replies appended since nothing waited
	busy     bool
	closed   bool
	failed   bool
}

// line is what waits in an outbound buffer, and what writing it needs.
type line struct {
	chunks []chunk
	off    int              // of chunks[0], what was written
	batch  [maxBatch][]byte // belongs to who set busy
	idle   chan struct{}    // closed when busy ends; made by wait
	err    error            // why writing failed
	lost   int              // what waited then
}

// lineLocked is the line, also of a connection that slept.
func (o *outbound) lineLocked() *line {
	if o.line == nil {
		o.line = new(line)
	}
	return o.line
}

// append puts head and body behind what waits; body is held in keep if that is
// not nil.
func (o *outbound) append(head, body []byte, keep *peer.Buffer) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.failed {
		return peer.ErrClosed
	}
	o.copyLocked(head)
	if keep != nil {
		keep.Retain()
		l := o.lineLocked()
		l.chunks = append(l.chunks, chunk{b: body, keep: keep})
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
	if o.closed || o.failed {
		return peer.ErrClosed
	}
	if o.size == 0 && (o.tls == nil || o.pipe.out.buffered() == 0) {
		o.control = 0
	}
	n := len(head) + len(body)
	if n > maxControl-int(o.control) {
		return ErrControlFlood
	}
	o.control += int32(n) //nolint:gosec // at most maxControl
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
	if !o.failed {
		o.copyLocked(farewell)
	}
	return true
}

func (o *outbound) buffered() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size
}

// written is how many bytes the writer has taken of all that were appended.
func (o *outbound) written() (taken, appended int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	waits := o.size
	if o.failed {
		waits += o.line.lost
	}
	return o.taken, o.taken + int64(waits)
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
	if o.tls != nil && o.size > maxInline {
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
		l := o.lineLocked()
		if !o.busy {
			o.mu.Unlock()
			return l.err
		}
		if l.idle == nil {
			l.idle = make(chan struct{})
		}
		idle := l.idle
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
	l := o.line
	batch, want := l.batch[:0], 0
	off := l.off
	for _, c := range l.chunks[:min(len(l.chunks), maxBatch)] {
		batch = append(batch, c.b[off:])
		want += len(c.b) - off
		off = 0
	}
	o.mu.Unlock()
	n, err := o.write(batch, park)
	clear(batch)
	o.mu.Lock()
	o.advanceLocked(n)
	if err != nil && !o.failed {
		o.failed, l.err, l.lost = true, err, o.size
		o.dropLocked()
		o.pipe.interrupt()
	}
	return n == want
}

// write takes bytes of batch. Unless park is set it does not block and may take
// fewer than there are.
func (o *outbound) write(batch [][]byte, park bool) (int, error) {
	if o.tls != nil {
		return o.encrypt(batch)
	}
	return o.pipe.write(batch, park)
}

// encrypt passes batch to the Pipe, which queues it.
func (o *outbound) encrypt(batch [][]byte) (int, error) {
	o.pipe.appData.Store(true)
	defer o.pipe.appData.Store(false)
	n := 0
	for _, b := range batch {
		m, err := o.tls.Write(b)
		n += m
		if err != nil {
			return n, err
		}
	}
	o.pipe.out.flush()
	return n, nil
}

func (o *outbound) advanceLocked(n int) {
	l := o.line
	o.size -= n
	o.taken += int64(n)
	n += l.off
	done := 0
	for done < len(l.chunks) && n >= len(l.chunks[done].b) {
		n -= len(l.chunks[done].b)
		o.freeLocked(l.chunks[done])
		done++
	}
	l.off = n
	if done == 0 {
		return
	}
	left := copy(l.chunks, l.chunks[done:])
	clear(l.chunks[left:])
	l.chunks = l.chunks[:left]
	if left == 0 && cap(l.chunks) > keepChunks {
		l.chunks = nil
	}
}

func (o *outbound) copyLocked(b []byte) {
	l := o.lineLocked()
	for len(b) > 0 {
		last := len(l.chunks) - 1
		if last < 0 || l.chunks[last].keep != nil || len(l.chunks[last].b) == cap(l.chunks[last].b) {
			n := smallSize
			if len(b) > smallSize || o.size > 0 && last >= 0 && l.chunks[last].keep == nil {
				n = largeSize
			}
			l.chunks = append(l.chunks, chunk{b: o.pipe.shared.get(n)[:0]})
			last++
		}
		c := &l.chunks[last]
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
	for _, c := range o.line.chunks {
		o.freeLocked(c)
	}
	o.line.chunks, o.line.off, o.size = nil, 0, 0
}

// claim keeps others from writing until release, and gives back what only
// writing needs. It reports false if something waits or is being written.
func (o *outbound) claim() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy || o.size > 0 || o.closed || o.failed {
		return false
	}
	o.busy, o.line = true, nil
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
	if l := o.line; l != nil && l.idle != nil {
		close(l.idle)
		l.idle = nil
	}
}
