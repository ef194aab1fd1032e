package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"bondy/core/audit"
)

// DamageError says where a log is not as it was written.
type DamageError struct {
	// File is the path, Line counts from 1 in it; 0 is the file as a whole.
	File string
	Line int
	// After is the last record that is in order.
	After uint64
	// Problem is what is wrong.
	Problem string
}

// Error implements error.
func (e *DamageError) Error() string {
	place := e.File
	if e.Line > 0 {
		place = fmt.Sprintf("%s line %d", e.File, e.Line)
	}
	if e.After > 0 {
		place = fmt.Sprintf("%s, after record %d", place, e.After)
	}
	return fmt.Sprintf("the audit log is not in order: %s: %s", place, e.Problem)
}

// Report is what Verify found in a log that is in order.
type Report struct {
	// First and Last are the numbers of the oldest record that is kept and of
	// the newest, From and To their times.
	First uint64    `json:"first"`
	Last  uint64    `json:"last"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	// Head is the hash of the newest record, to be noted elsewhere.
	Head string `json:"head"`
	// Lost events are in no record, as the records say.
	Lost  uint64 `json:"lost"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
	// Unfinished are the bytes of a record at the end that is not whole: a node
	// that runs is writing it, or one was killed, and cuts it off when it starts.
	Unfinished int64 `json:"unfinished,omitempty"`
}

// Files are the files of a log for reading, whether or not a node writes them.
type Files struct{ dir string }

// NewFiles gives the files in dir.
func NewFiles(dir string) Files { return Files{dir} }

// Verify checks every record and the chain. A log may lack what was before its
// oldest file, as the oldest are deleted when it is full. head, if it is not
// empty, is the head that an earlier Verify reported: the log must still have
// the record, or begin right behind it. Errors are a *DamageError, or of reading.
func (f Files) Verify(head string) (*Report, error) {
	if b, err := hex.DecodeString(head); err != nil || len(b) != sha256.Size && head != "" {
		return nil, fmt.Errorf("%q is no head: it has %d hex digits", head, 2*sha256.Size)
	}
	for range 10 { // a node that runs may delete the oldest file
		v := verifier{dir: f.dir, head: head}
		err := v.run()
		if errors.Is(err, fs.ErrNotExist) && len(v.files) > 0 {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &v.report, nil
	}
	return nil, fmt.Errorf("the files in %s are deleted faster than they can be read", f.dir)
}

// verifier is one pass over a log.
type verifier struct {
	dir, head string
	files     []segment

	at     DamageError // the place
	chain  audit.Head
	oldest uint64 // that the last file names
	noted  bool   // head was found
	report Report
}

func (v *verifier) damage(format string, args ...any) error {
	e := v.at
	e.After, e.Problem = v.chain.Seq, fmt.Sprintf(format, args...)
	return &e
}

func (v *verifier) run() (err error) {
	if v.files, err = existing(v.dir); err != nil {
		return err
	}
	for i, s := range v.files {
		v.at = DamageError{File: s.path(v.dir)}
		if i > 0 && s.number != v.files[i-1].number+1 {
			return v.damage("%s is missing", name(v.files[i-1].number+1))
		}
		if err := v.file(s, i == len(v.files)-1); err != nil {
			return err
		}
	}
	v.at = DamageError{File: v.dir}
	first := v.files[0].number
	switch {
	case v.report.Last == 0:
		return v.damage("there is no record")
	case first > v.oldest:
		return v.damage("%s is missing, which the log has kept", name(first-1))
	case v.head != "" && !v.noted:
		return v.damage("there is no record with the head %s, from %s on: it, or a record before it, was changed or removed, or has become too old",
			v.head, v.report.From.Format(time.RFC3339))
	}
	v.report.Files, v.report.Head = len(v.files), v.chain.String()
	return nil
}

// existing lists the files of a log, which must have some.
func existing(dir string) ([]segment, error) {
	files, err := list(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(files) == 0 {
		return nil, fmt.Errorf("there is no audit log in %s", dir)
	}
	return files, err
}

// file checks one file; the last may end in a record that is being written.
func (v *verifier) file(s segment, last bool) error {
	in, err := os.Open(filepath.Clean(v.at.File))
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	for line, err := range lines(in) {
		if err != nil {
			return err
		}
		v.at.Line++
		v.report.Bytes += int64(len(line))
		if !whole(line) && last && len(line) <= audit.MaxLine {
			v.report.Unfinished = int64(len(line))
			continue
		}
		r, err := audit.ParseRecord(line)
		switch {
		case err != nil:
			return v.damage("%v", err)
		case !whole(line):
			return v.damage("the file ends within a record")
		}
		if err := v.record(s, r); err != nil {
			return err
		}
	}
	if v.at.Line == 0 && !last {
		return v.damage("the file is empty")
	}
	return nil
}

func (v *verifier) record(s segment, r *audit.Record) error {
	if begins := v.at.Line == 1; begins != (r.Segment != 0) || begins && r.Segment != s.number {
		return v.damage("the file does not begin with the record that it began with")
	}
	if v.report.Last == 0 {
		before, err := r.Before()
		if err != nil {
			return v.damage("%v", err)
		}
		if before.Seq == 0 && before != (audit.Head{}) {
			return v.damage("the first record follows another")
		}
		v.chain, v.report.First, v.report.From = before, r.Seq, r.Time
		v.noted = r.Prev == v.head
	}
	if err := v.chain.Follow(r); err != nil {
		return v.damage("%v", err)
	}
	v.noted = v.noted || r.Hash == v.head
	v.report.Last, v.report.To = r.Seq, r.Time
	v.report.Lost += r.Lost
	if r.Segment != 0 {
		v.oldest = r.Oldest
	}
	return nil
}
