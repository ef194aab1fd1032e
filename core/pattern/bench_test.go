package pattern_test

import (
	"fmt"
	"testing"

	"bondy/core/pattern"
	"bondy/core/wamp"
)

type entry struct {
	match wamp.Match
	uri   wamp.URI
}

// fill adds n siblings of the given kinds, in turn.
func fill(x *pattern.Index[*entry], n int, kinds ...wamp.Match) {
	for i := range n {
		e := siblings(i, kinds[i%len(kinds)])
		put(x, e.match, e.uri)
	}
}

func siblings(i int, m wamp.Match) *entry {
	if m == wamp.MatchWildcard {
		return &entry{m, wamp.URI(fmt.Sprintf("com.example..n%d.on", i))}
	}
	return &entry{m, wamp.URI(fmt.Sprintf("com.example.device.n%d.on", i))}
}

func put(x *pattern.Index[*entry], m wamp.Match, u wamp.URI) {
	x.Update(m, u, func(*entry, bool) (*entry, bool) { return &entry{m, u}, true })
}

func drop(x *pattern.Index[*entry], m wamp.Match, u wamp.URI) {
	x.Update(m, u, func(*entry, bool) (*entry, bool) { return nil, false })
}

func BenchmarkMatch(b *testing.B) {
	kinds := map[string][]wamp.Match{
		"exact":    {wamp.MatchExact},
		"prefix":   {wamp.MatchPrefix},
		"wildcard": {wamp.MatchWildcard},
		"mixed":    {wamp.MatchExact, wamp.MatchPrefix, wamp.MatchWildcard},
	}
	for _, kind := range []string{"exact", "prefix", "wildcard", "mixed"} {
		for _, n := range []int{100, 10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				var x pattern.Index[*entry]
				fill(&x, n, kinds[kind]...)
				us := make([]wamp.URI, n)
				for i := range us {
					us[i] = wamp.URI(fmt.Sprintf("com.example.device.n%d.on", i))
				}
				var dst []*entry
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					dst = x.Match(dst[:0], us[i])
					if len(dst) == 0 {
						b.Fatal("no match")
					}
					if i += 7919; i >= n {
						i %= n
					}
				}
			})
		}
	}
}

func BenchmarkBest(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var x pattern.Index[*entry]
			fill(&x, n, wamp.MatchExact, wamp.MatchPrefix, wamp.MatchWildcard)
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := x.Best("com.example.other.n2.on", nil); !ok {
					b.Fatal("no match")
				}
			}
		})
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var x pattern.Index[*entry]
			fill(&x, n, wamp.MatchPrefix)
			b.ReportAllocs()
			for b.Loop() {
				put(&x, wamp.MatchPrefix, "com.example.device.new")
				drop(&x, wamp.MatchPrefix, "com.example.device.new")
			}
		})
	}
}

func BenchmarkSetAll(b *testing.B) {
	for _, n := range []int{50, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var s pattern.Set[int]
			for i := range n {
				s.Add(i)
			}
			b.ReportAllocs()
			for b.Loop() {
				sum := 0
				for v := range s.All {
					sum += *v
				}
			}
		})
	}
}
