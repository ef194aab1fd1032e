package admin_test

import (
	"testing"

	"bondy/core/directory"
	"bondy/core/wamp"
)

// TestRealmOfACall is the predecessor's convention: the realm comes first and may
// be left out; where both fit, what names a realm is one.
func TestRealmOfACall(t *testing.T) {
	r := newRig(t)
	for _, uri := range []string{"bondy", "realm1", "realm2"} {
		r.do("bondy.user.add", uri, dict{"username": "joe", "password": "first secret", "meta": dict{"in": uri}})
	}
	r.do("bondy.user.add", "realm1", dict{"username": "realm2", "password": "first secret"}) // named like a realm
	one, master := r.as("realm1", "boss"), r.as("bondy", "boss")
	in := func(c caller, args ...any) any {
		return r.doAs(c, "bondy.user.get", args...).(dict)["meta"].(dict)["in"]
	}
	equal(t, in(one, "joe"), "realm1")
	equal(t, in(one, "realm1", "joe"), "realm1")
	equal(t, in(one, nil, "joe"), "realm1")
	equal(t, in(master, "joe"), "bondy")
	equal(t, in(master, "realm2", "joe"), "realm2")
	equal(t, in(master, "com.leapsight.bondy", "joe"), "bondy")
	equal(t, in(caller{realm: "realm1"}, "joe"), "realm1") // the operator looks from somewhere, too
	equal(t, in(caller{realm: "realm1"}, "realm2", "joe"), "realm2")

	// Two arguments and an optional one: realm, name and password, or no realm and
	// the old password.
	const change = "bondy.user.change_password"
	r.doAs(master, change, "realm1", "joe", "second secret")
	r.doAs(one, change, "joe", "third secret", "second secret")
	r.doAs(one, change, "joe", "fourth secret")
	r.refused(one, directory.ErrBadSignature, change, "realm1", "joe", "fifth secret", "wrong")
	r.doAs(one, change, "realm1", "realm2", "fifth secret", "first secret") // all four say it beyond doubt
	if !r.knows("realm1", "joe", "fourth secret") || !r.knows("realm1", "realm2", "fifth secret") || !r.knows("realm2", "joe", "first secret") {
		t.Error("another password was changed than was meant")
	}
	r.refused(one, wamp.ErrInvalidArgument, change, "joe")
	r.refused(one, wamp.ErrInvalidArgument, change, "realm1", "joe", "a", "b", "c")
	r.refused(one, wamp.ErrInvalidArgument, "bondy.user.get")
	r.refused(one, wamp.ErrInvalidArgument, "bondy.user.get", 7)
	r.refused(one, wamp.ErrInvalidArgument, "bondy.user.get", 7, "joe")
	r.refused(master, wamp.ErrNoSuchRealm, "bondy.user.get", "none", "joe")
}

// TestRealmsAreManagedFromTheMasterRealm says that a realm's sessions manage that
// realm alone.
func TestRealmsAreManagedFromTheMasterRealm(t *testing.T) {
	r := newRig(t)
	r.do("bondy.user.add", "realm2", dict{"username": "joe", "password": "first secret"})
	one := r.as("realm1", "boss")
	for procedure, args := range map[wamp.URI]list{
		"bondy.user.get": {"realm2", "joe"}, "bondy.user.add": {"realm2", dict{"username": "x"}}, "bondy.user.list": {"realm2"},
		"bondy.user.delete": {"realm2", "joe"}, "bondy.user.change_password": {"realm2", "joe", "second secret"},
		"bondy.group.list": {"bondy"}, "bondy.grant.create": {"com.leapsight.bondy", dict{}}, "bondy.source.list": {"realm2"},
		"bondy.realm.grants": {"realm2"}, "bondy.rbac.authorize": {"realm2", "joe", "wamp.call", "a"},
		"bondy.ticket.list": {"realm2"}, "bondy.ticket.revoke_all": {"realm2", "joe"}, "bondy.key.rotate": {"realm2"},
		"bondy.realm.list": {}, "bondy.realm.get": {"realm2"}, "bondy.realm.create": {dict{"uri": "x"}}, "bondy.realm.delete": {"realm1"},
		"bondy.realm.update": {"realm1", dict{"description": "x"}}, "bondy.realm.security.disable": {"realm1"},
		"bondy.realm.export": {"realm1"}, "bondy.realm.plan": {list{}}, "bondy.realm.apply": {list{}},
	} {
		r.refused(one, wamp.ErrNotAuthorized, procedure, args...)
	}
	if r.knows("realm2", "joe", "second secret") {
		t.Error("a password was changed from another realm")
	}
	r.doAs(r.as("bondy", "boss"), "bondy.user.delete", "realm2", "joe")
}

// TestFormerNames resolves what procedures were called before.
func TestFormerNames(t *testing.T) {
	r := newRig(t)
	for _, name := range []wamp.URI{
		"bondy.security.list_users", "com.bondy.user.list", "com.leapsight.bondy.user.list", "com.bondy.security.list_users",
	} {
		equal(t, r.table.Canonical(name), wamp.URI("bondy.user.list"))
		equal(t, r.do(name, "realm1"), list{})
	}
	r.refused(caller{}, "bondy.error.deprecated_procedure", "bondy.oauth2.token.lookup")
	r.refused(caller{}, wamp.ErrNoSuchProcedure, "bondy.oauth2.client.add", "realm1", dict{})
	r.refused(caller{}, wamp.ErrNoSuchProcedure, "bondy.security.nothing")
	equal(t, r.do("bondy.ping"), "pong")
}
