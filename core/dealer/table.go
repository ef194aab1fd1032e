package dealer

import "bondy/core/wamp"

// table maps request ids to calls. Ids come in sequence and calls are mostly
// short, so a ring indexed by the low bits of the id holds nearly all of them
// without hashing; a call that is still under way when its slot comes round
// again moves to a map. The zero value is empty.
type table struct {
	ring []slot // length is a power of two
	old  map[wamp.ID]*call
	n    int
}

type slot struct {
	id wamp.ID
	c  *call
}

const (
	minRing = 8
	maxRing = 1 << 12
)

// at is the slot of id in a ring that is not empty.
func (t *table) at(id wamp.ID) *slot {
	return &t.ring[id%wamp.ID(len(t.ring))]
}

func (t *table) get(id wamp.ID) *call {
	if len(t.ring) > 0 {
		if s := t.at(id); s.id == id && s.c != nil {
			return s.c
		}
	}
	return t.old[id]
}

func (t *table) put(id wamp.ID, c *call) {
	if t.n >= len(t.ring)/2 && len(t.ring) < maxRing {
		t.grow()
	}
	t.n++
	t.place(id, c)
}

func (t *table) place(id wamp.ID, c *call) {
	s := t.at(id)
	if s.c != nil {
		if t.old == nil {
			t.old = make(map[wamp.ID]*call)
		}
		t.old[s.id] = s.c
	}
	*s = slot{id, c}
}

func (t *table) grow() {
	ring := t.ring
	t.ring = make([]slot, max(minRing, 2*len(ring)))
	for _, s := range ring {
		if s.c != nil {
			t.place(s.id, s.c)
		}
	}
}

func (t *table) remove(id wamp.ID) {
	if len(t.ring) > 0 {
		if s := t.at(id); s.id == id && s.c != nil {
			*s = slot{}
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
func (t *table) shrink() {
	t.n--
	if t.n == 0 && len(t.ring) > 1<<8 {
		t.ring, t.old = nil, nil
	}
}

// drain empties the table and returns what it held.
func (t *table) drain() []*call {
	calls := make([]*call, 0, t.n)
	for _, s := range t.ring {
		if s.c != nil {
			calls = append(calls, s.c)
		}
	}
	for _, c := range t.old {
		calls = append(calls, c)
	}
	*t = table{}
	return calls
}
