package audit

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"bondy/core/audit"
)

// DamageError says where a log is not as it was written.
type DamageError struct {
	// File is the path, Line counts from 1 in it; 0 is the file as a whole.
	File string
	Line int
	// After is the last record of the chain that is in order.
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
	// Head are the hashes of the newest records, to be noted elsewhere.
	Head string `json:"head"`
	// Administration and Access are the two chains. A log of before there were two
	// has all in the first, and no Access.
	Administration Chain `json:"administration"`
	Access         Chain `json:"access,omitzero"`
}

// Chain is what Verify found in one of the two.
type Chain struct {
	// First and Last are the numbers of the oldest record that is kept and of
	// the newest, From and To their times.
	First uint64    `json:"first"`
	Last  uint64    `json:"last"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
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

// Verify checks every record and the chains. They may lack what was before their
// oldest files, as the oldest are deleted when a chain is full. head, if it is not
// empty, is what an earlier Verify reported: the log must still have the records, or
// begin right behind them. Errors are a *DamageError, or of reading.
func (f Files) Verify(head string) (*Report, error) {
	noted, err := parseHeads(head)
	if err != nil {
		return nil, err
	}
	for range 10 { // a node that runs begins files, and deletes the oldest
		before := f.names()
		report, failed := f.verify(noted)
		_, damaged := errors.AsType[*DamageError](failed)
		if damaged && !slices.Equal(before, f.names()) || errors.Is(failed, fs.ErrNotExist) {
			err = failed
			continue
		}
		return report, failed
	}
	return nil, fmt.Errorf("files come and go in %s while they are read: %w", f.dir, err)
}

// names are those of the files.
func (f Files) names() (all []string) {
	for _, s := range both() {
		files, _ := list(f.dir, s) // verify tells
		for _, one := range files {
			all = append(all, one.name())
		}
	}
	return all
}

func (f Files) verify(noted []string) (*Report, error) {
	if err := f.exist(); err != nil {
		return nil, err
	}
	// What is read first is older than what it refers to.
	said, err := f.headers(access)
	if err != nil {
		return nil, err
	}
	changes := verifier{dir: f.dir, series: administration, marks: said, noted: slices.Clone(noted)}
	if err := changes.run(); err != nil {
		return nil, err
	}
	rest := verifier{dir: f.dir, series: access, marks: changes.found, noted: changes.noted}
	if err := rest.run(); err != nil {
		return nil, err
	}
	if len(rest.noted) > 0 {
		return nil, &DamageError{File: f.dir, Problem: fmt.Sprintf(
			"there is no record with the head %s: it, or a record before it, was changed or removed, or has become too old; the files %s-* begin at %s",
			rest.noted[0], administration, changes.chain.From.Format(time.RFC3339),
		)}
	}
	return &Report{Head: heads(changes.head, rest.head), Administration: changes.chain, Access: rest.chain}, nil
}

// exist says whether there are files of a log.
func (f Files) exist() error {
	for _, s := range both() {
		files, err := list(f.dir, s)
		if len(files) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return fmt.Errorf("there is no audit log in %s", f.dir)
}

// headers gives what the first records of the files of a series say of the other.
func (f Files) headers(of series) (marks, error) {
	files, err := list(f.dir, of)
	if err != nil {
		return nil, err
	}
	said := marks{}
	for _, s := range files {
		_, err := f.read(position{segment: s}, func(r *audit.Record, err error) error {
			if err == nil {
				_ = said.add(r, s.path(f.dir), 1) // reading the whole file tells
			}
			return errFirst
		})
		if err != nil && !errors.Is(err, errFirst) {
			return nil, err
		}
	}
	return said, nil
}

// errFirst ends reading after the first record.
var errFirst = errors.New("the first record was read")

// marks are ends of a chain of which another chain says that it had come to them,
// by the number of the record.
type marks map[uint64]mark

type mark struct {
	head audit.Head
	file string
	line int
}

// add adds what a record says.
func (m marks) add(r *audit.Record, file string, line int) error {
	if r.Beside == "" {
		return nil
	}
	head, err := audit.ParseHead(r.Beside)
	if err != nil {
		return err
	}
	if old, ok := m[head.Seq]; ok && old.head != head {
		return fmt.Errorf("it says otherwise of record %d of the other chain than %s line %d", head.Seq, old.file, old.line)
	}
	m[head.Seq] = mark{head, file, line}
	return nil
}

// heads are those that are to be noted, as one text.
func heads(all ...audit.Head) string {
	var text []string
	for _, h := range all {
		if h.Seq > 0 {
			text = append(text, h.String())
		}
	}
	return strings.Join(text, ",")
}

// parseHeads reads what heads gave.
func parseHeads(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	all := strings.Split(text, ",")
	for _, h := range all {
		if b, err := hex.DecodeString(h); err != nil || len(b) != len(audit.Head{}.Hash) {
			return nil, fmt.Errorf("%q is no head: it has %d hex digits, or twice that with a comma between", text, 2*len(audit.Head{}.Hash))
		}
	}
	return all, nil
}
