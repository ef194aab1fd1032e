package pattern_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"bondy/core/pattern"
	"bondy/core/wamp"
)

func index(es ...entry) *pattern.Index[*entry] {
	x := new(pattern.Index[*entry])
	for _, e := range es {
		put(x, e.match, e.uri)
	}
	return x
}

func TestMatchPolicies(t *testing.T) {
	exact, prefix, wildcard := wamp.MatchExact, wamp.MatchPrefix, wamp.MatchWildcard
	for _, c := range []struct {
		e       entry
		yes, no []wamp.URI
	}{
		{entry{exact, "com.a"}, []wamp.URI{"com.a"}, []wamp.URI{"com", "com.a.b", "com.ab", "com.a.", ""}},
		{
			entry{prefix, "com.myapp.myobject1"},
			[]wamp.URI{
				"com.myapp.myobject1", "com.myapp.myobject1.myprocedure1", "com.myapp.myobject1-mysubobject1",
				"com.myapp.myobject1.mysubobject1.myprocedure1",
			},
			[]wamp.URI{"com.myapp.myobject2", "com.myapp.myobject"},
		},
		{entry{prefix, "com.exa"}, []wamp.URI{"com.example.x"}, []wamp.URI{"com.ex"}},
		{entry{prefix, "a.b."}, []wamp.URI{"a.b.c", "a.b.c.d"}, []wamp.URI{"a.b", "a.bc"}},
		{entry{prefix, ""}, []wamp.URI{"a", "a.b", ""}, nil},
		{
			entry{wildcard, "com.myapp..myprocedure1"},
			[]wamp.URI{"com.myapp.myobject1.myprocedure1", "com.myapp.myobject2.myprocedure1"},
			[]wamp.URI{
				"com.myapp.myobject1.myprocedure1.mysubprocedure1", "com.myapp.myobject1.myprocedure2",
				"com.myapp2.myobject1.myprocedure1", "com.myapp.myprocedure1",
			},
		},
		{entry{wildcard, ""}, []wamp.URI{"a", "abc"}, []wamp.URI{"a.b"}},
		{entry{wildcard, "."}, []wamp.URI{"a.b"}, []wamp.URI{"a", "a.b.c"}},
		{entry{wildcard, ".b"}, []wamp.URI{"a.b", "b.b"}, []wamp.URI{"b", "a.b.b", "a.bb"}},
		{entry{wildcard, "a."}, []wamp.URI{"a.b", "a.a"}, []wamp.URI{"a", "aa.b", "a.b.c"}},
		{entry{wildcard, "...x.."}, []wamp.URI{"a.b.c.x.e.f"}, []wamp.URI{"a.b.c.x.e", "a.b.c.d.e.f"}},
	} {
		x := index(c.e)
		for _, u := range c.yes {
			if got := x.Match(nil, u); len(got) != 1 {
				t.Errorf("%v %q does not match %q", c.e.match, c.e.uri, u)
			}
			if _, ok := x.Best(u, nil); !ok {
				t.Errorf("%v %q gets no call of %q", c.e.match, c.e.uri, u)
			}
		}
		for _, u := range c.no {
			if got := x.Match(nil, u); len(got) != 0 {
				t.Errorf("%v %q matches %q", c.e.match, c.e.uri, u)
			}
			if _, ok := x.Best(u, nil); ok {
				t.Errorf("%v %q gets a call of %q", c.e.match, c.e.uri, u)
			}
		}
	}
}

func TestBestFollowsTheSpecification(t *testing.T) {
	rpcs := []entry{
		{wamp.MatchExact, "a1.b2.c3.d4.e55"},
		{wamp.MatchPrefix, "a1.b2.c3"},
		{wamp.MatchPrefix, "a1.b2.c3.d4"},
		{wamp.MatchWildcard, "a1.b2..d4.e5"},
		{wamp.MatchWildcard, "a1.b2.c33..e5"},
		{wamp.MatchWildcard, "a1.b2..d4.e5..g7"},
		{wamp.MatchWildcard, "a1.b2..d4..f6.g7"},
	}
	x := index(rpcs...)
	for u, want := range map[wamp.URI]int{
		"a1.b2.c3.d4.e55":       1,
		"a1.b2.c3.d98.e74":      2,
		"a1.b2.c3.d4.e325":      3,
		"a1.b2.c55.d4.e5":       4,
		"a1.b2.c33.d4.e5":       5,
		"a1.b2.c88.d4.e5.f6.g7": 6,
		"a1.b2.c88.d4.e0.f6.g7": 7,
		"a1.b2.c33.d4.e0":       2, // only the prefix by characters
	} {
		if got, ok := x.Best(u, nil); !ok || *got != rpcs[want-1] {
			t.Errorf("Best(%q) = %v, %t, want registration %d", u, got, ok, want)
		}
	}
	if got, ok := x.Best("a2.b2.c2.d2.e2", nil); ok {
		t.Errorf("Best of an unknown procedure = %v", *got)
	}
}

func TestUpdateInsertsReplacesAndDeletes(t *testing.T) {
	var x pattern.Index[int]
	set := func(want int, wantOK bool, v int, keep bool) {
		t.Helper()
		x.Update(wamp.MatchPrefix, "a.b", func(old int, ok bool) (int, bool) {
			if old != want || ok != wantOK {
				t.Errorf("Update was given %d, %t, want %d, %t", old, ok, want, wantOK)
			}
			return v, keep
		})
	}
	set(0, false, 7, false)
	if x.Len() != 0 {
		t.Errorf("Len after a refused insert = %d", x.Len())
	}
	set(0, false, 1, true)
	set(1, true, 2, true)
	if v, ok := x.Get(wamp.MatchPrefix, "a.b"); !ok || v != 2 || x.Len() != 1 {
		t.Errorf("Get = %d, %t, Len %d, want 2, true, 1", v, ok, x.Len())
	}
	if _, ok := x.Get(wamp.MatchExact, "a.b"); ok {
		t.Error("a prefix is found as an exact entry")
	}
	set(2, true, 0, false)
	set(0, false, 0, false)
	if x.Len() != 0 {
		t.Errorf("Len after deleting = %d", x.Len())
	}
}

func TestAllStops(t *testing.T) {
	x := index(entry{wamp.MatchExact, "a"}, entry{wamp.MatchPrefix, "a"}, entry{wamp.MatchPrefix, "a.b"})
	for stop := range 3 {
		seen := 0
		x.All(func(wamp.Match, wamp.URI, *entry) bool {
			seen++
			return seen <= stop
		})
		if seen != stop+1 {
			t.Errorf("All went on to %d entries after being stopped at %d", seen, stop+1)
		}
	}
}

// A URI may be as deep as its length allows: 1024 nested prefixes, 513
// components of which each is literal in one pattern and free in another.
func TestBelow(t *testing.T) {
	x := index(entry{wamp.MatchExact, "com.a"}, entry{wamp.MatchExact, "com.a.b"}, entry{wamp.MatchExact, "com.ab"},
		entry{wamp.MatchExact, "com.b"}, entry{wamp.MatchPrefix, "com.a"})
	for prefix, want := range map[wamp.URI]string{
		"": "com.a com.a.b com.ab com.b", "com.a": "com.a com.a.b com.ab", "com.a.": "com.a.b", "com.ab": "com.ab",
		"co": "com.a com.a.b com.ab com.b", "com.c": "", "com.a.b.c": "", "d": "",
	} {
		var got []string
		x.Below(wamp.MatchExact, prefix, func(u wamp.URI, e *entry) bool {
			if e.uri != u {
				t.Errorf("entry %q under %q", e.uri, u)
			}
			got = append(got, string(u))
			return true
		})
		if s := strings.Join(got, " "); s != want {
			t.Errorf("below %q: %s, want %s", prefix, s, want)
		}
	}
	n := 0
	x.Below(wamp.MatchExact, "", func(wamp.URI, *entry) bool { n++; return n < 2 })
	if n != 2 {
		t.Errorf("%d entries seen, want 2", n)
	}
}

func TestLongestURIs(t *testing.T) {
	u := wamp.URI(strings.Repeat("a.", wamp.MaxURILength/2-1) + "aa")
	var x pattern.Index[*entry]
	for i := range len(u) + 1 {
		put(&x, wamp.MatchPrefix, u[:i])
	}
	n := strings.Count(string(u), ".") + 1
	for i := range n {
		put(&x, wamp.MatchWildcard, wamp.URI(strings.Repeat("a.", i)+strings.Repeat(".", n-1-i)))
	}
	want := len(u) + 1 + n
	if got := x.Match(nil, u); len(got) != want {
		t.Errorf("%d matches, want %d", len(got), want)
	}
	tried := 0
	if _, ok := x.Best(u, func(*entry) bool { tried++; return false }); ok || tried != want {
		t.Errorf("Best tried %d, want %d", tried, want)
	}
}

func TestLookupsDoNotAllocate(t *testing.T) {
	var x pattern.Index[*entry]
	fill(&x, 1000, wamp.MatchExact, wamp.MatchPrefix, wamp.MatchWildcard)
	for _, e := range []entry{
		{wamp.MatchExact, "com.example.a"},
		{wamp.MatchPrefix, "com.example"},
		{wamp.MatchPrefix, "com.exa"},
		{wamp.MatchWildcard, "com..a"},
		{wamp.MatchWildcard, ".."},
	} {
		put(&x, e.match, e.uri)
	}
	const u = wamp.URI("com.example.a")
	dst := make([]*entry, 0, 8)
	refuse := func(*entry) bool { return false }
	for name, f := range map[string]func(){
		"Match": func() { dst = x.Match(dst[:0], u) },
		"Best":  func() { x.Best(u, nil); x.Best(u, refuse) },
		"Get":   func() { x.Get(wamp.MatchExact, u) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	if len(dst) != 5 {
		t.Errorf("%d matches, want 5", len(dst))
	}
}

func TestMemoryReturns(t *testing.T) {
	var x pattern.Index[*entry]
	put(&x, wamp.MatchPrefix, "com")
	before := heap()
	const n = 20_000
	kinds := []wamp.Match{wamp.MatchExact, wamp.MatchPrefix, wamp.MatchWildcard}
	fill(&x, n, kinds...)
	full := heap()
	for i := range n {
		e := siblings(i, kinds[i%len(kinds)])
		drop(&x, e.match, e.uri)
	}
	after := heap()
	if kept := after - before; kept > (full-before)/50 {
		t.Errorf("%d entries take %d bytes, of which %d stay when they go", n, full-before, kept)
	}
	if x.Len() != 1 {
		t.Errorf("Len = %d, want 1", x.Len())
	}
	runtime.KeepAlive(&x)
}

// Neither the entries nor what stays of them pin the memory of the URIs that
// they were made with.
func TestURIsAreNotKept(t *testing.T) {
	var x pattern.Index[int]
	keep := func(int, bool) (int, bool) { return 1, true }
	before := heap()
	const n = 2000
	for i := range n {
		short := fmt.Sprintf("%c%c.", 'a'+i%50, 'a'+i/50)
		long := short + strings.Repeat("x", 900)
		x.Update(wamp.MatchExact, wamp.URI(long), keep)
		x.Update(wamp.MatchExact, wamp.URI((long + "y")[:4]), keep)
		x.Update(wamp.MatchExact, wamp.URI(long), func(int, bool) (int, bool) { return 0, false })
	}
	if each := (heap() - before) / n; each > 300 {
		t.Errorf("an entry of 4 bytes keeps %d", each)
	}
	runtime.KeepAlive(&x)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
