package store

import "errors"

// Errors that callers test with errors.Is. Whatever wraps them says more.
var (
	// ErrHeld means that another process, or this one, has the file open.
	ErrHeld = errors.New("the file is held: is another node running on it?")
	// ErrDamaged means that the file does not hold what was written to it.
	ErrDamaged = errors.New("the file is damaged")
	// ErrNewer means that a newer release wrote the file.
	ErrNewer = errors.New("the file is from a newer release")
	// ErrFull means that the file reached its greatest size, or the disk is
	// full. The update was taken back; smaller ones and deletions may work.
	ErrFull = errors.New("the store is full")
	// ErrTooLong means that a key or a value is longer than MaxKey, MaxValue.
	ErrTooLong = errors.New("too long for a row")
	// ErrReadOnly means that a View tried to change something.
	ErrReadOnly = errors.New("the transaction is read-only")
	// ErrTxDone means that a Tx was used after its function returned.
	ErrTxDone = errors.New("the transaction is over")
	// ErrClosed means that the DB was closed.
	ErrClosed = errors.New("the store is closed")
)
