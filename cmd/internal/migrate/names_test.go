package migrate_test

import (
	"slices"
	"strings"
	"testing"

	"bondy/cmd/internal/migrate"
	"bondy/core/auth"
	"bondy/core/directory/directorytest"
)

func TestMigrateAdministratorsOfTheMasterRealm(t *testing.T) {
	for _, uri := range []string{"bondy", "com.leapsight.bondy"} {
		d, r := applied(t, `{"uri": "`+uri+`", "users": [{"username": "eve", "groups": ["bondy.administrators"]}],
			"grants": [{"roles": ["bondy.administrators"], "permissions": ["wamp.call"], "uri": ""}]}`)
		v := view(t, d, "bondy")
		if u, ok := v.User("eve"); !ok || !slices.Equal(u.Groups, []string{"bondy.administrators"}) {
			t.Errorf("eve is %+v", u)
		}
		if n := len(slices.Collect(v.Sources(""))); n != 0 {
			t.Errorf("%d sources: of its master realm the predecessor has some without being told", n)
		}
		if !noted(r, migrate.Changed, " bondy [0].groups", "added bondy.administrators") {
			t.Error("it is not noted")
		}
		if noted(r, migrate.Changed, "may call management") {
			t.Error("administrators are said to administer no more")
		}
	}
	if _, err := migrate.Convert([]byte(`{"uri": "a.b", "users": [{"username": "eve", "groups": ["bondy.administrators"]}]}`)); err == nil {
		t.Error("another realm has the group too")
	}
}

func TestMigrateTellsNewNames(t *testing.T) {
	d, r := applied(t, `[{"uri": "X.Cyc", "groups": [{"name": "All", "meta": {"a": 1}}, {"name": "anonymous"}],
		"users": [
			{"username": "Joe", "password": "old secret", "aliases": ["Smith", "smithy"]},
			{"username": "Full", "aliases": ["a", "b", "c", "d", "e"]}],
		"grants": [{"roles": ["all"], "permissions": ["wamp.call"], "uri": "x"}]}]`)
	v := view(t, d, "x.cyc")
	for _, name := range []string{"joe", "Joe", "smith", "Smith", "smithy"} {
		if u, ok := v.User(name); !ok || u.Name != "joe" || !auth.Opens(directorytest.Salt("x.cyc"), "joe", u.Verifier, u.Credential, "old secret") {
			t.Errorf("%s is %+v", name, u)
		}
	}
	for _, want := range [][]string{
		{"changed", "[0].uri", "X.Cyc is called x.cyc", "clients have to join"},
		{"changed", "[0].users[0].username", "Joe is called joe", "Joe is an alias"},
		{"changed", "[0].users[0].aliases[0]", "Smith is called smith", "Smith is an alias"},
		{"changed", "[0].users[1].username", "Full is called full", "clients have to say full", "5 aliases"},
		{"dropped", "[0].groups[0]", "all is built in", "grants to it are kept"},
		{"dropped", "[0].groups[1]", "anonymous is built in"},
		{"taken", "0 groups, 2 users"},
	} {
		if !noted(r, migrate.What(want[0]), want[1:]...) {
			t.Errorf("no note %q in\n%v", want, r.Notes)
		}
	}
}

// TestMigrateAliasesOfSSOUsers: what several realms say of one user adds up, and
// applying it again changes nothing.
func TestMigrateAliasesOfSSOUsers(t *testing.T) {
	for name, sso := range map[string]string{"listed": `[{"username": "JOE", "aliases": ["j"]}]`, "not listed": `[]`} {
		t.Run(name, func(t *testing.T) {
			d, r := applied(t, `[{"uri": "a.sso", "is_sso_realm": true, "users": `+sso+`},
				{"uri": "a.one", "sso_realm_uri": "a.sso", "users": [{"username": "Joe", "sso_realm_uri": "a.sso"}]},
				{"uri": "a.two", "sso_realm_uri": "a.sso", "users": [{"username": "jOE", "sso_realm_uri": "a.sso", "aliases": ["joey"]}]}]`)
			for _, alias := range []string{"Joe", "jOE", "joey"} {
				if u, ok := view(t, d, "a.two").User(alias); !ok || u.Name != "joe" {
					t.Errorf("%s is %+v", alias, u)
				}
			}
			if changes := reapply(t, d, r); len(changes) > 0 {
				t.Errorf("applied again, it changes %+v", changes)
			}
		})
	}
}

func TestMigrateKeepsShortPasswords(t *testing.T) {
	d, r := applied(t, `{"uri": "a.b", "users": [{"username": "u", "password": "12345"}, {"username": "v", "password": "123456"}]}`)
	if u, _ := view(t, d, "a.b").User("u"); !auth.Opens(directorytest.Salt("a.b"), "u", u.Verifier, u.Credential, "12345") {
		t.Error("the password is not good")
	}
	if !noted(r, migrate.Changed, "[0].users[0].password", "of u: kept", "at least 6 characters") {
		t.Error("it is not noted")
	}
	if noted(r, migrate.Changed, "users[1].password") {
		t.Error("one that is long enough is noted")
	}
	var report strings.Builder
	if err := r.Report(&report); err != nil || strings.Contains(report.String(), "12345") {
		t.Errorf("%v, and a report of\n%s", err, &report)
	}
}
