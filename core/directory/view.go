package directory

import (
	"cmp"
	"crypto/ed25519"
	"encoding/binary"
	"slices"
	"strings"

	"bondy/core/auth"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// User implements auth.Directory.
func (v *View) User(name string) (auth.User, bool) {
	u := v.find(name)
	if u == nil {
		return auth.User{}, false
	}
	return v.login(u), true
}

// Account implements auth.Directory.
func (v *View) Account(name string, place uint64) (wamp.URI, string) {
	u, twin := v.find(name), v.twin(place)
	switch {
	case u != nil:
		name = u.Name
	case twin != nil:
		u = twin
		if v.sso != nil {
			alias, _ := v.sso.aliases.Get(name)
			name = cmp.Or(alias, name)
		}
	default:
		return v.realm.realm.URI, name
	}
	return cmp.Or(u.SSO, v.realm.realm.URI), name
}

// Key implements auth.Directory.
func (v *View) Key(authrealm wamp.URI) []byte { return v.snapshot.salt(authrealm) }

// login is a user with the credentials that count for it.
func (v *View) login(u *User) auth.User {
	out := auth.User{
		Name: u.Name, AuthRealm: v.realm.realm.URI, Incarnation: u.Incarnation,
		Disabled: u.Disabled, Groups: v.closure(u.Groups),
	}
	with := v.Home(u)
	if with == nil {
		out.Disabled = true
		return out
	}
	if u.SSO != "" {
		out.AuthRealm, out.Incarnation = u.SSO, with.Incarnation
		out.Disabled = out.Disabled || with.Disabled
	}
	if p := with.Password; p != nil {
		out.Verifier, out.Credential, out.KDF = p.Verifier, p.Credential, p.KDF
		if u.SSO != "" && len(p.Verifier) > 0 {
			if v, err := auth.ExplicitVerifier(v.snapshot.salt(u.SSO), u.Name, p.Verifier); err == nil {
				out.Verifier = v
			}
		}
	}
	out.Keys = with.Keys
	return out
}

// disabled tells whether a user cannot log in, without looking at more than that.
func (v *View) disabled(u *User) bool {
	with := v.Home(u)
	return u.Disabled || with == nil || with.Disabled
}

// Home is the user that has the credentials and aliases of a user of the realm: u
// itself, or that of the SSO realm; nil if that is gone or not the realm's.
func (v *View) Home(u *User) *User {
	if u.SSO == "" {
		return u
	}
	if v.sso == nil || v.sso.realm.URI != u.SSO {
		return nil
	}
	with, ok := v.sso.users.Get(u.Name)
	if !ok || with.Incarnation != u.SSOIncarnation {
		return nil
	}
	return with
}

// Knows tells whether a password is a user's. It takes as long as Snapshot.Hash.
func (v *View) Knows(u *User, password auth.Secret) bool {
	home := v.Home(u)
	if home == nil || home.Password == nil {
		return false
	}
	key := v.snapshot.salt(cmp.Or(u.SSO, v.realm.realm.URI))
	return auth.Opens(key, u.Name, home.Password.Verifier, home.Password.Credential, password)
}

// closure are groups and all that those are in, the nearest first.
func (v *View) closure(groups []string) []string {
	out := slices.Clone(groups)
	seen := make(map[string]bool, len(out))
	for _, name := range out {
		seen[name] = true
	}
	for i := 0; i < len(out); i++ {
		g, ok := v.FindGroup(out[i])
		if !ok {
			continue
		}
		for _, parent := range g.Groups {
			if !seen[parent] {
				seen[parent] = true
				out = append(out, parent)
			}
		}
	}
	return out
}

// Owners implements auth.Directory.
func (v *View) Owners(key ed25519.PublicKey) []string {
	var out []string
	add := func(st *state, sso wamp.URI) {
		names, _ := st.keys.Get(string(key))
		for _, name := range names {
			u, ok := v.realm.users.Get(name)
			if len(out) < 2 && ok && u.SSO == sso && !v.disabled(u) {
				out = append(out, name)
			}
		}
	}
	add(v.realm, "")
	if v.sso != nil {
		add(v.sso, v.sso.realm.URI)
	}
	return out
}

func ringKey(place uint64) string { return string(binary.BigEndian.AppendUint64(nil, place)) }

// twins is how many users Twin looks at for one with a password.
const twins = 64

// Twin implements auth.Directory.
func (v *View) Twin(place uint64) (auth.User, bool) {
	u := v.twin(place)
	if u == nil {
		return auth.User{}, false
	}
	return v.login(u), true
}

func (v *View) twin(place uint64) (first *User) {
	it := v.realm.ring.Iterator()
	it.Seek(ringKey(place))
	for range min(twins, v.realm.ring.Len()) {
		if it.Done() {
			it.First()
		}
		_, name, _ := it.Next()
		found, _ := v.realm.users.Get(name)
		if with := v.Home(found); with != nil && with.Password != nil {
			return found
		}
		if first == nil {
			first = found
		}
	}
	return first
}

// UserGroups implements rbac.Directory.
func (v *View) UserGroups(name string) ([]string, bool) {
	u, ok := v.realm.users.Get(name)
	if !ok || v.disabled(u) {
		return nil, false
	}
	return u.Groups, true
}

// protoAll is the name under which rbac sees what the prototype grants to all:
// no group can have it.
const protoAll = "\x00" + rbac.RoleAll

// Roles are those about which a change of users, groups or grants says something, in
// the realm itself and in those that inherit from it; none for other changes.
func (c *Change) Roles() []rbac.Role {
	kind, name := string(c.Kind), c.Name
	if c.Kind == KindGrant {
		kind, name, _ = strings.Cut(c.Name, "/")
	}
	switch {
	case kind == rowUser:
		return []rbac.Role{{Kind: rbac.RoleUser, Name: name}}
	case kind != rowGroup:
		return nil
	case name == rbac.RoleAll:
		return []rbac.Role{{Kind: rbac.RoleGroup, Name: name}, {Kind: rbac.RoleGroup, Name: protoAll}}
	default:
		return []rbac.Role{{Kind: rbac.RoleGroup, Name: name}}
	}
}

// GroupParents implements rbac.Directory. The role all of a prototype is a
// parent of the realm's own.
func (v *View) GroupParents(name string) []string {
	if name == rbac.RoleAll && v.proto != nil {
		return []string{protoAll}
	}
	if g, ok := v.FindGroup(name); ok {
		return g.Groups
	}
	return nil
}

// Grants implements rbac.Directory. A group's are those of the realm that has
// the group; what a prototype grants to anonymous is not inherited.
func (v *View) Grants(role rbac.Role) []rbac.RoleGrant {
	st := v.realm
	if role.Kind == rbac.RoleGroup && v.proto != nil {
		_, own := v.realm.groups.Get(role.Name)
		switch {
		case role.Name == protoAll:
			st, role.Name = v.proto, rbac.RoleAll
		case own || role.Name == rbac.RoleAll || role.Name == rbac.RoleAnonymous:
		default:
			st = v.proto
		}
	}
	grants, _ := st.grants.Get(roleKey(role))
	return grants
}
