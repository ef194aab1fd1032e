package client

import (
	"context"
	"sync"
	"time"

	"bondy/core/codec"
	"bondy/core/wamp"
)

// farewell bounds how long a session that ended keeps writing.
const farewell = time.Second

// outbox collects frames for the writer, which takes all of them at once.
// Requests wait while it is full; answers to the router do not, as the router
// bounds them.
type outbox struct {
	serializer wamp.Serializer
	limit      int // bytes; more may be queued by those who do not wait
	message    int // largest message in bytes, 0 for no limit

	mu      sync.Mutex
	batch   batch
	pongs   int           // bytes of pongs in batch
	room    chan struct{} // closed and replaced when the writer takes a batch
	ended   bool
	newWork chan struct{} // capacity 1: the writer has something to do
}

// batch is a run of frames: the bytes and where each ends.
type batch struct {
	buf    []byte
	frames []frame
}

type frame struct {
	kind frameKind
	end  int
}

func newOutbox(s wamp.Serializer, limit, message int) *outbox {
	return &outbox{
		serializer: s, limit: limit, message: message,
		room: make(chan struct{}), newWork: make(chan struct{}, 1),
	}
}

// wait returns when the outbox has room, or with an error when ctx or the
// session has ended.
func (o *outbox) wait(ctx context.Context) error {
	for {
		room := o.full()
		if room == nil {
			return nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return ended(ctx)
		}
	}
}

func (o *outbox) full() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended || len(o.batch.buf) < o.limit {
		return nil
	}
	return o.room
}

// put queues a message. It neither blocks nor leaves anything behind when it
// fails: because the message is too long or, with ErrClosed, too late.
func (o *outbox) put(m wamp.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return ErrClosed
	}
	start := len(o.batch.buf)
	buf, err := codec.Append(o.batch.buf, o.serializer, m)
	if err != nil {
		return err
	}
	if size := len(buf) - start; o.message > 0 && size > o.message {
		return wamp.Errorf(wamp.ErrPayloadSizeExceeded,
			"%s of %d bytes is longer than the %d bytes that the router accepts", m.Type(), size, o.message)
	}
	o.queueLocked(frameMessage, buf)
	return nil
}

// control queues a ping or a pong.
func (o *outbox) control(kind frameKind, data []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return nil
	}
	if kind == framePong {
		if o.pongs += len(data) + 4; o.pongs > o.limit {
			return wamp.Violationf("more pings than can be answered")
		}
	}
	o.queueLocked(kind, append(o.batch.buf, data...))
	return nil
}

// end makes the outbox refuse more; the writer leaves when it is empty.
func (o *outbox) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	close(o.room)
	o.room = make(chan struct{})
	o.wakeLocked()
}

// take swaps the batch for an empty one made of spare. last means that nothing
// follows.
func (o *outbox) take(spare batch) (b batch, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	const keep = 1 << 20
	b = o.batch
	if cap(spare.buf) > keep {
		spare = batch{}
	}
	o.batch = batch{spare.buf[:0], spare.frames[:0]}
	o.pongs = 0
	close(o.room)
	o.room = make(chan struct{})
	return b, o.ended
}

func (o *outbox) queueLocked(kind frameKind, buf []byte) {
	o.batch.buf = buf
	o.batch.frames = append(o.batch.frames, frame{kind, len(buf)})
	o.wakeLocked()
}

func (o *outbox) wakeLocked() {
	select {
	case o.newWork <- struct{}{}:
	default:
	}
}
