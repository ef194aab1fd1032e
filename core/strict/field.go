package strict

import (
	"encoding/json"
	"reflect"
)

// Field is a member of an object that may be absent or null. The zero value is
// absent; in JSON it wants the option omitzero.
type Field[T any] struct {
	// Present says that it is there, Null that it is null; Value is zero then.
	Present, Null bool
	Value         T
}

// Some is a Field with a value.
func Some[T any](v T) Field[T] { return Field[T]{Present: true, Value: v} }

// Null is a Field that is null.
func Null[T any]() Field[T] { return Field[T]{Present: true, Null: true} }

// FromPointer is Some, or null where p is nil.
func FromPointer[T any](p *T) Field[T] {
	if p == nil {
		return Null[T]()
	}
	return Some(*p)
}

// NonZero is Some, or null for the zero value.
func NonZero[T comparable](v T) Field[T] {
	var zero T
	if v == zero {
		return Null[T]()
	}
	return Some(v)
}

// Has tells whether there is a value.
func (f Field[T]) Has() bool { return f.Present && !f.Null }

// IsZero tells whether it is absent.
func (f Field[T]) IsZero() bool { return !f.Present }

// MarshalJSON implements json.Marshaler.
func (f Field[T]) MarshalJSON() ([]byte, error) {
	if !f.Has() {
		return []byte("null"), nil
	}
	return json.Marshal(f.Value)
}

// begin makes it present and returns where its value goes.
func (f *Field[T]) begin(null bool) reflect.Value {
	f.Present, f.Null = true, null
	return reflect.ValueOf(&f.Value).Elem()
}
