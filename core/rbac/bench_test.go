package rbac_test

import (
	"fmt"
	"runtime"
	"testing"

	"bondy/core/rbac"
	"bondy/core/wamp"
)

const (
	benchRoles = 50
	benchEach  = 200 // grants of a role
)

// bench is a realm of 10,000 grants to 50 groups.
func benchDirectory(t testing.TB) *directory {
	t.Helper()
	d := newDirectory()
	for i := range benchRoles {
		var grants []rbac.RoleGrant
		for j := range benchEach {
			n := i*benchEach + j
			r := rbac.Resource{URI: wamp.URI(fmt.Sprintf("com.example.exact.n%d", n))}
			switch n % 3 {
			case 1:
				r = rbac.Resource{URI: wamp.URI(fmt.Sprintf("com.example.prefix.n%d.", n)), Match: prefix}
			case 2:
				r = rbac.Resource{URI: wamp.URI(fmt.Sprintf("com.example..n%d", n)), Match: wildcard}
			}
			grants = append(grants, rbac.RoleGrant{Permissions: rbac.Set(everything()...), Resource: r})
		}
		d.grants[group(groupName(i))] = grants
	}
	return d
}

func groupName(i int) string { return fmt.Sprintf("group-%03d", i) }

// member is a subject of all those groups.
func benchSubject() rbac.Subject {
	var s rbac.Subject
	for i := range benchRoles {
		s.Groups = append(s.Groups, groupName(i))
	}
	return s
}

func BenchmarkDecideOfManyRoles(b *testing.B) {
	a := open(b, benchDirectory(b))
	r := a.Rights(benchSubject())
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Decide(rbac.Call, "com.example.exact.n3000", exact)
		}
	})
	uris := make([]wamp.URI, 8192)
	for i := range uris {
		uris[i] = wamp.URI([]string{"com.example.exact.n", "com.example.prefix.n", "com.example.a.n"}[i%3] + fmt.Sprint(i))
	}
	b.Run("uncached", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			r.Decide(rbac.Call, uris[i%len(uris)], exact)
			i++
		}
	})
}

// A realm with 10,000 grants in which one role changed, of which a 25th of the live
// Rights are; or so much that all of them have to be looked at.
func BenchmarkChangeOneRole(b *testing.B) {
	for _, live := range []int{1000, 10_000} {
		d := benchDirectory(b)
		for i := range live {
			d.users[fmt.Sprintf("user-%d", i)] = []string{groupName(i % benchRoles), groupName((i + 1) % benchRoles)}
		}
		a := open(b, d)
		rights := make([]*rbac.Rights, live)
		for i := range rights {
			rights[i] = a.Rights(rbac.Subject{User: fmt.Sprintf("user-%d", i)})
		}
		role := group(groupName(7))
		versions := [...]rbac.Directory{d.with(role, d.grants[role][1:]), d}
		for name, change := range map[string]func(d rbac.Directory){
			"follow": func(d rbac.Directory) { a.Follow(d, []rbac.Role{role}) },
			"set":    func(d rbac.Directory) { set(b, a, d) },
		} {
			b.Run(fmt.Sprintf("%s/%d", name, live), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					change(versions[i%2])
					i++
				}
			})
		}
		runtime.KeepAlive(rights)
	}
}
