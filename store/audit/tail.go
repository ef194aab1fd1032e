package audit

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"bondy/core/audit"
	"bondy/core/wamp"
)

// Query says which records of a log are wanted.
type Query struct {
	// Last is how many of the newest are wanted; 0 is all.
	Last int
	// Follow asks for those to come, too.
	Follow bool
	// Since, Kind, Realm and AuthID choose among the records; what is empty does
	// not.
	Since  time.Time
	Kind   audit.Kind
	Realm  wamp.URI
	AuthID string
}

func (q *Query) wants(r *audit.Record) bool {
	return (q.Kind == "" || q.Kind == r.Kind) && (q.Realm == "" || q.Realm == r.Realm) &&
		(q.AuthID == "" || q.AuthID == r.AuthID) && !r.Time.Before(q.Since)
}

// pollEvery is how often a log is looked at by who follows it.
const pollEvery = 200 * time.Millisecond

// Tail gives each the records that q wants, those of both chains by time; with
// Follow until ctx ends. In place of a line that is no record comes a *DamageError.
// The chains are not checked. An error that each returns ends Tail.
func (f Files) Tail(ctx context.Context, q Query, each func(*audit.Record, error) error) error {
	if err := f.exist(); err != nil {
		return err
	}
	readers := [2]*reader{}
	var found [2][]entry
	for i, s := range both() {
		readers[i] = &reader{Files: f, next: position{segment: segment{series: s}}}
		var err error
		if found[i], err = readers[i].last(&q); err != nil {
			return err
		}
	}
	all := merge(found)
	if q.Last > 0 && len(all) > q.Last {
		all = all[len(all)-q.Last:]
	}
	if err := give(all, each); err != nil || !q.Follow {
		return err
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for i, r := range readers {
			var err error
			if found[i], err = r.newer(&q); err != nil {
				return err
			}
		}
		if err := give(merge(found), each); err != nil {
			return err
		}
	}
}

// entry is a line that was read.
type entry struct {
	record *audit.Record
	err    error
	time   time.Time // of damage, that of the record before
}

func give(all []entry, each func(*audit.Record, error) error) error {
	for _, e := range all {
		if err := each(e.record, e.err); err != nil {
			return err
		}
	}
	return nil
}

// merge brings the entries of the chains in one order by time, in which each chain
// keeps its own.
func merge(of [2][]entry) []entry {
	a, b := of[0], of[1]
	all := make([]entry, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if b[0].time.Before(a[0].time) {
			a, b = b, a
		}
		all, a = append(all, a[0]), a[1:]
	}
	return append(append(all, a...), b...)
}

// position is a place between lines.
type position struct {
	segment
	offset int64
	line   int // before it in the file
}

// reader reads one chain.
type reader struct {
	Files
	next position
	time time.Time // of the newest record that was read
}

// entries reads what q wants of what stands behind a position, and returns where it
// ends. A file that is gone the node has deleted.
func (r *reader) entries(q *Query, at position) (some []entry, end position, err error) {
	end, err = r.read(at, func(rec *audit.Record, err error) error {
		if rec != nil {
			r.time = rec.Time
		}
		if err != nil || q.wants(rec) {
			some = append(some, entry{rec, err, r.time})
		}
		return nil
	})
	return some, end, err
}

// last finds the newest records, the newest file first, and where to go on.
func (r *reader) last(q *Query) (found []entry, err error) {
	files, err := list(r.dir, r.next.series)
	if err != nil {
		return nil, err
	}
	for i := len(files) - 1; i >= 0 && (q.Last == 0 || len(found) < q.Last); i-- {
		r.time = time.Time{}
		some, end, err := r.entries(q, position{segment: files[i]})
		if errors.Is(err, fs.ErrNotExist) {
			break // and so is what was before
		}
		if err != nil {
			return nil, err
		}
		if i == len(files)-1 {
			r.next = end
		}
		found = append(some, found...)
		if !r.time.IsZero() && r.time.Before(q.Since) {
			break // all before is older
		}
	}
	return found, nil
}

// newer finds what was written since.
func (r *reader) newer(q *Query) (found []entry, err error) {
	files, err := list(r.dir, r.next.series)
	if err != nil {
		return nil, err
	}
	for _, s := range files {
		switch {
		case s.number < r.next.number:
			continue
		case s.number > r.next.number:
			r.next = position{segment: s}
		case s.size < r.next.offset:
			r.next.offset = s.size // the node took back what the disk did not hold
		}
		some, end, err := r.entries(q, r.next)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		found, r.next = append(found, some...), end
	}
	return found, nil
}

// read gives each the whole lines behind a position and returns where they end.
func (f Files) read(at position, each func(*audit.Record, error) error) (position, error) {
	path := at.path(f.dir)
	in, err := os.Open(path) //nolint:gosec // the operator chose the directory
	if err != nil {
		return at, err
	}
	defer func() { _ = in.Close() }()
	if _, err := in.Seek(at.offset, io.SeekStart); err != nil {
		return at, err
	}
	for line, err := range lines(in) {
		if err != nil {
			return at, err
		}
		if !whole(line) && len(line) <= audit.MaxLine {
			break
		}
		at.offset += int64(len(line))
		at.line++
		r, err := audit.ParseRecord(line)
		if err != nil {
			r, err = nil, &DamageError{File: path, Line: at.line, Problem: err.Error()}
		}
		if err := each(r, err); err != nil {
			return at, err
		}
	}
	return at, nil
}
