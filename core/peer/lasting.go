package peer

import (
	"errors"
	"math"
	"slices"
	"sync"

	"bondy/core/wamp"
)

// NewLastingQueue is NewQueue for a session that may outlive its connection.
// The queue keeps a copy of what the kernel has not taken, so that Detach loses
// nothing of it.
func NewLastingQueue(w Wire, limits *Limits, budget *Budget, counters *Counters, kill func()) *Queue {
	return NewQueue(&lasting{serializer: w.Serializer(), wire: w}, limits, budget, counters, kill)
}

// Lasting reports whether the session may outlive its connection.
func (q *Queue) Lasting() bool {
	_, ok := q.sink.(*lasting)
	return ok
}

// Detach takes the connection away from a lasting queue: what it has not given
// to the kernel, and what is sent from now on, waits within the limits of the
// queue. It reports false if the queue is closed.
func (q *Queue) Detach() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.sink.(*lasting).detach() //nolint:forcetypeassert // as documented
	return true
}

// Attach gives a detached queue another connection, which speaks the same
// serializer. f precedes what waited. A connection that cannot take all of that
// is ended at the batch's next Flush; one that broke has lost f alone. It reports
// false if the queue is closed, or f cannot be encoded.
func (q *Queue) Attach(b *Batch, w Wire, f *Frame) bool {
	msg, err := f.in(q.serializer)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || err != nil {
		return false
	}
	if lost := q.sink.(*lasting).attach(w, msg.msg); lost > 0 { //nolint:forcetypeassert // as documented
		q.counters.Dropped[DropTooLong].Add(lost)
		q.doomLocked(b)
	}
	b.out[f.msg.Type()]++
	b.sent++
	b.touched = append(b.touched, q)
	q.owed, q.over = true, 0 // the client gets a chance to read
	return true
}

// lasting is the Sink of a session that may outlive its connection. Its lock is
// below that of the Queue, and above what the connection has.
type lasting struct {
	serializer wamp.Serializer
	progress   func()

	mu   sync.Mutex
	wire Wire // nil while there is no connection
	kept []kept
	size int // of kept, in bytes
}

// kept is a message that the kernel has perhaps not taken.
type kept struct {
	msg  []byte
	keep *Buffer // that holds msg if it is shared
	end  int64   // where it ends among the bytes of the connection
}

// keptCost is what keeping a message costs beside its bytes: 40 for the entry, as
// much for the room of a grown slice, 16 for the rounding of an allocation.
const keptCost = 96

func (k *kept) cost() int { return len(k.msg) + keptCost }

// notTaken is the end of a message that the connection refused.
const notTaken = math.MaxInt64

// Serializer implements Sink.
func (l *lasting) Serializer() wamp.Serializer { return l.serializer }

// Append implements Sink. What a broken connection does not take waits for
// another one.
func (l *lasting) Append(msg []byte, keep *Buffer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := kept{msg: msg, keep: keep, end: notTaken}
	if l.wire != nil {
		switch err := l.wire.Append(msg, keep); {
		case err == nil:
			var taken int64
			taken, k.end = l.wire.Written()
			l.pruneLocked(taken)
		case !errors.Is(err, ErrClosed):
			return err
		}
	}
	if keep != nil {
		keep.Retain()
	} else {
		k.msg = slices.Clone(msg)
	}
	l.keepLocked(k)
	return nil
}

// Buffered implements Sink. What is kept counts with what keeping it costs.
func (l *lasting) Buffered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wire == nil {
		return l.size
	}
	taken, _ := l.wire.Written()
	l.pruneLocked(taken)
	return max(l.size, l.wire.Buffered())
}

// Flush implements Sink.
func (l *lasting) Flush() {
	w := l.connection()
	if w != nil {
		w.Flush()
		l.prune(w)
	}
}

// OnProgress implements Sink.
func (l *lasting) OnProgress(f func()) {
	l.progress = f
	l.follow(l.wire)
}

// follow has progress of w reported.
func (l *lasting) follow(w Wire) {
	w.OnProgress(func() {
		l.prune(w)
		l.progress()
	})
}

func (l *lasting) connection() Wire {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wire
}

// prune forgets what the kernel has taken, unless w was replaced.
func (l *lasting) prune(w Wire) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w == l.wire {
		taken, _ := w.Written()
		l.pruneLocked(taken)
	}
}

func (l *lasting) keepLocked(k kept) {
	l.kept = append(l.kept, k)
	l.size += k.cost()
}

func (l *lasting) pruneLocked(taken int64) {
	n := 0
	for ; n < len(l.kept) && l.kept[n].end <= taken; n++ {
		l.size -= l.kept[n].cost()
		if k := l.kept[n].keep; k != nil {
			k.Release()
		}
	}
	clear(l.kept[:n])
	if l.kept = l.kept[n:]; len(l.kept) == 0 {
		l.kept = nil
	}
}

// detach keeps what the connection has not given to the kernel.
func (l *lasting) detach() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wire == nil {
		return
	}
	taken, _ := l.wire.Written()
	l.pruneLocked(taken)
	l.wire = nil
}

// attach gives w first and then all that waited. lost counts what is longer than
// w accepts.
func (l *lasting) attach(w Wire, first []byte) (lost uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.follow(w)
	waited := l.kept
	l.wire, l.kept, l.size = w, nil, 0
	if err := w.Append(first, nil); err != nil && !errors.Is(err, ErrClosed) {
		lost++
	}
	for _, k := range waited {
		switch err := w.Append(k.msg, k.keep); {
		case err == nil:
			_, k.end = w.Written()
		case errors.Is(err, ErrClosed):
			k.end = notTaken
		default:
			lost++
			if k.keep != nil {
				k.keep.Release()
			}
			continue
		}
		l.keepLocked(k)
	}
	return lost
}
