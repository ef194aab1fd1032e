package directory_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// names is a set of names.
type names map[string]bool

func (n names) String() string { return fmt.Sprint(slices.Sorted(maps.Keys(n))) }

func setOf(list ...string) names {
	n := names{}
	for _, name := range list {
		n[name] = true
	}
	return n
}

// naive is what a Directory is to hold, with names for everything.
type naive map[wamp.URI]*naiveRealm

type naiveRealm struct {
	proto   wamp.URI
	users   map[string]*naiveUser
	groups  map[string]names              // by name, the groups that it is in
	sources map[string]names              // by id, the subjects
	grants  map[string]rbac.PermissionSet // by role and resource
}

type naiveUser struct {
	disabled              bool
	groups, aliases, keys names
}

func newNaiveRealm(proto wamp.URI) *naiveRealm {
	return &naiveRealm{
		proto: proto, users: map[string]*naiveUser{}, groups: map[string]names{}, sources: map[string]names{},
		grants: map[string]rbac.PermissionSet{},
	}
}

// forget takes a name out of sources, and with group out of memberships.
func (r *naiveRealm) forget(name string, group bool) {
	for id, subjects := range r.sources {
		if delete(subjects, name); len(subjects) == 0 {
			delete(r.sources, id)
		}
	}
	if !group {
		return
	}
	for _, u := range r.users {
		delete(u.groups, name)
	}
	for _, parents := range r.groups {
		delete(parents, name)
	}
}

// find is the user of a name or an alias.
func (r *naiveRealm) find(name string) (string, *naiveUser) {
	if u := r.users[name]; u != nil {
		return name, u
	}
	for own, u := range r.users {
		if u.aliases[name] {
			return own, u
		}
	}
	return "", nil
}

func (r *naiveRealm) ungrant(role string) {
	maps.DeleteFunc(r.grants, func(key string, _ rbac.PermissionSet) bool { return strings.HasPrefix(key, role+" ") })
}

func (n naive) String() string {
	var lines []string
	for uri, r := range n {
		for name, u := range r.users {
			lines = append(lines, fmt.Sprintf("%s user %s %t %s %s %s", uri, name, u.disabled, u.groups, u.aliases, u.keys))
		}
		for name, parents := range r.groups {
			lines = append(lines, fmt.Sprintf("%s group %s %s", uri, name, parents))
		}
		for id, subjects := range r.sources {
			lines = append(lines, fmt.Sprintf("%s source %s %s", uri, id, subjects))
		}
		for key, ps := range r.grants {
			lines = append(lines, fmt.Sprintf("%s grant %s %d", uri, key, ps))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// seen is what a Directory holds.
func seen(d *directory.Directory) naive {
	out := naive{}
	for uri := range d.Snapshot().Realms() {
		v, err := d.View(uri)
		if err != nil {
			panic(err)
		}
		r := newNaiveRealm(v.Realm().PrototypeURI)
		for u := range v.Users("") {
			keys := names{}
			for _, k := range u.Keys {
				keys[string(k[:1])] = true
			}
			r.users[u.Name] = &naiveUser{u.Disabled, setOf(u.Groups...), setOf(u.Aliases...), keys}
		}
		for g := range v.Groups("") {
			r.groups[g.Name] = setOf(g.Groups...)
		}
		for s := range v.Sources("") {
			r.sources[s.ID] = setOf(s.Subjects...)
		}
		for role := range v.Roles(rbac.Role{}) {
			for _, g := range role.Grants {
				r.grants[fmt.Sprint(role.Role, " ", g.Resource)] = g.Permissions
			}
		}
		out[uri] = r
	}
	return out
}

// key is an Ed25519 public key of a name.
func key(name string) ed25519.PublicKey {
	return ed25519.PublicKey(strings.Repeat(name[:1], ed25519.PublicKeySize))
}

// TestModel makes random changes, of which some fail and some commits do, and
// compares what there is, and what there is after opening again, with a model.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := new(directorytest.Log)
		open := func() *directory.Directory {
			d, err := directory.Open(log, clock(), directorytest.Salt)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		d := open()
		realms := []wamp.URI{"child", "plain", "proto"}
		user := rapid.SampledFrom([]string{"u1", "u2", "u3", "n1", "n2"})
		group := rapid.SampledFrom([]string{"g1", "g2", "g3", "n1", "n2"})
		groups := rapid.SliceOfN(group, 0, 2)
		some := rapid.SliceOfN(rapid.SampledFrom([]string{"k", "l"}), 0, 2)
		n := naive{"plain": newNaiveRealm(""), "proto": newNaiveRealm(""), "child": newNaiveRealm("proto")}
		err := d.Update(directory.Actor{}, func(tx *directory.Tx) error {
			return errors.Join(
				tx.CreateRealm("child", directory.Properties{PrototypeURI: "proto"}), tx.CreateRealm("plain", directory.Properties{}),
				tx.CreateRealm("proto", directory.Properties{IsPrototype: true}))
		})
		if err != nil {
			t.Fatal(err)
		}
		// try makes a change, and says whether the model follows.
		try := func(change func(tx *directory.Tx) error) bool {
			before, commits := n.String(), log.Commits()
			if rapid.IntRange(0, 9).Draw(t, "fail") == 0 {
				log.Fail(errors.New("disk full"))
				defer log.Fail(nil)
			}
			err := d.Update(directory.Actor{}, change)
			if err == nil {
				return true
			}
			if got := seen(d).String(); got != before || log.Commits() != commits {
				t.Fatalf("after %v there is\n%s\nwant\n%s", err, got, before)
			}
			return false
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				if got, want := seen(d).String(), n.String(); got != want {
					t.Fatalf("there is\n%s\nwant\n%s", got, want)
				}
			},
			"reopen": func(t *rapid.T) {
				before := d
				d = open()
				for _, uri := range realms {
					was, err := before.View(uri)
					now, gone := d.View(uri)
					if err != nil || gone != nil || was.Usage() != now.Usage() {
						t.Fatalf("%s: %v, %v, counted as %+v, there are %+v", uri, err, gone, was.Usage(), now.Usage())
					}
				}
			},
			"add user": func(t *rapid.T) {
				uri, name := rapid.SampledFrom(realms).Draw(t, "realm"), user.Draw(t, "user")
				in, aliases, keys := groups.Draw(t, "groups"), some.Draw(t, "aliases"), some.Draw(t, "keys")
				spec := directory.UserSpec{Name: name, Groups: in, Aliases: aliases}
				for _, k := range keys {
					spec.Keys = append(spec.Keys, key(k))
				}
				if try(func(tx *directory.Tx) error { return tx.AddUser(uri, spec) }) {
					n[uri].users[name] = &naiveUser{false, setOf(in...), setOf(aliases...), setOf(keys...)}
				}
			},
			"update user": func(t *rapid.T) {
				uri, name := rapid.SampledFrom(realms).Draw(t, "realm"), user.Draw(t, "user")
				in, disabled := groups.Draw(t, "groups"), rapid.Bool().Draw(t, "disabled")
				if try(func(tx *directory.Tx) error {
					return tx.UpdateUser(uri, name, directory.UserPatch{Groups: &in, Disabled: &disabled})
				}) {
					_, u := n[uri].find(name)
					u.groups, u.disabled = setOf(in...), disabled
				}
			},
			"delete user": func(t *rapid.T) {
				uri, name := rapid.SampledFrom(realms).Draw(t, "realm"), user.Draw(t, "user")
				if try(func(tx *directory.Tx) error { return tx.DeleteUser(uri, name, false) }) {
					name, _ = n[uri].find(name)
					delete(n[uri].users, name)
					n[uri].forget(name, false)
					n[uri].ungrant("user/" + name)
				}
			},
			"alias": func(t *rapid.T) {
				uri, name := rapid.SampledFrom(realms).Draw(t, "realm"), user.Draw(t, "user")
				alias := rapid.SampledFrom([]string{"k", "l", "n1"}).Draw(t, "alias")
				if rapid.Bool().Draw(t, "add") {
					if try(func(tx *directory.Tx) error { return tx.AddAlias(uri, name, alias) }) {
						_, u := n[uri].find(name)
						u.aliases[alias] = true
					}
				} else if try(func(tx *directory.Tx) error { return tx.RemoveAlias(uri, name, alias) }) {
					_, u := n[uri].find(name)
					delete(u.aliases, alias)
				}
			},
			"add group": func(t *rapid.T) {
				uri, name, in := rapid.SampledFrom(realms).Draw(t, "realm"), group.Draw(t, "group"), groups.Draw(t, "groups")
				if !try(func(tx *directory.Tx) error { return tx.AddGroup(uri, name, in, nil) }) {
					return
				}
				if proto := n[n[uri].proto]; proto != nil && proto.groups[name] != nil {
					n[uri].forget(name, true)
				}
				n[uri].groups[name] = setOf(in...)
			},
			"update group": func(t *rapid.T) {
				uri, name, in := rapid.SampledFrom(realms).Draw(t, "realm"), group.Draw(t, "group"), groups.Draw(t, "groups")
				if try(func(tx *directory.Tx) error { return tx.UpdateGroup(uri, name, &in, nil) }) {
					n[uri].groups[name] = setOf(in...)
				}
			},
			"delete group": func(t *rapid.T) {
				uri, name := rapid.SampledFrom(realms).Draw(t, "realm"), group.Draw(t, "group")
				if !try(func(tx *directory.Tx) error { return tx.DeleteGroup(uri, name) }) {
					return
				}
				delete(n[uri].groups, name)
				n[uri].ungrant("group/" + name)
				for other, r := range n {
					if other == uri || r.proto == uri && r.groups[name] == nil {
						r.forget(name, true)
					}
				}
			},
			"grant": func(t *rapid.T) {
				uri := rapid.SampledFrom(realms).Draw(t, "realm")
				role := rbac.Role{Kind: rbac.RoleUser, Name: user.Draw(t, "user")}
				if rapid.Bool().Draw(t, "group") {
					role = rbac.Role{Kind: rbac.RoleGroup, Name: rapid.SampledFrom([]string{"g1", "g2", "all", "anonymous"}).Draw(t, "role")}
				}
				on := rbac.Resource{URI: "com.a", Match: wamp.Match(rapid.IntRange(0, 1).Draw(t, "match"))}
				p := rbac.Permission(rapid.IntRange(0, 2).Draw(t, "permission"))
				at := fmt.Sprint(role, " ", on)
				if rapid.Bool().Draw(t, "grant") {
					if try(func(tx *directory.Tx) error { return tx.Grant(uri, role, on, rbac.Set(p)) }) {
						n[uri].grants[at] |= rbac.Set(p)
					}
				} else if try(func(tx *directory.Tx) error { return tx.Revoke(uri, role, on, rbac.Set(p)) }) {
					if n[uri].grants[at] &^= rbac.Set(p); n[uri].grants[at] == 0 {
						delete(n[uri].grants, at)
					}
				}
			},
			"source": func(t *rapid.T) {
				uri, id := rapid.SampledFrom(realms).Draw(t, "realm"), rapid.SampledFrom([]string{"s1", "s2"}).Draw(t, "id")
				if rapid.Bool().Draw(t, "delete") {
					if try(func(tx *directory.Tx) error { return tx.DeleteSource(uri, id) }) {
						delete(n[uri].sources, id)
					}
					return
				}
				subjects := rapid.SliceOfN(rapid.SampledFrom([]string{"u1", "u2", "g1", "g2", "n1", "all"}), 1, 2).Draw(t, "subjects")
				s := directory.Source{Source: auth.Source{ID: id, Subjects: subjects, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
				if try(func(tx *directory.Tx) error { _, err := tx.AddSource(uri, s); return err }) {
					n[uri].sources[id] = setOf(subjects...)
				}
			},
			"create the realm again": func(*rapid.T) {
				if try(func(tx *directory.Tx) error {
					return errors.Join(tx.DeleteRealm("plain", true), tx.CreateRealm("plain", directory.Properties{}))
				}) {
					n["plain"] = newNaiveRealm("")
				}
			},
		})
	})
}
