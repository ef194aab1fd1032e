package admin_test

import (
	"testing"

	"bondy/core/directory"
	"bondy/core/wamp"
)

func TestRealmProcedures(t *testing.T) {
	r := newRig(t)
	got := r.do("bondy.realm.create", dict{
		"uri": "com.a", "description": "first", "authmethods": list{"wampcra", "anonymous"}, "call_timeout": "5s",
		"groups": list{dict{"name": "b", "groups": list{"a"}}, dict{"name": "a"}}, "users": list{dict{"username": "joe", "groups": list{"b"}}},
		"grants":  list{dict{"roles": list{"b"}, "permissions": list{"wamp.call"}, "uri": "com", "match": "prefix"}},
		"sources": list{dict{"usernames": "all", "authmethod": "wampcra", "cidr": "0.0.0.0/0"}},
	})
	want := dict{
		"uri": "com.a", "description": "first", "is_prototype": false, "prototype_uri": nil, "allow_connections": nil,
		"authmethods": list{"wampcra", "anonymous"}, "security_enabled": nil, "security_status": "enabled", "call_timeout": "5s",
	}
	has(t, got, want)
	has(t, got.(dict)["effective"], dict{"allow_connections": true, "security_enabled": true})
	has(t, r.do("bondy.realm.get", "com.a"), want)
	has(t, r.do("bondy.user.get", "com.a", "joe"), dict{"groups": list{"b"}})
	has(t, r.do("bondy.realm.update", "com.a", dict{"description": "second", "allow_connections": false}),
		dict{"description": "second", "allow_connections": false, "call_timeout": "5s"})
	equal(t, r.do("bondy.realm.security.is_enabled", "com.a"), true)
	r.do("bondy.realm.security.disable", "com.a")
	equal(t, r.do("bondy.realm.security.status", "com.a"), "disabled")
	equal(t, r.do("bondy.realm.security.is_enabled", "com.a"), false)
	r.do("bondy.realm.security.enable", "com.a")
	equal(t, r.do("bondy.realm.security.status", "com.a"), "enabled")
	equal(t, len(r.do("bondy.realm.list").(list)), 4)
	res, err := r.try(caller{}, "bondy.realm.list", dict{"limit": 1, "after": "bondy"})
	if err != nil || res.Args[0].(list)[0].(dict)["uri"] != "com.a" || res.Kwargs["next"] != "com.a" {
		t.Errorf("page %v %v, %v", res.Args, res.Kwargs, err)
	}

	r.refused(caller{}, directory.ErrAlreadyExists, "bondy.realm.create", dict{"uri": "com.a"})
	r.refused(caller{}, directory.ErrActiveUsers, "bondy.realm.delete", "com.a")
	if _, err := r.try(caller{}, "bondy.realm.delete", dict{"force": true}, "com.a"); err != nil {
		t.Error(err)
	}
	for procedure, args := range map[wamp.URI]list{
		"bondy.realm.get": {"com.a"}, "bondy.realm.update": {"com.a", dict{}}, "bondy.realm.delete": {"com.a"},
		"bondy.realm.security.enable": {"com.a"}, "bondy.realm.security.is_enabled": {"com.a"}, "bondy.realm.security.status": {"com.a"},
		"bondy.realm.export": {"com.a"},
	} {
		r.refused(caller{}, directory.ErrNotFound, procedure, args...)
	}
	r.refused(caller{}, directory.ErrReservedName, "bondy.realm.delete", "bondy")
	r.refused(caller{}, directory.ErrInconsistency, "bondy.realm.security.disable", "com.leapsight.bondy")
	r.refused(caller{}, directory.ErrReservedName, "bondy.realm.create", dict{"uri": "com.leapsight.bondy.x"})
	r.refused(caller{}, directory.ErrInvalidValue, "bondy.realm.update", "realm1", dict{"uri": "realm2"})
	r.refused(caller{}, directory.ErrInconsistency, "bondy.realm.create", dict{"uri": "x", "is_prototype": true, "prototype_uri": "realm1"})
}

// TestCreatingARealmIsOneStep is W31: what is wrong with one of the things in a
// realm leaves nothing of it.
func TestCreatingARealmIsOneStep(t *testing.T) {
	r := newRig(t)
	n := r.log.Commits()
	r.refused(caller{}, directory.ErrNoSuchGroups, "bondy.realm.create", dict{
		"uri": "com.a", "groups": list{dict{"name": "a"}}, "users": list{dict{"username": "joe", "groups": list{"none"}}},
	})
	r.refused(caller{}, directory.ErrNotFound, "bondy.realm.get", "com.a")
	if r.log.Commits() != n {
		t.Error("a part was written")
	}
}

// TestDeletingAPrototypeNamesItsRealms is W32.
func TestDeletingAPrototypeNamesItsRealms(t *testing.T) {
	r := newRig(t)
	r.do("bondy.realm.create", dict{"uri": "proto", "is_prototype": true})
	r.do("bondy.realm.create", dict{"uri": "sso", "is_sso_realm": true})
	r.do("bondy.realm.create", dict{"uri": "com.a", "prototype_uri": "proto", "sso_realm_uri": "sso"})
	for _, uri := range []string{"proto", "sso"} {
		if e := r.refused(caller{}, directory.ErrInUse, "bondy.realm.delete", uri); !contains(e.Message, `"com.a"`) {
			t.Errorf("%q does not name com.a", e.Message)
		}
	}
	r.do("bondy.realm.delete", "com.a")
	r.do("bondy.realm.delete", "proto")
	r.do("bondy.realm.delete", "sso")
}

func TestDocuments(t *testing.T) {
	r := newRig(t)
	docs := list{dict{"uri": "com.a", "users": list{dict{"username": "joe", "password": "first secret"}}}, dict{"uri": "realm1", "description": "x"}}
	planned := r.do("bondy.realm.plan", docs).(dict)
	has(t, planned, dict{"applied": false})
	if n := len(planned["changes"].(list)); n != 3 {
		t.Errorf("planned %v", planned["changes"])
	}
	r.refused(caller{}, directory.ErrNotFound, "bondy.realm.get", "com.a")
	done := r.do("bondy.realm.apply", docs).(dict)
	has(t, done, dict{"applied": true, "changes": planned["changes"]})
	if e := r.events.last(); e.Action != "bondy.realm.apply" || len(e.Changes) != 3 {
		t.Errorf("recorded %+v", e)
	}
	equal(t, r.do("bondy.realm.apply", docs).(dict)["changes"], list{})
	exported := r.do("bondy.realm.export", "com.a").(dict)
	if u := exported["users"].(list)[0].(dict); u["password_hash"] != nil {
		t.Error("a secret was exported unasked")
	}
	res, err := r.try(caller{}, "bondy.realm.export", dict{"secrets": true}, "com.a")
	if err != nil {
		t.Fatal(err)
	}
	r.try(caller{}, "bondy.realm.delete", dict{"force": true}, "com.a")
	r.do("bondy.realm.apply", list{res.Args[0]})
	if !r.knows("com.a", "joe", "first secret") {
		t.Error("the realm did not come back as it was")
	}
	res, err = r.try(caller{}, "bondy.realm.apply", dict{"prune": true}, list{dict{"uri": "com.a"}})
	if err != nil || len(r.do("bondy.user.list", "com.a").(list)) != 0 {
		t.Errorf("pruned %v, %v", res.Args, err)
	}
	r.refused(caller{}, "wamp.error.invalid_argument", "bondy.realm.apply", 7)
	r.refused(caller{}, directory.ErrInvalidValue, "bondy.realm.apply", list{dict{"uri": "com.a", "nothing": 1}})
}
