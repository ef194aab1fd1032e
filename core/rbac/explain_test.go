package rbac_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bondy/core/rbac"
	"bondy/core/wamp"
)

func TestExplain(t *testing.T) {
	d := company().with(group("guests"), append(may("com.secret", exact), may("bondy.", prefix)...))
	d = d.with(group("user"), append(may("com.user", exact), may("", prefix)...))
	d.users["joe"] = []string{"ops", "guests"}
	a := open(t, d)
	joe := rbac.Subject{User: "joe"}
	for _, tc := range []struct {
		who      rbac.Subject
		p        rbac.Permission
		uri      wamp.URI
		allowed  bool
		reason   string
		covering string
		near     string
	}{
		{joe, rbac.Call, "com.joe", true, "granted to user/joe", "user/joe by []; group/user by [user/joe group/ops group/staff]", ""},
		{joe, rbac.Call, "com.staff", true, "granted to group/staff", "group/staff by [user/joe group/ops]; group/user by [user/joe group/ops group/staff]", ""},
		{joe, rbac.Publish, "com.staff", false, "no grant covers it", "", "group/staff: it does not have wamp.publish; group/user: it does not have wamp.publish"},
		{
			joe, rbac.Call, "com.bondy.realm.create", true, "granted to group/guests", "group/guests by [user/joe]",
			"group/user: the URI is management, which the grant does not name",
		},
		{
			rbac.Subject{Groups: []string{"user"}},
			rbac.Call, "bondy.realm.create", false,
			"no grant covers it: the URI is management, which a grant has to name", "",
			"group/user: the URI is management, which the grant does not name",
		},
		{
			rbac.Subject{User: "joe", Narrow: []string{"guests"}},
			rbac.Call, "com.ops", false, "no grant covers it", "",
			"group/ops: the session asked for other roles alone; group/user: the session asked for other roles alone",
		},
		{rbac.Subject{User: "joe", Narrow: []string{"root"}}, rbac.Call, "com.ops", false, `"root" is no role of this session any more`, "", ""},
		{rbac.Subject{User: "nobody"}, rbac.Call, "com.ops", false, "nobody is no user of this realm any more, or disabled", "", ""},
		{rbac.Subject{}, rbac.Unsubscribe, "com.ops", true, "wamp.unsubscribe needs no grant", "", ""},
	} {
		x := a.Explain(tc.who, tc.p, tc.uri, exact)
		var covering, near []string
		for _, c := range x.Covering {
			covering = append(covering, fmt.Sprintf("%s by %v", c.Role, c.Via))
		}
		for _, c := range x.Near {
			near = append(near, fmt.Sprintf("%s: %s", c.Role, c.Why))
		}
		if x.Allowed != tc.allowed || x.Reason != tc.reason || strings.Join(covering, "; ") != tc.covering || strings.Join(near, "; ") != tc.near {
			t.Errorf("%+v, %s %s: %t %q\ncovering %q\nnear %q", tc.who, tc.p, tc.uri, x.Allowed, x.Reason, covering, near)
		}
	}
	if _, err := a.Set(rbac.Config{Directory: d, Dynamic: rbac.Dynamic{Procedure: "com.decide"}}); err != nil {
		t.Fatal(err)
	}
	if x := a.Explain(joe, rbac.Publish, "com.x", exact); x.Allowed || x.Reason != "no grant covers it; com.decide decides" {
		t.Errorf("with a dynamic authorizer: %+v", x)
	}
	if _, err := a.Set(rbac.Config{SecurityDisabled: true}); err != nil {
		t.Fatal(err)
	}
	if x := a.Explain(joe, rbac.Call, "bondy.x", exact); !x.Allowed {
		t.Errorf("without security: %+v", x)
	}
}

func TestExplainIsBounded(t *testing.T) {
	var grants []rbac.Grant
	for range 300 {
		grants = append(grants, to("com.", prefix))
	}
	a := newAuthorizer(t, grants...)
	if x := a.Explain(as("user"), rbac.Call, "com.foo", exact); len(x.Covering) != 100 {
		t.Errorf("%d grants told", len(x.Covering))
	}
	if x := a.Explain(as("user"), rbac.Issue, "com.foo", exact); len(x.Near) != 100 {
		t.Errorf("%d grants told", len(x.Near))
	}
}

// What is explained is what is decided.
func TestExplainAgreesWithDecide(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	uris := universe()
	for range 100 {
		d := newDirectory()
		d.users["joe"] = []string{"a", "b"}
		d.parents["a"] = []string{"c"}
		for _, role := range []rbac.Role{user("joe"), group("a"), group("b"), group("c"), group("all")} {
			var grants []rbac.RoleGrant
			for range r.IntN(4) {
				ps := rbac.PermissionSet(r.IntN(1 << 7))
				grants = append(grants, rbac.RoleGrant{Permissions: ps, Resource: pattern(r, uris)})
			}
			d.grants[role] = grants
		}
		a := open(t, d)
		for _, who := range []rbac.Subject{{User: "joe"}, {User: "joe", Narrow: []string{"c"}}, {Groups: []string{"b"}}} {
			rights := a.Rights(who)
			for range 100 {
				asked := pattern(r, uris)
				for _, p := range everything() {
					if got, want := a.Explain(who, p, asked.URI, asked.Match).Allowed, rights.Decide(p, asked.URI, asked.Match); got != want {
						t.Fatalf("%+v: %s %s %q is explained as %t and decided as %t: %v", who, p, asked.Match, asked.URI, got, want, d.grants)
					}
				}
			}
		}
	}
}

func TestPermissionSet(t *testing.T) {
	s := rbac.Set(rbac.Publish, rbac.Call, rbac.Authenticate)
	if !slices.Equal(s.List(), []rbac.Permission{rbac.Call, rbac.Publish, rbac.Authenticate}) || s.Has(rbac.Register) || !s.Has(rbac.Call) {
		t.Errorf("%v", s.List())
	}
	for _, tc := range []struct {
		p       rbac.Permission
		options wamp.Dict
		want    rbac.PermissionSet
	}{
		{rbac.Register, nil, 0},
		{rbac.Register, wamp.Dict{"invoke": "random", "disclose_caller": false}, 0},
		{rbac.Register, wamp.Dict{"disclose_caller": true}, rbac.Set(rbac.DiscloseCaller)},
		{rbac.Register, wamp.Dict{"_disclose_session_info": true}, rbac.Set(rbac.DiscloseCaller, rbac.DiscloseSessionInfo)},
		{rbac.Register, wamp.Dict{"x_disclose_session_info": true}, rbac.Set(rbac.DiscloseCaller, rbac.DiscloseSessionInfo)},
		{rbac.Subscribe, wamp.Dict{"disclose_caller": true}, 0},
		{rbac.Subscribe, wamp.Dict{"x_disclose_session_info": true}, rbac.Set(rbac.DisclosePublisher, rbac.DiscloseSessionInfo)},
	} {
		if got := rbac.Disclosing(tc.p, tc.options); got != tc.want {
			t.Errorf("%s with %v needs %v, want %v", tc.p, tc.options, got.List(), tc.want.List())
		}
	}
}
