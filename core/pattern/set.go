package pattern

import (
	"sync"
	"sync/atomic"
)

// Set holds the members of one entry, in the order in which they came. The
// zero value is empty and ready. All methods may be called concurrently; All
// and Len take no lock, Add and Remove take amortized constant time.
type Set[T any] struct {
	mu    sync.Mutex // held by the one writer
	slots atomic.Pointer[[]atomic.Pointer[Member[T]]]
	next  int // index of the first slot never used
	size  atomic.Int64
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
	slots := s.current()
	if s.next == len(slots) {
		slots = s.rebuild()
	}
	m.slot = s.next
	slots[m.slot].Store(m)
	s.next++
	s.size.Add(1)
	return m
}

// Remove takes m out. It reports false when m is not a member (any more).
func (s *Set[T]) Remove(m *Member[T]) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	slots := s.current()
	if m.slot >= len(slots) || slots[m.slot].Load() != m {
		return false
	}
	slots[m.slot].Store(nil)
	if n := s.size.Add(-1); int(n) < len(slots)/4 || n == 0 {
		s.rebuild()
	}
	return true
}

// All calls yield with each member's value until it returns false, so it can
// be ranged over. A member that is there all the while is seen exactly once,
// one that comes or goes meanwhile perhaps.
func (s *Set[T]) All(yield func(*T) bool) {
	slots := s.current()
	for i := range slots {
		if m := slots[i].Load(); m != nil && !yield(&m.Value) {
			return
		}
	}
}

// Len is how many members there are.
func (s *Set[T]) Len() int { return int(s.size.Load()) }

func (s *Set[T]) current() []atomic.Pointer[Member[T]] {
	if p := s.slots.Load(); p != nil {
		return *p
	}
	return nil
}

// rebuild moves the members to the front of new slots, as many again of which
// are free: freed slots are not used again, so that it is due only after as
// many changes as it has members to move. Who is reading goes on in the old
// slots, which no one changes any more.
func (s *Set[T]) rebuild() []atomic.Pointer[Member[T]] {
	old := s.current()
	slots := make([]atomic.Pointer[Member[T]], max(1, 2*s.Len()))
	s.next = 0
	for i := range old {
		if m := old[i].Load(); m != nil {
			m.slot = s.next
			slots[s.next].Store(m)
			s.next++
		}
	}
	s.slots.Store(&slots)
	return slots
}
