package migrate

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/wamp"
)

// maxAliases bounds the aliases of a user.
const maxAliases = 5

// renaming is a name of a user that changes.
type renaming struct{ path, from, to string }

// fold brings a name into the form in which the predecessor keeps it.
func fold(name string) string { return norm.NFC.String(cases.Fold().String(name)) }

// builtIn tells whether a group is one that every realm has.
func builtIn(group string) bool { return group == "all" || group == "anonymous" }

// master tells whether a realm is the master realm.
func (r *foreignRealm) master() bool { return directory.Canonical(wamp.URI(r.URI)) == directory.Master }

// once checks that a name is there, and only once: seen has those before it, as they
// are written.
func (c *converter) once(seen map[string]string, line int, path, name string) {
	kept := fold(name)
	before, twice := seen[kept]
	switch {
	case name == "":
		c.errorf(line, path, "missing")
	case twice && before == name:
		c.errorf(line, path, "%q is there twice", name)
	case twice:
		c.errorf(line, path, "%q is there twice, as %q and %q: the predecessor compares names in lower case", kept, before, name)
	}
	seen[kept] = name
}

// normalize checks and folds all names of a realm, and notes those that change.
func (c *converter) normalize(path string, r *foreignRealm) {
	uri := wamp.URI(fold(r.URI))
	if string(uri) != r.URI {
		c.note(r.at, uri, path+".uri", Changed, "%s is called %s, as the predecessor keeps it: clients have to join it under that name", r.URI, uri)
	}
	seen := make(map[string]string)
	for i, g := range r.Groups {
		at := fmt.Sprintf("%s.groups[%d].name", path, i)
		c.once(seen, g.at, at, g.Name)
		if to := fold(g.Name); to != g.Name && !builtIn(to) {
			c.note(g.at, uri, at, Changed, "%s is called %s, as the predecessor keeps it", g.Name, to)
		}
	}
	clear(seen)
	for i := range r.Users {
		u := &r.Users[i]
		at := fmt.Sprintf("%s.users[%d]", path, i)
		c.once(seen, u.at, at+".username", u.Username)
		u.rename(at+".username", u.Username)
		for j, alias := range u.Aliases {
			u.rename(fmt.Sprintf("%s.aliases[%d]", at, j), alias)
		}
	}
	r.fold()
	if r.master() && !r.ownGroup(directory.Administrators) {
		r.Groups = append(r.Groups, foreignGroup{Name: directory.Administrators})
		c.note(r.at, uri, path+".groups", Changed, "added %s, which the predecessor has without being told, and every node too", directory.Administrators)
	}
}

// rename remembers a name that changes.
func (u *foreignUser) rename(path, name string) {
	if to := fold(name); to != name {
		u.renamed = append(u.renamed, renaming{path, name, to})
	}
}

// fold folds all names.
func (r *foreignRealm) fold() {
	names := []*string{&r.URI, &r.PrototypeURI, &r.SSORealmURI}
	add := func(list []string) {
		for i := range list {
			names = append(names, &list[i])
		}
	}
	for i := range r.Groups {
		names = append(names, &r.Groups[i].Name)
		add(r.Groups[i].Groups)
	}
	for i := range r.Users {
		u := &r.Users[i]
		names = append(names, &u.Username, &u.SSORealmURI)
		add(u.Groups)
		add(u.Aliases)
	}
	for i := range r.Sources {
		names = append(names, &r.Sources[i].Username)
		add(r.Sources[i].Usernames)
	}
	for i := range r.Grants {
		add(r.Grants[i].Roles)
	}
	for _, name := range names {
		*name = fold(*name)
	}
}

// allUsers are the users of all realms.
func allUsers(list []foreignRealm) iter.Seq2[*foreignRealm, *foreignUser] {
	return func(yield func(*foreignRealm, *foreignUser) bool) {
		for i := range list {
			for j := range list[i].Users {
				if !yield(&list[i], &list[i].Users[j]) {
					return
				}
			}
		}
	}
}

// aliases makes the names that users had aliases where there is room, so that
// clients go on working: names are compared exactly here. Aliases are kept with the
// credentials. So that no document takes away those of another one, all of a user
// go to one: that of the SSO realm if it has the user, else the first with the user.
func (c *converter) aliases(list []foreignRealm) {
	keepers := make(map[[2]string]*foreignUser)
	keeper := func(r *foreignRealm, u *foreignUser) *foreignUser {
		where := [2]string{cmp.Or(u.SSORealmURI, r.URI), u.Username}
		if keepers[where] == nil {
			keepers[where] = u
		}
		return keepers[where]
	}
	for r, u := range allUsers(list) {
		if u.SSORealmURI == "" {
			keeper(r, u)
		}
	}
	for r, u := range allUsers(list) {
		if k := keeper(r, u); k != u {
			k.Aliases, u.Aliases = append(k.Aliases, u.Aliases...), nil
		}
	}
	for r, u := range allUsers(list) {
		k := keeper(r, u)
		for _, n := range u.renamed {
			there := slices.Contains(k.Aliases, n.from)
			if !there && (len(k.Aliases) >= maxAliases || auth.ValidName(n.from) != nil) {
				c.note(u.at, wamp.URI(r.URI), n.path, Changed,
					"%s is called %s, as the predecessor keeps it: clients have to say %s, as there is no room for the old name among the %d aliases", n.from, n.to, n.to, maxAliases)
				continue
			}
			if !there {
				k.Aliases = append(k.Aliases, n.from)
			}
			c.note(u.at, wamp.URI(r.URI), n.path, Changed, "%s is called %s, as the predecessor keeps it; %s is an alias, for clients that go on to say it", n.from, n.to, n.from)
		}
	}
}
