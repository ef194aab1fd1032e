// Package audit keeps the audit log of a node in files: Log writes it, Files
// reads and verifies it, also while a node writes or is down.
//
// The log is a directory of files of a record a line, each chained to the one
// before by its hash (package core/audit), also across files. There are two such
// chains: audit-0000000001.jsonl and so on have administration and what the node
// did, access-0000000001.jsonl and so on all that clients cause, so that these can
// not push out the others. A file begins with a record that says its name and which
// the oldest file is that its chain keeps; the oldest are deleted when the chain is
// full. So nothing can be changed, added, moved or taken out without breaking the
// chain, but by who writes all that follows anew. The records of the kind node also
// say how far the other chain had come, so that neither can be replaced alone.
// Against who replaces both, and against cutting off the end, helps a head that was
// noted elsewhere.
//
// Record never waits: an event goes into a bounded queue, and Run writes what has
// gathered there with one write to each chain. That of administration is synced at
// once, all else within a second. What cannot be kept is counted, and the next
// record of its chain says how many events were lost before it.
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
	// MaxBytes bounds the files of each of the two chains, in bytes; 64 MiB when
	// zero, at least two files.
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
	// maxChanges bounds how much administration waits to be written, maxOutside
	// how many of all other events.
	maxChanges = 1024
	maxOutside = 3072
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

	administration, access chain
	complained             time.Time // Run's

	mu     sync.Mutex
	flood  flood
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
	l := &Log{
		cfg: cfg.withDefaults(), wake: make(chan struct{}, 1), flood: newFlood(),
		administration: chain{room: maxChanges}, access: chain{room: maxOutside},
	}
	l.administration.file = file{dir: dir, series: administration, cfg: &l.cfg, beside: &l.access.file}
	l.access.file = file{dir: dir, series: access, cfg: &l.cfg, beside: &l.administration.file}
	var cut int64
	var damaged bool
	for _, c := range l.chains() {
		n, bad, err := c.file.open()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("audit log: %w", err), l.shut())
		}
		cut, damaged = cut+n, damaged || bad
	}
	l.measure()
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

// chains are the two.
func (l *Log) chains() [2]*chain { return [2]*chain{&l.administration, &l.access} }

// chain is that of an event.
func (l *Log) chain(e *audit.Event) *chain {
	if seriesOf(e) == administration {
		return &l.administration
	}
	return &l.access
}

// measure counts what is on disk.
func (l *Log) measure() {
	l.stats.Bytes, l.stats.Segments = 0, 0
	for _, c := range l.chains() {
		l.stats.Bytes += c.file.bytes()
		l.stats.Segments += len(c.file.segments)
	}
}

// shut closes the files.
func (l *Log) shut() (err error) {
	for _, c := range l.chains() {
		if c.file.out != nil {
			err = errors.Join(err, c.file.out.Close())
		}
	}
	return err
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
			l.dropLocked(l.chain(&e), audit.DropQueue, 1)
		}
	case count:
		l.stats.Repeated++
	case begin:
		l.signal()
	case drop:
		l.dropLocked(l.chain(&e), audit.DropRate, 1)
	}
}

// putLocked reports whether the queue has room.
func (l *Log) putLocked(r audit.Record) bool {
	c := l.chain(&r.Event)
	if l.closed || len(c.queue) >= c.room {
		return false
	}
	c.queue = append(c.queue, r)
	l.signal()
	return true
}

func (l *Log) dropLocked(c *chain, why audit.Drop, n uint64) {
	c.lost += n
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
	end := audit.Event{Time: time.Now(), Kind: audit.Node, Outcome: audit.OK, Action: actionClosed}
	err := errors.Join(
		l.access.err, l.administration.err,
		l.write(&l.access, batch{records: []audit.Record{{Event: end}}}), // says how far administration has come
		l.access.sync(),
	)
	l.cfg.Log.Info("the audit log is closed", slog.String("head", heads(l.administration.file.head, l.access.file.head)))
	return errors.Join(err, l.shut())
}

// Stats gives the figures of this moment.
func (l *Log) Stats() audit.Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}
