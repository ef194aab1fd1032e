package rbac

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"bondy/core/wamp"
)

// Roles with a meaning of their own. Both are groups.
const (
	// RoleAll is the group of every session.
	RoleAll = "all"
	// RoleAnonymous is the group of anonymous sessions.
	RoleAnonymous = "anonymous"
)

// RoleKind tells users and groups of the same name apart.
type RoleKind uint8

// The kinds.
const (
	RoleUser RoleKind = iota
	RoleGroup
)

// Role is whom a grant is given.
type Role struct {
	Kind RoleKind
	Name string
}

// String is group/NAME or user/NAME.
func (r Role) String() string {
	if r.Kind == RoleGroup {
		return "group/" + r.Name
	}
	return "user/" + r.Name
}

// RoleGrant is what a role may do with a resource.
type RoleGrant struct {
	Permissions PermissionSet
	Resource    Resource
}

// Directory is one version of a realm's users, groups and grants. It never
// changes, and its methods may be called by many at once. Groups may be members
// of each other in any way, also in circles.
type Directory interface {
	// UserGroups are the groups in which the user is itself; false if there is
	// no such user or it is disabled.
	UserGroups(user string) ([]string, bool)
	// GroupParents are the groups in which the group is itself.
	GroupParents(group string) []string
	// Grants are those of the role. The slice is the identical one as long as
	// they do not change; that is how versions are compared.
	Grants(role Role) []RoleGrant
}

// Grant gives each of some roles each of some permissions on each of some
// resources.
type Grant struct {
	// Roles are names of groups and users, RoleAll or RoleAnonymous.
	Roles       []string
	Permissions []Permission
	Resources   []Resource
}

// static is a Directory made of lists.
type static struct {
	users  map[string][]string
	grants map[Role][]RoleGrant
}

// Static makes a Directory of grants and of users with their groups. A name
// among the roles of a grant is that of a user if there is one, else of a
// group. The error names the key.
func Static(grants []Grant, users map[string][]string) (Directory, error) {
	s := &static{users: maps.Clone(users), grants: make(map[Role][]RoleGrant)}
	for i := range grants {
		g := &grants[i]
		if err := g.validate(); err != nil {
			return nil, fmt.Errorf("grants[%d].%w", i, err)
		}
		for _, name := range g.Roles {
			role := Role{RoleGroup, name}
			if _, ok := users[name]; ok {
				role.Kind = RoleUser
			}
			for _, res := range g.Resources {
				s.grants[role] = append(s.grants[role], RoleGrant{Set(g.Permissions...), res})
			}
		}
	}
	return s, nil
}

// UserGroups implements Directory.
func (s *static) UserGroups(user string) ([]string, bool) {
	groups, ok := s.users[user]
	return groups, ok
}

// GroupParents implements Directory.
func (s *static) GroupParents(string) []string { return nil }

// Grants implements Directory.
func (s *static) Grants(role Role) []RoleGrant { return s.grants[role] }

// maxRole bounds the name of a role in bytes.
const maxRole = 254

func (g *Grant) validate() error {
	switch {
	case len(g.Roles) == 0:
		return errors.New("roles: empty")
	case len(g.Permissions) == 0:
		return errors.New("permissions: empty")
	case len(g.Resources) == 0:
		return errors.New("resources: empty")
	}
	for i, r := range g.Roles {
		if r == "" || len(r) > maxRole {
			return fmt.Errorf("roles[%d]: a name has 1 to %d bytes", i, maxRole)
		}
	}
	if i := slices.IndexFunc(g.Permissions, func(p Permission) bool { return p >= numPermissions }); i >= 0 {
		return fmt.Errorf("permissions[%d]: unknown permission %d", i, g.Permissions[i])
	}
	for i, r := range g.Resources {
		if r.Match > wamp.MatchWildcard {
			return fmt.Errorf("resources[%d].match: unknown policy %d", i, r.Match)
		}
		if !r.URI.Valid(r.Match, false) {
			return fmt.Errorf("resources[%d].uri: %q is not valid with match %q", i, r.URI, r.Match)
		}
	}
	return nil
}
