package broker

import (
	"iter"
	"slices"
	"sync"
	"time"

	"bondy/core/wamp"
)

// memory is a History that lives as long as the broker.
type memory struct {
	mu    sync.Mutex
	rule  HistoryRule
	list  []*Record // in order
	bytes int64
}

func newMemory(rule HistoryRule) *memory { return &memory{rule: rule} }

// Add implements History.
func (m *memory) Add(r *Record) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if int64(r.Size()) > m.rule.MaxBytes {
		return false
	}
	i := len(m.list)
	for i > 0 && m.list[i-1].Compare(r.Position) > 0 { // concurrent publishers overtake each other by a few
		i--
	}
	if i > 0 && m.list[i-1].Position == r.Position {
		return true
	}
	m.list = slices.Insert(m.list, i, r)
	m.bytes += int64(r.Size())
	m.trimLocked()
	return true
}

// trimLocked drops the oldest that are beyond the bounds. What stays moves down
// by itself: append reallocates when the slice's end is reached.
func (m *memory) trimLocked() {
	oldest := time.Time{}
	if m.rule.MaxAge > 0 {
		oldest = time.Now().Add(-m.rule.MaxAge)
	}
	n := 0
	for ; n < len(m.list); n++ {
		r := m.list[n]
		if len(m.list)-n <= m.rule.MaxEvents && m.bytes <= m.rule.MaxBytes && !r.Time().Before(oldest) {
			break
		}
		m.bytes -= int64(r.Size())
		m.list[n] = nil
	}
	m.list = m.list[n:]
}

// Limit implements History.
func (m *memory) Limit(rule HistoryRule) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rule = rule
	m.trimLocked()
}

// Find implements History.
func (m *memory) Find(publication wamp.ID) (Position, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.list {
		if r.Publication == publication {
			return r.Position, true, nil
		}
	}
	return Position{}, false, nil
}

// Records implements History.
func (m *memory) Records(from, before Position, reverse bool) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		list := m.between(from, before)
		if reverse {
			slices.Reverse(list)
		}
		for _, r := range list {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// between copies a range of the list.
func (m *memory) between(from, before Position) []*Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trimLocked()
	at := func(p Position) int {
		i, _ := slices.BinarySearchFunc(m.list, p, func(r *Record, p Position) int { return r.Compare(p) })
		return i
	}
	i := at(from)
	return slices.Clone(m.list[i:max(i, at(before))])
}
