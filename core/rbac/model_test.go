package rbac_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bondy/core/rbac"
	"bondy/core/wamp"
)

// matches is the definition of matching a URI.
func matches(pattern wamp.URI, m wamp.Match, uri wamp.URI) bool {
	switch m {
	case prefix:
		return strings.HasPrefix(string(uri), string(pattern))
	case wildcard:
		ps, us := strings.Split(string(pattern), "."), strings.Split(string(uri), ".")
		if len(ps) != len(us) {
			return false
		}
		for i, p := range ps {
			if p != "" && p != us[i] {
				return false
			}
		}
		return true
	default:
		return pattern == uri
	}
}

// namesManagement is the definition of a grant that covers management.
func namesManagement(r rbac.Resource, uri wamp.URI) bool {
	lit, _, _ := strings.Cut(string(r.URI)+".", "..")
	if r.Match == exact {
		return r.URI == uri
	}
	if r.Match == wildcard && strings.HasPrefix(string(r.URI), ".") {
		return false
	}
	first, _, _ := strings.Cut(lit, ".")
	return first == "bondy" || strings.HasPrefix(lit, "wamp.session.kill")
}

// allowed is the definition of a decision on a URI.
func allowed(resources []rbac.Resource, uri wamp.URI) bool {
	for _, r := range resources {
		if matches(r.URI, r.Match, uri) && (!rbac.Management(uri) || namesManagement(r, uri)) {
			return true
		}
	}
	return false
}

// universe is every URI of up to three components over a small vocabulary.
func universe() []wamp.URI {
	words := []string{"a", "b", "ab", "bondy", "bondyx", "ping", "wamp", "session", "kill", "kill_all"}
	var all []wamp.URI
	level := []string{""}
	for range 3 {
		var next []string
		for _, head := range level {
			for _, w := range words {
				u := strings.TrimPrefix(head+"."+w, ".")
				next = append(next, u)
				all = append(all, wamp.URI(u))
			}
		}
		level = next
	}
	return all
}

// pattern draws a resource that is valid.
func pattern(r *rand.Rand, uris []wamp.URI) rbac.Resource {
	u := string(uris[r.IntN(len(uris))])
	switch r.IntN(3) {
	case 0:
		cut := u[:r.IntN(len(u)+1)]
		return rbac.Resource{URI: wamp.URI(cut), Match: prefix}
	case 1:
		parts := strings.Split(u, ".")
		for i := range parts {
			if r.IntN(2) == 0 {
				parts[i] = ""
			}
		}
		return rbac.Resource{URI: wamp.URI(strings.Join(parts, ".")), Match: wildcard}
	default:
		return rbac.Resource{URI: wamp.URI(u), Match: exact}
	}
}

func TestDecideAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	uris := universe()
	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	for range rounds {
		resources := make([]rbac.Resource, 1+r.IntN(12))
		for i := range resources {
			resources[i] = pattern(r, uris)
		}
		rights := newAuthorizer(t, rbac.Grant{
			Roles: []string{"user"}, Permissions: []rbac.Permission{rbac.Subscribe}, Resources: resources,
		}).Rights(as("user"))
		for _, u := range uris {
			if got, want := rights.Decide(rbac.Subscribe, u, exact), allowed(resources, u); got != want {
				t.Fatalf("grants %v: subscribe %s = %t, want %t", resources, u, got, want)
			}
		}
		// Whatever pattern is covered, all it matches outside management is
		// allowed; and every resource covers itself.
		for range 40 {
			p := pattern(r, uris)
			if !rights.Decide(rbac.Subscribe, p.URI, p.Match) {
				continue
			}
			for _, u := range uris {
				if matches(p.URI, p.Match, u) && !rbac.Management(u) && !allowed(resources, u) {
					t.Fatalf("grants %v: %s %q is covered but %s is not", resources, p.Match, p.URI, u)
				}
			}
		}
		for _, p := range resources {
			if !rights.Decide(rbac.Subscribe, p.URI, p.Match) {
				t.Fatalf("grants %v: %s %q is not covered", resources, p.Match, p.URI)
			}
		}
	}
}

// covers is the definition of a grant that covers a resource outside management.
func covers(grant, asked rbac.Resource) bool {
	switch grant.Match {
	case prefix:
		if asked.Match == wildcard { // of which the components before its first empty one are sure
			literal := ""
			for part := range strings.SplitAfterSeq(string(asked.URI), ".") {
				if part == "" || part == "." {
					break
				}
				literal += part
			}
			asked.URI = wamp.URI(literal)
		}
		return strings.HasPrefix(string(asked.URI), string(grant.URI))
	case wildcard:
		return asked.Match != prefix && matches(grant.URI, wildcard, asked.URI)
	default:
		return grant == asked
	}
}

// oddly draws a resource of components that are empty, long, alike or not ASCII.
func oddly(r *rand.Rand) rbac.Resource {
	words := []string{"a", "b", "ab", "", "", "ü", "日本", strings.Repeat("x", 100), strings.Repeat("x", 99) + "y"}
	parts := make([]string, 1+r.IntN(6))
	for i := range parts {
		parts[i] = words[r.IntN(len(words))]
	}
	u, m := strings.Join(parts, "."), []wamp.Match{exact, prefix, wildcard}[r.IntN(3)]
	if m == prefix {
		u = u[:r.IntN(len(u)+1)]
	}
	return rbac.Resource{URI: wamp.URI(u), Match: m}
}

// Several roles with prefixes of other lengths, and whatever can be asked for.
func TestDecidePatternsAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var grants []rbac.Grant
		var held []rbac.Resource
		for _, role := range []string{"one", "two", "three"} {
			for range r.IntN(8) {
				g := rbac.Grant{Roles: []string{role}, Permissions: []rbac.Permission{rbac.Subscribe}, Resources: []rbac.Resource{oddly(r)}}
				if _, err := rbac.New(rbac.Config{Grants: []rbac.Grant{g}}); err != nil {
					continue // of what is no resource
				}
				if grants = append(grants, g); role != "three" {
					held = append(held, g.Resources...)
				}
			}
		}
		rights := newAuthorizer(t, grants...).Rights(as("one", "two"))
		for range 100 {
			asked := oddly(r)
			if len(held) > 0 && r.IntN(2) == 0 {
				asked.URI = held[r.IntN(len(held))].URI + []wamp.URI{"", ".a", "x"}[r.IntN(3)]
			}
			want := slices.ContainsFunc(held, func(g rbac.Resource) bool { return covers(g, asked) })
			for range 2 { // the second time it is remembered
				if got := rights.Decide(rbac.Subscribe, asked.URI, asked.Match); got != want {
					t.Fatalf("grants %q: subscribe %s %q = %t, want %t", held, asked.Match, asked.URI, got, want)
				}
			}
		}
	}
}
