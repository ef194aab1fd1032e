package directory_test

import (
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

func small(t *testing.T) (*directorytest.Log, *directory.Directory) {
	t.Helper()
	log := new(directorytest.Log)
	d := directorytest.Open(t, log)
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(
			tx.CreateRealm("bondy", directory.Properties{}), tx.CreateRealm("com.r", directory.Properties{}),
			tx.AddGroup("com.r", "staff", nil, nil), tx.AddUser("com.r", directory.UserSpec{Name: "joe", Aliases: []string{"jo"}, Groups: []string{"staff"}}))
	})
	return log, d
}

// TestTryLeavesNothing is the dry run.
func TestTryLeavesNothing(t *testing.T) {
	log, d := small(t)
	before, commits := d.Snapshot(), log.Commits()
	told := 0
	d.Observe(func(*directory.Commit) { told++ })
	changes, err := d.Try(directory.Actor{}, full("com.new"))
	if err != nil || len(changes) < 5 {
		t.Errorf("changes %v, %v", changes, err)
	}
	if d.Snapshot() != before || log.Commits() != commits || told != 0 {
		t.Error("the dry run changed something")
	}
	applied, err := d.Apply(directory.Actor{}, full("com.new"))
	if err != nil || len(applied) != len(changes) || told != 1 {
		t.Errorf("then it did %v, %v, and told %d times", applied, err, told)
	}
}

// TestFailedCommitLeavesNothing is W31 where the disk does not take it.
func TestFailedCommitLeavesNothing(t *testing.T) {
	log, d := small(t)
	d.Observe(func(*directory.Commit) { t.Error("the observers were told") })
	before, full1 := d.Snapshot(), errors.New("disk full")
	log.Fail(full1)
	if err := d.Update(directory.Actor{}, full("com.new")); !errors.Is(err, full1) {
		t.Errorf("got %v", err)
	}
	if d.Snapshot() != before {
		t.Error("what was not written is visible")
	}
}

// TestFailedChangeLeavesNothing is W31 where the last of several things is wrong.
func TestFailedChangeLeavesNothing(t *testing.T) {
	log, d := small(t)
	rows := len(log.Rows())
	fails(t, d, directory.ErrNoSuchGroups, func(tx *directory.Tx) error {
		if err := full("com.new")(tx); err != nil {
			return err
		}
		return tx.AddUser("com.new", directory.UserSpec{Name: "ann", Groups: []string{"none"}})
	})
	if len(log.Rows()) != rows {
		t.Error("a part was written")
	}
}

// TestPanicInAChangeLeavesNothing says that a defect in one change is an error of
// that change.
func TestPanicInAChangeLeavesNothing(t *testing.T) {
	log, d := small(t)
	rows := len(log.Rows())
	err := d.Update(directory.Actor{}, func(tx *directory.Tx) error {
		if err := full("com.new")(tx); err != nil {
			return err
		}
		panic("defect")
	})
	if err == nil || len(log.Rows()) != rows {
		t.Errorf("error %v, %d rows, had %d", err, len(log.Rows()), rows)
	}
	directorytest.Do(t, d, full("com.next")) // the lock is free
}

// TestSameAgainChangesNothing says that what is so already is not written.
func TestSameAgainChangesNothing(t *testing.T) {
	log, d := small(t)
	commits := log.Commits()
	on, ps := call("com.a")
	meta, groups, none := rawMessage(nil), []string{"staff"}, []ed25519.PublicKey{}
	changes := directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(
			tx.AddToGroups("com.r", []string{"joe"}, []string{"staff", "all"}), tx.RemoveFromGroups("com.r", []string{"joe"}, []string{"none"}),
			tx.AddAlias("com.r", "joe", "jo"), tx.RemoveAlias("com.r", "joe", "none"), tx.Revoke("com.r", userRole("joe"), on, ps),
			tx.UpdateUser("com.r", "joe", directory.UserPatch{Groups: &groups, Keys: &none, Password: &directory.Password{}}),
			tx.UpdateGroup("com.r", "staff", &[]string{}, &meta),
			tx.UpdateRealm("com.r", func(*directory.Properties) error { return nil }),
			tx.DeleteTicket("com.r", "none"), tx.DeleteSigningKey("com.r", "none"))
	})
	if len(changes) > 0 || log.Commits() != commits {
		t.Errorf("it changed %v", changes)
	}
}

// TestNamesAreUnique covers users, aliases and groups, which grants and sources
// must be able to tell apart (W62 on one node).
func TestNamesAreUnique(t *testing.T) {
	_, d := small(t)
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(tx.CreateRealm("proto", directory.Properties{IsPrototype: true}), tx.AddGroup("proto", "crew", nil, nil),
			tx.CreateRealm("child", directory.Properties{PrototypeURI: "proto"}))
	})
	for name, change := range map[string]func(tx *directory.Tx) error{
		"user of a user":             func(tx *directory.Tx) error { return tx.AddUser("com.r", directory.UserSpec{Name: "joe"}) },
		"user of an alias":           func(tx *directory.Tx) error { return tx.AddUser("com.r", directory.UserSpec{Name: "jo"}) },
		"user of a group":            func(tx *directory.Tx) error { return tx.AddUser("com.r", directory.UserSpec{Name: "staff"}) },
		"user of inherited group":    func(tx *directory.Tx) error { return tx.AddUser("child", directory.UserSpec{Name: "crew"}) },
		"group of a group":           func(tx *directory.Tx) error { return tx.AddGroup("com.r", "staff", nil, nil) },
		"group of a user":            func(tx *directory.Tx) error { return tx.AddGroup("com.r", "joe", nil, nil) },
		"group of an alias":          func(tx *directory.Tx) error { return tx.AddGroup("com.r", "jo", nil, nil) },
		"alias of a user":            func(tx *directory.Tx) error { return tx.AddAlias("com.r", "joe", "joe") },
		"alias of a group":           func(tx *directory.Tx) error { return tx.AddAlias("com.r", "joe", "staff") },
		"realm":                      func(tx *directory.Tx) error { return tx.CreateRealm("com.r", directory.Properties{}) },
		"realm under its other name": func(tx *directory.Tx) error { return tx.CreateRealm(directory.MasterAlias, directory.Properties{}) },
	} {
		if fails(t, d, directory.ErrAlreadyExists, change) == "" {
			t.Error(name)
		}
	}
	fails(t, d, directory.ErrRange, func(tx *directory.Tx) error {
		for _, alias := range []string{"a", "b", "c", "d", "e"} { // with jo, one too many
			if err := tx.AddAlias("com.r", "joe", alias); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestReferencesAreKept is W32, and what else must not dangle.
func TestReferencesAreKept(t *testing.T) {
	_, d := small(t)
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(
			tx.CreateRealm("proto", directory.Properties{IsPrototype: true}), tx.CreateRealm("sso", directory.Properties{IsSSORealm: true}),
			tx.CreateRealm("child", directory.Properties{PrototypeURI: "proto", SSORealmURI: "sso"}))
	})
	on, ps := call("com.a")
	for name, tc := range map[string]struct {
		want   wamp.URI
		change func(tx *directory.Tx) error
	}{
		"prototype in use":   {directory.ErrInUse, func(tx *directory.Tx) error { return tx.DeleteRealm("proto", true) }},
		"SSO realm in use":   {directory.ErrInUse, func(tx *directory.Tx) error { return tx.DeleteRealm("sso", true) }},
		"master realm":       {directory.ErrReservedName, func(tx *directory.Tx) error { return tx.DeleteRealm("com.leapsight.bondy", true) }},
		"realm with users":   {directory.ErrActiveUsers, func(tx *directory.Tx) error { return tx.DeleteRealm("com.r", false) }},
		"no realm":           {wamp.ErrNoSuchRealm, func(tx *directory.Tx) error { return tx.DeleteRealm("none", true) }},
		"unknown prototype":  {wamp.ErrNoSuchRealm, func(tx *directory.Tx) error { return tx.CreateRealm("x", directory.Properties{PrototypeURI: "none"}) }},
		"no prototype":       {directory.ErrInconsistency, func(tx *directory.Tx) error { return tx.CreateRealm("x", directory.Properties{PrototypeURI: "com.r"}) }},
		"another prototype":  {directory.ErrInconsistency, edit("child", func(p *directory.Properties) { p.PrototypeURI = "" })},
		"prototype no more":  {directory.ErrInconsistency, edit("proto", func(p *directory.Properties) { p.IsPrototype = false })},
		"SSO realm no more":  {directory.ErrInconsistency, edit("sso", func(p *directory.Properties) { p.IsSSORealm = false })},
		"open master realm":  {directory.ErrInconsistency, edit("bondy", func(p *directory.Properties) { p.SecurityEnabled = no() })},
		"unknown method":     {directory.ErrInvalidValue, edit("com.r", func(p *directory.Properties) { p.AuthMethods = []string{"oidc"} })}, // W56
		"info":               {directory.ErrInvalidValue, edit("com.r", func(p *directory.Properties) { p.Info = []byte("{") })},
		"reserved realm":     {directory.ErrReservedName, func(tx *directory.Tx) error { return tx.CreateRealm("bondy.x", directory.Properties{}) }},
		"source of nobody":   {directory.ErrNoSuchUsers, source("none")},
		"source without":     {directory.ErrInvalidValue, source()},
		"grant to nobody":    {directory.ErrUnknownRoles, func(tx *directory.Tx) error { return tx.Grant("com.r", userRole("none"), on, ps) }},
		"grant to no group":  {directory.ErrUnknownRoles, func(tx *directory.Tx) error { return tx.Grant("com.r", groupRole("joe"), on, ps) }},
		"grant on no URI":    {wamp.ErrInvalidURI, func(tx *directory.Tx) error { return tx.Grant("com.r", userRole("joe"), rbac.Resource{URI: "a b"}, ps) }},
		"user in no group":   {directory.ErrNoSuchGroups, func(tx *directory.Tx) error { return tx.AddToGroups("com.r", []string{"joe"}, []string{"none"}) }},
		"no user in a group": {wamp.ErrNoSuchPrincipal, func(tx *directory.Tx) error { return tx.AddToGroups("com.r", []string{"none"}, []string{"staff"}) }},
		"group in no group":  {directory.ErrNoSuchGroups, func(tx *directory.Tx) error { return tx.AddParents("com.r", "staff", []string{"joe"}) }},
		"meta":               {directory.ErrInvalidValue, func(tx *directory.Tx) error { return tx.AddGroup("com.r", "x", nil, []byte("[]")) }},
		"half of meta":       {directory.ErrInvalidValue, func(tx *directory.Tx) error { return tx.AddGroup("com.r", "x", nil, []byte("{} {}")) }},
		"key of another size": {directory.ErrInvalidValue, func(tx *directory.Tx) error {
			return tx.AddUser("com.r", directory.UserSpec{Name: "x", Keys: []ed25519.PublicKey{{1}}})
		}},
	} {
		if fails(t, d, tc.want, tc.change) == "" {
			t.Error(name)
		}
	}
}

func edit(uri wamp.URI, change func(*directory.Properties)) func(tx *directory.Tx) error {
	return func(tx *directory.Tx) error {
		return tx.UpdateRealm(uri, func(p *directory.Properties) error { change(p); return nil })
	}
}

func source(subjects ...string) func(tx *directory.Tx) error {
	return func(tx *directory.Tx) error {
		_, err := tx.AddSource("com.r", directory.Source{Source: auth.Source{Subjects: subjects}})
		return err
	}
}

// TestOddNames says which names there can be, and that none is taken for another:
// parts of keys are told apart.
func TestOddNames(t *testing.T) {
	log, d := small(t)
	for _, name := range []string{"", "a\x00b", "joe\x00", "a\nb", "\x7f", "\xff", strings.Repeat("x", auth.MaxName+1), "\u0085"} {
		fails(t, d, directory.ErrInvalidValue, func(tx *directory.Tx) error { return tx.AddUser("com.r", directory.UserSpec{Name: name}) })
		fails(t, d, directory.ErrInvalidValue, func(tx *directory.Tx) error { return tx.AddGroup("com.r", name, nil, nil) })
		fails(t, d, directory.ErrInvalidValue, func(tx *directory.Tx) error { return tx.AddAlias("com.r", "joe", name) })
		if name != "" {
			fails(t, d, directory.ErrInvalidValue, func(tx *directory.Tx) error {
				_, err := tx.AddSource("com.r", directory.Source{Source: auth.Source{ID: name, Subjects: []string{"all"}}})
				return err
			})
		}
	}
	for _, name := range []string{"all", "anonymous", "any", "from", "on", "to"} {
		fails(t, d, directory.ErrReservedName, func(tx *directory.Tx) error { return tx.AddUser("com.r", directory.UserSpec{Name: name}) })
		fails(t, d, directory.ErrReservedName, func(tx *directory.Tx) error { return tx.AddGroup("com.r", name, nil, nil) })
	}
	for _, uri := range []wamp.URI{"", "a b", "a\x00b", "a..b", "#"} {
		fails(t, d, wamp.ErrInvalidURI, func(tx *directory.Tx) error { return tx.CreateRealm(uri, directory.Properties{}) })
	}
	odd := []string{"user", "group", "user/joe", "group/staff", "joe ", " joe", "JOE", "j\u00f6", "a.b", "a\x20\x20b", "\u202ejoe", "\U0001f600", "exact", strings.Repeat("x", auth.MaxName)}
	on := rbac.Resource{URI: "com.a.exact"}
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		for i, name := range odd {
			if err := errors.Join(
				tx.AddUser("com.r", directory.UserSpec{Name: name, Keys: []ed25519.PublicKey{key(string(rune('a' + i)))}, Groups: []string{"staff"}}),
				tx.Grant("com.r", userRole(name), on, rbac.Set(rbac.Call)),
				tx.PutTicket("com.r", name+"\x00x", []byte(`{}`))); err != nil {
				return err
			}
		}
		return nil
	})
	both(t, log, d, func(t *testing.T, d *directory.Directory) {
		t.Helper()
		v := view(t, d, "com.r")
		if v.UserCount() != len(odd)+1 {
			t.Errorf("there are %d users", v.UserCount())
		}
		for i, name := range odd {
			u, err := v.FindUser(name)
			if err != nil || u.Name != name || len(u.Groups) != 1 || len(u.Keys) != 1 || !u.Keys[0].Equal(key(string(rune('a'+i)))) {
				t.Errorf("%q is %+v, %v", name, u, err)
			}
			if !allowed(t, v, user(name), "com.a.exact") {
				t.Errorf("%q has no grant", name)
			}
			if _, ok := v.Ticket(name + "\x00x"); !ok {
				t.Errorf("%q has no ticket", name)
			}
		}
		if allowed(t, v, user("joe"), "com.a.exact") {
			t.Error("joe has the grant of another")
		}
	})
}

// TestWhatIsSaidSurvives keeps what has more than one form.
func TestWhatIsSaidSurvives(t *testing.T) {
	log, d := small(t)
	meta := `{"big":12345678901234567890,"f":1.5,"n":null,"t":"\u2028<>"}`
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		raw := rawMessage(meta)
		return errors.Join(
			tx.UpdateUser("com.r", "joe", directory.UserPatch{Meta: &raw}),
			tx.UpdateRealm("com.r", func(p *directory.Properties) error {
				p.AuthMethods, p.AllowConnections, p.Info = []string{}, no(), []byte(`{"a":1}`)
				p.CallTimeout, p.Description = 5, "caf\u00e9"
				return nil
			}))
	})
	now := d
	both(t, log, d, func(t *testing.T, d *directory.Directory) {
		t.Helper()
		u, err := view(t, d, "com.r").FindUser("joe")
		if err != nil || !contains(string(u.Meta), "12345678901234567890") {
			t.Errorf("meta is %s, %v", u.Meta, err)
		}
		r, was := view(t, d, "com.r").Realm(), view(t, now, "com.r").Realm()
		if r.AuthMethods == nil || *r.AllowConnections || string(r.Info) != `{"a":1}` || r.CallTimeout != 5 || r.Description != "caf\u00e9" ||
			r.Incarnation != was.Incarnation || !r.Created.Equal(was.Created) {
			t.Errorf("the realm is %+v", r)
		}
	})
}

// TestObserversAreToldInOrder says that each commit is told once, with how it was
// and how it is.
func TestObserversAreToldInOrder(t *testing.T) {
	_, d := small(t)
	var told []string
	d.Observe(func(c *directory.Commit) {
		before, _ := c.Before.View("com.r")
		after, _ := c.After.View("com.r")
		if c.Actor.AuthID != "boss" || before.UserCount()+1 != after.UserCount() || d.Snapshot() != c.After {
			t.Errorf("told by %+v of %d users, then %d", c.Actor, before.UserCount(), after.UserCount())
		}
		for _, change := range c.Changes {
			told = append(told, string(change.Verb)+" "+change.Name)
		}
	})
	for _, name := range []string{"a", "b", "c"} {
		if err := d.Update(directory.Actor{AuthID: "boss"}, func(tx *directory.Tx) error {
			return tx.AddUser("com.r", directory.UserSpec{Name: name, Groups: []string{"staff"}})
		}); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(told, ", "); got != "created a, created b, created c" {
		t.Errorf("told %s", got)
	}
}

// TestMadeAnewIsTold says that a user who is changed, deleted and made anew in one
// commit is told of as that, and not as one who was deleted.
func TestMadeAnewIsTold(t *testing.T) {
	_, d := small(t)
	disabled := true
	var told []directory.Verb
	for _, c := range directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(
			tx.UpdateUser("com.r", "joe", directory.UserPatch{Disabled: &disabled}), tx.DeleteUser("com.r", "joe", true),
			tx.AddUser("com.r", directory.UserSpec{Name: "joe"}), tx.UpdateUser("com.r", "joe", directory.UserPatch{Disabled: &disabled}))
	}) {
		if c.Kind == directory.KindUser && c.Name == "joe" {
			told = append(told, c.Verb)
		}
	}
	if want := []directory.Verb{directory.Updated, directory.Deleted, directory.Created}; !slices.Equal(told, want) {
		t.Errorf("told of joe: %v, want %v", told, want)
	}
}
