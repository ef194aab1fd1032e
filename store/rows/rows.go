// Package rows keeps the rows of core/directory in a store.DB: each with the
// stamp of who wrote it last, deleted ones for as long as others may not have
// heard of it.
package rows

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bondy/core/directory"
	"bondy/core/id"
	"bondy/store"
)

// keep is how long a deleted row is remembered.
const keep = 30 * 24 * time.Hour

// Log implements directory.Log. Safe for concurrent use.
type Log struct {
	db      *store.DB
	rows    store.Table[string, value]
	secrets store.Table[string, []byte]
}

// New uses db.
func New(db *store.DB) *Log {
	return &Log{
		db:      db,
		rows:    store.NewTable[string]("row", store.Codec[value]{Encode: value.encode, Decode: decode}),
		secrets: store.NewTable[string]("node", store.Raw()),
	}
}

// value is a row in the table: its stamp, whether it is there, and what it says.
type value struct {
	stamp   id.Stamp
	deleted bool
	text    []byte
}

// First byte after the stamp.
const (
	present = 1
	deleted = 0
)

func (v value) encode() ([]byte, error) {
	b := v.stamp.Append(make([]byte, 0, id.StampSize+1+len(v.text)))
	if v.deleted {
		return append(b, deleted), nil
	}
	return append(append(b, present), v.text...), nil
}

// decode keeps nothing of b but what a row says, which is valid as long as b.
func decode(b []byte) (v value, err error) {
	if v.stamp, err = id.ReadStamp(b); err != nil {
		return v, err
	}
	switch b = b[id.StampSize:]; {
	case len(b) == 0:
		return v, errors.New("a row ends after its stamp")
	case b[0] == present:
		v.text = b[1:]
	case b[0] == deleted && len(b) == 1:
		v.deleted = true
	default:
		return v, fmt.Errorf("a row of the unknown form %d", b[0])
	}
	return v, nil
}

// key is that of a row in the table. Kinds have no NUL.
func key(kind directory.Kind, of string) string { return string(kind) + "\x00" + of }

// Load implements directory.Log.
func (l *Log) Load(kind directory.Kind, f func(directory.Row) error) error {
	prefix := key(kind, "")
	return l.db.View(func(tx *store.Tx) error {
		for row, err := range l.rows.Rows(tx, prefix, "") {
			if err == nil && !row.Value.deleted {
				err = f(directory.Row{Kind: kind, Key: strings.TrimPrefix(row.Key, prefix), Stamp: row.Value.stamp, Value: row.Value.text})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Commit implements directory.Log. Many rows at once go in in the order of their
// keys: among others each would move what the transaction has put in before.
func (l *Log) Commit(rows []directory.Row) error {
	rows = slices.SortedFunc(slices.Values(rows), func(a, b directory.Row) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
	})
	return l.db.Update(func(tx *store.Tx) error {
		for _, r := range rows {
			v := value{stamp: r.Stamp, deleted: r.Value == nil, text: r.Value}
			if err := l.rows.Put(tx, key(r.Kind, r.Key), v); err != nil {
				return err
			}
		}
		return nil
	})
}

// Secret is one of the node's own, of size bytes: the first call with its name
// draws it.
func (l *Log) Secret(name string, size int) (secret []byte, err error) {
	err = l.db.Update(func(tx *store.Tx) error {
		stored, ok, err := l.secrets.Get(tx, name)
		if ok || err != nil {
			secret = stored
			return err
		}
		secret = make([]byte, size)
		_, _ = rand.Read(secret) // never fails: crypto/rand ends the process instead
		return l.secrets.Put(tx, name, secret)
	})
	return secret, err
}

// Prune forgets rows that were deleted long ago, and tells how many.
func (l *Log) Prune() (n int, err error) {
	before := time.Now().Add(-keep)
	err = l.db.Update(func(tx *store.Tx) error {
		n = 0
		for row, err := range l.rows.Rows(tx, "", "") {
			if err != nil {
				return err
			}
			if row.Value.deleted && row.Value.stamp.When().Before(before) {
				if err := l.rows.Delete(tx, row.Key); err != nil {
					return err
				}
				n++
			}
		}
		return nil
	})
	return n, err
}
