package admin_test

import (
	"strings"
	"testing"

	"bondy/core/directory"
	"bondy/core/wamp"
)

// TestGroupProcedures is W35 for groups: each does its work and answers.
func TestGroupProcedures(t *testing.T) {
	r := newRig(t)
	has(t, r.do("bondy.group.add", "realm1", dict{"name": "a", "meta": dict{"x": 1}}),
		dict{"type": "group", "version": "1.1", "name": "a", "groups": list{}, "meta": dict{"x": int64(1)}})
	for _, name := range []string{"b", "c"} {
		r.do("bondy.group.add", "realm1", dict{"name": name})
	}
	parents := func() any { return r.do("bondy.group.get", "realm1", "a").(dict)["groups"] }
	r.do("bondy.group.add_group", "realm1", "a", "b")
	equal(t, parents(), list{"b"})
	r.do("bondy.group.add_groups", "realm1", "a", list{"b", "c"})
	equal(t, parents(), list{"b", "c"})
	r.do("bondy.group.remove_group", "realm1", "a", "b")
	equal(t, parents(), list{"c"})
	r.do("bondy.group.remove_groups", "realm1", "a", list{"c", "b"})
	equal(t, parents(), list{})
	has(t, r.do("bondy.group.update", "realm1", "a", dict{"groups": list{"b", "all"}, "meta": dict{}}), dict{"groups": list{"b"}, "meta": dict{}})
	r.refused(caller{}, directory.ErrInconsistency, "bondy.group.add_group", "realm1", "b", "a") // a circle
	equal(t, r.do("bondy.group.get", "realm1", "anonymous").(dict)["name"], "anonymous")
	equal(t, r.do("bondy.group.get", "realm1", "all").(dict)["name"], "all")
	r.do("bondy.group.delete", "realm1", "b")
	equal(t, parents(), list{})

	for want, args := range map[wamp.URI]list{
		directory.ErrAlreadyExists:           {"realm1", dict{"name": "a"}},
		directory.ErrNoSuchGroups:            {"realm1", dict{"name": "d", "groups": list{"none"}}},
		directory.ErrReservedName:            {"realm1", dict{"name": "anonymous"}},
		"bondy.error.missing_required_value": {"realm1", dict{}},
		"bondy.error.invalid_datatype":       {"realm1", dict{"name": "d", "meta": 1}},
		"bondy.error.invalid_value":          {"realm1", dict{"name": "d", "members": 1}},
		"wamp.error.invalid_argument":        {"realm1", dict{"name": "d"}, 1},
		wamp.ErrNoSuchRealm:                  {"none", dict{"name": "d"}},
	} {
		r.refused(caller{}, want, "bondy.group.add", args...)
	}
	r.refused(caller{}, directory.ErrUnknownGroup, "bondy.group.update", "realm1", "none", dict{})
	r.refused(caller{}, directory.ErrUnknownGroup, "bondy.group.delete", "realm1", "none")
	r.refused(caller{}, directory.ErrReservedName, "bondy.group.delete", "realm1", "anonymous")
	r.refused(caller{}, directory.ErrNotFound, "bondy.group.get", "realm1", "none")
}

// TestDeletingAGroupTouchesItsMembersAlone is W29.
func TestDeletingAGroupTouchesItsMembersAlone(t *testing.T) {
	r := newRig(t)
	r.do("bondy.group.add", "realm1", dict{"name": "g"})
	r.do("bondy.user.add", "realm1", dict{"username": "in", "groups": list{"g"}, "password": "first secret"})
	r.do("bondy.user.add", "realm1", dict{"username": "out", "password": "first secret"})
	stamps := func() map[string]uint64 {
		out := make(map[string]uint64)
		for _, row := range r.log.Rows() {
			out[string(row.Kind)+" "+row.Key] = row.Stamp.Time
		}
		return out
	}
	before := stamps()
	r.do("bondy.group.delete", "realm1", "g")
	for at, stamp := range stamps() {
		about := strings.HasPrefix(at, "group ") || strings.HasPrefix(at, "member ")
		if stamp != before[at] && !about {
			t.Errorf("%q was written", at)
		}
	}
	equal(t, r.do("bondy.user.get", "realm1", "in").(dict)["groups"], list{})
}

func TestGrantProcedures(t *testing.T) {
	r := newRig(t)
	r.do("bondy.group.add", "realm1", dict{"name": "staff"})
	r.do("bondy.group.add", "realm1", dict{"name": "team", "groups": list{"staff"}})
	r.do("bondy.user.add", "realm1", dict{"username": "joe", "groups": list{"team"}})
	grant := func(g dict) { r.t.Helper(); r.do("bondy.grant.create", "realm1", g) }
	grant(dict{"roles": list{"staff"}, "permissions": list{"wamp.call", "wamp.register"}, "resources": list{dict{"uri": "com.a", "match": "prefix"}, dict{"uri": "com..b", "match": nil}}})
	grant(dict{"roles": "all", "permissions": list{"wamp.call"}, "uri": "com.a", "match": "exact"}) // the other shape
	grant(dict{"roles": list{"user/joe"}, "permissions": list{"wamp.publish"}, "uri": "*"})
	grant(dict{"roles": list{"group/staff"}, "permissions": list{"wamp.subscribe"}, "uri": "com.a", "match": "prefix"})
	want := list{
		dict{"roles": list{"group/all"}, "permissions": list{"wamp.call"}, "resource": dict{"uri": "com.a", "match": "exact"}},
		dict{"roles": list{"group/staff"}, "permissions": list{"wamp.register", "wamp.call", "wamp.subscribe"}, "resource": dict{"uri": "com.a", "match": "prefix"}},
		dict{"roles": list{"group/staff"}, "permissions": list{"wamp.register", "wamp.call"}, "resource": dict{"uri": "com..b", "match": "wildcard"}},
		dict{"roles": list{"user/joe"}, "permissions": list{"wamp.publish"}, "resource": dict{"uri": "", "match": "prefix"}},
	}
	got := r.do("bondy.realm.grants", "realm1").(list)
	if len(got) != len(want) {
		t.Fatalf("granted is %v", got)
	}
	for i := range want {
		has(t, got[i], want[i].(dict))
		equal(t, got[i].(dict)["resources"], list{want[i].(dict)["resource"]})
	}
	resources := func(v any) (out []string) {
		for _, g := range v.(list) {
			res := g.(dict)["resource"].(dict)
			out = append(out, res["match"].(string)+" "+res["uri"].(string))
		}
		return out
	}
	equal(t, resources(r.do("bondy.user.grants", "realm1", "joe")), []string{"exact com.a", "prefix ", "prefix com.a", "wildcard com..b"})
	equal(t, resources(r.do("bondy.group.grants", "realm1", "team")), []string{"prefix com.a", "wildcard com..b"})
	r.refused(caller{}, wamp.ErrNoSuchPrincipal, "bondy.user.grants", "realm1", "none")

	r.do("bondy.grant.revoke", "realm1", dict{"roles": list{"staff"}, "permissions": list{"wamp.call", "wamp.publish"}, "uri": "com..b"})
	has(t, r.do("bondy.realm.grants", "realm1").(list)[2], dict{"permissions": list{"wamp.register"}})
	r.do("bondy.grant.revoke", "realm1", dict{"roles": list{"staff"}, "permissions": list{"wamp.register"}, "uri": "com..b"})
	if n := len(r.do("bondy.realm.grants", "realm1").(list)); n != 3 {
		t.Errorf("%d grants, want 3", n)
	}
	res, err := r.try(caller{}, "bondy.realm.grants", dict{"role": "staff"}, "realm1")
	if err != nil || len(res.Args[0].(list)) != 1 {
		t.Errorf("of staff: %v %v", res.Args, err)
	}

	for name, g := range map[string]struct {
		want  wamp.URI
		grant dict
	}{
		"roles":      {"bondy.error.unknown_roles", dict{"roles": list{"none"}, "permissions": list{"wamp.call"}, "uri": "a"}},
		"user":       {"bondy.error.unknown_roles", dict{"roles": list{"user/staff"}, "permissions": list{"wamp.call"}, "uri": "a"}},
		"group":      {"bondy.error.unknown_roles", dict{"roles": list{"group/joe"}, "permissions": list{"wamp.call"}, "uri": "a"}},
		"permission": {"bondy.error.invalid_value", dict{"roles": "all", "permissions": list{"wamp.cal"}, "uri": "a"}},
		"none":       {"bondy.error.missing_required_value", dict{"roles": "all", "permissions": list{}, "uri": "a"}},
		"no uri":     {"bondy.error.missing_required_value", dict{"roles": "all", "permissions": list{"wamp.call"}}},
		"match":      {"bondy.error.invalid_value", dict{"roles": "all", "permissions": list{"wamp.call"}, "uri": "a", "match": "regex"}},
		"every":      {"bondy.error.inconsistency_error", dict{"roles": "all", "permissions": list{"wamp.call"}, "uri": "", "match": "exact"}},
		"uri":        {"wamp.error.invalid_uri", dict{"roles": "all", "permissions": list{"wamp.call"}, "uri": "a b", "match": "exact"}},
	} {
		if e := r.refused(caller{}, g.want, "bondy.grant.create", "realm1", g.grant); e.Message == "" {
			t.Errorf("%s: no text", name)
		}
	}
}

// TestGrantsToAnonymousCanBeRevoked is W34: built-in roles anywhere in a list, to
// grant and to revoke.
func TestGrantsToAnonymousCanBeRevoked(t *testing.T) {
	r := newRig(t)
	r.do("bondy.group.add", "realm1", dict{"name": "g"})
	g := dict{"roles": list{"g", "anonymous", "all"}, "permissions": list{"wamp.call"}, "uri": "com.a"}
	r.do("bondy.grant.create", "realm1", g)
	equal(t, r.do("bondy.rbac.authorize", "realm1", "anonymous", "wamp.call", "com.a"), true)
	r.do("bondy.grant.revoke", "realm1", g)
	equal(t, r.do("bondy.rbac.authorize", "realm1", "anonymous", "wamp.call", "com.a"), false)
	equal(t, r.do("bondy.realm.grants", "realm1"), list{})
	r.do("bondy.user.add", "realm1", dict{"username": "joe"})
	g["roles"] = "all"
	for _, step := range []struct {
		procedure wamp.URI
		may       bool
	}{{"bondy.grant.create", true}, {"bondy.grant.revoke", false}} {
		r.do(step.procedure, "realm1", g)
		for _, who := range []string{"anonymous", "joe"} {
			equal(t, r.do("bondy.rbac.authorize", "realm1", who, "wamp.call", "com.a"), step.may)
		}
	}
}

// TestAuthorizeAndExplain is W35: it works in every realm, and on patterns.
func TestAuthorizeAndExplain(t *testing.T) {
	r := newRig(t)
	r.do("bondy.group.add", "realm1", dict{"name": "staff"})
	r.do("bondy.user.add", "realm1", dict{"username": "joe", "groups": list{"staff"}, "aliases": list{"jo"}})
	r.do("bondy.grant.create", "realm1", dict{"roles": list{"staff"}, "permissions": list{"wamp.call"}, "uri": "com.a", "match": "prefix"})
	r.do("bondy.grant.create", "realm1", dict{"roles": list{"staff"}, "permissions": list{"wamp.call"}, "uri": "org.b"})
	for _, c := range []struct {
		as   caller
		args list
		want bool
	}{
		{caller{}, list{"realm1", "joe", "wamp.call", "com.a.b"}, true},
		{caller{}, list{"realm1", "jo", "wamp.call", "com.a.b"}, true},
		{caller{}, list{"realm1", "joe", "wamp.call", "com.a", "prefix"}, true},
		{caller{}, list{"realm1", "joe", "wamp.call", "com.", "prefix"}, false},
		{caller{}, list{"realm1", "joe", "wamp.call", "org.b"}, true},
		{caller{}, list{"realm1", "joe", "wamp.call", "org.b", "prefix"}, false},
		{caller{}, list{"realm1", "joe", "wamp.register", "com.a.b"}, false},
		{caller{}, list{"realm1", "anonymous", "wamp.call", "com.a.b"}, false},
		{r.as("realm1", "boss"), list{"joe", "wamp.call", "com.a.b"}, true},
		{r.as("realm1", "boss"), list{"joe", "wamp.call", "com.a", "prefix"}, true},
		{r.as("bondy", "boss"), list{"realm1", "joe", "wamp.call", "com.a.b"}, true},
	} {
		res, err := r.try(c.as, "bondy.rbac.authorize", nil, c.args...)
		if err != nil || res.Args[0] != c.want || res.Kwargs["message"] == "" {
			t.Errorf("%v = %v %v, %v", c.args, res.Args, res.Kwargs, err)
		}
	}
	x := r.do("bondy.rbac.explain", "realm1", "joe", "wamp.call", "com.a.b").(dict)
	has(t, x, dict{"allowed": true})
	has(t, x["grants"].(list)[0], dict{"role": "group/staff", "via": list{"user/joe"}})
	x = r.do("bondy.rbac.explain", "realm1", "joe", "wamp.publish", "com.a.b").(dict)
	has(t, x, dict{"allowed": false, "grants": list{}})
	if len(x["near"].(list)) != 1 {
		t.Errorf("near is %v", x["near"])
	}
	r.refused(caller{}, wamp.ErrNoSuchPrincipal, "bondy.rbac.authorize", "realm1", "none", "wamp.call", "com.a")
	r.refused(caller{}, wamp.ErrInvalidArgument, "bondy.rbac.authorize", "realm1", "joe", "call", "com.a")
	r.refused(caller{}, wamp.ErrInvalidArgument, "bondy.rbac.authorize", "realm1", "joe", "wamp.call", "com..a", "exact")
}

func TestSourceProcedures(t *testing.T) {
	r := newRig(t)
	r.do("bondy.group.add", "realm1", dict{"name": "staff"})
	for _, name := range []string{"joe", "ann"} {
		r.do("bondy.user.add", "realm1", dict{"username": name, "password": "first secret"})
	}
	r.do("bondy.user.add_group", "realm1", "joe", "staff")
	add := func(s dict) string {
		t.Helper()
		return r.do("bondy.source.add", "realm1", s).(dict)["id"].(string)
	}
	got := r.do("bondy.source.add", "realm1", dict{"usernames": list{"joe"}, "authmethod": "wampcra", "cidr": "10.1.2.3/8", "meta": dict{"a": 1}})
	id := got.(dict)["id"].(string)
	want := dict{
		"type": "source", "version": "1.1", "username": "joe", "authmethod": "wampcra", "cidr": "10.0.0.0/8", "deny": false,
		"usernames": list{"joe"}, "authmethods": list{"wampcra"}, "cidrs": list{"10.0.0.0/8"}, "meta": dict{"a": int64(1)},
	}
	has(t, got, want)
	has(t, r.do("bondy.source.get", "realm1", id), want) // W35
	if add(dict{"usernames": list{"joe"}, "authmethod": "wampcra", "cidr": "10.0.0.0/8"}) != id {
		t.Error("what says the same has another id")
	}
	add(dict{"id": "every", "usernames": "all", "authmethods": list{"cryptosign"}})
	add(dict{"id": "deny", "subjects": list{"joe", "ann", "staff"}, "methods": list{}, "cidrs": list{"10.9.0.0/16"}, "action": "deny"})
	ids := func(v any) string {
		out := ""
		for _, s := range v.(list) {
			out += s.(dict)["id"].(string) + " "
		}
		return strings.ReplaceAll(out, id, "ID")
	}
	equal(t, len(r.do("bondy.source.list", "realm1").(list)), 3)
	for _, cidrs := range []list{{}, {"10.0.0.0/8", "11.0.0.0/8"}} {
		r.refused(caller{}, wamp.ErrInvalidArgument, "bondy.source.delete", "realm1", list{"all"}, cidrs)
	}
	res, _ := r.try(caller{}, "bondy.source.list", dict{"subject": "all"}, "realm1")
	equal(t, ids(res.Args[0]), "every ")
	equal(t, ids(r.do("bondy.source.match", "realm1", "joe")), "deny ID every ")
	equal(t, ids(r.do("bondy.source.match", "realm1", "joe", "10.9.1.1")), "deny ID every ")
	equal(t, ids(r.do("bondy.source.match", "realm1", "joe", "::ffff:10.8.1.1")), "ID every ")
	equal(t, ids(r.do("bondy.source.match", "realm1", "ann", "::1")), "every ")
	allowed := func(ip string) string {
		out := ""
		for _, d := range r.do("bondy.source.explain", "realm1", "joe", ip).(list) {
			if d := d.(dict); d["allowed"] == true {
				out += d["method"].(string) + " "
			} else if d["reason"] == "" {
				t.Errorf("no reason in %v", d)
			}
		}
		return out
	}
	equal(t, allowed("10.8.1.1"), "wampcra ")
	equal(t, allowed("10.9.1.1"), "")
	equal(t, allowed("192.0.2.1"), "")

	// The predecessor's way: whom and where.
	r.do("bondy.source.delete", "realm1", list{"ann", "staff"}, "10.9.0.0/16")
	has(t, r.do("bondy.source.get", "realm1", "deny"), dict{"usernames": list{"joe"}, "deny": true})
	r.do("bondy.source.delete", "realm1", "joe", "10.9.0.0/16")
	r.refused(caller{}, directory.ErrNotFound, "bondy.source.get", "realm1", "deny")
	r.doAs(r.as("realm1", "boss"), "bondy.source.delete", "all", "0.0.0.0/0")
	r.doAs(r.as("realm1", "boss"), "bondy.source.delete", id)
	equal(t, r.do("bondy.source.list", "realm1"), list{})
	r.refused(caller{}, directory.ErrNotFound, "bondy.source.delete", "realm1", id)

	for name, tc := range map[string]struct {
		want   wamp.URI
		source dict
	}{
		"users":   {"bondy.error.no_such_users", dict{"usernames": list{"none"}, "authmethod": "wampcra"}},
		"nobody":  {"bondy.error.missing_required_value", dict{"authmethod": "wampcra"}},
		"cidr":    {"bondy.error.invalid_value", dict{"usernames": "all", "authmethod": "wampcra", "cidr": "10.0.0.0/33"}},
		"method":  {"bondy.error.invalid_value", dict{"usernames": "all", "authmethod": "oidc"}}, // W56
		"trust":   {"bondy.error.invalid_value", dict{"usernames": "all", "authmethod": "trust"}},
		"action":  {"bondy.error.invalid_value", dict{"usernames": "all", "action": "allowed"}},
		"unknown": {"bondy.error.invalid_value", dict{"usernames": "all", "ip": "x"}},
	} {
		if e := r.refused(caller{}, tc.want, "bondy.source.add", "realm1", tc.source); e.Message == "" {
			t.Errorf("%s: no text", name)
		}
	}
	r.refused(caller{}, wamp.ErrInvalidArgument, "bondy.source.match", "realm1", "joe", "x")
}
