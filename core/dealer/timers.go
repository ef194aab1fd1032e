package dealer

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
	"sync"
	"time"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// tick counts time since the dealer was made, in steps of tickLength; timeouts
// end at a tick, and never early.
type tick int64

const tickLength = 10 * time.Millisecond

// timers says when to look at which session for calls that timed out. A session
// is in the heap once, however many calls it has, with the earliest time that
// one of them may be due; so a call that is answered in time, as most are, never
// comes here. One timer runs while the heap is not empty.
type timers struct {
	start time.Time
	fire  func()

	mu    sync.Mutex
	timer *time.Timer
	heap  dues
}

// at is the first tick not before d from now.
func (t *timers) at(d time.Duration) tick {
	end := time.Since(t.start)
	if end > math.MaxInt64-d-tickLength {
		return math.MaxInt64 / tick(tickLength) // after some 292 years
	}
	return tick((end + d + tickLength - 1) / tickLength)
}

func (t *timers) now() tick { return tick(time.Since(t.start) / tickLength) }

// set has s looked at when due comes; 0 means never.
func (t *timers) set(s *Session, due tick) {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := s.due
	s.due = due
	switch {
	case was == 0 && due == 0:
		return
	case was == 0:
		heap.Push(&t.heap, s)
	case due == 0:
		heap.Remove(&t.heap, s.place)
	default:
		heap.Fix(&t.heap, s.place)
	}
	t.armLocked()
}

// takeDue takes the sessions out whose time has come.
func (t *timers) takeDue() (list []*Session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for now := t.now(); len(t.heap) > 0 && t.heap[0].due <= now; {
		s := t.heap[0]
		heap.Pop(&t.heap)
		s.due = 0
		list = append(list, s)
	}
	t.armLocked()
	return list
}

func (t *timers) armLocked() {
	if len(t.heap) == 0 {
		if t.timer != nil {
			t.timer.Stop()
		}
		return
	}
	wait := time.Duration(t.heap[0].due)*tickLength - time.Since(t.start)
	if t.timer == nil {
		t.timer = time.AfterFunc(wait, t.fire)
	} else {
		t.timer.Reset(wait)
	}
}

// dues is a heap of sessions by due.
type dues []*Session

func (h dues) Len() int           { return len(h) }
func (h dues) Less(i, j int) bool { return h[i].due < h[j].due }

func (h dues) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push implements heap.Interface.
func (h *dues) Push(x any) {
	s := x.(*Session) // nothing else is pushed
	s.place = len(*h)
	*h = append(*h, s)
}

// Pop implements heap.Interface.
func (h *dues) Pop() any {
	old := *h
	n := len(old) - 1
	s := old[n]
	old[n] = nil
	*h = old[:n]
	return s
}

// startLocked starts the timeout of a call, or starts it again (section "Call
// Timeouts").
func (s *Session) startLocked(c *call) {
	if c.timeout == 0 {
		return
	}
	c.due = s.d.timers.at(c.timeout)
	if s.wake == 0 || c.due < s.wake {
		s.wake = c.due
		s.d.timers.set(s, c.due)
	}
}

// expire runs in the timer's goroutine.
func (d *Dealer) expire() {
	b := peer.NewBatch(d.cfg.Load().Counters)
	defer b.Flush()
	for _, s := range d.timers.takeDue() {
		for _, e := range s.takeLate(d.timers.now()) {
			i := invocation{s, e.request}
			i.fail(b, wamp.ErrTimeout, "no answer within "+e.call.timeout.String())
			e.call.abandon(b, wamp.ErrTimeout, true)
		}
	}
}

// ended is a call that is in no table any more.
type ended struct {
	request wamp.ID
	call    call
}

// takeLate ends the calls that are due, in order, and has the session looked at
// again when the next one may be.
func (s *Session) takeLate(now tick) (late []ended) {
	s.callMu.Lock()
	defer s.callMu.Unlock()
	s.wake = 0
	for id, c := range s.calls.all {
		switch {
		case c.due == 0:
		case c.due <= now:
			late = append(late, ended{id, s.endLocked(id, c)})
		case s.wake == 0 || c.due < s.wake:
			s.wake = c.due
		}
	}
	s.d.timers.set(s, s.wake)
	slices.SortFunc(late, func(a, b ended) int { return cmp.Compare(a.request, b.request) })
	return late
}
