package directory_test

import (
	"testing"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/wamp"
)

// loginOf is a user as logins see it.
func loginOf(t testing.TB, d *directory.Directory, realm wamp.URI, name string) auth.User {
	t.Helper()
	u, ok := view(t, d, realm).User(name)
	if !ok {
		t.Fatalf("the realm %s has no user %s", realm, name)
	}
	return u
}

// A login that takes its time must not bring an old password back: what it made of
// that is for who has it still.
func TestRehashOfAnOldPassword(t *testing.T) {
	strong, err := auth.NewCredential("old-secret", auth.KDFArgon2id)
	if err != nil {
		t.Fatal(err)
	}
	for what, tc := range map[string]struct {
		meanwhile func(tx *directory.Tx, other *directory.Password) error
		stored    bool
	}{
		"nothing": {func(*directory.Tx, *directory.Password) error { return nil }, true},
		"another password": {func(tx *directory.Tx, other *directory.Password) error {
			return tx.UpdateUser("app", "joe", directory.UserPatch{Password: other})
		}, false},
		"the password again": {func(tx *directory.Tx, _ *directory.Password) error {
			same, err := tx.View("app")
			if err != nil {
				return err
			}
			u, err := same.FindUser("joe")
			if err != nil {
				return err
			}
			return tx.UpdateUser("app", "joe", directory.UserPatch{Password: u.Password})
		}, true},
		"no password": {func(tx *directory.Tx, _ *directory.Password) error {
			return tx.UpdateUser("app", "joe", directory.UserPatch{Password: new(directory.Password)})
		}, false},
		"another user of that name": {func(tx *directory.Tx, other *directory.Password) error {
			if err := tx.DeleteUser("app", "joe", false); err != nil {
				return err
			}
			return tx.AddUser("app", directory.UserSpec{Name: "joe", Password: other})
		}, false},
		"nobody of that name": {func(tx *directory.Tx, _ *directory.Password) error { return tx.DeleteUser("app", "joe", false) }, false},
	} {
		t.Run(what, func(t *testing.T) {
			d := directorytest.Open(t, &directorytest.Log{})
			hash := func(password auth.Secret) *directory.Password {
				p, err := d.Snapshot().Hash("app", "joe", password, "")
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			directorytest.Do(t, d, func(tx *directory.Tx) error {
				if err := tx.CreateRealm("app", directory.Properties{}); err != nil {
					return err
				}
				return tx.AddUser("app", directory.UserSpec{Name: "joe", Password: hash("old-secret")})
			})
			joe, other := loginOf(t, d, "app", "joe"), hash("new-secret")
			directorytest.Do(t, d, func(tx *directory.Tx) error { return tc.meanwhile(tx, other) })
			directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.Rehash("app", joe, strong) })
			u, err := view(t, d, "app").FindUser("joe")
			if got := err == nil && u.Password != nil && u.Password.Credential != nil; got != tc.stored {
				t.Errorf("stored %v, want %v", got, tc.stored)
			}
		})
	}
}
