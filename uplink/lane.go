package uplink

import (
	"io"
	"sync"

	"bondy/uplink/wire"
)

// lane is the sending half of one lane: a queue bounded in bytes, and a
// goroutine that writes it while something is in it.
type lane struct {
	link   *Link
	number int
	stream io.Writer // nil until first used, then the writer's

	mu      sync.Mutex
	pending []byte // framed; nil while empty
	writing int    // bytes that the writer has in hand
	running bool   // the writer
	opened  bool   // the lane's number was queued
	down    bool
}

// put queues a frame.
func (l *lane) put(kind uint8, body []byte) error {
	if len(body) > l.link.maxFrame {
		return ErrTooLong
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return ErrDown
	}
	if queued := len(l.pending) + l.writing; queued > 0 && queued+len(body) > l.link.cfg.LaneQueue {
		return ErrFull
	}
	if l.pending == nil {
		l.pending = l.link.shared.writing.get()
	}
	if !l.opened {
		l.opened = true
		l.pending = append(l.pending, byte(l.number)) //nolint:gosec // at most wire.MaxLanes
	}
	l.pending = wire.Append(l.pending, kind, body)
	if !l.running {
		l.running = true
		l.link.tasks.Go(l.write)
	}
	return nil
}

// write writes what has gathered, until nothing has.
func (l *lane) write() {
	for batch := l.take(nil); batch != nil; batch = l.take(batch) {
		if err := l.writeBatch(batch); err != nil {
			l.link.fail(err)
			return
		}
	}
}

// take returns the last batch and gets the next, or nil, which ends the writer.
func (l *lane) take(last []byte) []byte {
	if last != nil {
		l.link.shared.writing.put(last)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	batch := l.pending
	l.pending, l.writing = nil, len(batch)
	l.running = batch != nil
	return batch
}

func (l *lane) writeBatch(batch []byte) error {
	if l.stream == nil {
		stream, err := l.link.conn.open(l.number)
		if err != nil {
			return err
		}
		l.stream = stream
	}
	_, err := l.stream.Write(batch)
	return err
}

// shut refuses what comes from now on; no writer starts any more.
func (l *lane) shut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
}

// queued is how many bytes wait.
func (l *lane) queued() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending) + l.writing
}

// Sizes of write buffers in bytes: that of a new one, and the largest kept.
const (
	writeBuffer    = 2 << 10
	maxWriteBuffer = 128 << 10
)

// writeBuffers keeps the buffers of lanes that have nothing to send.
type writeBuffers struct{ pool sync.Pool }

func (b *writeBuffers) get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return (*p)[:0]
	}
	return make([]byte, 0, writeBuffer)
}

func (b *writeBuffers) put(buf []byte) {
	if cap(buf) <= maxWriteBuffer {
		b.pool.Put(&buf)
	}
}
