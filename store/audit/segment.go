package audit

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bondy/core/audit"
)

// segment is a file of the log.
type segment struct {
	series
	number uint64
	size   int64
}

func (s segment) name() string           { return s.series.name(s.number) }
func (s segment) path(dir string) string { return filepath.Join(dir, s.name()) }

// list gives the files of a series in dir in order.
func list(dir string, of series) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []segment
	for _, e := range entries {
		digits := strings.TrimSuffix(strings.TrimPrefix(e.Name(), string(of)+"-"), ".jsonl")
		n, err := strconv.ParseUint(digits, 10, 63)
		if err != nil || n == 0 || e.Name() != of.name(n) {
			continue // none of ours
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // it was deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		all = append(all, segment{of, n, info.Size()})
	}
	slices.SortFunc(all, func(a, b segment) int { return cmp.Compare(a.number, b.number) })
	return all, nil
}

// lines gives the lines of r with their line breaks, which the last may lack.
// One that is too long for a record comes in pieces. A line is valid until the
// next.
func lines(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		br := bufio.NewReaderSize(r, audit.MaxLine+1)
		for {
			line, err := br.ReadSlice('\n')
			if len(line) > 0 && !yield(line, nil) {
				return
			}
			switch {
			case err == nil, errors.Is(err, bufio.ErrBufferFull):
			case errors.Is(err, io.EOF):
				return
			default:
				yield(nil, err)
				return
			}
		}
	}
}

// whole reports whether a line has its line break.
func whole(line []byte) bool { return line[len(line)-1] == '\n' }

// tail is what the end of a file says about going on with it.
type tail struct {
	head    audit.Head // of the last record
	good    int64      // bytes of the records that stand without a gap at the beginning
	damaged bool       // a record stands behind something that is none
}

// readTail finds where the file ends in order. What follows no record and has
// none behind it is what a crash leaves.
func readTail(path string) (t tail, err error) {
	f, err := os.Open(path) //nolint:gosec // the operator chose the directory
	if err != nil {
		return t, err
	}
	defer func() { _ = f.Close() }()
	gap := false
	for line, err := range lines(f) {
		if err != nil {
			return t, err
		}
		r, err := audit.ParseRecord(line)
		ok := err == nil && whole(line)
		if ok && !gap && (t.good == 0 || t.head.Follow(r) == nil) {
			t.head = r.Head()
			t.good += int64(len(line))
			continue
		}
		if gap = true; ok {
			t.head, t.damaged = r.Head(), true
		}
	}
	return t, nil
}
