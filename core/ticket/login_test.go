package ticket_test

import (
	"net/netip"
	"testing"

	"bondy/core/auth"
	"bondy/core/ticket"
	"bondy/core/wamp"
)

// The method ticket takes a signed ticket in place of a password, and what is none
// as a password.
func TestLoginWithTicket(t *testing.T) {
	w := newWorld(t)
	keyOnly := user(three, "ann", 5)
	withPassword := user(three, "joe", 6)
	withPassword.Password = "a.b.c"
	disabled := user(three, "gone", 8)
	w.set(t, three, keyOnly, withPassword, disabled)
	tickets := map[string]*ticket.Issued{}
	for _, name := range []string{"ann", "joe", "gone"} {
		tickets[name] = w.issue(t, w.request(three, name))
	}
	local := w.issue(t, w.request(one, "ann"))
	disabled.Disabled = true
	w.set(t, three, keyOnly, withPassword, disabled)
	a, err := auth.New(auth.Config{
		Methods: []string{"ticket", "password"}, Directory: w.users[three], Tickets: w, Iterations: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	login := func(method, name, text string) (*auth.Identity, error) {
		_, x, err := a.Begin(t.Context(), auth.Request{Realm: three, AuthID: name, Methods: []string{method}})
		if err != nil {
			t.Fatal(err)
		}
		return x.Finish(t.Context(), text, nil)
	}
	for _, tc := range []struct {
		what, method, name, text string
		want                     bool
	}{
		{"a user without password", "ticket", "ann", tickets["ann"].Ticket, true},
		{"a user with one", "ticket", "joe", tickets["joe"].Ticket, true},
		{"the password", "ticket", "joe", "a.b.c", true},
		{"somebody else's", "ticket", "joe", tickets["ann"].Ticket, false},
		{"a disabled user", "ticket", "gone", tickets["gone"].Ticket, false},
		{"nobody", "ticket", "nobody", tickets["ann"].Ticket, false},
		{"of another realm", "ticket", "ann", local.Ticket, false},
		{"as a password", "password", "ann", tickets["ann"].Ticket, false},
		{"no password", "ticket", "ann", "", false},
	} {
		id, err := login(tc.method, tc.name, tc.text)
		if (id != nil) != tc.want || err != nil && uri(err) != wamp.ErrAuthenticationDenied {
			t.Errorf("%s: %+v, %v", tc.what, id, err)
		}
		if id == nil {
			continue
		}
		byTicket := tc.text != "a.b.c"
		if (id.Principal.Ticket != "") != byTicket || byTicket && (id.Principal.Ticket != tickets[tc.name].ID || id.Expires.IsZero()) ||
			id.Principal.Name != tc.name || id.Principal.AuthRealm != three || id.AuthMethod != "ticket" {
			t.Errorf("%s: %+v, %+v", tc.what, id, id.Principal)
		}
	}
	for _, d := range a.Explain("ann", netip.Addr{}, false) {
		if d.Allowed != (d.Method == "ticket") {
			t.Errorf("explained: %+v", d)
		}
	}
}
