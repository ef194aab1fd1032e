package audit

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"bondy/core/audit"
)

// verifier is one pass over a chain.
type verifier struct {
	dir    string
	series series
	marks  marks    // that it must have come to
	noted  []string // hashes that were not found yet

	at     DamageError // the place
	head   audit.Head
	oldest uint64 // that the last file names
	chain  Chain
	found  marks // what its records say of the other chain
}

func (v *verifier) damage(format string, args ...any) error {
	e := v.at
	e.After, e.Problem = v.head.Seq, fmt.Sprintf(format, args...)
	return &e
}

func (v *verifier) run() error {
	v.found = marks{}
	files, err := list(v.dir, v.series)
	if err != nil {
		return err
	}
	for i, s := range files {
		v.at = DamageError{File: s.path(v.dir)}
		if i > 0 && s.number != files[i-1].number+1 {
			return v.damage("%s is missing", v.series.name(files[i-1].number+1))
		}
		if err := v.file(s, i == len(files)-1); err != nil {
			return err
		}
	}
	v.chain.Files = len(files)
	return v.end(files)
}

// end checks that nothing is missing at either end of the chain.
func (v *verifier) end(files []segment) error {
	v.at = DamageError{File: v.dir}
	for _, seq := range slices.Sorted(maps.Keys(v.marks)) {
		if m := v.marks[seq]; seq > v.chain.Last {
			return v.damage("record %d of the files %s-* is missing, which was there when %s line %d was written", seq, v.series, m.file, m.line)
		}
	}
	switch {
	case v.series == access && (len(files) == 0 || v.chain.Last == 0 && files[0].number == 1 && len(files) == 1):
		return nil // of a log of before there were such files, or one that was killed as it began; else the marks would say
	case v.chain.Last == 0:
		return v.damage("there is no record in files %s-*", v.series)
	case files[0].number > v.oldest:
		return v.damage("%s is missing, which the log still had when %s was begun; unless it was deleted since, and what is missing are the files after %s",
			v.series.name(files[0].number-1), v.series.name(files[len(files)-1].number), v.series.name(files[len(files)-1].number))
	}
	return nil
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
		v.chain.Bytes += int64(len(line))
		if !whole(line) && last && len(line) <= audit.MaxLine {
			v.chain.Unfinished = int64(len(line))
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
	begins := v.at.Line == 1
	switch {
	case begins != (r.Segment != 0):
		return v.damage("the file does not begin with the record that it began with")
	case begins && (r.Segment != s.number || r.Object != s.name()):
		return v.damage("the file began as %q", r.Object)
	}
	if v.chain.Last == 0 {
		before, err := r.Before()
		if err != nil {
			return v.damage("%v", err)
		}
		if before.Seq == 0 && before != (audit.Head{}) {
			return v.damage("the first record follows another")
		}
		v.head, v.chain.First, v.chain.From = before, r.Seq, r.Time
		if err := v.came(); err != nil {
			return err
		}
	}
	if err := v.head.Follow(r); err != nil {
		return v.damage("%v", err)
	}
	v.chain.Last, v.chain.To = r.Seq, r.Time
	v.chain.Lost += r.Lost
	if r.Segment != 0 {
		v.oldest = r.Oldest
	}
	if err := v.found.add(r, v.at.File, v.at.Line); err != nil {
		return v.damage("%v", err)
	}
	return v.came()
}

// came checks the record that the chain has come to against what the other chain,
// and who asks, say of it.
func (v *verifier) came() error {
	if m, ok := v.marks[v.head.Seq]; ok && m.head != v.head {
		return v.damage("record %d is another one than was there when %s line %d was written", v.head.Seq, m.file, m.line)
	}
	if len(v.noted) == 0 {
		return nil
	}
	hash := v.head.String()
	v.noted = slices.DeleteFunc(v.noted, func(noted string) bool { return noted == hash })
	return nil
}
