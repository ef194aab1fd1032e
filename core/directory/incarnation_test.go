package directory_test

import (
	"crypto/ed25519"
	"errors"
	"testing"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// full is a change that makes a realm with one of everything about the user joe
// and the group staff.
func full(uri wamp.URI) func(tx *directory.Tx) error {
	return func(tx *directory.Tx) error {
		on, ps := call("com.a")
		source := directory.Source{Source: auth.Source{ID: "s", Subjects: []string{"joe", "staff"}, Deny: true}}
		err := errors.Join(tx.CreateRealm(uri, directory.Properties{}), tx.AddGroup(uri, "staff", nil, []byte(`{"a":1}`)),
			tx.AddGroup(uri, "bygone", nil, nil), tx.AddUser(uri, directory.UserSpec{Name: "former"}),
			tx.AddUser(uri, directory.UserSpec{
				Name: "joe", Groups: []string{"staff"}, Aliases: []string{"jo"}, Keys: []ed25519.PublicKey{key("k")},
				Password: &directory.Password{Verifier: []byte("v")}, Meta: []byte(`{"a":1}`),
			}))
		if err != nil {
			return err
		}
		_, err = tx.AddSource(uri, source)
		return errors.Join(err, tx.Grant(uri, groupRole("staff"), on, ps), tx.Grant(uri, userRole("joe"), on, ps),
			tx.Grant(uri, groupRole(rbac.RoleAll), on, ps), tx.PutTicket(uri, "t", []byte(`{}`)), tx.PutSigningKey(uri, "k", []byte(`{}`)))
	}
}

// empty demands that joe and staff have nothing.
func empty(t *testing.T, d *directory.Directory) {
	t.Helper()
	v := view(t, d, "com.r")
	u, err := v.FindUser("joe")
	if err != nil {
		t.Fatal(err)
	}
	if len(u.Groups)+len(u.Aliases)+len(u.Keys) > 0 || u.Password != nil || u.Meta != nil {
		t.Errorf("joe has %+v", u)
	}
	if g, ok := v.FindGroup("staff"); !ok || g.Meta != nil {
		t.Errorf("staff is %+v", g)
	}
	if _, err := v.FindUser("jo"); err == nil {
		t.Error("the alias is there")
	}
	if names := v.Owners(key("k")); len(names) > 0 {
		t.Errorf("the key is that of %v", names)
	}
	for s := range v.Sources("") {
		t.Errorf("there is the source %+v", s)
	}
	for r := range v.Roles(rbac.Role{}) {
		t.Errorf("%s has %v", r.Role, r.Grants)
	}
	if _, ok := v.Ticket("t"); ok {
		t.Error("the ticket is there")
	}
	for range v.SigningKeys() {
		t.Error("the signing key is there")
	}
	if allowed(t, v, user("joe"), "com.a") {
		t.Error("joe may call")
	}
}

func create(t *testing.T, d *directory.Directory) {
	t.Helper()
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(tx.AddGroup("com.r", "staff", nil, nil), tx.AddUser("com.r", directory.UserSpec{Name: "joe"}))
	})
}

// TestCreatedAgainHasNothing says that who, or what, is created again has nothing
// of the one before.
func TestCreatedAgainHasNothing(t *testing.T) {
	for name, gone := range map[string]func(tx *directory.Tx) error{
		"realm": func(tx *directory.Tx) error {
			return errors.Join(tx.DeleteRealm("com.r", true), tx.CreateRealm("com.r", directory.Properties{}))
		},
		"user and group": func(tx *directory.Tx) error {
			on, ps := call("com.a")
			return errors.Join(tx.DeleteUser("com.r", "joe", false), tx.DeleteGroup("com.r", "staff"),
				tx.Revoke("com.r", groupRole(rbac.RoleAll), on, ps), tx.DeleteTicket("com.r", "t"), tx.DeleteSigningKey("com.r", "k"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			log := new(directorytest.Log)
			d := directorytest.Open(t, log)
			directorytest.Do(t, d, full("com.r"))
			if !allowed(t, view(t, d, "com.r"), user("joe"), "com.a") {
				t.Fatal("joe may not call to begin with")
			}
			directorytest.Do(t, d, gone)
			create(t, d)
			both(t, log, d, empty)
		})
	}
}

// TestRowsOfFormerIncarnationsCountForNothing is the same where rows of the former
// ones are still in the log: those of another node arrive late, or a disk was
// restored.
func TestRowsOfFormerIncarnationsCountForNothing(t *testing.T) {
	for name, gone := range map[string]func(tx *directory.Tx) error{
		"realm": func(tx *directory.Tx) error { return tx.DeleteRealm("com.r", true) },
		"user and group": func(tx *directory.Tx) error {
			on, ps := call("com.a")
			return errors.Join(tx.DeleteUser("com.r", "joe", false), tx.DeleteGroup("com.r", "staff"),
				tx.Revoke("com.r", groupRole(rbac.RoleAll), on, ps), tx.DeleteTicket("com.r", "t"), tx.DeleteSigningKey("com.r", "k"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			log := new(directorytest.Log)
			d := directorytest.Open(t, log)
			directorytest.Do(t, d, full("com.r"))
			former := log.Rows()
			directorytest.Do(t, d, gone)
			if name == "realm" {
				directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.CreateRealm("com.r", directory.Properties{}) })
			}
			create(t, d)
			for _, r := range former {
				switch r.Kind {
				case directory.KindRealm:
					continue // that of the present one is in its place
				case directory.KindUser, directory.KindGroup:
					if name != "realm" || contains(r.Key, "\x00joe") || contains(r.Key, "\x00staff") {
						continue
					}
				case directory.KindTicket, directory.KindSigningKey:
					if name != "realm" {
						continue // they are the realm's
					}
				case directory.KindGrant:
					if name != "realm" && contains(r.Key, "\x00all\x00") {
						continue
					}
				default:
				}
				log.Put(r)
			}
			again := directorytest.Open(t, log)
			empty(t, again)
			if v := view(t, again, "com.r"); name == "realm" {
				if _, ok := v.FindGroup("bygone"); ok || v.UserCount() != 1 {
					t.Errorf("a former group is there: %t, and of users %d", ok, v.UserCount())
				}
			}
		})
	}
}

// TestGroupThatHidesAnotherBeginsEmpty says that a group of a realm has not the
// members, and not the sources, of the prototype's group that it hides.
func TestGroupThatHidesAnotherBeginsEmpty(t *testing.T) {
	log := new(directorytest.Log)
	d := directorytest.Open(t, log)
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		err := errors.Join(
			tx.CreateRealm("proto", directory.Properties{IsPrototype: true}), tx.CreateRealm("com.r", directory.Properties{PrototypeURI: "proto"}),
			tx.AddGroup("proto", "staff", nil, nil), tx.AddUser("com.r", directory.UserSpec{Name: "joe", Groups: []string{"staff"}}))
		if err != nil {
			return err
		}
		_, err = tx.AddSource("com.r", directory.Source{Source: auth.Source{ID: "s", Subjects: []string{"staff"}}})
		return err
	})
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		on, ps := call("com.a")
		return errors.Join(tx.AddGroup("com.r", "staff", nil, nil), tx.Grant("com.r", groupRole("staff"), on, ps))
	})
	both(t, log, d, func(t *testing.T, d *directory.Directory) {
		t.Helper()
		v := view(t, d, "com.r")
		if allowed(t, v, user("joe"), "com.a") {
			t.Error("joe is in the new group")
		}
		for s := range v.Sources("") {
			t.Errorf("there is the source %+v", s)
		}
	})
}
