package dealer

import (
	"iter"
	"slices"

	"bondy/core/wamp"
)

// table maps ids, none of them 0, to values. Ids come in sequence and calls
// are mostly short, so a ring indexed by the low bits of the id holds nearly
// all of them without hashing; what is still there when its slot comes round
// again moves to a map. Values lie in the ring itself: a call allocates
// nothing, and what refers to one names it by its id, which is used once. The
// zero value is empty.
type table[T any] struct {
	ring []slot[T] // length is a power of two
	old  map[wamp.ID]*T
	n    int
}

type slot[T any] struct {
	id wamp.ID // 0 when empty
	v  T
}

const (
	minRing = 4
	maxRing = 1 << 12
)

// at is the slot of id in a ring that is not empty.
func (t *table[T]) at(id wamp.ID) *slot[T] {
	return &t.ring[id&(wamp.ID(len(t.ring))-1)]
}

// get returns the value of id, nil if there is none. It is good until the next
// put or remove.
func (t *table[T]) get(id wamp.ID) *T {
	if len(t.ring) > 0 && id != 0 {
		if s := t.at(id); s.id == id {
			return &s.v
		}
	}
	return t.old[id]
}

// put adds the value of an id that is not there.
func (t *table[T]) put(id wamp.ID, v T) *T {
	if t.n >= len(t.ring)/2 && len(t.ring) < maxRing {
		t.grow()
	}
	t.n++
	return t.place(id, v)
}

func (t *table[T]) place(id wamp.ID, v T) *T {
	s := t.at(id)
	if s.id != 0 {
		if t.old == nil {
			t.old = make(map[wamp.ID]*T)
		}
		aged := s.v
		t.old[s.id] = &aged
	}
	*s = slot[T]{id, v}
	return &s.v
}

func (t *table[T]) grow() {
	ring := t.ring
	t.ring = make([]slot[T], max(minRing, 2*len(ring)))
	for i := range ring {
		if s := &ring[i]; s.id != 0 {
			t.place(s.id, s.v)
		}
	}
}

// remove takes out the value of id, if there is one.
func (t *table[T]) remove(id wamp.ID) {
	if len(t.ring) > 0 && id != 0 {
		if s := t.at(id); s.id == id {
			*s = slot[T]{}
			t.shrink()
			return
		}
	}
	if _, ok := t.old[id]; ok {
		delete(t.old, id)
		t.shrink()
	}
}

// shrink lets an idle session give back what a burst needed.
func (t *table[T]) shrink() {
	t.n--
	if t.n == 0 && len(t.ring) > 1<<8 {
		t.ring, t.old = nil, nil
	}
}

// all is each id with its value, in no order. Removing what came is allowed.
func (t *table[T]) all(yield func(wamp.ID, *T) bool) {
	ring := t.ring // which goes when the last value is removed
	for i := range ring {
		if s := &ring[i]; s.id != 0 && !yield(s.id, &s.v) {
			return
		}
	}
	for id, v := range t.old {
		if !yield(id, v) {
			return
		}
	}
}

// sorted is all in order of the ids.
func (t *table[T]) sorted() iter.Seq2[wamp.ID, *T] {
	ids := make([]wamp.ID, 0, t.n)
	for id := range t.all {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return func(yield func(wamp.ID, *T) bool) {
		for _, id := range ids {
			if !yield(id, t.get(id)) {
				return
			}
		}
	}
}
