package book_test

import (
	"crypto/ed25519"
	"encoding/json"
	"testing"

	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/ticket"
	"bondy/core/ticket/book"
)

// TestOtherCredentialsRevokeTickets says that tickets end with the credentials with
// which they were drawn, also when a user is disabled and enabled again, and with
// no other change of the user.
func TestOtherCredentialsRevokeTickets(t *testing.T) {
	disabled, enabled, meta, groups := true, false, json.RawMessage(`{"a":1}`), []string{}
	keys := []ed25519.PublicKey{make(ed25519.PublicKey, ed25519.PublicKeySize)}
	for what, tc := range map[string]struct {
		patches []directory.UserPatch
		revoked bool
	}{
		"a password": {[]directory.UserPatch{{Password: &directory.Password{Verifier: []byte("v")}}}, true},
		"keys":       {[]directory.UserPatch{{Keys: &keys}}, true},
		"disabled":   {[]directory.UserPatch{{Disabled: &disabled}, {Disabled: &enabled}}, true},
		"meta":       {[]directory.UserPatch{{Meta: &meta}, {Groups: &groups}}, false},
	} {
		t.Run(what, func(t *testing.T) {
			log, d, b := realms(t)
			a := ticket.New(b, plain{}, b)
			rotate(t, d)
			before := issue(t, a, d)
			for _, p := range tc.patches {
				directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.UpdateUser("r1", "joe", p) })
			}
			after := issue(t, a, d)
			for range 2 {
				if err := check(t, a, d, before.Ticket); (err != nil) != tc.revoked {
					t.Errorf("the earlier ticket: %v, want revoked %v", err, tc.revoked)
				}
				if err := check(t, a, d, after.Ticket); err != nil {
					t.Errorf("the later ticket: %v", err)
				}
				d = directorytest.Open(t, log)
				b = book.New(d)
				a = ticket.New(b, plain{}, b)
			}
		})
	}
	_, d, b := realms(t)
	a := ticket.New(b, plain{}, b)
	rotate(t, d)
	issued := issue(t, a, d)
	if _, err := d.Try(directory.Actor{}, func(tx *directory.Tx) error {
		return tx.UpdateUser("r1", "joe", directory.UserPatch{Disabled: &disabled})
	}); err != nil {
		t.Fatal(err)
	}
	if err := check(t, a, d, issued.Ticket); err != nil {
		t.Errorf("after a change that was only tried: %v", err)
	}
}
