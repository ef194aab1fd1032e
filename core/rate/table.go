package rate

import (
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of a Table.
const (
	// MaxKeys bounds the keys of a table. When it is full, a newcomer takes the
	// place of whichever of eight keys did the least.
	MaxKeys = 16_384
	sample  = 8
)

// Table has a bucket for each key. Keys that were quiet for Burst cost nothing to
// forget; Evicted counts those that had to make room before. A nil Table allows
// everything. It is safe for concurrent use.
type Table[K comparable] struct {
	epoch   time.Time
	cost    int64
	evicted atomic.Uint64

	mu   sync.Mutex
	paid map[K]int64 // until when what happened is paid for, since epoch
}

// NewTable makes a table that allows each key so many things in a second; nil
// for 0 or less, which is no bound.
func NewTable[K comparable](perSecond int) *Table[K] {
	if perSecond <= 0 {
		return nil
	}
	return &Table[K]{epoch: time.Now(), cost: cost(perSecond), paid: make(map[K]int64)}
}

// Take reports whether one more thing of a key may happen now, and counts it if
// so.
func (t *Table[K]) Take(key K) bool {
	if t == nil {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := int64(time.Since(t.epoch))
	paid, known := t.paid[key]
	begin := max(paid, now)
	if begin-now+t.cost > int64(Burst) {
		return false
	}
	if !known && len(t.paid) >= MaxKeys {
		t.makeRoomLocked(now)
	}
	t.paid[key] = begin + t.cost
	return true
}

// Evicted is how many keys were forgotten that still had something to pay.
func (t *Table[K]) Evicted() uint64 {
	if t == nil {
		return 0
	}
	return t.evicted.Load()
}

// makeRoomLocked forgets the one of some keys that has the least to pay.
func (t *Table[K]) makeRoomLocked(now int64) {
	var victim K
	least, n := int64(0), 0
	for key, paid := range t.paid {
		if n == 0 || paid < least {
			victim, least = key, paid
		}
		if n++; n == sample {
			break
		}
	}
	if least > now {
		t.evicted.Add(1)
	}
	delete(t.paid, victim)
}
