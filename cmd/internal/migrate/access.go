package migrate

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/rbac"
	"bondy/core/strict"
	"bondy/core/wamp"
)

// subjects are whom a source is about.
func (s *foreignSource) subjects() []string {
	if s.Username != "" && len(s.Usernames) == 0 {
		return []string{s.Username}
	}
	return s.Usernames
}

// sources converts the sources.
func (c *converter) sources(path string, uri wamp.URI, r *foreignRealm) []directory.SourceDocument {
	out := []directory.SourceDocument{}
	for i := range r.Sources {
		s := &r.Sources[i]
		at := fmt.Sprintf("%s.sources[%d]", path, i)
		if why, foreign := foreignMethods()[s.AuthMethod]; foreign {
			c.note(s.at, uri, at, Dropped, "for %s: %s", s.AuthMethod, why)
			continue
		}
		d := directory.SourceDocument{Methods: []string{s.AuthMethod}, Meta: meta(s.Meta)}
		for j, name := range s.subjects() {
			if name == "any" {
				name = "all"
			}
			if name != "all" && name != "anonymous" && !r.hasUser(name) {
				c.errorf(s.at, fmt.Sprintf("%s.usernames[%d]", at, j), "there is no user %q", name)
			}
			d.Subjects = append(d.Subjects, name)
		}
		d.CIDRs = c.prefixes(at, uri, s)
		if s.AuthMethod == auth.MethodTrust && slices.ContainsFunc(d.CIDRs, func(p netip.Prefix) bool { return p.Bits() == 0 }) {
			c.note(s.at, uri, at, Changed, "kept, but it lets %s in from everywhere without any proof", strings.Join(d.Subjects, ", "))
		}
		if len(d.CIDRs) > 0 {
			out = append(out, d)
		}
	}
	return out
}

// prefixes are the addresses of a source. The predecessor compares the bits of
// addresses of both kinds, so that its default is every address.
func (c *converter) prefixes(path string, uri wamp.URI, s *foreignSource) []netip.Prefix {
	text := cmp.Or(s.CIDR, "0.0.0.0/0")
	p, err := netip.ParsePrefix(text)
	if err != nil {
		c.errorf(s.at, path+".cidr", "%q is not an address prefix", text)
		return nil
	}
	switch {
	case p.Bits() == 0:
		c.note(s.at, uri, path+".cidr", Changed, "%s is every address for the predecessor, of IPv6 too: made 0.0.0.0/0 and ::/0", text)
		return []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	case p.Addr().Is4In6() && p.Bits() >= 96:
		four := netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96).Masked()
		c.note(s.at, uri, path+".cidr", Changed, "%s made %s: IPv4 inside IPv6 counts as IPv4", text, four)
		return []netip.Prefix{four}
	case p.Addr().Is4In6():
		c.note(s.at, uri, path+".cidr", Dropped, "%s is a mixture of IPv4 and IPv6 addresses", text)
		return nil
	}
	return []netip.Prefix{p.Masked()}
}

// grants converts the grants.
func (c *converter) grants(path string, uri wamp.URI, r *foreignRealm) []directory.GrantDocument {
	out := []directory.GrantDocument{}
	for i := range r.Grants {
		g := &r.Grants[i]
		at := fmt.Sprintf("%s.grants[%d]", path, i)
		var d directory.GrantDocument
		for j, name := range g.Roles {
			where := fmt.Sprintf("%s.roles[%d]", at, j)
			switch {
			case !c.hasRole(r, name):
				c.errorf(g.at, where, "there is no user or group %q", name)
			case c.inherited(r, name):
				c.note(g.at, uri, where, Dropped, "the group %s is the prototype's, which says what it may do: this never counted", name)
			default:
				d.Roles = append(d.Roles, name)
			}
		}
		for j, name := range g.Permissions {
			if _, known := rbac.ParsePermission(name); known {
				d.Permissions = append(d.Permissions, name)
			} else {
				c.note(g.at, uri, fmt.Sprintf("%s.permissions[%d]", at, j), Dropped, "there is no permission %s, and the predecessor checks it nowhere", name)
			}
		}
		for j, res := range g.resources() {
			if res.URI == "any" {
				c.note(g.at, uri, fmt.Sprintf("%s.resources[%d]", at, j), Dropped, `"any" is about checks without a URI, which there are not`)
				continue
			}
			one := directory.ResourceDocument{URI: wamp.URI(res.URI)}
			if res.Match != "" {
				one.Match = strict.Some(res.Match)
			}
			d.Resources = append(d.Resources, one)
		}
		if len(d.Roles) == 0 || len(d.Permissions) == 0 || len(d.Resources) == 0 {
			c.note(g.at, uri, at, Dropped, "nothing is left that it would allow")
			continue
		}
		c.management(at, uri, r, g.at, &d)
		out = append(out, d)
	}
	return out
}

func (g *foreignGrant) resources() []foreignResource {
	all := slices.Clone(g.Resources)
	if g.Resource.Has() {
		all = append(all, g.Resource.Value)
	}
	if g.URI.Has() {
		all = append(all, foreignResource{URI: g.URI.Value, Match: g.Match})
	}
	return all
}

// inherited tells whether a role is a group that a realm has from its prototype
// alone.
func (c *converter) inherited(r *foreignRealm, name string) bool {
	group := strings.TrimPrefix(name, "group/")
	return !r.ownGroup(group) && !builtIn(group) && !strings.HasPrefix(name, "user/") && !r.hasUser(name) && c.hasGroup(r, group)
}

// hasRole tells whether a grant may name a role.
func (c *converter) hasRole(r *foreignRealm, name string) bool {
	if user, ok := strings.CutPrefix(name, "user/"); ok {
		return r.hasUser(user)
	}
	group, ok := strings.CutPrefix(name, "group/")
	return c.hasGroup(r, group) || !ok && r.hasUser(name)
}

// management notes who may administer no more: of the predecessor's grants a broad
// one is enough for that, while here it must be named.
func (c *converter) management(path string, uri wamp.URI, r *foreignRealm, line int, d *directory.GrantDocument) {
	resources, ps, err := d.Parse()
	if err != nil {
		c.errorf(line, path, "%s", wamp.AsError(err).Message)
		return
	}
	if !ps.Has(rbac.Call) {
		return
	}
	for _, res := range resources {
		if !broad(res) {
			continue
		}
		for _, role := range d.Roles {
			if r.master() && r.role(role) == "group/"+directory.Administrators {
				continue // whom the node lets administer
			}
			c.note(line, uri, path, Changed,
				"%s may call management (bondy.*) no more: %s %q does not name it. To allow it: bondy grant add --realm %s --role %s --permission wamp.call --uri bondy. --match prefix",
				role, res.Match, res.URI, uri, r.role(role))
		}
		return
	}
}

// role is a role as commands take it.
func (r *foreignRealm) role(name string) string {
	switch {
	case name == "all" || name == "anonymous" || strings.Contains(name, "/"):
		return name
	case r.hasUser(name):
		return "user/" + name
	default:
		return "group/" + name
	}
}

// broad tells whether a resource matches a management procedure under one of its
// names without naming management.
func broad(r rbac.Resource) bool {
	for _, procedure := range []string{"bondy.user.add", "com.bondy.user.add", "com.leapsight.bondy.user.add"} {
		covers := r.Match == wamp.MatchPrefix && strings.HasPrefix(procedure, string(r.URI)) && !names(procedure, string(r.URI))
		if r.Match == wamp.MatchWildcard {
			pattern, parts := strings.Split(string(r.URI), "."), strings.Split(procedure, ".")
			covers = slices.EqualFunc(pattern, parts, func(p, part string) bool { return p == "" || p == part }) && pattern[len(pattern)-3] != "bondy"
		}
		if covers {
			return true
		}
	}
	return false
}

// names tells whether a prefix of a management procedure has the component bondy.
func names(procedure, prefix string) bool {
	before, _, _ := strings.Cut(procedure, "bondy")
	return len(prefix) >= len(before)+len("bondy")
}
