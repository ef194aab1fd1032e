package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
)

// Codec turns values into bytes and back. Decode must not keep the bytes. The
// errors are returned by the Table's methods.
type Codec[V any] struct {
	Encode func(V) ([]byte, error)
	Decode func([]byte) (V, error)
}

// JSON is the codec for most tables.
func JSON[V any]() Codec[V] {
	return Codec[V]{
		Encode: func(v V) ([]byte, error) { return json.Marshal(v) },
		Decode: func(b []byte) (v V, err error) { return v, json.Unmarshal(b, &v) },
	}
}

// Raw is the codec of bytes as they are.
func Raw() Codec[[]byte] {
	return Codec[[]byte]{
		Encode: func(v []byte) ([]byte, error) { return v, nil },
		Decode: func(b []byte) ([]byte, error) { return bytes.Clone(b), nil },
	}
}

// Table is a table of rows with keys K, in the order of their bytes, and values
// V. It holds nothing: it may be copied, used concurrently and with any DB.
type Table[K ~string, V any] struct {
	name  string
	codec Codec[V]
}

// Row is a row of a table.
type Row[K ~string, V any] struct {
	Key   K
	Value V
}

// NewTable describes a table. Its name consists of lower-case letters, digits and,
// after a first letter, "._-/", at most 64 in all; every use fails with another.
func NewTable[K ~string, V any](name string, codec Codec[V]) Table[K, V] {
	return Table[K, V]{name, codec}
}

// Get returns the value of the row with that key, and whether there is one.
func (t Table[K, V]) Get(tx *Tx, key K) (value V, ok bool, err error) {
	b, ok, err := tx.get(t.name, []byte(key))
	if !ok || err != nil {
		return value, false, err
	}
	if value, err = t.decode(b); err != nil {
		return value, false, err
	}
	return value, true, nil
}

// Put writes a row in place of the one with that key, if any. It costs nothing
// when that has the same bytes. Errors: ErrTooLong for a key or an encoded value
// (or an empty key), ErrReadOnly in a View.
func (t Table[K, V]) Put(tx *Tx, key K, value V) error {
	b, err := t.codec.Encode(value)
	if err != nil {
		return fmt.Errorf("encode a row of table %q: %w", t.name, err)
	}
	if b == nil {
		b = []byte{}
	}
	return tx.put(t.name, []byte(key), b)
}

// Delete deletes the row with that key; it is no error when there is none.
func (t Table[K, V]) Delete(tx *Tx, key K) error {
	return tx.put(t.name, []byte(key), nil)
}

// Len returns how many rows there are, at no cost.
func (t Table[K, V]) Len(tx *Tx) (int, error) {
	rows, err := tx.open(t.name, false)
	if err != nil {
		return 0, err
	}
	return int(rows.summary.rows), nil //nolint:gosec // the file's size bounds it
}

// Rows goes through the rows whose keys begin with prefix and are not less than
// from, in order. The function that ranges over them may change the table; of
// what it adds, it meets the rows that are still to come. An error ends it.
func (t Table[K, V]) Rows(tx *Tx, prefix, from K) iter.Seq2[Row[K, V], error] {
	return func(yield func(Row[K, V], error) bool) {
		tx.scan(t.name, []byte(prefix), []byte(from), func(key, b []byte, err error) bool {
			if err != nil {
				return yield(Row[K, V]{}, err)
			}
			value, err := t.decode(b)
			if err != nil {
				yield(Row[K, V]{}, err)
				return false
			}
			return yield(Row[K, V]{K(key), value}, nil)
		})
	}
}

func (t Table[K, V]) decode(b []byte) (V, error) {
	value, err := t.codec.Decode(b)
	if err != nil {
		return value, fmt.Errorf("decode a row of table %q: %w", t.name, err)
	}
	return value, nil
}
