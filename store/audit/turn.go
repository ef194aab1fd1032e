package audit

import (
	"errors"
	"log/slog"
	"time"

	"bondy/core/audit"
)

// maxSpare is how many records the queue keeps room for while it is empty.
const maxSpare = 256

// work is what waits to be written.
type work struct {
	records []audit.Record
	lost    uint64
	waits   []chan<- error
	later   bool // something is being counted
}

// turn writes what waits. A tick ends what is counted and syncs what was
// written; with last it is the end of the log. It reports whether a tick is
// needed later.
func (l *Log) turn(tick, last bool) (later bool) {
	w := l.take(tick, last)
	soon := tick || len(w.waits) > 0
	for i := range w.records {
		kind := w.records[i].Kind
		soon = soon || kind == audit.Administration || kind == audit.Node
	}
	if len(w.records) > 0 {
		w.records[0].Lost = w.lost
		var written int
		written, l.err = l.file.append(w.records)
		l.wrote(&w, written)
	}
	err := l.err
	if soon {
		err = errors.Join(err, l.file.sync())
	}
	if err != nil {
		l.complain(err)
	}
	for _, done := range w.waits {
		done <- err
	}
	if l.spare = nil; cap(w.records) <= maxSpare {
		clear(w.records)
		l.spare = w.records[:0]
	}
	return w.later || l.file.unsynced
}

// take empties the queue.
func (l *Log) take(tick, last bool) work {
	l.mu.Lock()
	defer l.mu.Unlock()
	if tick {
		l.flood.sweep(time.Now(), last, l.putLocked)
	}
	l.closed = last
	w := work{records: l.queue, waits: l.waits, later: len(l.flood.sources) > 0}
	l.queue, l.waits = l.spare, nil
	if len(w.records) > 0 {
		w.lost, l.lost = l.lost, 0
	}
	return w
}

// wrote counts what became of the records.
func (l *Log) wrote(w *work, written int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Records += uint64(written) //nolint:gosec // not negative
	l.stats.Bytes, l.stats.Segments = l.file.bytes(), len(l.file.segments)
	if written == 0 {
		l.lost += w.lost
	}
	for i := range w.records[written:] {
		l.dropLocked(audit.DropDisk, max(w.records[written+i].Repeated, 1))
	}
}

// complain logs that the disk takes nothing.
func (l *Log) complain(err error) {
	if now := time.Now(); now.Sub(l.complained) >= complainEvery {
		l.complained = now
		l.cfg.Log.Error("the audit log cannot be written: events are lost until there is room", slog.Any("err", err))
	}
}
