package store

import "go.etcd.io/bbolt"

// ClassStats counts the updates of one durability class since Open.
type ClassStats struct {
	// Updates whose functions returned nil, and that were committed.
	Updates uint64
	// Rows that they wrote or deleted, and the Bytes of those.
	Rows, Bytes uint64
	// Commits made for them. One that updates of both classes share counts
	// as durable.
	Commits uint64
}

func (c *ClassStats) add(o ClassStats) {
	c.Updates += o.Updates
	c.Rows += o.Rows
	c.Bytes += o.Bytes
}

// Stats is what a store has done since Open, and its size.
type Stats struct {
	Durable, Relaxed ClassStats
	// Written is how many bytes the commits have written to the file. A
	// commit syncs it twice.
	Written uint64
	// Lost is how many rows relaxed updates changed that a failed commit
	// took back.
	Lost uint64
	// Size is how many bytes of the file were ever in use, Free how
	// many of them will be used again before it grows. They are zero when it
	// is closed.
	Size, Free int64
}

// Stats returns the counters and sizes.
func (db *DB) Stats() Stats {
	db.countMu.Lock()
	s := db.stats
	db.countMu.Unlock()
	_ = guard(func() error {
		return db.bolt.View(func(tx *bbolt.Tx) error {
			s.Size = tx.Size()
			s.Free = pageSize * int64(db.bolt.Stats().FreePageN+db.bolt.Stats().PendingPageN)
			return nil
		})
	})
	return s
}

func (db *DB) count(b *batch) {
	pages := b.bolt.Stats()
	db.countMu.Lock()
	defer db.countMu.Unlock()
	db.stats.Durable.add(b.durable)
	db.stats.Relaxed.add(b.relaxed)
	if b.durable.Updates > 0 {
		db.stats.Durable.Commits++
	} else {
		db.stats.Relaxed.Commits++
	}
	db.stats.Written += uint64(pages.GetPageAlloc()) + pageSize //nolint:gosec // a sum of sizes
}

func (db *DB) countLost(b *batch) {
	db.countMu.Lock()
	defer db.countMu.Unlock()
	db.stats.Lost += b.relaxed.Rows
}
