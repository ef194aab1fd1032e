package rbac_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"bondy/core/rbac"
	"bondy/core/wamp"
)

func TestSetActsOnTheNextDecision(t *testing.T) {
	a := newAuthorizer(t)
	r := a.Rights(as("user"))
	for i := range 100 {
		var grants []rbac.Grant
		if i%2 == 0 {
			grants = append(grants, to("com.foo", exact))
		}
		if _, err := a.Set(rbac.Config{Grants: grants}); err != nil {
			t.Fatal(err)
		}
		if got, want := r.Decide(rbac.Call, "com.foo", exact), i%2 == 0; got != want {
			t.Fatalf("version %d: call com.foo = %t, want %t", i, got, want)
		}
	}
}

func TestSetDuringDecide(t *testing.T) {
	a := newAuthorizer(t, to("com.always", exact))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r := a.Rights(as(fmt.Sprintf("u%d", i), "user"))
				for j := range 20 {
					if !r.Decide(rbac.Call, "com.always", exact) {
						t.Error("a grant of every version was missing")
						return
					}
					r.Decide(rbac.Publish, wamp.URI(fmt.Sprintf("com.x%d", j)), exact)
				}
			}
		})
	}
	for i := range 200 {
		grants := []rbac.Grant{to("com.always", []wamp.Match{exact, prefix, wildcard}[i%3]), to("com.x", prefix)}
		if _, err := a.Set(rbac.Config{Grants: grants}); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

// Rights that nobody holds any more leave nothing behind.
func TestRightsAreForgotten(t *testing.T) {
	a := newAuthorizer(t, to("", prefix))
	live := func() uint64 {
		runtime.GC()
		runtime.GC() // cleanups run after the first
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := live()
	const n = 20_000
	for i := range n {
		if !a.Rights(as(fmt.Sprintf("user-%06d", i), "user")).Decide(rbac.Call, "com.foo", exact) {
			t.Fatal("denied")
		}
	}
	for range 100 {
		if live() < before+n*100 {
			break
		}
		runtime.Gosched()
	}
	if got := live(); got > before+n*100 {
		t.Errorf("%d sets of roles leave %d bytes", n, got-before)
	}
	runtime.KeepAlive(a)
}

// many is a policy of 10,000 grants to one role: a third of each kind.
func many(t testing.TB) *rbac.Rights {
	t.Helper()
	var grants []rbac.Grant
	for i := range 10_000 {
		switch i % 3 {
		case 0:
			grants = append(grants, to(wamp.URI(fmt.Sprintf("com.example.exact.n%d", i)), exact))
		case 1:
			grants = append(grants, to(wamp.URI(fmt.Sprintf("com.example.prefix.n%d.", i)), prefix))
		default:
			grants = append(grants, to(wamp.URI(fmt.Sprintf("com.example..n%d", i)), wildcard))
		}
	}
	return newAuthorizer(t, grants...).Rights(as("joe", "user"))
}

// Longer URIs than this are never cached.
var uncachedTail = wamp.URI(strings.Repeat("x", 300))

func TestDecideDoesNotAllocate(t *testing.T) {
	r := many(t)
	for _, u := range []wamp.URI{"com.example.exact.n3", "com.example.prefix.n4.foo", "com.example.a.n5", "com.example.denied", "com.example.prefix.n4." + uncachedTail} {
		if raced && len(u) > 256 {
			continue // what is computed takes its memory from a pool
		}
		if n := testing.AllocsPerRun(100, func() { r.Decide(rbac.Call, u, exact) }); n != 0 {
			t.Errorf("Decide on %.40s allocates %v times", u, n)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	r := many(b)
	for _, bc := range []struct {
		name string
		uri  wamp.URI
	}{
		{"exact", "com.example.exact.n3000"},
		{"prefix", "com.example.prefix.n3001.foo"},
		{"wildcard", "com.example.a.n3002"},
		{"denied", "com.example.nothing.here"},
	} {
		b.Run("cached/"+bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Decide(rbac.Call, bc.uri, exact)
			}
		})
	}
	// Far more URIs than slots: hardly ever a hit.
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
	b.Run("long", func(b *testing.B) {
		long := "com.example.prefix.n3001." + uncachedTail
		for b.Loop() {
			r.Decide(rbac.Call, long, exact)
		}
	})
	b.Run("anonymous", func(b *testing.B) {
		a := newAuthorizer(b,
			rbac.Grant{Roles: []string{rbac.RoleAnonymous}, Permissions: everything(), Resources: []rbac.Resource{{Match: prefix}}},
			rbac.Grant{Roles: []string{rbac.RoleAll}, Permissions: everything(), Resources: []rbac.Resource{{URI: "bondy.ping"}}})
		r := a.Rights(as(rbac.RoleAnonymous))
		for b.Loop() {
			r.Decide(rbac.Publish, "com.example.topic", exact)
		}
	})
}

func BenchmarkSet(b *testing.B) {
	var grants []rbac.Grant
	for i := range 10_000 {
		grants = append(grants, to(wamp.URI(fmt.Sprintf("com.example.prefix.n%d.", i)), prefix))
	}
	a := newAuthorizer(b)
	for b.Loop() {
		if _, err := a.Set(rbac.Config{Grants: grants}); err != nil {
			b.Fatal(err)
		}
	}
}

// watched is a directory that tells when it is asked.
type watched struct {
	rbac.Directory

	asked func()
}

func (w *watched) Grants(r rbac.Role) []rbac.RoleGrant {
	w.asked()
	return w.Directory.Grants(r)
}

// Who is allowed something by what counted before a change, at whatever moment of it,
// learns of the change by the version.
func TestVersionTellsOfAChangeUnderWay(t *testing.T) {
	subscribe := rbac.Grant{Roles: []string{"user"}, Permissions: []rbac.Permission{rbac.Subscribe}, Resources: []rbac.Resource{{URI: "com.a"}}}
	none, err := rbac.Static(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*rbac.Authorizer, rbac.Directory){
		"Follow": func(a *rbac.Authorizer, d rbac.Directory) {
			a.Follow(d, []rbac.Role{{Kind: rbac.RoleGroup, Name: "user"}})
		},
		"Set": func(a *rbac.Authorizer, d rbac.Directory) {
			if _, err := a.Set(rbac.Config{Directory: d}); err != nil {
				t.Error(err)
			}
		},
	} {
		a := newAuthorizer(t, subscribe)
		rights := a.Rights(as("user"))
		var versions []uint64
		change(a, &watched{none, func() {
			if version := a.Version(); rights.Decide(rbac.Subscribe, "com.a", exact) {
				versions = append(versions, version)
			}
		}})
		if len(versions) == 0 || rights.Decide(rbac.Subscribe, "com.a", exact) {
			t.Errorf("%s: allowed at versions %v and at last %t", name, versions, rights.Decide(rbac.Subscribe, "com.a", exact))
		}
		for _, v := range versions {
			if v == a.Version() {
				t.Errorf("%s: allowed at version %d by what does not count at version %d", name, v, a.Version())
			}
		}
	}
}
