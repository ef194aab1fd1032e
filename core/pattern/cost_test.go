//go:build !race

// The race detector changes what memory accesses cost.

package pattern_test

import (
	"math"
	"runtime"
	"testing"
	"time"

	"bondy/core/pattern"
	"bondy/core/wamp"
)

// ratio compares how long two functions take, at their fastest of some runs,
// in turn. It tries on until the ratio is within limit or the rounds are over,
// since other work on the machine only ever makes them slower; both should
// take about the same short time.
func ratio(limit float64, small, large func()) float64 {
	least := func(best time.Duration, f func()) time.Duration {
		begin := time.Now()
		f()
		return min(best, time.Since(begin))
	}
	s, l := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	for i := range 500 {
		s, l = least(s, small), least(l, large)
		if i >= 5 && float64(l) <= limit*float64(s) {
			break
		}
	}
	return float64(l) / float64(s)
}

// allocated is how many bytes f allocates.
func allocated(f func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc - before.TotalAlloc)
}

func comeAndGo(x *pattern.Index[*entry], es []*entry) {
	for _, e := range es {
		x.Update(e.match, e.uri, func(*entry, bool) (*entry, bool) { return e, true })
	}
	for _, e := range es {
		drop(x, e.match, e.uri)
	}
}

func TestSiblingsComeAndGoAtConstantCost(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time")
	}
	const n = 100_000
	for _, m := range []wamp.Match{wamp.MatchExact, wamp.MatchPrefix, wamp.MatchWildcard} {
		var es []*entry
		for i := range 2 * n {
			es = append(es, siblings(i, m))
		}
		begin := time.Now()
		once := allocated(func() { comeAndGo(new(pattern.Index[*entry]), es[:n]) })
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("%v: %d siblings come and go in %v, want 2 s", m, n, d)
		}
		twice := allocated(func() { comeAndGo(new(pattern.Index[*entry]), es) })
		if r := twice / once; r > 2.3 {
			t.Errorf("%v: twice the siblings allocate %.2f times as much", m, r)
		}
		var few, many pattern.Index[*entry]
		fill(&few, n/10, m)
		fill(&many, n, m)
		some := es[2*n-500:]
		if r := ratio(2.3, func() { comeAndGo(&few, some) }, func() { comeAndGo(&many, some) }); r > 2.3 {
			t.Errorf("%v: siblings of %d come and go in %.2f times the time of siblings of %d", m, n, r, n/10)
		}
	}
}

func TestMatchCostDoesNotGrow(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time")
	}
	all := []wamp.Match{wamp.MatchExact, wamp.MatchPrefix, wamp.MatchWildcard}
	for _, kinds := range [][]wamp.Match{all[:1], all[1:2], all[2:], all} {
		var few, many pattern.Index[*entry]
		fill(&few, 100, kinds...)
		fill(&many, 100_000, kinds...)
		run := func(x *pattern.Index[*entry]) func() {
			put(x, wamp.MatchExact, "com.example.device.n42.state")
			put(x, wamp.MatchPrefix, "com.example")
			put(x, wamp.MatchWildcard, "com.example..n42.state")
			put(x, wamp.MatchWildcard, "com..device.n42.state")
			return func() {
				var dst []*entry
				for range 1000 {
					dst = x.Match(dst[:0], "com.example.device.n42.state")
				}
				if len(dst) != 4 {
					t.Errorf("%d matches, want 4", len(dst))
				}
			}
		}
		if r := ratio(1.5, run(&few), run(&many)); r > 1.5 {
			t.Errorf("%v: Match among 100,000 takes %.2f times as long as among 100", kinds, r)
		}
	}
}

func TestMembersComeAndGoAtConstantCost(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time")
	}
	run := func(n int) func() {
		ms := make([]*pattern.Member[int], n)
		return func() {
			var s pattern.Set[int]
			for i := range ms {
				ms[i] = s.Add(i)
			}
			for _, m := range ms {
				s.Remove(m)
			}
			if s.Len() != 0 {
				t.Errorf("Len = %d, want 0", s.Len())
			}
		}
	}
	const n = 15_000
	once, twice := run(n), run(2*n)
	begin := time.Now()
	once()
	if d := time.Since(begin); d > 2*time.Second {
		t.Errorf("%d members come and go in %v, want 2 s", n, d)
	}
	if r := allocated(twice) / allocated(once); r > 2.3 {
		t.Errorf("twice the members allocate %.2f times as much", r)
	}
	if r := ratio(1.15, func() { once(); once() }, twice); r > 1.15 {
		t.Errorf("twice the members take %.2f times as long", 2*r)
	}
}
