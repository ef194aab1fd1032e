package wamp

import (
	"crypto/rand"
	"encoding/binary"
)

// ID identifies sessions, publications, subscriptions, registrations and
// requests: an integer from 1 to 2^53 (section "IDs").
type ID uint64

// MaxID is the largest id: the largest integer up to which an IEEE-754 double
// holds every integer exactly.
const MaxID ID = 1 << 53

// Valid reports whether id is in 1..2^53.
func (id ID) Valid() bool { return id >= 1 && id <= MaxID }

// Next is the id that follows in the session scope: one more, wrapping to 1
// after 2^53.
func (id ID) Next() ID {
	if id >= MaxID {
		return 1
	}
	return id + 1
}

// RandomID draws an id of the global scope, uniform over 1..2^53, from the
// system's cryptographic source.
func RandomID() ID {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return ID(binary.LittleEndian.Uint64(b[:])&(1<<53-1)) + 1
}
