package store

import (
	"fmt"
	"runtime/debug"
)

// faultError is a panic or memory fault inside bbolt: it met a page that makes
// no sense, or one that the file no longer has.
type faultError struct{ cause any }

func (e *faultError) Error() string { return fmt.Sprintf("%v: %v", ErrDamaged, e.cause) }

func (e *faultError) Unwrap() error { return ErrDamaged }

// guard runs op, which must be nothing but calls of bbolt, and turns a panic or
// a fault in the mapped file into a *faultError.
func guard(op func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			err = &faultError{cause}
		}
	}()
	return op()
}
