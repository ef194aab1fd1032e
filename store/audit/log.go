// Package audit keeps the audit log of a node in files: Log writes it, Files
// reads and verifies it, also while a node writes or is down.
//
// The log is a directory of files, audit-0000000001.jsonl and so on, of a record
// a line, each chained to the one before by its hash (package core/audit), also
// across files. A file begins with a record that says its number and which the
// oldest file is that the log keeps; the oldest are deleted when the log is full.
// So nothing can be changed, added, moved or taken out without breaking the
// chain, but by who writes all that follows anew: against them, and against
// cutting off the end, helps a head that was noted elsewhere.
//
// Record never waits: an event goes into a bounded queue, and Run writes what has
// gathered there with one write. Administration and what the node does is synced
// at once, all else within a second. What cannot be kept is counted, and the next
// record says how many events were lost before it.
package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"bondy/core/audit"
)

// ErrClosed says that the log is closed.
var ErrClosed = errors.New("the audit log is closed")

// Config of a Log; the zero value is good.
type Config struct {
	// MaxSegment bounds a file, in bytes, but for one long record; 8 MiB when
	// zero.
	MaxSegment int64
	// MaxBytes bounds all files, in bytes; 64 MiB when zero, at least two files.
	MaxBytes int64
	// Anonymous has the log record logins and logouts of anonymous clients.
	Anonymous bool
	// Log is told what becomes of the audit log, and its head from time to time;
	// nil is fine.
	Log *slog.Logger
}

// Validate says which field makes no sense.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch {
	case c.MaxSegment < 0:
		return errors.New("MaxSegment is negative")
	case c.MaxBytes < 2*c.MaxSegment:
		return errors.New("MaxBytes is less than two files of MaxSegment")
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.MaxSegment == 0 {
		c.MaxSegment = 8 << 20
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 64 << 20
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

const (
	// maxQueue bounds the events that wait to be written; what an outsider can
	// cause has no more than maxOutside of it.
	maxQueue   = 4096
	maxOutside = maxQueue * 3 / 4
	// syncDelay is how long what was written may wait for the disk.
	syncDelay = time.Second
	// complainEvery is how often a disk that takes nothing is logged.
	complainEvery = time.Minute
	// anonymous is the method of clients that have not proven anything.
	anonymous = "anonymous"
)

// Log writes the audit log of a node. One Log may write a directory at a time.
type Log struct {
	cfg  Config
	wake chan struct{} // has room for one

	file       file           // Run's
	spare      []audit.Record // Run's: the queue that was written last
	complained time.Time      // Run's
	err        error          // Run's: of the last write

	mu     sync.Mutex
	queue  []audit.Record
	flood  flood
	lost   uint64 // events since the last record that told
	waits  []chan<- error
	closed bool
	stats  audit.Stats
}

var _ audit.Recorder = (*Log)(nil)

// Open opens the log in dir, which it makes (mode 0700) if it is missing. What a
// crash left of an unfinished record is cut off, and a record says so. A log
// that is damaged otherwise goes on in another file, so that Verify can show what
// is wrong. Nothing is written before Run.
func Open(dir string, cfg Config) (*Log, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	l := &Log{cfg: cfg.withDefaults(), wake: make(chan struct{}, 1), flood: newFlood()}
	l.file = file{dir: dir, cfg: &l.cfg}
	cut, damaged, err := l.file.open()
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	l.stats.Bytes, l.stats.Segments = l.file.bytes(), len(l.file.segments)
	if damaged {
		l.cfg.Log.Error("the audit log was changed or is damaged: bondy audit verify shows where", slog.String("dir", dir))
	}
	if cut > 0 {
		l.Record(audit.Event{
			Kind: audit.Node, Outcome: audit.OK, Action: actionMended,
			Reason: fmt.Sprintf("%d bytes of an unfinished record cut", cut),
		})
	}
	return l, nil
}

// Record implements audit.Recorder.
func (l *Log) Record(e audit.Event) {
	if e.AuthMethod == anonymous && !l.cfg.Anonymous && (e.Kind == audit.Login || e.Kind == audit.Logout) {
		return
	}
	now := time.Now()
	if e.Time.IsZero() {
		e.Time = now
	}
	e = e.Bounded()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.flood.judge(&e, now) {
	case record:
		if !l.putLocked(audit.Record{Event: e}) {
			l.dropLocked(audit.DropQueue, 1)
		}
	case count:
		l.stats.Repeated++
	case begin:
		l.signal()
	case drop:
		l.dropLocked(audit.DropRate, 1)
	}
}

// putLocked reports whether the queue has room.
func (l *Log) putLocked(r audit.Record) bool {
	room := maxOutside
	if r.Kind == audit.Administration || r.Kind == audit.Node {
		room = maxQueue
	}
	if l.closed || len(l.queue) >= room {
		return false
	}
	l.queue = append(l.queue, r)
	l.signal()
	return true
}

func (l *Log) dropLocked(why audit.Drop, n uint64) {
	l.lost += n
	l.stats.Dropped[why] += n
}

// signal has Run write.
func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Flush waits until everything that was recorded before is on disk. The error is
// that of the disk, ErrClosed, or that of ctx. It needs Run.
func (l *Log) Flush(ctx context.Context) error {
	done := make(chan error, 1)
	if !l.wait(done) {
		return ErrClosed
	}
	l.signal()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Log) wait(done chan<- error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.waits = append(l.waits, done)
	}
	return !l.closed
}

// Run writes until ctx ends. What is recorded after that is written by Close.
func (l *Log) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	ticking, tick := false, false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
			tick = false
		case <-timer.C:
			ticking, tick = false, true
		}
		if later := l.turn(tick, false); later && !ticking {
			timer.Reset(min(syncDelay, window))
			ticking = true
		}
	}
}

// Close writes what is left and closes the log; Run must have ended. The error
// is that of the disk.
func (l *Log) Close() error {
	l.turn(true, true)
	l.cfg.Log.Info("the audit log is closed", slog.Uint64("record", l.file.head.Seq), slog.String("head", l.file.head.String()))
	return errors.Join(l.err, l.file.out.Close())
}

// Stats gives the figures of this moment.
func (l *Log) Stats() audit.Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}
