package realms_test

import (
	"crypto/ed25519"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"bondy/core/auth"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
	"bondy/store"
	"bondy/store/realms"
)

var key = make([]byte, auth.KeySize)

func salt(wamp.URI) []byte { return key }

func open(t *testing.T, path string) *realms.Store {
	t.Helper()
	db, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return realms.New(db)
}

func definition(uri wamp.URI) realms.Definition {
	d := realms.Definition{
		Description: "a realm", Groups: []string{"user"},
		Realm: realm.Config{
			URI: uri,
			Auth: auth.Config{
				Methods: []string{auth.MethodTicket, auth.MethodCryptosign},
				Users: []auth.User{
					{Name: "carol", Keys: []ed25519.PublicKey{make(ed25519.PublicKey, ed25519.PublicKeySize)}, Disabled: true},
					{Name: "joe", Password: "s3cret", Groups: []string{"user"}},
				},
			},
			Access: rbac.Config{Grants: []rbac.Grant{{
				Roles: []string{"user"}, Permissions: []rbac.Permission{rbac.Call, rbac.Publish},
				Resources: []rbac.Resource{{URI: "com.", Match: wamp.MatchPrefix}, {URI: "org.x"}},
			}}},
			StrictURIs: true, CallTimeout: time.Second, MaxCallTimeout: time.Minute,
		},
	}
	d.Realm.Queue.CloseSlow = true
	return d
}

func merge(t *testing.T, s *realms.Store, defs ...realms.Definition) []string {
	t.Helper()
	differ, err := s.Merge(defs, salt)
	if err != nil {
		t.Fatal(err)
	}
	return differ
}

func load(t *testing.T, s *realms.Store) []realm.Config {
	t.Helper()
	rs, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func TestWhatIsStoredComesBackWithoutPasswords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bondy.db")
	want := definition("realm1")
	db, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if differ := merge(t, realms.New(db), want); differ != nil {
		t.Errorf("differences %v in a new realm", differ)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	reopened := open(t, path)
	verifier, err := auth.NewVerifier(key, "joe", "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	want.Realm.Auth.Users[1].Password, want.Realm.Auth.Users[1].Verifier = "", verifier
	want.Realm.Access.SecurityDisabled = false
	got := load(t, reopened)
	if len(got) != 1 || !reflect.DeepEqual(got[0], want.Realm) {
		t.Errorf("got  %+v\nwant %+v", got, want.Realm)
	}
}

func TestMerge(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "bondy.db"))
	kept, managed := definition("kept"), definition("managed")
	managed.Managed = true
	merge(t, s, kept, managed)

	for _, d := range []*realms.Definition{&kept, &managed} {
		d.Realm.Auth.Users = slices.Clone(d.Realm.Auth.Users[1:])
		d.Realm.Auth.Users[0].Groups = nil
		d.Realm.Access.Grants = nil
		d.Realm.StrictURIs = false
	}
	differ := merge(t, s, kept, managed)
	want := []string{"kept: properties", "kept: user carol", "kept: user joe", "kept: grants"}
	if !slices.Equal(differ, want) {
		t.Errorf("differences %q, want %q", differ, want)
	}
	rs := load(t, s)
	if k := rs[0]; len(k.Auth.Users) != 2 || len(k.Access.Grants) != 1 || !k.StrictURIs {
		t.Errorf("the realm that is not managed changed: %+v", k)
	}
	if m := rs[1]; len(m.Auth.Users) != 1 || m.Auth.Users[0].Groups != nil || m.Access.Grants != nil || m.StrictURIs {
		t.Errorf("the managed realm did not follow: %+v", m)
	}

	merge(t, s)
	if rs = load(t, s); len(rs) != 1 || rs[0].URI != "kept" {
		t.Errorf("after both left the file there are %+v, want the one that is not managed", rs)
	}
}

func TestIDKeyStays(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "bondy.db"))
	a, err := s.IDKey()
	if err != nil || len(a) != auth.KeySize {
		t.Fatalf("key %x, %v", a, err)
	}
	b, err := s.IDKey()
	if err != nil || !slices.Equal(a, b) {
		t.Errorf("second key %x, %v, want %x", b, err, a)
	}
}
