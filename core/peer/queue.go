package peer

import (
	"errors"
	"sync"
	"time"

	"bondy/core/wamp"
)

// Class says what may happen to a message when the receiver is slow.
type Class uint8

const (
	// Droppable is the class of events.
	Droppable Class = iota
	// Reply is the class of RESULT, INVOCATION and errors of callees: they use
	// a reserve above the hard mark and are never lost in silence.
	Reply
	// Control is the class of the router's own small answers, which may use
	// the reserve once more, and 64 KiB beyond the budget.
	Control
)

// Status is the outcome of a Send.
type Status uint8

// The outcomes.
const (
	Sent           Status = iota
	Shut                  // the gate is shut: the receiver no longer holds the thing
	Closed                // the receiver is gone
	Dropped               // an event the receiver was too slow for
	Full                  // no room even in the reserve
	TooLong               // longer than the receiver accepts
	Untranslatable        // the receiver's serializer cannot express it
)

// Limits are the marks of a queue in bytes.
type Limits struct {
	// Soft starts the grace time when exceeded.
	Soft int
	// Hard drops events at once, or closes the session.
	Hard int
	// Reserve is the room above Hard for what may not be lost.
	Reserve int
	// Grace is how long a queue may stay above Soft.
	Grace time.Duration
	// CloseSlow closes a session that is too slow instead of dropping events.
	CloseSlow bool
}

// Gate belongs to something that a receiver holds: a subscription, a
// registration. Messages because of it pass only while it is open. It is
// guarded by the lock of the receiver's queue, which is what puts SUBSCRIBED
// before the first EVENT and nothing after UNSUBSCRIBED.
type Gate struct{ open bool }

// Queue bounds what waits for one receiver and keeps it in order. The bytes
// themselves wait in the Sink. Safe for concurrent use.
type Queue struct {
	sink     Sink
	limits   *Limits
	budget   *Budget
	counters *Counters
	kill     func()

	over    time.Duration // since when above the soft mark, on the budget's clock; 0 if not
	charged int
	mu      sync.Mutex // guards all but what NewQueue sets
	closed  bool
	owed    bool // some batch is in charge of the next flush

	serializer wamp.Serializer
}

// NewQueue makes the queue of sink. kill ends the connection without blocking;
// it is called without locks when the receiver is too slow.
func NewQueue(sink Sink, limits *Limits, budget *Budget, counters *Counters, kill func()) *Queue {
	q := &Queue{
		sink: sink, serializer: sink.Serializer(),
		limits: limits, budget: budget, counters: counters, kill: kill,
	}
	sink.OnProgress(q.progress)
	return q
}

// SetLimits replaces the limits. It must be called before others may send.
func (q *Queue) SetLimits(limits *Limits) { q.limits = limits }

// Serializer is what the receiver speaks.
func (q *Queue) Serializer() wamp.Serializer { return q.serializer }

// Send queues f unless gate (which may be nil) is shut.
func (q *Queue) Send(b *Batch, f *Frame, class Class, gate *Gate) Status {
	msg, err := f.in(q.serializer)
	if err != nil {
		if class == Droppable {
			q.counters.Dropped[DropUntranslatable].Add(1)
		}
		return Untranslatable
	}
	waiting := q.lock()
	defer q.mu.Unlock()
	if gate != nil && !gate.open {
		return Shut
	}
	return q.appendLocked(b, f.msg.Type(), msg, waiting, class)
}

// backlog is how many bytes may wait before a queue counts as having a backlog:
// it is flushed without waiting for the end of the batch, and what stays is
// charged to the node's budget.
const backlog = 64 << 10

// lock takes the lock and returns how many bytes wait. A backlog that only waits
// for the end of somebody's batch is flushed first, so that nobody is called
// slow who was not given the chance to read.
func (q *Queue) lock() int {
	q.mu.Lock()
	waiting := q.sink.Buffered()
	if waiting <= min(backlog, q.limits.Soft) || !q.owed {
		return waiting
	}
	q.mu.Unlock()
	q.flush()
	q.mu.Lock()
	return q.sink.Buffered()
}

// Reply queues an answer, which is never lost in silence: a receiver that has
// no room for it, or that cannot take it at all, is ended. An ERROR that is too
// long goes without its arguments.
func (q *Queue) Reply(b *Batch, f *Frame) {
	status := q.Send(b, f, Control, nil)
	if e, ok := f.msg.(*wamp.ErrorMessage); ok && status == TooLong && !e.Payload.Empty() {
		bare := NewFrame(&wamp.ErrorMessage{RequestType: e.RequestType, Request: e.Request, Error: e.Error})
		defer bare.Free()
		status = q.Send(b, bare, Control, nil)
	}
	switch status {
	case Full, TooLong, Untranslatable:
		q.Doom(b)
	case Sent, Shut, Closed, Dropped:
	}
}

// Open queues f and opens gate in one step, with events right behind f, whose
// frames are made while there is room, and freed. Those that find none are
// dropped and counted.
func (q *Queue) Open(b *Batch, f *Frame, gate *Gate, events ...func() *Frame) {
	ready := q.ready(events)
	msg, err := f.in(q.serializer)
	waiting := q.lock()
	defer q.mu.Unlock()
	gate.open = true
	if err != nil || q.appendLocked(b, f.msg.Type(), msg, waiting, Control) != Sent {
		gate.open = false
		q.doomLocked(b)
	}
	for _, e := range ready {
		q.followLocked(b, e)
		e.Free()
	}
}

// ready makes and encodes events up to the hard mark, without the lock that all
// senders need. What is beyond costs nothing more.
func (q *Queue) ready(events []func() *Frame) []*Frame {
	if len(events) == 0 {
		return nil
	}
	room := q.limits.Hard - q.lock()
	q.mu.Unlock()
	var frames []*Frame
	for _, event := range events {
		if room < 0 {
			q.counters.Dropped[DropSlow].Add(1)
			continue
		}
		e := event()
		msg, err := e.in(q.serializer)
		if err != nil {
			q.counters.Dropped[DropUntranslatable].Add(1)
			e.Free()
			continue
		}
		room -= len(msg.msg)
		frames = append(frames, e)
	}
	return frames
}

// followLocked queues an event behind what opened its gate. A receiver that had
// no chance to read is not ended for being slow.
func (q *Queue) followLocked(b *Batch, e *Frame) {
	if q.closed {
		return
	}
	msg := e.encoded[q.serializer]
	waiting := q.sink.Buffered()
	if waiting > q.limits.Hard {
		q.counters.Dropped[DropSlow].Add(1)
		return
	}
	switch q.appendLocked(b, e.msg.Type(), msg, waiting, Reply) {
	case Full:
		q.counters.Dropped[DropBudget].Add(1)
	case TooLong:
		q.counters.Dropped[DropTooLong].Add(1)
	case Sent, Shut, Closed, Dropped, Untranslatable:
	}
}

// Shut shuts gate and queues f in one step. With f nil the receiver is told
// nothing.
func (q *Queue) Shut(b *Batch, f *Frame, gate *Gate) {
	var msg encoded
	var err error
	if f != nil {
		msg, err = f.in(q.serializer)
	}
	waiting := q.lock()
	defer q.mu.Unlock()
	gate.open = false
	if f != nil && (err != nil || q.appendLocked(b, f.msg.Type(), msg, waiting, Control) != Sent) {
		q.doomLocked(b)
	}
}

// Close makes every later Send fail and gives the budget back.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.chargeLocked(0)
}

// Buffered is how many bytes wait.
func (q *Queue) Buffered() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.sink.Buffered()
}

func (q *Queue) appendLocked(b *Batch, t wamp.MessageType, msg encoded, waiting int, class Class) Status {
	if q.closed {
		return Closed
	}
	if waiting > min(backlog, q.limits.Soft) || q.charged > 0 {
		if s := q.admitLocked(b, waiting, class); s != Sent {
			return s
		}
	} else {
		q.over = 0
	}
	if err := q.sink.Append(msg.msg, msg.keep); err != nil {
		if errors.Is(err, ErrTooLong) {
			if class == Droppable {
				q.counters.Dropped[DropTooLong].Add(1)
			}
			return TooLong
		}
		return Closed
	}
	b.out[t]++
	b.sent++
	if !q.owed {
		q.owed = true
		b.touched = append(b.touched, q)
	}
	return Sent
}

// admitLocked decides for a queue with a backlog of waiting bytes.
func (q *Queue) admitLocked(b *Batch, waiting int, class Class) Status {
	q.chargeLocked(waiting)
	if waiting <= q.limits.Soft {
		q.over = 0
	} else if q.over == 0 {
		q.over = q.budget.now()
	}
	switch class {
	case Control:
		if waiting > q.limits.Hard+2*q.limits.Reserve || waiting > backlog && q.budget.full() {
			return Full
		}
		return Sent
	case Reply:
		if waiting > q.limits.Hard+q.limits.Reserve || waiting > 0 && q.budget.full() {
			return Full
		}
		return Sent
	case Droppable:
	}
	slow := waiting > q.limits.Hard || q.over != 0 && q.budget.now()-q.over > q.limits.Grace
	switch {
	case slow && q.limits.CloseSlow:
		q.doomLocked(b)
		return Closed
	case slow:
		q.counters.Dropped[DropSlow].Add(1)
		return Dropped
	case q.budget.full():
		q.counters.Dropped[DropBudget].Add(1)
		return Dropped
	}
	return Sent
}

// Doom ends the receiver's connection at the batch's next Flush: it does not
// read what may not be lost.
func (q *Queue) Doom(b *Batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.doomLocked(b)
}

func (q *Queue) doomLocked(b *Batch) {
	if q.closed {
		return
	}
	q.closed = true
	q.chargeLocked(0)
	q.counters.SlowClosed.Add(1)
	b.doomed = append(b.doomed, q)
}

func (q *Queue) chargeLocked(n int) {
	q.budget.used.Add(int64(n - q.charged))
	q.charged = n
}

// progress keeps the charge true while a backlog drains.
func (q *Queue) progress() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.charged == 0 {
		return
	}
	q.chargeLocked(q.sink.Buffered())
}

func (q *Queue) flush() {
	q.mu.Lock()
	q.owed = false
	charged := q.charged > 0
	q.mu.Unlock()
	q.sink.Flush()
	if charged {
		q.progress()
	}
}
