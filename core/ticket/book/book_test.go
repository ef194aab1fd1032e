package book_test

import (
	"testing"
	"time"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/ticket"
	"bondy/core/ticket/book"
	"bondy/core/ticket/tickettest"
	"bondy/core/wamp"
)

// realms makes a directory with two realms, of which the first has joe.
func realms(t *testing.T) (*directorytest.Log, *directory.Directory, *book.Book) {
	t.Helper()
	log := new(directorytest.Log)
	d := directorytest.Open(t, log)
	b := book.New(d)
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		if err := tx.CreateRealm("r1", directory.Properties{}); err != nil {
			return err
		}
		if err := tx.CreateRealm("r2", directory.Properties{}); err != nil {
			return err
		}
		return tx.AddUser("r1", directory.UserSpec{Name: "joe"})
	})
	return log, d, b
}

func TestRecords(t *testing.T) {
	tickettest.Records(t, func(t *testing.T) ticket.Records {
		t.Helper()
		_, _, b := realms(t)
		return b
	})
}

// plain seals nothing.
type plain struct{}

func (plain) Seal(b []byte, _ string) []byte          { return b }
func (plain) Open(b []byte, _ string) ([]byte, error) { return b, nil }

func rotate(t *testing.T, d *directory.Directory) {
	t.Helper()
	directorytest.Do(t, d, func(tx *directory.Tx) error { return book.Rotate(tx, plain{}, "r1") })
}

func issue(t *testing.T, a *ticket.Authority, d *directory.Directory) *ticket.Issued {
	t.Helper()
	v, err := d.View("r1")
	if err != nil {
		t.Fatal(err)
	}
	u, _ := v.User("joe")
	issued, err := a.Issue(&ticket.Request{
		Realm: "r1", Users: v, Holder: &auth.Principal{AuthRealm: "r1", Name: "joe", Incarnation: u.Incarnation},
		AuthMethod: auth.MethodWAMPCRA, Allowed: func(wamp.URI) bool { return true },
	})
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

func check(t *testing.T, a *ticket.Authority, d *directory.Directory, text string) error {
	t.Helper()
	v, err := d.View("r1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Check("r1", v, text)
	return err
}

// TestTicketsAndKeysSurvive issues before and judges after a restart, with rotations
// of the keys between.
func TestTicketsAndKeysSurvive(t *testing.T) {
	log, d, b := realms(t)
	a := ticket.New(b, plain{}, b)
	rotate(t, d)
	first := issue(t, a, d)
	rotate(t, d)
	second := issue(t, a, d)
	directorytest.Do(t, d, func(tx *directory.Tx) error { _, err := book.Withdraw(tx, "r1", second.ID); return err })
	states := make(map[ticket.State]int)
	for _, k := range b.Ring("r1") {
		states[k.State]++
	}
	if states[ticket.Active] != 1 || states[ticket.Next] != 1 || states[ticket.Retired] != 1 {
		t.Errorf("the ring has %v", states)
	}
	for range 2 {
		if err := check(t, a, d, first.Ticket); err != nil {
			t.Errorf("the first ticket: %v", err)
		}
		if check(t, a, d, second.Ticket) == nil {
			t.Error("the second ticket was revoked and holds")
		}
		if list := b.Of("r1", "joe"); len(list) != 1 || list[0].ID != first.ID {
			t.Errorf("joe has %+v", list)
		}
		d = directorytest.Open(t, log)
		b = book.New(d)
		a = ticket.New(b, plain{}, b)
	}
	// Revoking everything lasts, too, and is no hindrance to what comes after.
	if err := a.RevokeAll("r1", "joe"); err != nil {
		t.Fatal(err)
	}
	third := issue(t, a, d)
	d = directorytest.Open(t, log)
	b = book.New(d)
	a = ticket.New(b, plain{}, b)
	if check(t, a, d, first.Ticket) == nil || check(t, a, d, third.Ticket) != nil {
		t.Error("revoking all of joe's did not survive, or took the later one, too")
	}
}

// TestBookFollowsTheDirectory says that what goes with a realm is forgotten, and
// that a user who is created again has no ticket.
func TestBookFollowsTheDirectory(t *testing.T) {
	_, d, b := realms(t)
	a := ticket.New(b, plain{}, b)
	rotate(t, d)
	issued := issue(t, a, d)
	again := func(change func(tx *directory.Tx) error) {
		t.Helper()
		directorytest.Do(t, d, change)
		if check(t, a, d, issued.Ticket) == nil {
			t.Error("a ticket of the former user holds")
		}
	}
	again(func(tx *directory.Tx) error {
		if err := tx.DeleteUser("r1", "joe", false); err != nil {
			return err
		}
		return tx.AddUser("r1", directory.UserSpec{Name: "joe"})
	})
	again(func(tx *directory.Tx) error {
		if err := tx.DeleteRealm("r1", true); err != nil {
			return err
		}
		if err := tx.CreateRealm("r1", directory.Properties{}); err != nil {
			return err
		}
		return tx.AddUser("r1", directory.UserSpec{Name: "joe"})
	})
	if len(b.Ring("r1")) > 0 || len(b.Of("r1", "")) > 0 {
		t.Error("the realm that was created again has keys or tickets")
	}
	if b.Ring("none") != nil || b.Of("none", "") != nil {
		t.Error("a realm that is none has keys or tickets")
	}
	if n, err := b.Purge(time.Now().Add(365 * 24 * time.Hour)); err != nil || n != 0 {
		t.Errorf("purged %d, %v", n, err)
	}
}

// Of the tickets of a user who is deleted nothing stays, not even when they were
// revoked: otherwise adding and deleting users would fill the store.
func TestBookErasesTheDeleted(t *testing.T) {
	_, d, b := realms(t)
	a := ticket.New(b, plain{}, b)
	rotate(t, d)
	issue(t, a, d)
	if err := b.RevokeAll("r1", "joe", time.Now()); err != nil {
		t.Fatal(err)
	}
	if v, err := d.View("r1"); err != nil || v.Usage().Tickets != 1 { // the moment
		t.Fatalf("%+v, %v", v.Usage(), err)
	}
	directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.DeleteUser("r1", "joe", false) })
	if v, err := d.View("r1"); err != nil || v.Usage().Tickets != 0 {
		t.Errorf("%+v, %v", v.Usage(), err)
	}
}
