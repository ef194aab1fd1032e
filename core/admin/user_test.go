package admin_test

import (
	"errors"
	"strings"
	"testing"

	"bondy/core/audit"
	"bondy/core/auth"
	"bondy/core/codec"
	"bondy/core/directory"
	"bondy/core/meta"
	"bondy/core/mgmt"
	"bondy/core/wamp"
)

const (
	key1 = "1111111111111111111111111111111111111111111111111111111111111111"
	key2 = "2222222222222222222222222222222222222222222222222222222222222222"
)

// knows tells whether a password is a user's.
func (r *rig) knows(realm wamp.URI, name, password string) bool {
	r.t.Helper()
	v, err := r.dir.View(realm)
	if err != nil {
		r.t.Fatal(err)
	}
	u, err := v.FindUser(name)
	if err != nil {
		r.t.Fatal(err)
	}
	return v.Knows(u, auth.Secret(password))
}

func TestUserProcedures(t *testing.T) {
	r := newRig(t)
	r.do("bondy.group.add", "realm1", dict{"name": "staff"})
	r.do("bondy.group.add", "realm1", dict{"name": "night"})
	got := r.do("bondy.user.add", "realm1", dict{
		"username": "joe", "password": "secret 12", "authorized_keys": list{key1}, "groups": list{"staff", "all"},
		"meta": dict{"n": int64(1<<53 + 1), "b": []byte{1}}, "aliases": list{"joseph"}, "sso_realm_uri": nil,
		"password_opts": dict{"protocol": "cra", "params": dict{"kdf": "pbkdf2", "iterations": 10000}},
	})
	want := dict{
		"type": "user", "version": "1.1", "username": "joe", "groups": list{"staff"}, "enabled": true, "aliases": list{"joseph"},
		"has_password": true, "has_authorized_keys": true, "authorized_keys": list{key1}, "sso_realm_uri": nil,
		"meta": dict{"n": int64(1<<53 + 1), "b": []byte{1}},
	}
	has(t, got, want)
	has(t, r.do("bondy.user.get", "realm1", "joe"), want)
	has(t, r.do("bondy.user.get", "realm1", "joseph"), want)
	if m := r.do("bondy.user.list", "realm1").(list)[0].(dict); m["authorized_keys"] != nil || m["username"] != "joe" {
		t.Errorf("the list has %v", m)
	}

	has(t, r.do("bondy.user.update", "realm1", "joe", dict{"meta": dict{}, "groups": list{"night"}, "authorized_keys": list{key2}, "enabled": false}),
		dict{"meta": dict{}, "groups": list{"night"}, "authorized_keys": list{key2}, "enabled": false, "has_password": true})
	equal(t, r.do("bondy.user.is_enabled", "realm1", "joe"), false)
	r.do("bondy.user.enable", "realm1", "joe")
	equal(t, r.do("bondy.user.is_enabled", "realm1", "joe"), true)
	r.do("bondy.user.disable", "realm1", "joe")
	equal(t, r.do("bondy.user.is_enabled", "realm1", "joe"), false)

	r.do("bondy.user.add_alias", "realm1", "joe", "jo")
	r.do("bondy.user.remove_alias", "realm1", "joe", "joseph")
	has(t, r.do("bondy.user.get", "realm1", "jo"), dict{"username": "joe", "aliases": list{"jo"}})
	r.refused(caller{}, directory.ErrNotFound, "bondy.user.get", "realm1", "joseph")

	r.do("bondy.user.delete", "realm1", "joe")
	r.refused(caller{}, directory.ErrNotFound, "bondy.user.get", "realm1", "joe")
	r.refused(caller{}, wamp.ErrNoSuchPrincipal, "bondy.user.delete", "realm1", "joe")
	equal(t, r.do("bondy.user.list", "realm1"), list{})
}

func TestUserErrors(t *testing.T) {
	r := newRig(t)
	r.do("bondy.user.add", "realm1", dict{"username": "joe"})
	for name, tc := range map[string]struct {
		want wamp.URI
		user any
		says string
	}{
		"no name":       {"bondy.error.missing_required_value", dict{}, "username"},
		"null":          {"bondy.error.missing_required_value", dict{"username": nil}, "username"},
		"type":          {"bondy.error.invalid_datatype", dict{"username": "x", "groups": 1}, "groups must be a list"},
		"member":        {"bondy.error.invalid_datatype", dict{"username": "x", "groups": list{1}}, "groups"},
		"unknown":       {"bondy.error.invalid_value", dict{"username": "x", "group": "a"}, "group is unknown"},
		"key":           {"bondy.error.invalid_value", dict{"username": "x", "authorized_keys": list{key1, "x"}}, "authorized_keys"},
		"short":         {"bondy.error.invalid_value", dict{"username": "x", "password": "12345"}, "password"},
		"long":          {"bondy.error.invalid_value", dict{"username": "x", "password": strings.Repeat("x", auth.MaxPassword+1)}, "password"},
		"kdf":           {"bondy.error.invalid_value", dict{"username": "x", "password": "123456", "password_opts": dict{"params": dict{"kdf": "md5"}}}, "password_opts.params.kdf"},
		"protocol":      {"bondy.error.invalid_value", dict{"username": "x", "password": "123456", "password_opts": dict{"protocol": "md5"}}, "password_opts.protocol"},
		"reserved":      {"bondy.error.reserved_name", dict{"username": "all"}, ""},
		"exists":        {"bondy.error.already_exists", dict{"username": "joe"}, ""},
		"no groups":     {"bondy.error.no_such_groups", dict{"username": "x", "groups": list{"none"}}, "none"},
		"sso":           {"bondy.error.invalid_sso_realm", dict{"username": "x", "sso_realm_uri": "realm2"}, ""},
		"not an object": {"wamp.error.invalid_argument", "joe", "argument 2, user"},
	} {
		if e := r.refused(caller{}, tc.want, "bondy.user.add", "realm1", tc.user); !strings.Contains(e.Message, tc.says) {
			t.Errorf("%s: %q does not name %q", name, e.Message, tc.says)
		}
	}
	for want, args := range map[wamp.URI]list{
		"wamp.error.no_such_principal": {"realm1", "none", dict{}},
		"bondy.error.no_such_groups":   {"realm1", "joe", dict{"groups": list{"none"}}},
		"bondy.error.invalid_value":    {"realm1", "joe", dict{"username": "ann"}},
		"wamp.error.no_such_realm":     {"none", "joe", dict{}},
		"wamp.error.invalid_argument":  {"realm1", "joe", dict{}, 1},
	} {
		r.refused(caller{}, want, "bondy.user.update", args...)
	}
	r.refused(caller{}, "bondy.error.invalid_value", "bondy.user.update", "realm1", "joe", dict{"aliases": list{"x"}})
	r.refused(caller{}, "bondy.error.invalid_value", "bondy.user.update", "realm1", "joe", dict{"sso_realm_uri": "realm2"})
	// What a user looks like can be given back.
	r.do("bondy.user.update", "realm1", "joe", r.do("bondy.user.get", "realm1", "joe"))
	if n := r.log.Commits(); n != 2 {
		t.Errorf("%d commits, want 2: what was refused, or changed nothing, was written", n)
	}
}

// TestGroupEditsOfUsers is W35 for users: all four do their work and answer.
func TestGroupEditsOfUsers(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"a", "b", "c"} {
		r.do("bondy.group.add", "realm1", dict{"name": name})
		r.do("bondy.user.add", "realm1", dict{"username": "user" + name})
	}
	groups := func(name string) any { return r.do("bondy.user.get", "realm1", name).(dict)["groups"] }
	r.do("bondy.user.add_group", "realm1", "usera", "a")
	r.do("bondy.user.add_groups", "realm1", list{"usera", "userb"}, list{"b", "c"})
	equal(t, groups("usera"), list{"a", "b", "c"})
	equal(t, groups("userb"), list{"b", "c"})
	r.do("bondy.user.remove_group", "realm1", list{"usera", "userb"}, "b")
	equal(t, groups("usera"), list{"a", "c"})
	equal(t, groups("userb"), list{"c"})
	r.do("bondy.user.remove_groups", "realm1", "usera", list{"a", "c", "b"})
	equal(t, groups("usera"), list{})
	r.refused(caller{}, directory.ErrNoSuchGroups, "bondy.user.add_groups", "realm1", list{"usera"}, list{"a", "none"})
	r.refused(caller{}, wamp.ErrNoSuchPrincipal, "bondy.user.add_groups", "realm1", list{"usera", "none"}, list{"a"})
	equal(t, groups("usera"), list{}) // neither did a part
}

// TestUpdateAppliesThePassword is W30.
func TestUpdateAppliesThePassword(t *testing.T) {
	r := newRig(t)
	r.do("bondy.user.add", "realm1", dict{"username": "joe", "password": "first secret"})
	r.do("bondy.user.update", "realm1", "joe", dict{"password": "second secret"})
	if r.knows("realm1", "joe", "first secret") || !r.knows("realm1", "joe", "second secret") {
		t.Error("the new password was not applied")
	}
	has(t, r.do("bondy.user.update", "realm1", "joe", dict{"password": nil}), dict{"has_password": false})
	if r.knows("realm1", "joe", "second secret") {
		t.Error("null did not take the password away")
	}
}

// TestOldPasswordIsChecked is part of W21.
func TestOldPasswordIsChecked(t *testing.T) {
	r := newRig(t)
	r.do("bondy.user.add", "realm1", dict{"username": "joe", "password": "first secret"})
	r.refused(caller{}, directory.ErrBadSignature, "bondy.user.change_password", "realm1", "joe", "second secret", "wrong")
	r.refused(caller{}, "wamp.error.invalid_argument", "bondy.user.change_password", "realm1", "joe", "short")
	if !r.knows("realm1", "joe", "first secret") {
		t.Error("a refused change took effect")
	}
	r.do("bondy.user.change_password", "realm1", "joe", "second secret", "first secret")
	r.do("bondy.user.change_password", "realm1", "joe", "third secret")
	if !r.knows("realm1", "joe", "third secret") {
		t.Error("the password is not the last one")
	}
	r.refused(caller{}, wamp.ErrNoSuchPrincipal, "bondy.user.change_password", "realm1", "none", "second secret")
}

// TestChangingOneselfNeedsTheOldPassword is W21: who may change the own password
// changes nobody else's, and not without knowing it.
func TestChangingOneselfNeedsTheOldPassword(t *testing.T) {
	r := newRig(t)
	r.do("bondy.user.add", "realm1", dict{"username": "joe", "password": "first secret"})
	joe := r.as("realm1", "joe")
	r.refused(joe, directory.ErrBadSignature, "bondy.user.self.change_password", "wrong", "second secret")
	r.refused(joe, "wamp.error.invalid_argument", "bondy.user.self.change_password", "second secret")
	r.refused(joe, "wamp.error.invalid_argument", "bondy.user.self.change_password", nil, "second secret")
	r.doAs(joe, "bondy.user.self.change_password", "first secret", "second secret")
	if e := r.events.last(); e.Kind != audit.Account || e.Outcome != audit.OK || e.Object != "user joe" || e.AuthID != "joe" {
		t.Errorf("recorded %+v", e)
	}
	if !r.knows("realm1", "joe", "second secret") {
		t.Error("the password was not changed")
	}
	r.refused(caller{}, "bondy.error.not_in_session", "bondy.user.self.change_password", "second secret", "third secret")
	r.refused(r.as("realm1", "nobody"), wamp.ErrNoSuchPrincipal, "bondy.user.self.change_password", "x", "third secret")
	// Another user of that name has nothing to do with the session.
	r.do("bondy.user.delete", "realm1", "joe")
	r.do("bondy.user.add", "realm1", dict{"username": "joe", "password": "second secret"})
	r.refused(joe, wamp.ErrNoSuchPrincipal, "bondy.user.self.change_password", "second secret", "third secret")
	r.refused(joe, wamp.ErrNoSuchPrincipal, "bondy.user.self")
	has(t, r.doAs(r.as("realm1", "joe"), "bondy.user.self"), dict{"username": "joe"})
}

// TestGuessingTheOldPasswordIsSlowed is W11 for sessions.
func TestGuessingTheOldPasswordIsSlowed(t *testing.T) {
	r := newRig(t)
	r.do("bondy.user.add", "realm1", dict{"username": "joe", "password": "first secret"})
	joe := r.as("realm1", "joe")
	for range 30 {
		_, err := r.try(joe, "bondy.user.self.change_password", nil, "wrong", "second secret")
		if wamp.AsError(err).URI == auth.ErrTooManyRequests {
			return
		}
	}
	t.Error("nobody slowed the guesses down")
}

// TestCredentialsOfOtherRealms is W2: a realm's administrator does not reach what
// an SSO realm keeps, and links users to the realm's own SSO realm alone.
func TestCredentialsOfOtherRealms(t *testing.T) {
	r := newRig(t)
	r.do("bondy.realm.create", dict{"uri": "sso", "is_sso_realm": true, "authmethods": list{}})
	r.do("bondy.realm.create", dict{"uri": "foreign", "is_sso_realm": true})
	r.do("bondy.realm.create", dict{"uri": "app", "sso_realm_uri": "sso"})
	r.do("bondy.user.add", "sso", dict{"username": "joe", "password": "first secret"}) // W64: in a realm without methods
	r.do("bondy.user.add", "foreign", dict{"username": "ann", "password": "first secret"})
	boss := r.as("app", "boss")
	r.refused(boss, directory.ErrInvalidSSO, "bondy.user.add", dict{"username": "ann", "sso_realm_uri": "foreign"})
	r.refused(boss, wamp.ErrNotAuthorized, "bondy.user.add", dict{"username": "new", "sso_realm_uri": "sso", "password": "my secret"})
	r.doAs(boss, "bondy.user.add", dict{"username": "joe", "sso_realm_uri": "sso"})
	for procedure, args := range map[wamp.URI]list{
		"bondy.user.change_password": {"joe", "my secret"},
		"bondy.user.update":          {"joe", dict{"authorized_keys": list{key1}}},
		"bondy.user.add_alias":       {"joe", "jo"},
	} {
		r.refused(boss, wamp.ErrNotAuthorized, procedure, args...)
	}
	r.refused(boss, wamp.ErrNotAuthorized, "bondy.user.update", "joe", dict{"password": "my secret"})
	if !r.knows("app", "joe", "first secret") {
		t.Error("the password was changed")
	}
	// Joe may, with the old one, and the operator.
	r.doAs(r.as("app", "joe"), "bondy.user.self.change_password", "first secret", "second secret")
	r.do("bondy.user.change_password", "app", "joe", "third secret", "second secret")
	if !r.knows("sso", "joe", "third secret") {
		t.Error("the password was not changed where it is kept")
	}
	r.doAs(r.as("sso", "boss"), "bondy.user.change_password", "joe", "fourth secret")
	r.doAs(r.as("bondy", "boss"), "bondy.user.change_password", "app", "joe", "fifth secret", "fourth secret")
	if !r.knows("app", "joe", "fifth secret") {
		t.Error("the password was not changed from where that may be done")
	}
	has(t, r.do("bondy.user.get", "app", "joe"), dict{"has_password": true, "sso_realm_uri": "sso"})
	r.do("bondy.user.disable", "sso", "joe")
	equal(t, r.do("bondy.user.is_enabled", "app", "joe"), false) // W5
}

// TestListsAreInPages is W54.
func TestListsAreInPages(t *testing.T) {
	r := newRig(t)
	r.do("bondy.group.add", "realm1", dict{"name": "g1"})
	for _, name := range []string{"b", "a", "d", "c"} {
		r.do("bondy.user.add", "realm1", dict{"username": name, "groups": list{"g1"}, "enabled": name != "c"})
	}
	page := func(procedure wamp.URI, key string, kwargs dict, want string, next any) {
		t.Helper()
		res, err := r.try(caller{}, procedure, kwargs, "realm1")
		if err != nil {
			t.Fatal(err)
		}
		names := ""
		for _, m := range res.Args[0].(list) {
			names += m.(dict)[key].(string) + " "
		}
		if names != want || res.Kwargs["next"] != next {
			t.Errorf("%s %v = %q, next %v, want %q, %v", procedure, kwargs, names, res.Kwargs["next"], want, next)
		}
	}
	const users = "bondy.user.list"
	page(users, "username", nil, "a b c d ", nil)
	page(users, "username", dict{"limit": 2}, "a b ", "b")
	page(users, "username", dict{"limit": 2, "after": "b"}, "c d ", nil)
	page(users, "username", dict{"after": "bb"}, "c d ", nil)
	page(users, "username", dict{"enabled": true, "limit": 2, "after": "a"}, "b d ", nil)
	page(users, "username", dict{"enabled": false}, "c ", nil)
	page(users, "username", dict{"group": "none"}, "", nil)
	page(users, "username", dict{"group": "g1", "prefix": "a"}, "a ", nil)
	page("bondy.group.list", "name", nil, "all anonymous g1 ", nil)
	page("bondy.group.list", "name", dict{"limit": 1}, "all ", "all")
	page("bondy.group.list", "name", dict{"limit": 1, "after": "all"}, "anonymous ", "anonymous")
	page("bondy.group.list", "name", dict{"limit": 1, "after": "anonymous"}, "g1 ", nil)
	page("bondy.group.list", "name", dict{"prefix": "g"}, "g1 ", nil)
	for _, kwargs := range []dict{{"limit": 0}, {"limit": "x"}, {"after": 1}} {
		if _, err := r.try(caller{}, users, kwargs, "realm1"); wamp.AsError(err).URI != wamp.ErrInvalidArgument {
			t.Errorf("%v: %v", kwargs, err)
		}
	}
}

// TestChangesAreAudited is W53 for administration; no password is in the log.
func TestChangesAreAudited(t *testing.T) {
	r := newRig(t)
	boss := r.as("realm1", "boss")
	r.doAs(boss, "bondy.user.add", dict{"username": "joe", "password": "first secret"})
	e := r.events.last()
	if e.Kind != audit.Administration || e.Outcome != audit.OK || e.Action != "bondy.user.add" || e.Object != "user joe" ||
		e.Realm != "realm1" || e.AuthID != "boss" || e.Session != 42 || len(e.Changes) != 1 || e.Changes[0] != "user joe created" {
		t.Errorf("recorded %+v", e)
	}
	if r.events.flushed != len(r.events.list) {
		t.Error("the call was answered before its record was on the disk")
	}
	r.events.broken = errors.New("the disk is full")
	r.doAs(boss, "bondy.user.add", dict{"username": "jim"}) // the change stands, and that is the answer
	r.doAs(boss, "bondy.user.get", "jim")
	r.events.broken = nil
	r.refused(boss, directory.ErrAlreadyExists, "bondy.user.add", dict{"username": "joe", "password": "first secret"})
	if e := r.events.last(); e.Outcome != audit.Failed || !strings.Contains(e.Reason, "already") {
		t.Errorf("recorded %+v", e)
	}
	r.refused(boss, wamp.ErrNotAuthorized, "bondy.user.list", "realm2")
	if e := r.events.last(); e.Outcome != audit.Refused || e.Action != "bondy.user.list" {
		t.Errorf("recorded %+v", e)
	}
	n := len(r.events.list)
	r.doAs(boss, "bondy.user.list")
	r.refused(boss, directory.ErrNotFound, "bondy.user.get", "none")
	if len(r.events.list) != n {
		t.Errorf("a look was recorded: %+v", r.events.last())
	}
	for _, e := range r.events.list {
		if strings.Contains(strings.Join(append(e.Changes, e.Object, e.Reason), " "), "first secret") {
			t.Errorf("the password is in %+v", e)
		}
	}
}

// A document takes its time, for the passwords in it: who is dismissed meanwhile has
// no realm made of it.
func TestDismissedSessionDeploysNothing(t *testing.T) {
	r := newRig(t)
	r.do("bondy.user.add", "bondy", dict{"username": "boss"})
	for procedure, args := range map[wamp.URI]list{
		"bondy.realm.create": {dict{"uri": "com.late"}}, "bondy.realm.apply": {list{dict{"uri": "com.late"}}},
	} {
		boss := r.as("bondy", "boss")
		p, err := codec.NewPayload(wamp.JSON, args, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.table.Call(&mgmt.Request{
			Procedure: procedure, Realm: "bondy", Caller: boss.peer, Rights: boss.rights, Payload: p,
			Guard: func(change func() error) error {
				boss.peer.About.(*meta.Session).VoidTestaments()
				return change()
			},
		})
		if wamp.AsError(err).URI != wamp.ErrNotAuthorized {
			t.Errorf("%s: %v", procedure, err)
		}
	}
}

// Who proved the old password just before somebody else changed it does not undo that:
// the session has ended for it.
func TestDismissedSessionChangesNothing(t *testing.T) {
	r := newRig(t)
	r.do("bondy.user.add", "realm1", dict{"username": "joe", "password": "first secret"})
	joe := r.as("realm1", "joe")
	p, err := codec.NewPayload(wamp.JSON, list{"first secret", "stolen secret"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.table.Call(&mgmt.Request{
		Procedure: "bondy.user.self.change_password", Realm: "realm1", Caller: joe.peer, Rights: joe.rights, Payload: p,
		Guard: func(change func() error) error {
			r.do("bondy.user.change_password", "realm1", "joe", "other secret")
			joe.peer.About.(*meta.Session).VoidTestaments() // as the realm does that ends it
			return change()
		},
	})
	if wamp.AsError(err).URI != wamp.ErrNotAuthorized {
		t.Errorf("changed: %v", err)
	}
	if !r.knows("realm1", "joe", "other secret") {
		t.Error("the password is not the one that was set last")
	}
}
