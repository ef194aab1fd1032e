package admin

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"bondy/core/directory"
	"bondy/core/mgmt"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

func grants() []procedure {
	return []procedure{
		{uri: "bondy.grant.create", least: 1, most: 1, changes: true, run: editGrants((*directory.Tx).Grant)},
		{uri: "bondy.grant.revoke", least: 1, most: 1, changes: true, run: editGrants((*directory.Tx).Revoke)},
	}
}

func editGrants(edit func(*directory.Tx, wamp.URI, rbac.Role, rbac.Resource, rbac.PermissionSet) error) func(*call) (mgmt.Result, error) {
	return func(c *call) (mgmt.Result, error) {
		var doc directory.GrantDocument
		if err := decode(c.args.At(0, "grant"), &doc); err != nil {
			return mgmt.Result{}, err
		}
		c.object = "grants of " + strings.Join(doc.Roles, ",")
		resources, ps, err := doc.Parse()
		if err != nil {
			return mgmt.Result{}, err
		}
		if err := within(len(doc.Roles), len(resources)); err != nil {
			return mgmt.Result{}, err
		}
		return mgmt.Result{}, c.change(func(tx *directory.Tx) error {
			for _, name := range doc.Roles {
				role, err := tx.Role(c.realm, name)
				if err != nil {
					return err
				}
				for _, resource := range resources {
					if err := edit(tx, c.realm, role, resource, ps); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
}

func hasGroup(v *directory.View, name string) bool {
	_, ok := v.FindGroup(name)
	return ok || builtIn(name)
}

// realmGrants lists what is granted in the realm itself, in the form in which
// bondy.grant.create takes it.
func realmGrants(c *call) (mgmt.Result, error) {
	page, role := c.args.Cursor(), c.args.Key("role").String()
	if err := c.args.Err(); err != nil {
		return mgmt.Result{}, err
	}
	v, err := c.view()
	if err != nil {
		return mgmt.Result{}, err
	}
	type row struct {
		key   string
		role  rbac.Role
		grant rbac.RoleGrant
	}
	last, _, _ := strings.Cut(page.After, "\t") // the role at which to go on
	all := func(yield func(row) bool) {
		for r := range rolesFrom(v, last, role) {
			for _, g := range inOrder(r.Grants) {
				if !yield(row{strings.Join([]string{r.Role.String(), g.Resource.Match.String(), string(g.Resource.URI)}, "\t"), r.Role, g}) {
					return
				}
			}
		}
	}
	return mgmt.Listed(page, all, func(r row) (string, any) {
		out := shownGrant(r.grant)
		out["roles"], out["resources"] = []any{r.role.String()}, []any{out["resource"]}
		return r.key, out
	}), nil
}

// rolesFrom goes through the roles with grants from the one called last on: through
// all of them, or those that name means, with its kind or without.
func rolesFrom(v *directory.View, last, name string) iter.Seq[directory.Role] {
	begin := roleNamed(last)
	if name == "" {
		return v.Roles(begin)
	}
	candidates := []rbac.Role{{Kind: rbac.RoleGroup, Name: name}, {Kind: rbac.RoleUser, Name: name}, roleNamed(name)}
	slices.SortFunc(candidates, func(a, b rbac.Role) int { return cmp.Compare(a.String(), b.String()) })
	return func(yield func(directory.Role) bool) {
		for _, one := range candidates {
			for r := range v.Roles(one) {
				if r.Role == one && one.String() >= last && !yield(r) {
					return
				}
				break
			}
		}
	}
}

// roleNamed is the role that String shows so, the zero value if that is none.
func roleNamed(text string) rbac.Role {
	if name, ok := strings.CutPrefix(text, "group/"); ok {
		return rbac.Role{Kind: rbac.RoleGroup, Name: name}
	}
	if name, ok := strings.CutPrefix(text, "user/"); ok {
		return rbac.Role{Kind: rbac.RoleUser, Name: name}
	}
	return rbac.Role{}
}

func inOrder(list []rbac.RoleGrant) []rbac.RoleGrant {
	return slices.SortedFunc(slices.Values(list), func(a, b rbac.RoleGrant) int {
		return cmp.Or(cmp.Compare(a.Resource.Match, b.Resource.Match), cmp.Compare(a.Resource.URI, b.Resource.URI))
	})
}

func shownGrant(g rbac.RoleGrant) map[string]any {
	return map[string]any{"resource": shownResource(g.Resource), "permissions": texts(g.Permissions.Names())}
}

func shownResource(r rbac.Resource) map[string]any {
	return map[string]any{"uri": string(r.URI), "match": r.Match.String()}
}

func userGrants(c *call) (mgmt.Result, error) {
	v, u, err := c.user()
	if err != nil {
		return mgmt.Result{}, err
	}
	roles := []rbac.Role{{Kind: rbac.RoleUser, Name: u.Name}, {Kind: rbac.RoleGroup, Name: rbac.RoleAll}}
	for _, g := range u.Groups {
		roles = append(roles, rbac.Role{Kind: rbac.RoleGroup, Name: g})
	}
	return mgmt.Value(effective(v, roles)), nil
}

// groupGrants lists what members of a group have by being in it.
func groupGrants(c *call) (mgmt.Result, error) {
	name := c.group()
	if err := c.args.Err(); err != nil {
		return mgmt.Result{}, err
	}
	v, err := c.view()
	if err != nil {
		return mgmt.Result{}, err
	}
	if !hasGroup(v, name) {
		return mgmt.Result{}, wamp.Errorf(directory.ErrUnknownGroup, "there is no group %q", name)
	}
	return mgmt.Value(effective(v, []rbac.Role{{Kind: rbac.RoleGroup, Name: name}})), nil
}

// effective is what roles have with all groups in which they are, by resource.
func effective(v *directory.View, roles []rbac.Role) []any {
	by := make(map[rbac.Resource]rbac.PermissionSet)
	for i := 0; i < len(roles); i++ {
		for _, g := range v.Grants(roles[i]) {
			by[g.Resource] |= g.Permissions
		}
		if roles[i].Kind != rbac.RoleGroup {
			continue
		}
		for _, parent := range v.GroupParents(roles[i].Name) {
			if r := (rbac.Role{Kind: rbac.RoleGroup, Name: parent}); !slices.Contains(roles, r) {
				roles = append(roles, r)
			}
		}
	}
	list := make([]rbac.RoleGrant, 0, len(by))
	for r, ps := range by {
		list = append(list, rbac.RoleGrant{Permissions: ps, Resource: r})
	}
	out := make([]any, 0, len(list))
	for _, g := range inOrder(list) {
		out = append(out, shownGrant(g))
	}
	return out
}
