package directory

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"bondy/core/auth"
	"bondy/core/rbac"
	"bondy/core/strict"
	"bondy/core/wamp"
)

// putSources brings sources in line with the document.
func putSources(tx *Tx, d *state, it *item) error {
	keep := make(map[string]bool)
	for i := range it.doc.Sources.Value {
		s, err := it.doc.Sources.Value[i].Source()
		if err == nil {
			s.ID, err = tx.AddSource(it.uri, s)
			keep[s.ID] = true
		}
		if err != nil {
			return at(err, "sources[%d]", i)
		}
	}
	if it.prune {
		for s := range from(d.sources, "") {
			if !keep[s.ID] {
				tx.removeSource(d, s.ID)
			}
		}
	}
	return nil
}

// Source is the source that a document describes, in either form; whom and what it
// names is not looked up.
func (d *SourceDocument) Source() (Source, error) {
	s := Source{Source: auth.Source{ID: d.ID}, Meta: d.Meta.Value}
	switch {
	case len(d.Usernames) > 0 && len(d.Subjects) > 0:
		return s, invalid("usernames: want usernames or subjects, not both")
	case d.AuthMethod != "" && len(d.Methods) > 0:
		return s, invalid("authmethod: want authmethod or methods, not both")
	case d.CIDR.IsValid() && len(d.CIDRs) > 0:
		return s, invalid("cidr: want cidr or cidrs, not both")
	case d.Action != "" && d.Action != "allow" && d.Action != "deny":
		return s, unknown("action", d.Action, "allow", "deny")
	}
	s.Deny = d.Action == "deny"
	s.Subjects = slices.Concat([]string(d.Subjects), []string(d.Usernames))
	s.Methods = slices.Clone(d.Methods)
	if d.AuthMethod != "" {
		s.Methods = []string{d.AuthMethod}
	}
	prefixes := d.CIDRs
	if d.CIDR.IsValid() {
		prefixes = []netip.Prefix{d.CIDR}
	}
	for _, p := range prefixes {
		s.Prefixes = append(s.Prefixes, p.Masked())
	}
	if len(s.Methods) == 0 {
		s.Methods = nil
	}
	return s, nil
}

// Document describes a source, in the form with subjects.
func (s *Source) Document() SourceDocument {
	d := SourceDocument{ID: s.ID, Subjects: s.Subjects, CIDRs: s.Prefixes, Methods: s.Methods, Action: "allow", Meta: compact(s.Meta)}
	if s.Deny {
		d.Action = "deny"
	}
	return d
}

// grantAt is what a permission is granted on, and to whom.
type grantAt struct {
	role     rbac.Role
	resource rbac.Resource
}

// putGrants gives roles the permissions of the document and, with prune, takes
// others away.
func putGrants(tx *Tx, d *state, it *item) error {
	want := make(map[grantAt]rbac.PermissionSet)
	for i := range it.doc.Grants.Value {
		g := &it.doc.Grants.Value[i]
		resources, ps, err := g.Parse()
		if err != nil {
			return at(err, "grants[%d]", i)
		}
		for j, name := range g.Roles {
			role, err := tx.role(d, name)
			if err != nil {
				return at(err, "grants[%d].roles[%d]", i, j)
			}
			for _, res := range resources {
				want[grantAt{role, res}] |= ps
				if err := tx.Grant(it.uri, role, res, ps); err != nil {
					return at(err, "grants[%d]", i)
				}
			}
		}
	}
	if !it.prune {
		return nil
	}
	for key := range keysOf(d.grants) {
		role := roleOf(key)
		grants, _ := d.grants.Get(key)
		for _, g := range grants {
			if surplus := g.Permissions &^ want[grantAt{role, g.Resource}]; surplus != 0 {
				if err := tx.Revoke(it.uri, role, g.Resource, surplus); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// role finds the role that a grant names.
func (tx *Tx) role(d *state, name string) (rbac.Role, error) {
	if user, ok := strings.CutPrefix(name, "user/"); ok {
		if _, there := d.users.Get(user); there {
			return rbac.Role{Kind: rbac.RoleUser, Name: user}, nil
		}
		return rbac.Role{}, wamp.Errorf(ErrUnknownRoles, "there is no user %q", user)
	}
	group, isGroup := strings.CutPrefix(name, "group/")
	_, user := d.users.Get(name)
	user = user && !isGroup
	there := builtIn(group) || tx.hasGroup(d, group)
	switch {
	case user && there:
		return rbac.Role{}, wamp.Errorf(ErrDuplicate, "%q is a user and a group: write user/%[1]s or group/%[1]s", name)
	case user:
		return rbac.Role{Kind: rbac.RoleUser, Name: name}, nil
	case there:
		return rbac.Role{Kind: rbac.RoleGroup, Name: group}, nil
	}
	return rbac.Role{}, wamp.Errorf(ErrUnknownRoles, "there is no user or group %q%s", name, strict.Suggest(group, slices.Collect(keysOf(d.groups))))
}

// Parse returns the resources and permissions of a grant, whose roles are not
// looked up.
func (d *GrantDocument) Parse() ([]rbac.Resource, rbac.PermissionSet, error) {
	var ps rbac.PermissionSet
	for i, name := range d.Permissions {
		p, ok := rbac.ParsePermission(name)
		if !ok {
			return nil, 0, unknown(fmt.Sprintf("permissions[%d]", i), name, (^rbac.PermissionSet(0)).Names()...)
		}
		ps |= rbac.Set(p)
	}
	docs := d.Resources
	switch {
	case len(d.Roles) == 0:
		return nil, 0, wamp.Errorf(ErrMissingValue, "roles: want at least one")
	case ps == 0:
		return nil, 0, wamp.Errorf(ErrMissingValue, "permissions: want at least one")
	case d.URI.Has() && len(docs) > 0:
		return nil, 0, invalid("uri: want uri and match, or resources, not both")
	case d.URI.Has():
		res, err := (&ResourceDocument{URI: d.URI.Value, Match: d.Match}).resource()
		return []rbac.Resource{res}, ps, err
	case len(docs) == 0:
		return nil, 0, wamp.Errorf(ErrMissingValue, "resources: want uri and match, or resources")
	}
	out := make([]rbac.Resource, len(docs))
	for i := range docs {
		var err error
		if out[i], err = docs[i].resource(); err != nil {
			return nil, 0, at(err, "resources[%d]", i)
		}
	}
	return out, ps, nil
}

func (d *ResourceDocument) resource() (rbac.Resource, error) {
	r := rbac.Resource{URI: d.URI}
	if d.Match.Has() {
		var ok bool
		if r.Match, ok = wamp.ParseMatch(d.Match.Value); !ok {
			return r, unknown("match", d.Match.Value, "exact", "prefix", "wildcard")
		}
	} else {
		r.Match = d.match()
	}
	if r.URI == "*" && r.Match == wamp.MatchPrefix {
		r.URI = ""
	}
	switch {
	case r.URI == "" && r.Match != wamp.MatchPrefix:
		return r, inconsistent(`match: "" is every URI with the match prefix alone`)
	case !r.URI.Valid(r.Match, false):
		return r, wamp.Errorf(wamp.ErrInvalidURI, "uri: %q is not valid with match %q", r.URI, r.Match)
	}
	return r, nil
}

// match is the policy of a resource that names none.
func (d *ResourceDocument) match() wamp.Match {
	switch {
	case d.URI == "" || d.URI == "*":
		return wamp.MatchPrefix
	case d.URI.Valid(wamp.MatchExact, false):
		return wamp.MatchExact
	case d.URI.Valid(wamp.MatchWildcard, false):
		return wamp.MatchWildcard
	default:
		return wamp.MatchPrefix
	}
}

// grantDocuments describe what a role is granted: one document for all resources
// with the same permissions.
func (r *Role) grantDocuments() []GrantDocument {
	grants := slices.SortedFunc(slices.Values(r.Grants), func(a, b rbac.RoleGrant) int {
		return cmp.Or(cmp.Compare(a.Permissions, b.Permissions), cmp.Compare(a.Resource.URI, b.Resource.URI), cmp.Compare(a.Resource.Match, b.Resource.Match))
	})
	name := r.Role.String()
	if r.Role.Kind == rbac.RoleGroup && builtIn(r.Role.Name) {
		name = r.Role.Name
	}
	var out []GrantDocument
	var last rbac.PermissionSet
	for _, g := range grants {
		if g.Permissions != last {
			out = append(out, GrantDocument{Roles: Names{name}, Permissions: g.Permissions.Names()})
			last = g.Permissions
		}
		d := &out[len(out)-1]
		d.Resources = append(d.Resources, ResourceDocument{URI: g.Resource.URI, Match: strict.Some(g.Resource.Match.String())})
	}
	return out
}
