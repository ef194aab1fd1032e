package store

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// batch is an open bbolt transaction with the updates that share its commit. The
// DB's lock guards it; done is closed after err was set.
type batch struct {
	bolt    *bbolt.Tx
	tables  map[string]*table
	version uint32 // schema version to write; 0 leaves it

	relaxed, durable ClassStats
	fault            error       // the transaction is not to be trusted any more
	timer            *time.Timer // commits when no update has

	done chan struct{}
	err  error
}

// Update runs fn, once, and returns when what it changed is on the disk,
// together with all updates before it. Concurrent updates share a commit. When
// fn fails, what it changed is taken back, and only that; the error is fn's
// then. Other errors are ErrFull, ErrDamaged, ErrClosed and failures to write.
//
// After a failure to write that is not ErrFull nobody knows what is on the
// disk; all updates fail with it from then on, until the store is opened again.
func (db *DB) Update(fn func(*Tx) error) error {
	b, err := db.apply(fn, true)
	if err != nil {
		return err
	}
	<-b.done
	return b.err
}

// Relaxed runs fn as Update does, but returns before it is on the disk: that is
// so with the next commit of an Update, after Options.RelaxedDelay, when
// Options.BatchSize is reached, or at Flush or Close. Later updates see it at
// once, Views after the commit. Options.OnLost tells when that fails.
func (db *DB) Relaxed(fn func(*Tx) error) error {
	_, err := db.apply(fn, false)
	return err
}

// Flush commits what waits for a commit.
func (db *DB) Flush() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.batch == nil {
		return db.writable()
	}
	return db.commit()
}

// apply runs fn in the current batch and, with the lock still held, sees to it
// that the batch is committed.
func (db *DB) apply(fn func(*Tx) error, durable bool) (*batch, error) {
	db.queued.Add(1)
	db.mu.Lock()
	defer db.mu.Unlock()
	db.queued.Add(-1)
	defer db.settle() // whatever fn does
	if err := db.writable(); err != nil {
		return nil, err
	}
	if db.batch == nil {
		b := &batch{tables: map[string]*table{}, done: make(chan struct{})}
		if err := guard(func() (err error) { b.bolt, err = db.bolt.Begin(true); return err }); err != nil {
			return nil, err
		}
		db.batch = b
	}
	b := db.batch
	rows, size, err := b.run(fn)
	if err != nil {
		return nil, err
	}
	class := &b.relaxed
	if durable {
		class = &b.durable
	}
	class.Updates++
	class.Rows += uint64(rows)  //nolint:gosec // counts are positive
	class.Bytes += uint64(size) //nolint:gosec // counts are positive
	return b, nil
}

func (db *DB) writable() error {
	if db.closed {
		return ErrClosed
	}
	return db.failed
}

// settle decides, after each update, whether the batch is committed now. An update
// that waits leaves the commit to the last of those that are queued behind it.
func (db *DB) settle() {
	b := db.batch
	switch {
	case b == nil:
	case b.fault != nil || b.durable.Updates > 0 && db.queued.Load() == 0 ||
		b.relaxed.Bytes+b.durable.Bytes >= uint64(db.opt.BatchSize): //nolint:gosec // validated
		_ = db.commit() // the batch has the error
	case b.durable.Updates == 0 && !b.changed():
		_ = db.commit() // nothing to keep a transaction open for
	case b.timer == nil:
		b.timer = time.AfterFunc(db.opt.RelaxedDelay, func() { db.expire(b) })
	}
}

func (db *DB) expire(b *batch) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.batch == b {
		_ = db.commit() // the batch has the error, and OnLost is told
	}
}

// commit ends the current batch, if there is one, and tells those who wait.
func (db *DB) commit() error {
	b := db.batch
	if b == nil {
		return nil
	}
	db.batch = nil
	defer close(b.done)
	if b.timer != nil {
		b.timer.Stop()
	}
	if b.fault == nil && !b.changed() {
		return guard(b.bolt.Rollback)
	}
	if b.err = b.fault; b.err == nil {
		b.err = guard(b.write)
	}
	if b.err == nil {
		db.count(b)
		return nil
	}
	_ = guard(b.bolt.Rollback) // over already when bbolt's commit failed in order
	b.err = db.commitError(b.err)
	if b.relaxed.Rows > 0 {
		db.countLost(b)
		if db.opt.OnLost != nil {
			db.opt.OnLost(int(b.relaxed.Rows), b.err) //nolint:gosec // memory bounds it
		}
	}
	return b.err
}

// commitError says ErrFull when that is all, and else ends writing.
func (db *DB) commitError(err error) error {
	if errors.Is(err, bolterrors.ErrMaxSizeReached) {
		return fmt.Errorf("%w: more than %d bytes", ErrFull, db.opt.MaxSize)
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok && pathErr.Op == "write" && errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: %w", ErrFull, err) // before anything was synced
	}
	db.failed = fmt.Errorf("commit to store %s: %w", db.path, err)
	return db.failed
}

// run runs fn and takes back what it changed unless it returns nil.
func (b *batch) run(fn func(*Tx) error) (rows, size int, err error) {
	tx := &Tx{bolt: b.bolt, tables: b.tables, writable: true}
	keep := false
	defer func() { // also when fn panics
		tx.done = true
		if !keep && tx.fault == nil {
			tx.fault = guard(tx.revert)
		}
		b.fault = tx.fault
	}()
	err = fn(tx)
	if tx.fault != nil {
		return 0, 0, tx.fault
	}
	if err != nil {
		return 0, 0, err
	}
	keep = true
	for _, c := range tx.changes {
		c.table.dirty = true
	}
	b.version = max(b.version, tx.version)
	return len(tx.changes), tx.size, nil
}

func (b *batch) changed() bool {
	return b.relaxed.Rows+b.durable.Rows > 0 || b.version > 0
}

// write writes the summaries of what changed and commits.
func (b *batch) write() error {
	rows := b.bolt.Bucket([]byte(metaTable))
	put := func(key string, value []byte) error {
		return rows.Put([]byte(key), seal(metaTable, []byte(key), value))
	}
	for name, t := range b.tables {
		if t.dirty {
			if err := put(summaryPrefix+name, t.encode()); err != nil {
				return err
			}
		}
	}
	if b.version > 0 {
		if err := put(versionKey, encodeVersion(b.version)); err != nil {
			return err
		}
	}
	return b.bolt.Commit()
}
