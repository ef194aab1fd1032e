// Package directorytest has what tests of a Directory, and of what is built on
// one, need.
package directorytest

import (
	"cmp"
	"crypto/sha256"
	"maps"
	"slices"
	"sync"
	"testing"

	"bondy/core/directory"
	"bondy/core/id"
	"bondy/core/wamp"
)

// Log is a directory.Log in memory. Safe for concurrent use.
type Log struct {
	mu      sync.Mutex
	rows    map[key]directory.Row
	fail    error
	commits int
}

type key struct {
	kind directory.Kind
	key  string
}

// Load implements directory.Log.
func (l *Log) Load(kind directory.Kind, f func(directory.Row) error) error {
	for _, r := range l.Rows() {
		if r.Kind != kind || r.Value == nil {
			continue
		}
		if err := f(r); err != nil {
			return err
		}
	}
	return nil
}

// Commit implements directory.Log.
func (l *Log) Commit(rows []directory.Row) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return l.fail
	}
	l.commits++
	for _, r := range rows {
		l.putLocked(r)
	}
	return nil
}

func (l *Log) putLocked(r directory.Row) {
	if l.rows == nil {
		l.rows = make(map[key]directory.Row)
	}
	r.Value = slices.Clone(r.Value)
	l.rows[key{r.Kind, r.Key}] = r
}

// Put puts a row in, as another node or a damaged disk would.
func (l *Log) Put(r directory.Row) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.putLocked(r)
}

// Fail has every Commit fail from now on; nil ends that.
func (l *Log) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

// Commits is how many there were.
func (l *Log) Commits() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.commits
}

// Rows are all rows, deleted ones too, in the order of kinds and keys.
func (l *Log) Rows() []directory.Row {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.SortedFunc(maps.Values(l.rows), func(a, b directory.Row) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
	})
}

// Salt is the secret of a realm's logins in tests.
func Salt(realm wamp.URI) []byte {
	sum := sha256.Sum256([]byte(realm))
	return sum[:]
}

// Open opens a Directory on a log, which may have been used before.
func Open(tb testing.TB, l *Log) *directory.Directory {
	tb.Helper()
	d, err := directory.Open(l, id.NewClock(1), Salt)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// Do makes a change that must succeed, as the node's operator.
func Do(tb testing.TB, d *directory.Directory, change func(tx *directory.Tx) error) []directory.Change {
	tb.Helper()
	changes, err := d.Apply(directory.Actor{}, change)
	if err != nil {
		tb.Fatal(err)
	}
	return changes
}
