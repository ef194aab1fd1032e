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

// A ticket that is scoped to a client is good together with a ticket of that client
// alone, which HELLO brings; a device is believed as long as the client names no other.
func TestLoginWithClientTicket(t *testing.T) {
	w := newWorld(t)
	w.set(t, three, user(three, "ann", 5), user(three, "app", 6), user(three, "joe", 7), user(three, "gone", 8))
	issue := func(name string, o ticket.Options) string {
		req := w.request(three, name)
		req.Options = o
		return w.issue(t, req).Ticket
	}
	app, joe, gone := issue("app", ticket.Options{}), issue("joe", ticket.Options{}), issue("gone", ticket.Options{})
	byProof, byName := issue("ann", ticket.Options{ClientTicket: app}), issue("ann", ticket.Options{ClientID: "app"})
	phone := issue("ann", ticket.Options{DeviceID: "phone"})
	appOnPhone := issue("app", ticket.Options{DeviceID: "phone"})
	phoneOfApp := issue("ann", ticket.Options{ClientTicket: appOnPhone})
	nested := issue("app", ticket.Options{ClientTicket: joe})
	byGone := issue("ann", ticket.Options{ClientTicket: gone})
	disabled := user(three, "gone", 8)
	disabled.Disabled = true
	w.set(t, three, user(three, "ann", 5), user(three, "app", 6), user(three, "joe", 7), disabled)
	a, err := auth.New(auth.Config{Methods: []string{"ticket"}, Directory: w.users[three], Tickets: w, Iterations: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		what, text string
		extra      wamp.Dict
		want       bool
	}{
		{"alone", byProof, nil, false},
		{"with a name in place of a ticket", byProof, wamp.Dict{"client_id": "app", "client_ticket": "app"}, false},
		{"of a client that says nothing", byName, nil, true},
		{"of the named client", byName, wamp.Dict{"client_id": "app"}, true},
		{"of another client", byName, wamp.Dict{"client_id": "joe"}, false},
		{"of another client, with proof", byProof, wamp.Dict{"client_id": "joe", "client_ticket": app}, false},
		{"with the client's", byProof, wamp.Dict{"client_ticket": app}, true},
		{"by name, with the client's", byName, wamp.Dict{"client_ticket": app}, true},
		{"with the client's on any device", byProof, wamp.Dict{"client_ticket": app, "device_id": "tablet"}, true},
		{"with somebody else's", byProof, wamp.Dict{"client_ticket": joe}, false},
		{"with itself", byProof, wamp.Dict{"client_ticket": byProof}, false},
		{"with one that needs another", byProof, wamp.Dict{"client_ticket": nested}, false},
		{"with no text", byProof, wamp.Dict{"client_ticket": int64(7)}, false},
		{"of a client that is disabled", byGone, wamp.Dict{"client_ticket": gone}, false},
		{"a device that says nothing", phone, nil, true},
		{"the device", phone, wamp.Dict{"device_id": "phone"}, true},
		{"another device", phone, wamp.Dict{"device_id": "tablet"}, false},
		{"a device that is no text", phone, wamp.Dict{"device_id": int64(7)}, false},
		{"a client on its device", phoneOfApp, wamp.Dict{"client_ticket": appOnPhone, "device_id": "phone"}, true},
		{"a client on another device", byProof, wamp.Dict{"client_ticket": appOnPhone, "device_id": "tablet"}, false},
		{"what is not asked for", phone, wamp.Dict{"client_ticket": "x"}, true},
	} {
		_, x, err := a.Begin(t.Context(), auth.Request{Realm: three, AuthID: "ann", Methods: []string{"ticket"}, Extra: tc.extra})
		if err != nil {
			t.Fatal(err)
		}
		id, err := x.Finish(t.Context(), tc.text, nil)
		if (id != nil) != tc.want || err != nil && uri(err) != wamp.ErrAuthenticationDenied {
			t.Errorf("%s: %+v, %v", tc.what, id, err)
		}
		if want := tc.extra["client_ticket"] != nil && tc.text != byName && tc.text != phone; id != nil {
			who := id.Principal.Client
			if got := who.Name == "app" && who.AuthRealm == three && who.Ticket != ""; got != want || !want && who != (auth.Client{}) {
				t.Errorf("%s: client %+v", tc.what, who)
			}
		}
		if id != nil && (id.Principal.Name != "ann" || id.Principal.Ticket == "") {
			t.Errorf("%s: %+v", tc.what, id.Principal)
		}
	}
}
