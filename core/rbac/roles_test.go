package rbac_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"bondy/core/rbac"
	"bondy/core/wamp"
)

// calls lists which of the URIs a subject may call.
func calls(r *rbac.Rights, uris ...wamp.URI) (may []wamp.URI) {
	for _, u := range uris {
		if r.Decide(rbac.Call, u, exact) {
			may = append(may, u)
		}
	}
	return may
}

// company is joe of ops, which is in staff, which is in user; what each may call
// has its name.
func company() *directory {
	d := newDirectory()
	d.users["joe"] = []string{"ops"}
	d.parents["ops"], d.parents["staff"] = []string{"staff"}, []string{"user"}
	for _, name := range []string{"ops", "staff", "user", "all", "anonymous", "guests"} {
		d.grants[group(name)] = may(wamp.URI("com."+name), exact)
	}
	d.grants[user("joe")] = may("com.joe", exact)
	return d
}

func everybody() []wamp.URI {
	return []wamp.URI{"com.all", "com.anonymous", "com.guests", "com.joe", "com.ops", "com.staff", "com.user"}
}

func TestNestedGroups(t *testing.T) {
	a := open(t, company())
	for _, tc := range []struct {
		who  rbac.Subject
		want []wamp.URI
	}{
		{rbac.Subject{}, []wamp.URI{"com.all"}},
		{rbac.Subject{User: "joe"}, []wamp.URI{"com.all", "com.joe", "com.ops", "com.staff", "com.user"}},
		{rbac.Subject{Groups: []string{"staff"}}, []wamp.URI{"com.all", "com.staff", "com.user"}},
		{rbac.Subject{User: "joe", Groups: []string{"guests"}}, []wamp.URI{"com.all", "com.guests", "com.joe", "com.ops", "com.staff", "com.user"}},
		{rbac.Subject{Groups: []string{"joe"}}, []wamp.URI{"com.all"}}, // a group of a user's name is not that user
		{rbac.Subject{Groups: []string{"anonymous"}}, []wamp.URI{"com.all", "com.anonymous"}},
	} {
		if got := calls(a.Rights(tc.who), everybody()...); !slices.Equal(got, tc.want) {
			t.Errorf("%+v may call %v, want %v", tc.who, got, tc.want)
		}
	}
}

func TestGroupsInCircles(t *testing.T) {
	d := newDirectory()
	for i := range 100 { // each in the next, the last in the first, and in itself
		d.parents[groupName(i)] = []string{groupName((i + 1) % 100), groupName(i), "all"}
		d.grants[group(groupName(i))] = may(wamp.URI(fmt.Sprintf("com.n%d", i)), exact)
	}
	a := open(t, d)
	for _, start := range []int{0, 50, 99} {
		r := a.Rights(rbac.Subject{Groups: []string{groupName(start)}})
		for i := range 100 {
			if u := wamp.URI(fmt.Sprintf("com.n%d", i)); !r.Decide(rbac.Call, u, exact) {
				t.Errorf("from %d: %s is denied", start, u)
			}
		}
		if r.Decide(rbac.Call, "com.n100", exact) {
			t.Error("com.n100 is allowed")
		}
	}
}

// W4: who asks for fewer roles than it holds has no more than those give.
func TestNarrowRole(t *testing.T) {
	a := open(t, company())
	for _, tc := range []struct {
		narrow []string
		want   []wamp.URI
	}{
		{[]string{"staff"}, []wamp.URI{"com.all", "com.staff", "com.user"}},
		{[]string{"user"}, []wamp.URI{"com.all", "com.user"}},
		{[]string{"joe"}, []wamp.URI{"com.all", "com.joe"}},
		{[]string{"user", "joe"}, []wamp.URI{"com.all", "com.joe", "com.user"}},
		{[]string{"all"}, []wamp.URI{"com.all"}},
		{[]string{"guests"}, nil}, // is not held
		{[]string{"staff", "guests"}, nil},
		{[]string{"anonymous"}, nil},
	} {
		who := rbac.Subject{User: "joe", Narrow: tc.narrow}
		if got := calls(a.Rights(who), everybody()...); !slices.Equal(got, tc.want) {
			t.Errorf("narrowed to %v, joe may call %v, want %v", tc.narrow, got, tc.want)
		}
	}
	token := rbac.Subject{Groups: []string{"guests", "staff"}, Narrow: []string{"guests"}}
	if got := calls(a.Rights(token), everybody()...); !slices.Equal(got, []wamp.URI{"com.all", "com.guests"}) {
		t.Errorf("a token narrowed to guests may call %v", got)
	}
}

// W34: a grant to anonymous is given and taken back as any other, wherever it
// stands among the roles.
func TestGrantsToAnonymous(t *testing.T) {
	for _, roles := range [][]string{{"all"}, {"anonymous"}, {"anonymous", "user"}, {"user", "anonymous"}, {"user", "all", "anonymous", "staff"}} {
		g := to("com.foo", exact)
		g.Roles = roles
		a := newAuthorizer(t, g)
		r := a.Rights(as(rbac.RoleAnonymous))
		if !r.Decide(rbac.Call, "com.foo", exact) {
			t.Errorf("a grant to %v does not reach anonymous", roles)
		}
		if _, err := a.Set(rbac.Config{}); err != nil {
			t.Fatal(err)
		}
		if r.Decide(rbac.Call, "com.foo", exact) {
			t.Errorf("a grant to %v cannot be taken back from anonymous", roles)
		}
	}
	only := to("com.foo", exact)
	only.Roles = []string{rbac.RoleAnonymous}
	if newAuthorizer(t, only).Rights(as("user")).Decide(rbac.Call, "com.foo", exact) {
		t.Error("what anonymous may do others may too")
	}
}

// W3: open sessions follow at their next request, whatever changed.
func TestChangeReachesOpenSessions(t *testing.T) {
	d := company()
	a := open(t, d)
	r := a.Rights(rbac.Subject{User: "joe"})
	narrow := a.Rights(rbac.Subject{User: "joe", Narrow: []string{"staff"}})
	for _, step := range []struct {
		what   string
		dir    *directory
		want   []wamp.URI
		narrow wamp.URI // of the flaw
	}{
		{"as it is", d, []wamp.URI{"com.all", "com.joe", "com.ops", "com.staff", "com.user"}, ""},
		{"a grant is gone", d.with(group("staff"), nil), []wamp.URI{"com.all", "com.joe", "com.ops", "com.user"}, ""},
		{"a grant is new", d.with(user("joe"), may("com.", prefix)), everybody(), ""},
		{"in another group", d.in("guests"), []wamp.URI{"com.all", "com.guests", "com.joe"}, wamp.ErrNoSuchRole},
		{"in no group", d.in(), []wamp.URI{"com.all", "com.joe"}, wamp.ErrNoSuchRole},
		{"back", d, []wamp.URI{"com.all", "com.joe", "com.ops", "com.staff", "com.user"}, ""},
		{"gone", newDirectory(), nil, wamp.ErrNoSuchPrincipal},
		{"back again", d, []wamp.URI{"com.all", "com.joe", "com.ops", "com.staff", "com.user"}, ""},
	} {
		set(t, a, step.dir)
		if got := calls(r, everybody()...); !slices.Equal(got, step.want) {
			t.Errorf("%s: joe may call %v, want %v", step.what, got, step.want)
		}
		if flaw := narrow.Flaw(); (flaw != nil) != (step.narrow != "") || flaw != nil && flaw.URI != step.narrow || narrow.Valid() != (flaw == nil) {
			t.Errorf("%s: the flaw of the narrowed session is %v, want %q", step.what, flaw, step.narrow)
		}
	}
	set(t, a, newDirectory())
	if flaw := r.Flaw(); !errors.As(flaw, new(*wamp.Error)) || flaw.URI != wamp.ErrNoSuchPrincipal {
		t.Errorf("the flaw of who is gone is %v", flaw)
	}
}

// What concerns others changes nothing, and keeps what was compiled; Follow, which
// is told what is different, finds the same.
func TestChanged(t *testing.T) {
	d := company()
	d.users["peter"] = []string{"guests"}
	a := open(t, d)
	all := map[string]*rbac.Rights{
		"joe": a.Rights(rbac.Subject{User: "joe"}), "peter": a.Rights(rbac.Subject{User: "peter"}),
		"narrow": a.Rights(rbac.Subject{User: "joe", Narrow: []string{"staff"}}),
		"token":  a.Rights(rbac.Subject{Groups: []string{"later"}}),
	}
	expect := func(what string, changed []*rbac.Rights, want ...string) {
		t.Helper()
		var got []string
		for name, r := range all {
			if slices.Contains(changed, r) {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) || len(changed) != len(want) {
			t.Errorf("%s: changed for %v, %d in all, want %v", what, got, len(changed), want)
		}
	}
	expect("the same", set(t, a, d))
	last := d
	for _, step := range []struct {
		what string
		dir  func() *directory
		role rbac.Role
		want []string
	}{
		{"a role of peter's", func() *directory { return last.with(group("guests"), may("com.other", exact)) }, group("guests"), []string{"peter"}},
		{"a role of all", func() *directory { return last.with(group("all"), nil) }, group("all"), []string{"joe", "narrow", "peter", "token"}},
		{"a role to which one is not narrowed", func() *directory { return last.with(group("ops"), nil) }, group("ops"), []string{"joe"}},
		{"a group of joe's", func() *directory { return last.in("ops", "guests") }, user("joe"), []string{"joe"}},
		{"a group without grants", func() *directory { return last.in("guests", "nothing", "ops") }, user("joe"), nil},
		{"grants to it", func() *directory { return last.with(group("nothing"), may("com.x", exact)) }, group("nothing"), []string{"joe"}},
		{"a group that is new", func() *directory { return last.with(group("later"), may("com.x", exact)) }, group("later"), []string{"token"}},
		{"a group in another", func() *directory { last = last.clone(); last.parents["guests"] = []string{"later"}; return last }, group("guests"), []string{"joe", "peter"}},
		{"the user's own", func() *directory { return last.with(user("peter"), may("com.y", exact)) }, user("peter"), []string{"peter"}},
		{"of no group", func() *directory { return last.in() }, user("joe"), []string{"joe", "narrow"}},
		{"back", func() *directory { return last.in("ops", "guests") }, user("joe"), []string{"joe", "narrow"}},
		{"gone", func() *directory { last = last.clone(); delete(last.users, "joe"); return last }, user("joe"), []string{"joe", "narrow"}},
		{"a group of who is gone", func() *directory { return last.with(group("ops"), may("com.z", exact)) }, group("ops"), nil},
		{"back again", func() *directory { return last.in("ops") }, user("joe"), []string{"joe", "narrow"}},
	} {
		before := last
		last = step.dir()
		expect(step.what, a.Follow(last, []rbac.Role{step.role, group("unknown")}), step.want...)
		set(t, a, before) // and once more, by looking at everything
		expect(step.what+", found", set(t, a, last), step.want...)
	}
	for what, cfg := range map[string]rbac.Config{
		"a dynamic authorizer": {Directory: last, Dynamic: rbac.Dynamic{Procedure: "com.decide"}},
		"no security":          {SecurityDisabled: true},
	} {
		changed, err := a.Set(cfg)
		if err != nil {
			t.Fatal(err)
		}
		expect(what, changed, "joe", "narrow", "peter", "token")
	}
	runtime.KeepAlive(all)
}

// Whatever changes, Follow leaves everybody with what a new Authorizer would give.
func TestFollowAgainstSet(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	name := func() string { return groupName(r.IntN(12)) }
	names := func() (list []string) {
		for range r.IntN(4) {
			list = append(list, name())
		}
		return list
	}
	d := newDirectory()
	a := open(t, d)
	held := make(map[int]*rbac.Rights)
	subjects := make([]rbac.Subject, 60)
	for i := range subjects {
		subjects[i] = rbac.Subject{User: groupName(100 + r.IntN(9)), Groups: names(), Narrow: names()}
		if i%3 == 0 {
			subjects[i].User = ""
		}
	}
	for range 3000 {
		switch i := r.IntN(len(subjects)); r.IntN(4) {
		case 0:
			held[i] = a.Rights(subjects[i])
		case 1:
			delete(held, i)
		default:
			role := rbac.Role{Kind: rbac.RoleKind(r.IntN(2)), Name: name()}
			if role.Kind == rbac.RoleUser {
				role.Name = groupName(100 + r.IntN(9))
			}
			switch d = d.clone(); {
			case r.IntN(2) == 0:
				d.grants[role] = may(wamp.URI("com."+name()), exact)
			case role.Kind == rbac.RoleGroup:
				d.parents[role.Name] = names()
			case r.IntN(3) == 0:
				delete(d.users, role.Name)
			default:
				d.users[role.Name] = names()
			}
			a.Follow(d, []rbac.Role{role})
		}
		if r.IntN(50) == 0 {
			runtime.GC() // what nobody holds any more goes
		}
		fresh := open(t, d)
		for i, rights := range held {
			want := fresh.Rights(subjects[i])
			for j := range 12 {
				u := wamp.URI("com." + groupName(j))
				if got, want := rights.Decide(rbac.Call, u, exact), want.Decide(rbac.Call, u, exact); got != want {
					t.Fatalf("%+v: call %s = %t, want %t", subjects[i], u, got, want)
				}
			}
			if rights.Valid() != want.Valid() {
				t.Fatalf("%+v: valid is %t", subjects[i], rights.Valid())
			}
		}
	}
}

func TestSubjectsShareRights(t *testing.T) {
	a := open(t, company())
	same := []rbac.Subject{
		{User: "joe", Groups: []string{"a", "b"}, Narrow: []string{"x", "y"}},
		{User: "joe", Groups: []string{"b", "a", "b"}, Narrow: []string{"y", "x"}},
	}
	first := a.Rights(same[0])
	if a.Rights(same[1]) != first {
		t.Error("equal subjects do not share their rights")
	}
	for _, s := range []rbac.Subject{
		{},
		{User: "joe"},
		{Groups: []string{"joe"}},
		{Narrow: []string{"joe"}},
		{User: `joe" "a`},
		{User: "joe", Groups: []string{"a b"}, Narrow: []string{"x", "y"}},
		{User: "joe", Groups: []string{"a", "b", "x"}, Narrow: []string{"y"}},
	} {
		if a.Rights(s) == first {
			t.Errorf("%+v has the rights of another", s)
		}
	}
}

// W22: whatever name a management URI is given, it is decided on as what it is.
func TestAliasesAreCanonical(t *testing.T) {
	aliases := []wamp.URI{"com.bondy.realm.create", "com.leapsight.bondy.realm.create", "bondy.realm.create"}
	broad := newAuthorizer(t, to("", prefix), to("com.", prefix), to("com", prefix), to("com...", wildcard), to("....", wildcard)).Rights(as("user"))
	for _, u := range aliases {
		if !rbac.Management(u) {
			t.Errorf("%s is not management", u)
		}
		for _, p := range everything() {
			if broad.Decide(p, u, exact) {
				t.Errorf("broad grants cover %s on %s", p, u)
			}
		}
		for _, g := range aliases { // a grant may have either name
			if !newAuthorizer(t, to(g, exact)).Rights(as("user")).Decide(rbac.Call, u, exact) {
				t.Errorf("a grant on %s does not cover %s", g, u)
			}
		}
	}
	for _, p := range []wamp.URI{"com.bondy.", "com.leapsight.bondy.user."} {
		if broad.Decide(rbac.Subscribe, p, prefix) {
			t.Errorf("broad grants cover prefix %s", p)
		}
	}
	for _, u := range []wamp.URI{"com.bondyfoo.x", "com.leapsight.bondyx", "com.leapsight.x", "com.bond", "bondyfoo.x", "wampum.x"} {
		if rbac.Management(u) || u.Reserved() {
			t.Errorf("%s is taken for the router's", u)
		}
		if !broad.Decide(rbac.Call, u, exact) {
			t.Errorf("broad grants do not cover %s", u)
		}
	}
	if !broad.Decide(rbac.Call, "com.bondy.ping", exact) {
		t.Error("com.bondy.ping is taken for management")
	}
}

// W23: a grant on a URI is not one on patterns with the same text, and a pattern
// is covered whole or not at all.
func TestPatternNeedsCover(t *testing.T) {
	r := newAuthorizer(t, to("com.foo", exact), to("com.bar.", prefix), to("org..x", wildcard)).Rights(as("user"))
	for _, tc := range []struct {
		uri   wamp.URI
		match wamp.Match
		want  bool
	}{
		{"com.foo", exact, true},
		{"com.foo", prefix, false},
		{"com.foo", wildcard, false},
		{"com.bar.", prefix, true},
		{"com.bar.a", prefix, true},
		{"com.bar", prefix, false},
		{"com.", prefix, false},
		{"com.bar..x", wildcard, true},
		{"com..x", wildcard, false},
		{"org..x", wildcard, true},
		{"org.a.x", wildcard, true},
		{"org..", wildcard, false},
		{"..x", wildcard, false},
		{"org.", prefix, false},
	} {
		for _, p := range []rbac.Permission{rbac.Register, rbac.Subscribe} {
			if got := r.Decide(p, tc.uri, tc.match); got != tc.want {
				t.Errorf("%s %s %q = %t, want %t", p, tc.match, tc.uri, got, tc.want)
			}
		}
	}
}
