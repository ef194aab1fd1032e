package audit

import (
	"errors"
	"log/slog"
	"slices"
	"time"

	"bondy/core/audit"
)

// maxSpare is how many records the queue keeps room for while it is empty.
const maxSpare = 256

// work is what waits to be written.
type work struct {
	changes, rest batch
	waits         []chan<- error
	later         bool // something is being counted
}

// turn writes what waits. A tick ends what is counted and syncs what was
// written; with last it is the end of the log. It reports whether a tick is
// needed later.
func (l *Log) turn(tick, last bool) (later bool) {
	w := l.take(tick, last)
	all := tick || len(w.waits) > 0 || slices.ContainsFunc(w.changes.records, besides)
	err := l.write(&l.access, w.rest)
	if all { // also before a record says how far this chain has come
		err = errors.Join(err, l.access.sync())
	}
	if err = errors.Join(err, l.write(&l.administration, w.changes), l.administration.sync()); err != nil {
		l.complain(err)
	}
	err = errors.Join(l.access.err, l.administration.err)
	for _, done := range w.waits {
		done <- err
	}
	return w.later || l.access.file.unsynced || l.administration.file.unsynced
}

// take empties the queues.
func (l *Log) take(tick, last bool) work {
	l.mu.Lock()
	defer l.mu.Unlock()
	if tick {
		l.flood.sweep(time.Now(), last, l.putLocked)
	}
	l.closed = last
	w := work{
		changes: l.administration.takeLocked(), rest: l.access.takeLocked(),
		waits: l.waits, later: len(l.flood.sources) > 0,
	}
	l.waits = nil
	return w
}

// write writes a batch and counts what became of it.
func (l *Log) write(c *chain, b batch) error {
	defer c.reuse(b.records)
	if len(b.records) == 0 {
		return nil
	}
	written, err := c.write(b)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Records += uint64(written) //nolint:gosec // not negative
	l.measure()
	if written == 0 {
		c.lost += b.lost
	}
	for i := range b.records[written:] {
		l.dropLocked(c, audit.DropDisk, max(b.records[written+i].Repeated, 1))
	}
	return err
}

// complain logs that the disk takes nothing.
func (l *Log) complain(err error) {
	if now := time.Now(); now.Sub(l.complained) >= complainEvery {
		l.complained = now
		l.cfg.Log.Error("the audit log cannot be written: events are lost until there is room", slog.Any("err", err))
	}
}
