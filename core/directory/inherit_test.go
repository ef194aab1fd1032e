package directory_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

func yes() *bool { b := true; return &b }
func no() *bool  { b := false; return &b }

// TestPrototypeScalars is what a realm inherits of the properties: what it says
// itself counts, then the prototype's word, then the default.
func TestPrototypeScalars(t *testing.T) {
	log := new(directorytest.Log)
	d := directorytest.Open(t, log)
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(
			tx.CreateRealm("com.says", directory.Properties{PrototypeURI: "proto", SecurityEnabled: yes(), AllowConnections: no(), AuthMethods: []string{}}),
			tx.CreateRealm("com.silent", directory.Properties{PrototypeURI: "proto"}),
			tx.CreateRealm("com.alone", directory.Properties{}),
			tx.CreateRealm("proto", directory.Properties{
				IsPrototype: true, SecurityEnabled: no(), AllowConnections: yes(), AuthMethods: []string{auth.MethodWAMPCRA}, SSORealmURI: "sso",
			}),
			tx.CreateRealm("sso", directory.Properties{IsSSORealm: true}))
	})
	both(t, log, d, func(t *testing.T, d *directory.Directory) {
		t.Helper()
		for uri, want := range map[wamp.URI]struct {
			secure, open bool
			methods      []string
			sso          wamp.URI
		}{
			"com.says":   {true, false, []string{}, "sso"},
			"com.silent": {false, true, []string{auth.MethodWAMPCRA}, "sso"},
			"proto":      {false, false, []string{auth.MethodWAMPCRA}, "sso"}, // nobody joins a prototype, whatever it says
		} {
			p := view(t, d, uri).Effective()
			if *p.SecurityEnabled != want.secure || *p.AllowConnections != want.open || !slices.Equal(p.AuthMethods, want.methods) || p.SSORealmURI != want.sso {
				t.Errorf("%s: security %t, connections %t, methods %v, SSO realm %q, want %+v", uri, *p.SecurityEnabled, *p.AllowConnections, p.AuthMethods, p.SSORealmURI, want)
			}
		}
		if p := view(t, d, "com.alone").Effective(); !*p.SecurityEnabled || !*p.AllowConnections || p.SSORealmURI != "" {
			t.Errorf("the defaults are %+v", p)
		}
		if v := view(t, d, "com.says"); v.Realm().AuthMethods == nil {
			t.Error("no methods became all methods")
		}
	})
}

// TestPrototypeGrants is what of a prototype's users, groups and grants acts in a
// realm.
func TestPrototypeGrants(t *testing.T) {
	log := new(directorytest.Log)
	d := directorytest.Open(t, log)
	grant := func(tx *directory.Tx, uri wamp.URI, role rbac.Role, what wamp.URI) error {
		on, ps := call(what)
		return tx.Grant(uri, role, on, ps)
	}
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(
			tx.CreateRealm("proto", directory.Properties{IsPrototype: true}), tx.CreateRealm("com.r", directory.Properties{PrototypeURI: "proto"}),
			tx.AddGroup("proto", "top", nil, nil), tx.AddGroup("proto", "mid", []string{"top"}, nil), tx.AddGroup("proto", "own", []string{"top"}, nil),
			tx.AddGroup("com.r", "own", nil, nil), tx.AddGroup("com.r", "low", []string{"mid"}, nil),
			tx.AddUser("proto", directory.UserSpec{Name: "ann"}), tx.AddUser("com.r", directory.UserSpec{Name: "joe", Groups: []string{"low"}}),
			tx.AddUser("com.r", directory.UserSpec{Name: "eve", Groups: []string{"own"}}),
			grant(tx, "proto", groupRole("top"), "proto.top"), grant(tx, "proto", groupRole("own"), "proto.own"),
			grant(tx, "proto", groupRole("all"), "proto.all"), grant(tx, "proto", groupRole("anonymous"), "proto.anonymous"),
			grant(tx, "com.r", groupRole("all"), "com.all"), grant(tx, "com.r", groupRole("own"), "com.own"))
	})
	both(t, log, d, func(t *testing.T, d *directory.Directory) {
		t.Helper()
		v := view(t, d, "com.r")
		anonymous := rbac.Subject{Groups: []string{rbac.RoleAnonymous}}
		for _, tc := range []struct {
			who  rbac.Subject
			what wamp.URI
			want bool
		}{
			{user("joe"), "proto.top", true}, // by low, mid and top
			{user("joe"), "proto.all", true},
			{user("joe"), "com.all", true}, // the grants to all add up
			{anonymous, "proto.all", true},
			{anonymous, "proto.anonymous", false}, // is not inherited
			{user("eve"), "com.own", true},
			{user("eve"), "proto.own", false}, // the realm's own group hides it
			{user("eve"), "proto.top", false}, // with what that is in
			{user("ann"), "proto.all", false}, // users are not inherited
		} {
			if got := allowed(t, v, tc.who, tc.what); got != tc.want {
				t.Errorf("%v may call %s: %t, want %t", tc.who, tc.what, got, tc.want)
			}
		}
		on, ps := call("com.x")
		fails(t, d, directory.ErrUnknownRoles, func(tx *directory.Tx) error { return tx.Grant("com.r", groupRole("top"), on, ps) })
	})
}

// TestPrototypeSources says that of a prototype's sources those for all are
// inherited.
func TestPrototypeSources(t *testing.T) {
	d := directorytest.Open(t, new(directorytest.Log))
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		err := errors.Join(
			tx.CreateRealm("proto", directory.Properties{IsPrototype: true}), tx.CreateRealm("com.r", directory.Properties{PrototypeURI: "proto"}),
			tx.AddUser("proto", directory.UserSpec{Name: "ann"}))
		if err != nil {
			return err
		}
		for id, subjects := range map[string][]string{"a": {"all", "ann"}, "b": {"anonymous"}, "c": {"ann"}} {
			s := auth.Source{ID: id, Subjects: subjects, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
			if _, err := tx.AddSource("proto", directory.Source{Source: s}); err != nil {
				return err
			}
		}
		return nil
	})
	got := view(t, d, "com.r").Inherited()
	if len(got) != 1 || got[0].ID != "a" || !slices.Equal(got[0].Subjects, []string{"all"}) {
		t.Errorf("inherited are %+v", got)
	}
}

// TestDeletedPrototypeGroupLeavesNothing says that what realms say of a
// prototype's group goes with it, also of realms that the same change made.
func TestDeletedPrototypeGroupLeavesNothing(t *testing.T) {
	log := new(directorytest.Log)
	d := directorytest.Open(t, log)
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(tx.CreateRealm("proto", directory.Properties{IsPrototype: true}), tx.AddGroup("proto", "staff", nil, nil))
	})
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		err := errors.Join(
			tx.CreateRealm("com.r", directory.Properties{PrototypeURI: "proto"}),
			tx.AddUser("com.r", directory.UserSpec{Name: "joe", Groups: []string{"staff"}}))
		if err != nil {
			return err
		}
		_, err = tx.AddSource("com.r", directory.Source{Source: auth.Source{ID: "s", Subjects: []string{"staff"}}})
		return errors.Join(err, tx.DeleteGroup("proto", "staff"), tx.AddGroup("proto", "staff", nil, nil))
	})
	both(t, log, d, func(t *testing.T, d *directory.Directory) {
		t.Helper()
		v := view(t, d, "com.r")
		if u, err := v.FindUser("joe"); err != nil || len(u.Groups) > 0 {
			t.Errorf("joe is %+v, %v", u, err)
		}
		for s := range v.Sources("") {
			t.Errorf("there is the source %+v", s)
		}
	})
}

// TestCirclesAreRefused covers circles within a realm and those that go through
// its prototype.
func TestCirclesAreRefused(t *testing.T) {
	d := directorytest.Open(t, new(directorytest.Log))
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(
			tx.CreateRealm("proto", directory.Properties{IsPrototype: true}), tx.CreateRealm("com.r", directory.Properties{PrototypeURI: "proto"}),
			tx.AddGroup("proto", "c", nil, nil), tx.AddGroup("proto", "b", []string{"c"}, nil),
			tx.AddGroup("com.r", "x", nil, nil), tx.AddGroup("com.r", "y", []string{"x"}, nil), tx.AddGroup("com.r", "z", []string{"y"}, nil))
	})
	fails(t, d, directory.ErrInconsistency, func(tx *directory.Tx) error { return tx.AddParents("com.r", "x", []string{"x"}) })
	fails(t, d, directory.ErrInconsistency, func(tx *directory.Tx) error { return tx.AddParents("com.r", "x", []string{"z"}) })
	// The prototype's b is in c, which in this realm would be the realm's own.
	fails(t, d, directory.ErrInconsistency, func(tx *directory.Tx) error { return tx.AddGroup("com.r", "c", []string{"b"}, nil) })
	// And where that is there first, the prototype's b cannot be in anything that is in it.
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(tx.AddGroup("proto", "d", nil, nil), tx.AddGroup("com.r", "c", []string{"d"}, nil))
	})
	fails(t, d, directory.ErrInconsistency, func(tx *directory.Tx) error { return tx.AddParents("proto", "d", []string{"b"}) })
	fails(t, d, directory.ErrInconsistency, func(tx *directory.Tx) error { return tx.AddParents("com.r", "c", []string{"b"}) })
	for name, change := range map[string]func(tx *directory.Tx) error{
		"prototype of itself": func(tx *directory.Tx) error {
			return tx.CreateRealm("com.x", directory.Properties{PrototypeURI: "com.x"})
		},
		"prototype with prototype": func(tx *directory.Tx) error {
			return tx.CreateRealm("com.x", directory.Properties{IsPrototype: true, PrototypeURI: "proto"})
		},
		"SSO realm with SSO realm": func(tx *directory.Tx) error {
			return tx.CreateRealm("com.x", directory.Properties{IsSSORealm: true, SSORealmURI: "sso"})
		},
	} {
		if text := fails(t, d, directory.ErrInconsistency, change); text == "" {
			t.Errorf("%s: no text", name)
		}
	}
}

func TestSSORealmInheritsNone(t *testing.T) {
	d := directorytest.Open(t, &directorytest.Log{})
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(
			tx.CreateRealm("a.proto", directory.Properties{IsPrototype: true}),
			tx.CreateRealm("a.sso", directory.Properties{IsSSORealm: true, PrototypeURI: "a.proto"}),
		)
	})
	err := d.Update(directory.Actor{}, func(tx *directory.Tx) error {
		return tx.UpdateRealm("a.proto", func(p *directory.Properties) error { p.SSORealmURI = "a.sso"; return nil })
	})
	if wamp.AsError(err).URI != directory.ErrInconsistency {
		t.Errorf("an SSO realm that inherits itself: %v", err)
	}
}
