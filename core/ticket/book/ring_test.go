package book_test

import (
	"testing"

	"bondy/core/ticket"
)

// Who rotates the keys of a realm over and over gains no place for it: the oldest go,
// with the tickets that they signed.
func TestRingIsBounded(t *testing.T) {
	_, d, b := realms(t)
	a := ticket.New(b, plain{}, b)
	rotate(t, d)
	first := issue(t, a, d)
	for range 2 * ticket.MaxRetired {
		rotate(t, d)
	}
	last := issue(t, a, d)
	for range ticket.MaxRetired {
		rotate(t, d)
	}
	if n := len(b.Ring("r1")); n != ticket.MaxRetired+2 {
		t.Errorf("%d keys, want %d", n, ticket.MaxRetired+2)
	}
	if err := check(t, a, d, last.Ticket); err != nil {
		t.Errorf("of a key that retired lately: %v", err)
	}
	if err := check(t, a, d, first.Ticket); err == nil {
		t.Error("a ticket of a key that is gone")
	}
}
