package rbac_test

import (
	"testing"

	"bondy/core/rbac"
	"bondy/core/wamp"
)

// Who may register anything does not decide for the router: that takes a grant that
// names the procedure.
func TestDecidersAreNamed(t *testing.T) {
	const login, may = "com.example.login", "org.may"
	for _, tc := range []struct {
		grant wamp.URI
		match wamp.Match
		uri   wamp.URI
		asked wamp.Match
		want  bool
	}{
		{"", prefix, login, exact, false},
		{"", prefix, may, exact, false},
		{"", prefix, "", prefix, false},
		{"", prefix, "com", prefix, false},
		{"", prefix, "com.example.", wildcard, false},
		{"", prefix, "..", wildcard, false},
		{"", prefix, ".", wildcard, false},
		{"", prefix, "com.example.other", exact, true},
		{"", prefix, "com.example.login.", prefix, true},
		{"", prefix, "...", wildcard, true},
		{"co", prefix, login, exact, false},
		{"com", prefix, login, exact, false},
		{"..", wildcard, login, exact, false},
		{".example.login", wildcard, login, exact, false},
		{"com.", prefix, login, exact, true},
		{"com.", prefix, "com.example", prefix, true},
		{"com.", prefix, may, exact, false},
		{"com..login", wildcard, login, exact, true},
		{login, exact, login, exact, true},
		{may, exact, may, exact, true},
		{"com.example.", prefix, login, exact, true},
	} {
		cfg := rbac.Config{
			Grants: []rbac.Grant{to(tc.grant, tc.match)}, Dynamic: rbac.Dynamic{Procedure: may}, Deciders: []wamp.URI{login},
		}
		a, err := rbac.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		r := a.Rights(as("user"))
		for range 2 { // the second time from the cache
			if got := r.Decide(rbac.Register, tc.uri, tc.asked); got != tc.want {
				t.Errorf("%s %q, asked for %s %q: %v", tc.match, tc.grant, tc.asked, tc.uri, got)
			}
		}
		if !r.Decide(rbac.Call, tc.uri, tc.asked) && tc.want {
			t.Errorf("%s %q: no call of %s %q", tc.match, tc.grant, tc.asked, tc.uri)
		}
		if x := a.Explain(as("user"), rbac.Register, tc.uri, tc.asked); x.Allowed != tc.want {
			t.Errorf("%s %q, asked for %s %q: explained as %+v", tc.match, tc.grant, tc.asked, tc.uri, x)
		}
	}
}

// What was registered before it came to decide is looked at again.
func TestDecidersChange(t *testing.T) {
	cfg := rbac.Config{Grants: []rbac.Grant{to("", prefix)}}
	a, err := rbac.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := a.Rights(as("user"))
	for _, step := range []struct {
		procedure wamp.URI
		deciders  []wamp.URI
		want      bool
	}{
		{"", []wamp.URI{"com.x"}, false},
		{"", nil, true},
		{"com.x", nil, false},
		{"", []wamp.URI{"com.y"}, true},
		{"com.x", []wamp.URI{"com.y"}, false},
		{"com.y", []wamp.URI{"com.x"}, false},
		{"", []wamp.URI{"com.x", "com.y"}, false},
	} {
		cfg.Dynamic.Procedure, cfg.Deciders = step.procedure, step.deciders
		changed, err := a.Set(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if len(changed) != 1 || changed[0] != r {
			t.Errorf("%+v: nothing changed", step)
		}
		if got := r.Decide(rbac.Register, "com.x", exact); got != step.want {
			t.Errorf("%+v: %v", step, got)
		}
	}
}
