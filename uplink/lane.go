package uplink

import (
	"io"
	"slices"
	"sync"

	"bondy/uplink/wire"
)

// lane is the sending half of one lane: a queue bounded in bytes, and a
// goroutine that writes it while something is in it.
type lane struct {
	link   *Link
	number int
	stream io.Writer // nil until first used; the writer's

	mu      sync.Mutex
	chunks  [][]byte // borrowed buffers of frames, end to end
	waiting int      // bytes in chunks and in the writer's hand
	running bool     // the writer
	opened  bool     // the lane's number was queued
	down    bool
}

// put queues a frame.
func (l *lane) put(kind uint8, body []byte) error {
	if len(body) > l.link.maxFrame {
		return ErrTooLong
	}
	var array [1 + wire.MaxHead]byte
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.down:
		return ErrDown
	case l.waiting > 0 && l.waiting+len(body) > l.link.cfg.LaneQueue:
		return ErrFull
	}
	head := array[:0]
	if !l.opened {
		l.opened = true
		head = append(head, byte(l.number)) //nolint:gosec // at most wire.MaxLanes
	}
	l.appendLocked(wire.AppendHead(head, kind, len(body)))
	l.appendLocked(body)
	if !l.running {
		l.running = true
		l.link.tasks.Go(l.write)
	}
	return nil
}

func (l *lane) appendLocked(p []byte) {
	l.waiting += len(p)
	for len(p) > 0 {
		last := len(l.chunks) - 1
		if last < 0 || len(l.chunks[last]) == wire.BufferSize {
			l.chunks = append(l.chunks, l.link.shared.buffers.Get()[:0])
			last++
		}
		n := min(len(p), wire.BufferSize-len(l.chunks[last]))
		l.chunks[last] = append(l.chunks[last], p[:n]...)
		p = p[n:]
	}
}

// write writes what has gathered, until nothing has.
func (l *lane) write() {
	for chunk := l.next(nil); chunk != nil; chunk = l.next(chunk) {
		if err := l.writeChunk(chunk); err != nil {
			l.link.fail(err)
			return
		}
	}
}

// next gives the last chunk back and takes one more; nil ends the writer.
func (l *lane) next(last []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting -= len(last)
	if last != nil {
		l.link.shared.buffers.Put(last)
	}
	if len(l.chunks) == 0 {
		l.running = false
		return nil
	}
	chunk := l.chunks[0]
	l.chunks = slices.Delete(l.chunks, 0, 1)
	return chunk
}

func (l *lane) writeChunk(chunk []byte) error {
	if l.stream == nil {
		stream, err := l.link.conn.open(l.number)
		if err != nil {
			return err
		}
		l.stream = stream
	}
	_, err := l.stream.Write(chunk)
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
	return l.waiting
}
