package realms_test

import (
	"path/filepath"
	"testing"

	"bondy/core/auth"
	"bondy/core/realm"
)

func user(t *testing.T, rs []realm.Config, name string) auth.User {
	t.Helper()
	for _, u := range rs[0].Auth.Users {
		if u.Name == name {
			return u
		}
	}
	t.Fatalf("no user %s", name)
	return auth.User{}
}

func TestCredentials(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "bondy.db"))
	d := definition("realm1")
	d.Realm.Auth.Users = []auth.User{
		{Name: "joe", Password: "s3cret"},
		{Name: "susan", Password: "s3cret", KDF: auth.KDFArgon2id},
		{Name: "sam", Password: "s3cret", KDF: auth.KDFPBKDF2},
	}
	merge(t, s, d)
	if c := user(t, load(t, s), "susan").Credential; c == nil || c.KDF != auth.KDFArgon2id {
		t.Errorf("susan has %v, want Argon2id at once", c)
	}
	fresh, err := auth.NewCredential("s3cret", auth.KDFArgon2id)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"joe": true, "sam": false, "nobody": false} {
		if err := s.SetCredential("realm1", name, fresh); err != nil {
			t.Error(err)
		}
		if name == "nobody" {
			continue
		}
		u := user(t, load(t, s), name)
		if (u.Credential != nil) != want || len(u.Verifier) == 0 {
			t.Errorf("%s: %+v", name, u)
		}
	}
	if differ := merge(t, s, d); len(differ) > 0 {
		t.Errorf("differences %q after an upgrade", differ)
	}
}
