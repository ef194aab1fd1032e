package ticket_test

import (
	"testing"

	"bondy/core/ticket"
	"bondy/core/wamp"
)

// Who was let in by its address alone, for which the administrators of a realm can
// see to, gets tickets for that realm and no other one with the same SSO realm.
func TestTrustedGetLocalTickets(t *testing.T) {
	w := newWorld(t)
	for _, o := range []ticket.Options{{}, {Local: true}, {ClientID: "app"}, {DeviceID: "d"}} {
		req := w.request(one, "ann")
		req.Holder.Trusted, req.Options = true, o
		var asked []wamp.URI
		req.Allowed = func(u wamp.URI) bool { asked = append(asked, u); return true }
		i := w.issue(t, req)
		if i.Scope.Realm != one || len(asked) != 1 || asked[0] != i.Scope.Kind().Resource() {
			t.Errorf("%+v: scope %+v by %v", o, i.Scope, asked)
		}
		w.check(t, "trusted", i.Ticket, "ann", "one")
	}
}
