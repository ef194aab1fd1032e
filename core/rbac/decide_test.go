package rbac_test

import (
	"strings"
	"testing"

	"bondy/core/rbac"
	"bondy/core/wamp"
)

const (
	exact    = wamp.MatchExact
	prefix   = wamp.MatchPrefix
	wildcard = wamp.MatchWildcard
)

func everything() []rbac.Permission {
	return []rbac.Permission{rbac.Register, rbac.Call, rbac.Subscribe, rbac.Publish}
}

func newAuthorizer(t testing.TB, grants ...rbac.Grant) *rbac.Authorizer {
	t.Helper()
	a, err := rbac.New(rbac.Config{Grants: grants})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// as is a subject of some groups.
func as(groups ...string) rbac.Subject { return rbac.Subject{Groups: groups} }

// to grants everything on one resource to role "user".
func to(uri wamp.URI, m wamp.Match) rbac.Grant {
	return rbac.Grant{Roles: []string{"user"}, Permissions: everything(), Resources: []rbac.Resource{{URI: uri, Match: m}}}
}

func TestDecideMatching(t *testing.T) {
	for _, tc := range []struct {
		grant wamp.URI
		match wamp.Match
		uri   wamp.URI
		asked wamp.Match
		want  bool
	}{
		{"com.foo", exact, "com.foo", exact, true},
		{"com.foo", exact, "com.foo.bar", exact, false},
		{"com.foo", exact, "com.fo", exact, false},
		{"com.foo", exact, "com.foo", prefix, false},
		{"com.foo", exact, "com.foo", wildcard, false},
		{"com.foo", exact, "com..", wildcard, false},

		{"com.foo", prefix, "com.foo", exact, true},
		{"com.foo", prefix, "com.foobar", exact, true},
		{"com.foo", prefix, "com.foo.bar", exact, true},
		{"com.foo", prefix, "com.fo", exact, false},
		{"com.foo.", prefix, "com.foo", exact, false},
		{"com.foo.", prefix, "com.foobar", exact, false},
		{"com.foo", prefix, "com.foo", prefix, true},
		{"com.foo", prefix, "com.foo.", prefix, true},
		{"com.foo", prefix, "com.fo", prefix, false},
		{"com.foo", prefix, "", prefix, false},
		{"com.foo", prefix, "com.foo..bar", wildcard, true},
		{"com.foo", prefix, "com.foo.", wildcard, true},
		{"com.foo.", prefix, "com.foo..bar", wildcard, true},
		{"com.foo.b", prefix, "com.foo..bar", wildcard, false},
		{"com.foo", prefix, "com..foo", wildcard, false},
		{"com.foo", prefix, ".foo", wildcard, false},
		{"com.", prefix, "com..foo", wildcard, true},
		{"", prefix, "com.foo", exact, true},
		{"", prefix, "", prefix, true},
		{"", prefix, "..", wildcard, true},
		{"", prefix, "", wildcard, true},

		{"com..foo", wildcard, "com.a.foo", exact, true},
		{"com..foo", wildcard, "com.a.bar", exact, false},
		{"com..foo", wildcard, "com.a.b.foo", exact, false},
		{"com..foo", wildcard, "com.foo", exact, false},
		{"com..foo", wildcard, "com..foo", wildcard, true},
		{"com..foo", wildcard, "com.a.foo", wildcard, true},
		{"com..foo", wildcard, "com..", wildcard, false},
		{"com..foo", wildcard, "..foo", wildcard, false},
		{"com..foo", wildcard, "com.a.foo", prefix, false},
		{"com.foo.", wildcard, "com.foo.", prefix, false},
		{"..", wildcard, "com..foo", wildcard, true},
		{"..", wildcard, "com.foo", exact, false},
		{"", wildcard, "com", exact, true},
		{"", wildcard, "com.foo", exact, false},
		{"com.foo", wildcard, "com.foo", exact, true},
	} {
		r := newAuthorizer(t, to(tc.grant, tc.match)).Rights(as("joe", "user"))
		for _, p := range everything() {
			for range 2 { // computed, then cached
				if got := r.Decide(p, tc.uri, tc.asked); got != tc.want {
					t.Errorf("%s grant %q: %s on %s %q = %t, want %t", tc.match, tc.grant, p, tc.asked, tc.uri, got, tc.want)
				}
			}
		}
	}
}

func TestDecideRoles(t *testing.T) {
	grant := func(uri wamp.URI, roles ...string) rbac.Grant {
		return rbac.Grant{Roles: roles, Permissions: []rbac.Permission{rbac.Call}, Resources: []rbac.Resource{{URI: uri}}}
	}
	a := newAuthorizer(t,
		grant("com.all", "all"),
		grant("com.anonymous", "anonymous"),
		grant("com.user", "user", "staff"),
		grant("com.joe", "joe"),
		grant("com.joined", `a" "b`),
	)
	for _, tc := range []struct {
		roles   []string
		allowed string
	}{
		{nil, "com.all"},
		{[]string{"anonymous"}, "com.all com.anonymous"},
		{[]string{"peter", "user"}, "com.all com.user"},
		{[]string{"user", "joe", "user"}, "com.all com.user com.joe"},
		{[]string{"staff"}, "com.all com.user"},
		{[]string{"all", "other"}, "com.all"},
		{[]string{"a", "b"}, "com.all"},
		{[]string{`a" "b`}, "com.all com.joined"},
	} {
		r := a.Rights(as(tc.roles...))
		var got []string
		for _, u := range []wamp.URI{"com.all", "com.anonymous", "com.user", "com.joe", "com.joined"} {
			if r.Decide(rbac.Call, u, exact) {
				got = append(got, string(u))
			}
			if r.Decide(rbac.Publish, u, exact) {
				t.Errorf("%q may publish %s", tc.roles, u)
			}
		}
		if strings.Join(got, " ") != tc.allowed {
			t.Errorf("%q may call %q, want %q", tc.roles, got, tc.allowed)
		}
	}
	if x, y := a.Rights(as("user", "joe")), a.Rights(as("joe", "user", "joe")); x != y {
		t.Error("the same roles do not share their rights")
	}
}

func TestPermissionsAddUp(t *testing.T) {
	grant := func(role string, p rbac.Permission, uri wamp.URI, m wamp.Match) rbac.Grant {
		return rbac.Grant{Roles: []string{role}, Permissions: []rbac.Permission{p}, Resources: []rbac.Resource{{URI: uri, Match: m}}}
	}
	r := newAuthorizer(t,
		grant("user", rbac.Call, "com.a", exact),
		grant("user", rbac.Publish, "com.", prefix),
		grant("user", rbac.Subscribe, "com", prefix),
		grant("staff", rbac.Register, "com.", wildcard),
	).Rights(as("user", "staff"))
	for _, p := range everything() {
		if !r.Decide(p, "com.a", exact) {
			t.Errorf("%s on com.a is denied", p)
		}
		if got, want := r.Decide(p, "com.b.c", exact), p == rbac.Publish || p == rbac.Subscribe; got != want {
			t.Errorf("%s on com.b.c = %t, want %t", p, got, want)
		}
	}
}

func TestUndoingNeedsNoGrant(t *testing.T) {
	r := newAuthorizer(t).Rights(as("user"))
	for _, p := range []rbac.Permission{rbac.Unregister, rbac.Unsubscribe, rbac.Cancel} {
		if !r.Decide(p, "com.foo", exact) {
			t.Errorf("%s is denied", p)
		}
	}
	for _, p := range append(everything(), 77) {
		if r.Decide(p, "com.foo", exact) {
			t.Errorf("%s is allowed without a grant", p)
		}
	}
}

func management() []wamp.URI {
	return []wamp.URI{
		"bondy", "bondy.realm.create", "bondy.ping.x", "bondy.pings", "bondy.user.update", "bondy.user.change_password",
		"wamp.session.kill", "wamp.session.kill_all", "wamp.session.kill_by_authid", "wamp.session.kill_by_authrole",
		"wamp.session.modify_details", "wamp.registration.remove_callee", "wamp.subscription.remove_subscriber",
	}
}

func plain() []wamp.URI {
	return []wamp.URI{
		"bondy.ping", "bondy.session.self", "bondy.ticket.issue", "bondy.ticket.revoke_own", "bondy.user.self",
		"bondy.user.self.change_password", "bondyfoo.x", "bond", "wamp", "wampum.session.kill", "com.bondyfoo.realm.create", "com.leapsight.x",
		"wamp.session.count", "wamp.session.list", "wamp.session.get", "wamp.session.on_join",
		"wamp.registration.list", "wamp.subscription.list_subscribers", "wamp.registration.list_callees",
	}
}

func TestBroadGrantsExcludeManagement(t *testing.T) {
	broad := []rbac.Grant{
		to("", prefix), to("b", prefix), to("bond", prefix), to("w", prefix), to("wamp", prefix), to("wamp.", prefix),
		to("wamp.session.", prefix), to("wamp.session.kil", prefix), to("wamp.registration.remove", prefix), to("wamp.subscription.", prefix),
	}
	for n := range 5 {
		broad = append(broad, to(wamp.URI(strings.Repeat(".", n)), wildcard))
	}
	for _, w := range []wamp.URI{".realm.create", "..create", "wamp.session.", "wamp..kill", ".session.kill", "wamp.registration.", "wamp.."} {
		broad = append(broad, to(w, wildcard))
	}
	r := newAuthorizer(t, broad...).Rights(as("user"))
	for _, u := range management() {
		if !rbac.Management(u) {
			t.Errorf("Management(%s) = false", u)
		}
		for _, p := range everything() {
			if r.Decide(p, u, exact) {
				t.Errorf("broad grants cover %s on %s", p, u)
			}
		}
		if !newAuthorizer(t, to(u, exact)).Rights(as("user")).Decide(rbac.Call, u, exact) {
			t.Errorf("an exact grant does not cover %s", u)
		}
		if !newAuthorizer(t, to(u, prefix)).Rights(as("user")).Decide(rbac.Call, u, exact) {
			t.Errorf("a prefix grant that names it does not cover %s", u)
		}
		if !newAuthorizer(t, to(u, wildcard)).Rights(as("user")).Decide(rbac.Call, u, exact) {
			t.Errorf("a wildcard grant that names it does not cover %s", u)
		}
	}
	for _, u := range plain() {
		if rbac.Management(u) {
			t.Errorf("Management(%s) = true", u)
		}
		if !r.Decide(rbac.Call, u, exact) {
			t.Errorf("broad grants do not cover %s", u)
		}
	}

	named := newAuthorizer(t, to("bondy.", prefix), to("wamp.session.kill", prefix), to("bondy..list", wildcard))
	for u, want := range map[wamp.URI]bool{
		"bondy.realm.create": true, "bondy.user.list": true, "bondyfoo.x": false, "bondy": false,
		"wamp.session.kill": true, "wamp.session.kill_all": true, "wamp.session.modify_details": false,
	} {
		if got := named.Rights(as("user")).Decide(rbac.Call, u, exact); got != want {
			t.Errorf("named grants: call %s = %t, want %t", u, got, want)
		}
	}
	if !newAuthorizer(t, to("bondy..list", wildcard)).Rights(as("user")).Decide(rbac.Call, "bondy.user.list", exact) {
		t.Error("wildcard bondy..list does not cover bondy.user.list")
	}
}

func TestPatternsAndManagement(t *testing.T) {
	broad := newAuthorizer(t, to("", prefix), to("..", wildcard)).Rights(as("user"))
	named := newAuthorizer(t, to("bondy.", prefix), to("wamp.session.kill", prefix)).Rights(as("user"))
	for _, tc := range []struct {
		uri          wamp.URI
		match        wamp.Match
		broad, named bool
	}{
		{"", prefix, true, false}, // overlaps: each message is decided by its own URI
		{"wamp.", prefix, true, false},
		{"wamp.session.", wildcard, true, false},
		{"..", wildcard, true, false},
		{"bondyfoo", prefix, true, false},
		{"bondy", prefix, false, false},
		{"bondy.", prefix, false, true},
		{"bondy.user.", prefix, false, true},
		{"bondy..", wildcard, false, true},
		{"bondy.user.", wildcard, false, true},
		{"wamp.session.kill", prefix, false, true},
		{"wamp.session.kill_by_authid", wildcard, false, true},
	} {
		if got := broad.Decide(rbac.Subscribe, tc.uri, tc.match); got != tc.broad {
			t.Errorf("broad grants: subscribe %s %q = %t, want %t", tc.match, tc.uri, got, tc.broad)
		}
		if got := named.Decide(rbac.Subscribe, tc.uri, tc.match); got != tc.named {
			t.Errorf("named grants: subscribe %s %q = %t, want %t", tc.match, tc.uri, got, tc.named)
		}
	}
}

func TestSecurityDisabled(t *testing.T) {
	a, err := rbac.New(rbac.Config{SecurityDisabled: true})
	if err != nil {
		t.Fatal(err)
	}
	r := a.Rights(as("anonymous"))
	for _, p := range everything() {
		for _, u := range append(management(), plain()...) {
			if !r.Decide(p, u, exact) {
				t.Errorf("%s on %s is denied", p, u)
			}
		}
	}
	if _, err := a.Set(rbac.Config{}); err != nil {
		t.Fatal(err)
	}
	if r.Decide(rbac.Call, "com.foo", exact) {
		t.Error("open sessions keep what a realm allowed before its security was switched on")
	}
}

func TestValidate(t *testing.T) {
	good := to("com.foo", exact)
	for _, tc := range []struct {
		change func(*rbac.Grant)
		want   string
	}{
		{func(g *rbac.Grant) { g.Roles = nil }, "grants[1].roles: "},
		{func(g *rbac.Grant) { g.Roles = []string{"a", ""} }, "grants[1].roles[1]: "},
		{func(g *rbac.Grant) { g.Roles = []string{strings.Repeat("x", 255)} }, "grants[1].roles[0]: "},
		{func(g *rbac.Grant) { g.Permissions = nil }, "grants[1].permissions: "},
		{func(g *rbac.Grant) { g.Permissions = []rbac.Permission{rbac.Call, 99} }, "grants[1].permissions[1]: "},
		{func(g *rbac.Grant) { g.Resources = nil }, "grants[1].resources: "},
		{func(g *rbac.Grant) { g.Resources = []rbac.Resource{{URI: ""}} }, "grants[1].resources[0].uri: "},
		{func(g *rbac.Grant) { g.Resources = []rbac.Resource{{URI: "a..b"}} }, "grants[1].resources[0].uri: "},
		{func(g *rbac.Grant) { g.Resources = []rbac.Resource{{URI: "a b", Match: prefix}} }, "grants[1].resources[0].uri: "},
		{func(g *rbac.Grant) { g.Resources = []rbac.Resource{{URI: "a", Match: 9}} }, "grants[1].resources[0].match: "},
	} {
		bad := good
		tc.change(&bad)
		cfg := rbac.Config{Grants: []rbac.Grant{good, bad}}
		if _, err := rbac.New(cfg); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("New(%+v) = %v, want %q", bad, err, tc.want)
		}
		a := newAuthorizer(t, good)
		if _, err := a.Set(cfg); err == nil {
			t.Errorf("Set(%+v) succeeded", bad)
		}
		if !a.Rights(as("user")).Decide(rbac.Call, "com.foo", exact) {
			t.Error("a refused Set changed the grants")
		}
	}
}

func TestPermissionNames(t *testing.T) {
	for _, name := range []string{
		"wamp.register", "wamp.unregister", "wamp.call", "wamp.cancel", "wamp.subscribe", "wamp.unsubscribe", "wamp.publish",
		"wamp.disclose_caller", "wamp.disclose_publisher", "wamp.disclose_session_info",
		"bondy.issue", "bondy.revoke", "bondy.authenticate",
	} {
		if p, ok := rbac.ParsePermission(name); !ok || p.String() != name {
			t.Errorf("ParsePermission(%q) = %v, %t", name, p, ok)
		}
	}
	for _, name := range []string{"", "unknown", "call", "wamp.Call"} {
		if p, ok := rbac.ParsePermission(name); ok {
			t.Errorf("ParsePermission(%q) = %v", name, p)
		}
	}
}
