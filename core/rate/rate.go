// Package rate bounds how often something may happen in a second. A Bucket is
// one such bound, lock-free, so that all sessions of a realm may share it; a
// Table holds one for each of many keys, such as the addresses that clients come
// from, in bounded memory.
//
// What happens is never delayed: who asks too often is told so.
package rate

import (
	"sync/atomic"
	"time"
)

// Burst is for how long a bucket saves what was not used: after a pause twice
// as much as in a second may happen at once.
const Burst = 2 * time.Second

// Bucket allows so many things in a second. A nil Bucket allows everything. It
// is safe for concurrent use and must not be copied.
type Bucket struct {
	epoch time.Time
	cost  atomic.Int64 // of one thing, in nanoseconds; 0 is no bound
	paid  atomic.Int64 // until when what happened is paid for, since epoch
}

// New makes a bucket, a full one; nil for 0 or less, which is no bound.
func New(perSecond int) *Bucket {
	if perSecond <= 0 {
		return nil
	}
	b := &Bucket{epoch: time.Now()}
	b.Set(perSecond)
	return b
}

// Set changes the bound; 0 or less is none. b must not be nil.
func (b *Bucket) Set(perSecond int) { b.cost.Store(cost(perSecond)) }

func cost(perSecond int) int64 {
	if perSecond <= 0 {
		return 0
	}
	return max(int64(time.Second)/int64(perSecond), 1)
}

// Take reports whether one more thing may happen now, and counts it if so.
func (b *Bucket) Take() bool {
	if b == nil {
		return true
	}
	cost := b.cost.Load()
	if cost == 0 {
		return true
	}
	now := int64(time.Since(b.epoch))
	for {
		paid := b.paid.Load()
		begin := max(paid, now)
		if begin-now+cost > int64(Burst) {
			return false
		}
		if b.paid.CompareAndSwap(paid, begin+cost) {
			return true
		}
	}
}
