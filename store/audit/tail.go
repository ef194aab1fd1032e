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

// Tail gives each the records that q wants, in order; with Follow until ctx ends.
// In place of a line that is no record comes a *DamageError. The chain is not
// checked. An error that each returns ends Tail.
func (f Files) Tail(ctx context.Context, q Query, each func(*audit.Record, error) error) error {
	files, err := existing(f.dir)
	if err != nil {
		return err
	}
	found, next, err := f.last(&q, files)
	if err != nil {
		return err
	}
	for _, r := range found {
		if err := each(r.record, r.err); err != nil {
			return err
		}
	}
	if !q.Follow {
		return nil
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if files, err = list(f.dir); err != nil {
			return err
		}
		if next, err = f.newer(&q, files, next, each); err != nil {
			return err
		}
	}
}

// position is a place between lines.
type position struct {
	number uint64
	offset int64
	line   int // before it in the file
}

// entry is a line that was read.
type entry struct {
	record *audit.Record
	err    error
}

// last finds the newest records, the newest file first, and where to go on.
func (f Files) last(q *Query, files []segment) (found []entry, next position, err error) {
	next.number = files[len(files)-1].number
	for i := len(files) - 1; i >= 0 && (q.Last == 0 || len(found) < q.Last); i-- {
		var some []entry
		first := true
		older := false
		at, err := f.read(position{number: files[i].number}, func(r *audit.Record, err error) error {
			if first && err == nil {
				first, older = false, r.Time.Before(q.Since)
			}
			if err != nil || q.wants(r) {
				some = append(some, entry{r, err})
			}
			return nil
		})
		if errors.Is(err, fs.ErrNotExist) {
			break // the node has deleted it, and what was before
		}
		if err != nil {
			return nil, next, err
		}
		if at.number == next.number {
			next = at
		}
		found = append(some, found...)
		if older {
			break
		}
	}
	if q.Last > 0 && len(found) > q.Last {
		found = found[len(found)-q.Last:]
	}
	return found, next, nil
}

// newer gives what was written behind a position, and where to go on.
func (f Files) newer(q *Query, files []segment, next position, each func(*audit.Record, error) error) (position, error) {
	for _, s := range files {
		switch {
		case s.number < next.number:
			continue
		case s.number > next.number:
			next = position{number: s.number}
		case s.size < next.offset:
			next.offset = s.size // the node took back what the disk did not hold
		}
		at, err := f.read(next, func(r *audit.Record, err error) error {
			if err != nil || q.wants(r) {
				return each(r, err)
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return next, err
		}
		next = at
	}
	return next, nil
}

// read gives each the whole lines behind a position and returns where they end.
func (f Files) read(at position, each func(*audit.Record, error) error) (position, error) {
	path := segment{number: at.number}.path(f.dir)
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
