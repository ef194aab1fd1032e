package core_test

import (
	"log/slog"
	"testing"

	"bondy/core"
	"bondy/core/auth"
	"bondy/core/coretest"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/realm"
	"bondy/core/ticket"
	"bondy/core/ticket/book"
	"bondy/core/wamp"
)

// unsealed seals nothing.
type unsealed struct{}

func (unsealed) Seal(b []byte, _ string) []byte          { return b }
func (unsealed) Open(b []byte, _ string) ([]byte, error) { return b, nil }

// A ticket that its user gave up by wamp.close.logout is revoked before GOODBYE is
// answered, for all who have it; what the user did is told as its own.
func TestLogoutGivesTheTicketUp(t *testing.T) {
	d := directorytest.Open(t, new(directorytest.Log))
	b := book.New(d)
	tickets := ticket.New(b, unsealed{}, b)
	r, err := core.New(core.Config{
		Directory: d, Log: slog.New(slog.DiscardHandler),
		Configure: func(c *realm.Config, _ *directory.Properties) { c.Auth.Tickets = tickets },
	})
	must(t, err)
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		must(t, tx.CreateRealm("realm1", directory.Properties{}))
		must(t, tx.AddUser("realm1", directory.UserSpec{Name: "joe"}))
		return book.Rotate(tx, unsealed{}, "realm1")
	})
	var by []directory.Actor
	d.Observe(func(c *directory.Commit) { by = append(by, c.Actor) })
	issue := func() string {
		v, err := d.View("realm1")
		must(t, err)
		joe, _ := v.User("joe")
		issued, err := tickets.Issue(&ticket.Request{
			Realm: "realm1", Users: v, Holder: &auth.Principal{AuthRealm: "realm1", Name: "joe", Incarnation: joe.Incarnation},
			AuthMethod: auth.MethodWAMPCRA, Allowed: func(wamp.URI) bool { return true },
		})
		must(t, err)
		return issued.Ticket
	}
	join := func(text string) *coretest.Client {
		c := redeem(t, r, "joe", text, coretest.Roles())
		coretest.Expect[*wamp.Welcome](c)
		return c
	}
	one, two := issue(), issue()
	leaves, same, other := join(one), join(one), join(two)
	by = nil
	leaves.Send(&wamp.Goodbye{Reason: "wamp.close.logout"})
	if m := coretest.Expect[*wamp.Goodbye](leaves); m.Reason != wamp.CloseGoodbyeAndOut {
		t.Errorf("GOODBYE %s", m.Reason)
	}
	redeem(t, r, "joe", one, coretest.Roles()).ExpectAbort(wamp.ErrAuthenticationDenied)
	gone(t, same, "bondy.ticket.revoked")
	alive(t, other)
	join(two)
	if len(by) != 1 || by[0] != (directory.Actor{Realm: "realm1", AuthID: "joe"}) {
		t.Errorf("changed by %+v", by)
	}
}
