package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/bbolt"
)

// Tx is the transaction of a View or an update, for tables to use while its
// function runs and by that goroutine alone.
type Tx struct {
	bolt     *bbolt.Tx
	tables   map[string]*table // those used so far; of the whole batch in an update
	writable bool
	done     bool
	fault    error // what a damaged page did to bbolt

	changes []change // in their order, to take them back
	size    int      // bytes of rows written
	version uint32   // schema version to write, of a migration
}

// table is a table within a transaction.
type table struct {
	summary
	name  string
	rows  *bbolt.Bucket // nil when the table does not exist
	dirty bool          // the summary is to be written
}

// change is a row that was written or deleted, and what was there before; nil
// when nothing was.
type change struct {
	table *table
	key   []byte
	old   []byte
}

// run runs calls of bbolt, and remembers when they met damage.
func (tx *Tx) run(op func() error) error {
	if tx.fault != nil {
		return tx.fault
	}
	err := guard(op)
	if _, ok := errors.AsType[*faultError](err); ok {
		tx.fault = err
	}
	return err
}

// open returns the table; one that does not exist has no rows, and is made when
// create is set.
func (tx *Tx) open(name string, create bool) (*table, error) {
	switch {
	case tx.done:
		return nil, ErrTxDone
	case create && !tx.writable:
		return nil, ErrReadOnly
	}
	t := tx.tables[name]
	if t != nil && (t.rows != nil || !create) {
		return t, nil
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	t = &table{name: name}
	err := tx.run(func() (err error) {
		if t.rows = tx.bolt.Bucket([]byte(name)); t.rows == nil {
			if create {
				t.rows, err = tx.bolt.CreateBucket([]byte(name))
			}
			return err
		}
		key := []byte(summaryPrefix + name)
		row := tx.bolt.Bucket([]byte(metaTable)).Get(key)
		if row == nil {
			return nil
		}
		value, err := unseal(metaTable, key, row)
		if err == nil {
			t.summary, err = decodeSummary(value)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	tx.tables[name] = t
	return t, nil
}

// get returns the value of a row; it is valid until the next change.
func (tx *Tx) get(name string, key []byte) (value []byte, ok bool, err error) {
	t, err := tx.open(name, false)
	if err != nil || t.rows == nil {
		return nil, false, err
	}
	err = tx.run(func() error {
		row := t.rows.Get(key)
		if ok = row != nil; !ok {
			return nil
		}
		value, err = unseal(name, key, row)
		return err
	})
	return value, ok && err == nil, err
}

// put writes a row, or deletes it when value is nil. A row that is so already
// costs nothing.
func (tx *Tx) put(name string, key, value []byte) error {
	if len(key) == 0 || len(key) > MaxKey {
		return fmt.Errorf("%w: key of %d bytes in table %q, 1 to %d will do", ErrTooLong, len(key), name, MaxKey)
	}
	if len(value) > MaxValue {
		return fmt.Errorf("%w: value of %d bytes in table %q, at most %d will do", ErrTooLong, len(value), name, MaxValue)
	}
	t, err := tx.open(name, true)
	if err != nil {
		return err
	}
	return tx.run(func() error {
		old := t.rows.Get(key)
		if old != nil {
			if _, err := unseal(name, key, old); err != nil {
				return err // its summary would be wrong for ever
			}
		}
		var row []byte
		if value != nil {
			row = seal(name, key, value)
		}
		if old == nil && row == nil || row != nil && bytes.Equal(old, row) {
			return nil
		}
		if err := t.replace(key, old, row); err != nil {
			return err
		}
		tx.changes = append(tx.changes, change{t, key, old})
		tx.size += len(key) + len(row)
		return nil
	})
}

// revert takes all changes back.
func (tx *Tx) revert() error {
	for _, c := range slices.Backward(tx.changes) {
		if err := c.table.replace(c.key, c.table.rows.Get(c.key), c.old); err != nil {
			return err
		}
	}
	return nil
}

// replace writes row in place of old; nil is none.
func (t *table) replace(key, old, row []byte) error {
	var err error
	if row == nil {
		err = t.rows.Delete(key)
	} else {
		err = t.rows.Put(key, row)
	}
	if err != nil {
		return err
	}
	if old != nil {
		t.remove(old)
	}
	if row != nil {
		t.add(row)
	}
	return nil
}

// scan yields the rows of a table whose keys begin with prefix and are not less
// than from, in the order of their bytes. Key and value are valid until the next
// step. The table may change meanwhile.
func (tx *Tx) scan(name string, prefix, from []byte, yield func(key, value []byte, err error) bool) {
	t, err := tx.open(name, false)
	if err != nil {
		yield(nil, nil, err)
		return
	}
	if t.rows == nil {
		return
	}
	if bytes.Compare(from, prefix) < 0 {
		from = prefix
	}
	var cursor *bbolt.Cursor
	var key, row []byte
	changes := 0
	last := bytes.Clone(from)
	for {
		err := tx.run(func() error {
			switch {
			case cursor == nil:
				cursor = t.rows.Cursor()
				key, row = cursor.Seek(last)
			case changes == len(tx.changes):
				key, row = cursor.Next()
			default: // a cursor does not survive a change
				if key, row = cursor.Seek(last); bytes.Equal(key, last) {
					key, row = cursor.Next()
				}
			}
			return nil
		})
		if err == nil && (key == nil || !bytes.HasPrefix(key, prefix)) {
			return
		}
		var value []byte
		if err == nil {
			value, err = tx.read(t, key, row)
		}
		changes, last = len(tx.changes), append(last[:0], key...)
		if err != nil {
			yield(nil, nil, err)
			return
		}
		if !yield(last, value, nil) {
			return
		}
		if tx.done {
			yield(nil, nil, ErrTxDone)
			return
		}
	}
}

func (tx *Tx) read(t *table, key, row []byte) (value []byte, err error) {
	err = tx.run(func() (err error) { value, err = unseal(t.name, key, row); return err })
	return value, err
}

// checkName refuses what is no name of a table: lower-case letters, digits,
// and after the first one "._-/", at most 64 in all.
func checkName(name string) error {
	const first, rest = "abcdefghijklmnopqrstuvwxyz", "0123456789._-/"
	if name == "" || len(name) > 64 || !strings.Contains(first, name[:1]) || strings.Trim(name, first+rest) != "" {
		return fmt.Errorf("%q is no name of a table", name)
	}
	return nil
}
