package pattern_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bondy/core/pattern"
	"bondy/core/wamp"
)

// naive is what the Index is to do, written down without any index.
type naive map[entry]*entry

func matches(e entry, u wamp.URI) bool {
	switch e.match {
	case wamp.MatchPrefix:
		return strings.HasPrefix(string(u), string(e.uri))
	case wamp.MatchWildcard:
		ps, us := components(e.uri), components(u)
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
		return e.uri == u
	}
}

// whole reports whether the prefix p consists of first components of u.
func whole(p, u wamp.URI) bool {
	ps := components(p)
	if ps[len(ps)-1] == "" {
		ps = ps[:len(ps)-1]
	}
	us := components(u)
	return len(ps) <= len(us) && slices.Equal(ps, us[:len(ps)])
}

func components(u wamp.URI) []string { return strings.Split(string(u), ".") }

// literalFirst orders wildcards that match the same URI.
func literalFirst(a, b wamp.URI) int {
	return slices.CompareFunc(components(a), components(b), func(a, b string) int {
		switch {
		case a == b:
			return 0
		case b == "":
			return -1
		default:
			return 1
		}
	})
}

func (n naive) matching(u wamp.URI, order func(a, b *entry) int) []*entry {
	var all []*entry
	for e, v := range n {
		if matches(e, u) {
			all = append(all, v)
		}
	}
	slices.SortFunc(all, order)
	return all
}

// match is the answer that Match owes.
func (n naive) match(u wamp.URI) []*entry {
	return n.matching(u, func(a, b *entry) int {
		if a.match != b.match || a.match == wamp.MatchExact {
			return cmp.Compare(a.match, b.match)
		}
		if a.match == wamp.MatchPrefix {
			return cmp.Compare(len(a.uri), len(b.uri))
		}
		return literalFirst(a.uri, b.uri)
	})
}

// calls lists the candidates that Best must try, in its order.
func (n naive) calls(u wamp.URI) []*entry {
	class := func(e *entry) int {
		switch {
		case e.match == wamp.MatchExact:
			return 1
		case e.match == wamp.MatchPrefix && whole(e.uri, u):
			return 2
		case e.match == wamp.MatchWildcard:
			return 3
		default:
			return 4
		}
	}
	return n.matching(u, func(a, b *entry) int {
		if class(a) != class(b) {
			return cmp.Compare(class(a), class(b))
		}
		if a.match == wamp.MatchWildcard {
			return literalFirst(a.uri, b.uri)
		}
		return cmp.Compare(len(b.uri), len(a.uri))
	})
}

// check compares all the lookups of u.
func check(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, x *pattern.Index[*entry], n naive, u wamp.URI,
) {
	t.Helper()
	if got, want := x.Match(nil, u), n.match(u); !slices.Equal(got, want) {
		t.Fatalf("Match(%q) = %v, want %v", u, show(got), show(want))
	}
	want := n.calls(u)
	for refused := range len(want) + 1 {
		var tried []*entry
		got, ok := x.Best(u, func(e *entry) bool {
			tried = append(tried, e)
			return len(tried) > refused
		})
		wantTried := want[:min(refused+1, len(want))]
		if !slices.Equal(tried, wantTried) {
			t.Fatalf("Best(%q) tried %v, want %v", u, show(tried), show(wantTried))
		}
		if ok != (refused < len(want)) || ok && got != want[refused] {
			t.Fatalf("Best(%q) after %d refusals = %v, %t", u, refused, got, ok)
		}
	}
	if got, ok := x.Best(u, nil); ok != (len(want) > 0) || ok && got != want[0] {
		t.Fatalf("Best(%q, nil) = %v, %t, want %v", u, got, ok, show(want))
	}
}

func show(es []*entry) []entry {
	var out []entry
	for _, e := range es {
		out = append(out, *e)
	}
	return out
}

// text draws URIs from so small an alphabet that they collide, overlap and
// extend one another all the time.
func text() *rapid.Generator[wamp.URI] {
	return rapid.Map(rapid.StringOfN(rapid.RuneFrom([]rune{'a', 'b', '.', 'a', '.', 'é'}), 0, 9, -1),
		func(s string) wamp.URI { return wamp.URI(s) })
}

func TestIndexBehavesLikeAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x pattern.Index[*entry]
		n := naive{}
		key := func() entry {
			return entry{
				wamp.Match(rapid.IntRange(0, 2).Draw(t, "match")),
				text().Draw(t, "pattern"),
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k, v := key(), new(entry)
				*v = k
				x.Update(k.match, k.uri, func(old *entry, ok bool) (*entry, bool) {
					if want, there := n[k]; old != want || ok != there {
						t.Fatalf("Update(%v) was given %v, %t, want %v", k, old, ok, want)
					}
					return v, true
				})
				n[k] = v
			},
			"drop": func(t *rapid.T) {
				k := key()
				if len(n) > 0 && rapid.Bool().Draw(t, "present") {
					k = rapid.SampledFrom(n.sorted()).Draw(t, "victim")
				}
				drop(&x, k.match, k.uri)
				delete(n, k)
			},
			"look up": func(t *rapid.T) { check(t, &x, n, text().Draw(t, "uri")) },
			"": func(t *rapid.T) {
				if x.Len() != len(n) {
					t.Fatalf("Len() = %d, want %d", x.Len(), len(n))
				}
				var listed []entry
				for k, v := range n {
					if got, ok := x.Get(k.match, k.uri); !ok || got != v {
						t.Fatalf("Get(%v) = %v, %t, want %v", k, got, ok, v)
					}
				}
				x.All(func(m wamp.Match, u wamp.URI, v *entry) bool {
					if *v != (entry{m, u}) {
						t.Fatalf("All gave %v as %v %q", *v, m, u)
					}
					listed = append(listed, *v)
					return true
				})
				if want := n.sorted(); !slices.Equal(listed, want) {
					t.Fatalf("All gave %v, want %v", listed, want)
				}
			},
		})
	})
}

func (n naive) sorted() []entry {
	var es []entry
	for e := range n {
		es = append(es, e)
	}
	slices.SortFunc(es, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.match, b.match), cmp.Compare(a.uri, b.uri))
	})
	return es
}

// FuzzLookups reads patterns, one a line with its policy as the first byte,
// and then looks u up.
func FuzzLookups(f *testing.F) {
	f.Add("ea.b\npa.\nwa.\nw.b\np\nw", "a.b")
	f.Add("w..\nw.a.\nwa..\npa..", "a..b")
	f.Add("pa\npab\npab.c\nwab.\nw.c", "ab.c")
	f.Fuzz(func(t *testing.T, patterns, u string) {
		if len(patterns) > 150 || len(u) > wamp.MaxURILength {
			t.Skip()
		}
		var x pattern.Index[*entry]
		n := naive{}
		for line := range strings.SplitSeq(patterns, "\n") {
			if line == "" {
				continue
			}
			e := &entry{wamp.Match(line[0] % 3), wamp.URI(line[1:])}
			if _, there := n[*e]; there && line[0] >= 128 {
				drop(&x, e.match, e.uri)
				delete(n, *e)
				continue
			}
			x.Update(e.match, e.uri, func(*entry, bool) (*entry, bool) { return e, true })
			n[*e] = e
		}
		check(t, &x, n, wamp.URI(u))
		for e := range n {
			check(t, &x, n, e.uri)
		}
	})
}
