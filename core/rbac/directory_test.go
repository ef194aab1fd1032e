package rbac_test

import (
	"maps"
	"testing"

	"bondy/core/rbac"
	"bondy/core/wamp"
)

// directory is a rbac.Directory made of maps; a change makes another.
type directory struct {
	users   map[string][]string
	parents map[string][]string
	grants  map[rbac.Role][]rbac.RoleGrant
}

func newDirectory() *directory {
	return &directory{users: map[string][]string{}, parents: map[string][]string{}, grants: map[rbac.Role][]rbac.RoleGrant{}}
}

func (d *directory) UserGroups(user string) ([]string, bool) {
	groups, ok := d.users[user]
	return groups, ok
}

func (d *directory) GroupParents(group string) []string     { return d.parents[group] }
func (d *directory) Grants(role rbac.Role) []rbac.RoleGrant { return d.grants[role] }

func (d *directory) clone() *directory {
	return &directory{users: maps.Clone(d.users), parents: maps.Clone(d.parents), grants: maps.Clone(d.grants)}
}

// with is a version in which a role has other grants.
func (d *directory) with(role rbac.Role, grants []rbac.RoleGrant) *directory {
	d = d.clone()
	d.grants[role] = grants
	return d
}

// in is a version in which joe has other groups.
func (d *directory) in(groups ...string) *directory {
	d = d.clone()
	d.users["joe"] = groups
	return d
}

func group(name string) rbac.Role { return rbac.Role{Kind: rbac.RoleGroup, Name: name} }
func user(name string) rbac.Role  { return rbac.Role{Kind: rbac.RoleUser, Name: name} }

// may is a grant to call something.
func may(uri wamp.URI, m wamp.Match) []rbac.RoleGrant {
	return []rbac.RoleGrant{{Permissions: rbac.Set(rbac.Call), Resource: rbac.Resource{URI: uri, Match: m}}}
}

func open(t testing.TB, d rbac.Directory) *rbac.Authorizer {
	t.Helper()
	a, err := rbac.New(rbac.Config{Directory: d})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func set(t testing.TB, a *rbac.Authorizer, d rbac.Directory) (changed []*rbac.Rights) {
	t.Helper()
	changed, err := a.Set(rbac.Config{Directory: d})
	if err != nil {
		t.Fatal(err)
	}
	return changed
}
