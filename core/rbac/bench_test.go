package rbac_test

import (
	"fmt"
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

// Set where one role of a realm with 10,000 grants changed, until all live
// Rights follow.
func BenchmarkSetOneRole(b *testing.B) {
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
		other := d.with(group(groupName(7)), d.grants[group(groupName(7))][1:])
		for _, bc := range []struct {
			name string
			look bool
		}{{"set", false}, {"followed", true}} {
			b.Run(fmt.Sprintf("%s/%d", bc.name, live), func(b *testing.B) {
				b.ReportAllocs()
				versions := [...]rbac.Config{{Directory: other}, {Directory: d}}
				i := 0
				for b.Loop() {
					if err := a.Set(versions[i%2]); err != nil {
						b.Fatal(err)
					}
					i++
					for _, r := range rights {
						if bc.look && !r.Valid() {
							b.Fatal("not valid")
						}
					}
				}
			})
		}
	}
}
