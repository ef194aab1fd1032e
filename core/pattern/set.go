package pattern

import (
	"iter"
	"sync"
	"sync/atomic"
)

// Set holds the members of one entry, in the order in which they came. The
// zero value is empty and ready. All methods may be called concurrently; View,
// All and Len take no lock, Add and Remove take amortized constant time.
type Set[T any] struct {
	mu    sync.Mutex // held by the one writer
	slots atomic.Pointer[slots[T]]
	size  atomic.Int64
}

// slots are where members are, in the order in which they came.
type slots[T any] struct {
	list []atomic.Pointer[Member[T]]
	next atomic.Int64 // index of the first slot never used
}

// Member is the handle of what was added to a Set.
type Member[T any] struct {
	// Value is what was added. Readers of the set see it concurrently.
	Value T

	slot int // guarded by the set's mu; the member is there or nowhere
}

// Add makes v a member and returns its handle for Remove.
func (s *Set[T]) Add(v T) *Member[T] {
	m := &Member[T]{Value: v}
	s.mu.Lock()
	defer s.mu.Unlock()
	to := s.slots.Load()
	if to == nil || int(to.next.Load()) == len(to.list) {
		to = s.rebuild(to)
	}
	m.slot = int(to.next.Load())
	to.list[m.slot].Store(m)
	to.next.Add(1)
	s.size.Add(1)
	return m
}

// Remove takes m out. It reports false when m is not a member (any more).
func (s *Set[T]) Remove(m *Member[T]) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.slots.Load()
	if in == nil || m.slot >= len(in.list) || in.list[m.slot].Load() != m {
		return false
	}
	in.list[m.slot].Store(nil)
	if n := s.size.Add(-1); int(n) < len(in.list)/4 || n == 0 {
		s.rebuild(in)
	}
	return true
}

// View is the members of a Set at one moment.
type View[T any] struct{ list []atomic.Pointer[Member[T]] }

// View takes the members that there are now.
func (s *Set[T]) View() View[T] {
	in := s.slots.Load()
	if in == nil {
		return View[T]{}
	}
	return View[T]{in.list[:in.next.Load()]}
}

// All calls yield with each member's value until it returns false, so it can
// be ranged over. A member that is there all the while is seen exactly once,
// one that goes meanwhile perhaps, and one that comes is not.
func (v View[T]) All(yield func(*T) bool) {
	for i := range v.list {
		if m := v.list[i].Load(); m != nil && !yield(&m.Value) {
			return
		}
	}
}

// All ranges over the members that there are now; see View.All.
func (s *Set[T]) All(yield func(*T) bool) { s.View().All(yield) }

// Len is how many members there are.
func (s *Set[T]) Len() int { return int(s.size.Load()) }

// rebuild moves the members to the front of new slots, as many again of which
// are free: freed slots are not used again, so that it is due only after as
// many changes as it has members to move. Who is reading goes on in the old
// slots, which no one changes any more.
func (s *Set[T]) rebuild(old *slots[T]) *slots[T] {
	to := &slots[T]{list: make([]atomic.Pointer[Member[T]], max(1, 2*s.Len()))}
	if old != nil {
		for m := range old.members() {
			m.slot = int(to.next.Load())
			to.list[m.slot].Store(m)
			to.next.Add(1)
		}
	}
	s.slots.Store(to)
	return to
}

func (s *slots[T]) members() iter.Seq[*Member[T]] {
	return func(yield func(*Member[T]) bool) {
		for i := range s.list {
			if m := s.list[i].Load(); m != nil && !yield(m) {
				return
			}
		}
	}
}
