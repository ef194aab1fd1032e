package directory_test

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"testing"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/wamp"
)

// signOn makes an SSO realm with the users joe and ann, an SSO realm of others, and
// two realms of which the first uses the SSO realm, with joe from there.
func signOn(t *testing.T) (*directorytest.Log, *directory.Directory) {
	t.Helper()
	log := new(directorytest.Log)
	d := directorytest.Open(t, log)
	password, err := d.Snapshot().Hash("sso", "joe", "secret of joe", "")
	if err != nil {
		t.Fatal(err)
	}
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(
			tx.CreateRealm("sso", directory.Properties{IsSSORealm: true}), tx.CreateRealm("foreign", directory.Properties{IsSSORealm: true}),
			tx.CreateRealm("app", directory.Properties{SSORealmURI: "sso"}), tx.CreateRealm("plain", directory.Properties{}),
			tx.AddUser("sso", directory.UserSpec{Name: "joe", Password: password, Keys: []ed25519.PublicKey{key("j")}, Aliases: []string{"jo"}}),
			tx.AddUser("sso", directory.UserSpec{Name: "ann"}), tx.AddUser("foreign", directory.UserSpec{Name: "joe", Password: password}),
			tx.AddUser("app", directory.UserSpec{Name: "joe", SSO: "sso"}))
	})
	return log, d
}

// What a realm answers about a name of nobody is as much the same in another realm of
// the SSO realm as what it answers about a user from there: who compares them learns
// nothing.
func TestChallengesOfRealmsDoNotTellWhoIsThere(t *testing.T) {
	_, d := signOn(t)
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(tx.CreateRealm("wiki", directory.Properties{SSORealmURI: "sso"}), tx.CreateRealm("shop", directory.Properties{SSORealmURI: "sso"}),
			tx.AddUser("wiki", directory.UserSpec{Name: "joe", SSO: "sso"}), tx.AddUser("shop", directory.UserSpec{Name: "bob", Password: &directory.Password{}}))
	})
	ask := func(uri wamp.URI, method, name string) any {
		t.Helper()
		a, err := auth.New(auth.Config{Directory: view(t, d, uri), Realm: uri, Key: directorytest.Salt(uri), Methods: []string{method}})
		if err != nil {
			t.Fatal(err)
		}
		_, x, err := a.Begin(t.Context(), auth.Request{
			Realm: uri, AuthID: name, Methods: []string{method}, Extra: wamp.Dict{"nonce": base64.StdEncoding.EncodeToString(make([]byte, 16))},
		})
		if err != nil {
			t.Fatal(err)
		}
		return x.Challenge["salt"]
	}
	for _, method := range []string{auth.MethodWAMPCRA, auth.MethodSCRAM} {
		for _, name := range []string{"joe", "jo", "nobody"} {
			if a, b := ask("app", method, name), ask("wiki", method, name); a != b {
				t.Errorf("%s of %s: salts %v and %v", method, name, a, b)
			}
			if a, b := ask("app", method, name), ask("shop", method, name); a == b {
				t.Errorf("%s of %s: one salt where users have their own credentials", method, name)
			}
		}
	}
}

// login logs in by wampcra.
func login(t *testing.T, d *directory.Directory, uri wamp.URI, name, password string) (*auth.Identity, error) {
	t.Helper()
	a, err := auth.New(auth.Config{Directory: view(t, d, uri), Key: directorytest.Salt(uri), Methods: []string{auth.MethodWAMPCRA}})
	if err != nil {
		t.Fatal(err)
	}
	_, x, err := a.Begin(context.WithoutCancel(t.Context()), auth.Request{Realm: uri, AuthID: name, Methods: []string{auth.MethodWAMPCRA}})
	if err != nil {
		t.Fatal(err)
	}
	salt, _ := x.Challenge["salt"].(string)
	iterations, _ := x.Challenge["iterations"].(int64)
	derived, err := pbkdf2.Key(sha256.New, password, []byte(salt), int(iterations), 32)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := x.Challenge["challenge"].(string)
	h := hmac.New(sha256.New, []byte(base64.StdEncoding.EncodeToString(derived)))
	h.Write([]byte(text))
	return x.Finish(t.Context(), base64.StdEncoding.EncodeToString(h.Sum(nil)), nil)
}

// TestSameSignOn logs the same user in to two realms with one password.
func TestSameSignOn(t *testing.T) {
	log, d := signOn(t)
	both(t, log, d, func(t *testing.T, d *directory.Directory) {
		t.Helper()
		for _, as := range []struct {
			realm wamp.URI
			name  string
		}{{"sso", "joe"}, {"app", "joe"}, {"app", "jo"}, {"sso", "jo"}} {
			id, err := login(t, d, as.realm, as.name, "secret of joe")
			if err != nil {
				t.Errorf("%s in %s: %v", as.name, as.realm, err)
				continue
			}
			if id.AuthID != "joe" || id.Principal.AuthRealm != "sso" || id.Principal.Name != "joe" {
				t.Errorf("%s in %s is %q, %+v", as.name, as.realm, id.AuthID, id.Principal)
			}
			if _, err := login(t, d, as.realm, as.name, "another secret"); err == nil {
				t.Errorf("%s in %s with another password", as.name, as.realm)
			}
		}
		if _, err := login(t, d, "app", "ann", "secret of joe"); err == nil {
			t.Error("ann is no user of app")
		}
		if owners := view(t, d, "app").Owners(key("j")); len(owners) != 1 || owners[0] != "joe" {
			t.Errorf("the key is that of %v", owners)
		}
	})
}

// TestSSORealmMustBeTheRealms is W2: users are linked to the SSO realm that their
// realm uses, and to no other.
func TestSSORealmMustBeTheRealms(t *testing.T) {
	_, d := signOn(t)
	for realm, sso := range map[wamp.URI]wamp.URI{"app": "foreign", "plain": "sso", "sso": "foreign"} {
		fails(t, d, directory.ErrInvalidSSO, func(tx *directory.Tx) error {
			return tx.AddUser(realm, directory.UserSpec{Name: "new", SSO: sso})
		})
	}
	fails(t, d, directory.ErrInvalidSSO, func(tx *directory.Tx) error {
		return tx.CreateRealm("com.x", directory.Properties{SSORealmURI: "plain"})
	})
	fails(t, d, wamp.ErrNoSuchRealm, func(tx *directory.Tx) error {
		return tx.CreateRealm("com.x", directory.Properties{SSORealmURI: "none"})
	})
	// A user whose realm has come to use another SSO realm cannot log in.
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return tx.UpdateRealm("app", func(p *directory.Properties) error { p.SSORealmURI = "foreign"; return nil })
	})
	if _, err := login(t, d, "app", "joe", "secret of joe"); err == nil {
		t.Error("joe of the former SSO realm is joe of the present one")
	}
	fails(t, d, directory.ErrInvalidSSO, func(tx *directory.Tx) error {
		return tx.UpdateUser("app", "joe", directory.UserPatch{Password: &directory.Password{Verifier: []byte("v")}})
	})
}

// TestConfinedActorsDoNotReachOtherRealms is the other half of W2: who manages one
// realm changes no credentials that another keeps.
func TestConfinedActorsDoNotReachOtherRealms(t *testing.T) {
	_, d := signOn(t)
	boss := directory.Actor{Realm: "app", AuthID: "boss", Confined: true}
	keys := []ed25519.PublicKey{key("x")}
	for name, change := range map[string]func(tx *directory.Tx) error{
		"password": func(tx *directory.Tx) error {
			return tx.UpdateUser("app", "joe", directory.UserPatch{Password: &directory.Password{Verifier: []byte("v")}})
		},
		"keys":         func(tx *directory.Tx) error { return tx.UpdateUser("app", "joe", directory.UserPatch{Keys: &keys}) },
		"add alias":    func(tx *directory.Tx) error { return tx.AddAlias("app", "joe", "joseph") },
		"remove alias": func(tx *directory.Tx) error { return tx.RemoveAlias("app", "joe", "jo") },
		"new user":     func(tx *directory.Tx) error { return tx.AddUser("app", directory.UserSpec{Name: "new", SSO: "sso"}) },
	} {
		if failsAs(t, d, boss, wamp.ErrNotAuthorized, change) == "" {
			t.Error(name)
		}
		if _, err := d.Try(directory.Actor{}, change); err != nil {
			t.Errorf("%s, as the operator: %v", name, err)
		}
	}
	fails(t, d, directory.ErrAlreadyExists, func(tx *directory.Tx) error { // W2: credentials are not dropped without a word
		return tx.AddUser("app", directory.UserSpec{Name: "ann", SSO: "sso", Keys: keys})
	})
	if err := d.Update(boss, func(tx *directory.Tx) error {
		no := true
		return errors.Join(tx.AddUser("app", directory.UserSpec{Name: "ann", SSO: "sso"}), tx.UpdateUser("app", "joe", directory.UserPatch{Disabled: &no}))
	}); err != nil {
		t.Error(err)
	}
}

// TestAuthRealmIsTheUsers is W14: a local user of a realm with an SSO realm is not
// the user of that name there.
func TestAuthRealmIsTheUsers(t *testing.T) {
	log, d := signOn(t)
	directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.AddUser("app", directory.UserSpec{Name: "ann"}) })
	both(t, log, d, func(t *testing.T, d *directory.Directory) {
		t.Helper()
		local, _ := view(t, d, "app").User("ann")
		there, _ := view(t, d, "sso").User("ann")
		linked, _ := view(t, d, "app").User("joe")
		home, _ := view(t, d, "sso").User("joe")
		if local.AuthRealm != "app" || local.Incarnation == there.Incarnation {
			t.Errorf("the local ann is of %s, %s", local.AuthRealm, local.Incarnation)
		}
		if linked.AuthRealm != "sso" || linked.Incarnation != home.Incarnation {
			t.Errorf("joe is of %s, %s", linked.AuthRealm, linked.Incarnation)
		}
	})
}

// TestDisabledElsewhereIsDisabled is W5 for SSO realms.
func TestDisabledElsewhereIsDisabled(t *testing.T) {
	_, d := signOn(t)
	off, on := true, false
	for _, uri := range []wamp.URI{"sso", "app"} {
		directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.UpdateUser(uri, "joe", directory.UserPatch{Disabled: &off}) })
		v := view(t, d, "app")
		if u, _ := v.User("joe"); !u.Disabled {
			t.Errorf("joe is not disabled by %s", uri)
		}
		if _, ok := v.UserGroups("joe"); ok {
			t.Errorf("joe, disabled by %s, has groups", uri)
		}
		if owners := v.Owners(key("j")); len(owners) > 0 {
			t.Errorf("joe, disabled by %s, owns a key", uri)
		}
		directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.UpdateUser(uri, "joe", directory.UserPatch{Disabled: &on}) })
	}
}

// TestSSOUserCreatedAgainIsAnother says that a user of a realm is linked to one
// incarnation of the user of the SSO realm.
func TestSSOUserCreatedAgainIsAnother(t *testing.T) {
	log, d := signOn(t)
	if text := fails(t, d, directory.ErrInUse, func(tx *directory.Tx) error { return tx.DeleteUser("sso", "joe", false) }); !contains(text, `"app"`) {
		t.Errorf("%q does not name the realm that has joe", text) // W32
	}
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(tx.DeleteUser("sso", "joe", true),
			tx.AddUser("sso", directory.UserSpec{Name: "joe", Keys: []ed25519.PublicKey{key("z")}, Aliases: []string{"jz"}}))
	})
	both(t, log, d, func(t *testing.T, d *directory.Directory) {
		t.Helper()
		v := view(t, d, "app")
		if u, _ := v.User("joe"); !u.Disabled || len(u.Keys) > 0 {
			t.Errorf("the new joe of the SSO realm is %+v", u)
		}
		if owners := v.Owners(key("z")); len(owners) > 0 {
			t.Errorf("the new key is that of %v", owners)
		}
		if _, err := v.FindUser("jz"); err == nil {
			t.Error("the new alias is good")
		}
		fails(t, d, wamp.ErrNoSuchPrincipal, func(tx *directory.Tx) error { return tx.AddAlias("app", "joe", "x") })
	})
}
