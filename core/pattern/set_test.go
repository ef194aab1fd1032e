package pattern_test

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"bondy/core/pattern"
)

func values(s *pattern.Set[int]) []int {
	var vs []int
	for v := range s.All {
		vs = append(vs, *v)
	}
	return vs
}

func TestSetBehavesLikeAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s, other pattern.Set[int]
		stranger := other.Add(-1)
		var members []*pattern.Member[int]
		var gone []*pattern.Member[int]
		next := 0
		remove := func(i int) {
			m := members[i]
			if !s.Remove(m) {
				t.Fatalf("Remove(%d) = false", m.Value)
			}
			members, gone = slices.Delete(members, i, i+1), append(gone, m)
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(t, "n") {
					members = append(members, s.Add(next))
					next++
				}
			},
			"remove": func(t *rapid.T) {
				for range min(len(members), rapid.IntRange(1, 20).Draw(t, "n")) {
					remove(rapid.IntRange(0, len(members)-1).Draw(t, "i"))
				}
			},
			"remove again": func(t *rapid.T) {
				for _, m := range append(gone, stranger) {
					if s.Remove(m) {
						t.Fatalf("Remove(%d) = true for one that is no member", m.Value)
					}
				}
			},
			"": func(t *rapid.T) {
				var want []int
				for _, m := range members {
					want = append(want, m.Value)
				}
				if got := values(&s); !slices.Equal(got, want) || s.Len() != len(want) {
					t.Fatalf("All gives %v, Len %d, want %v", got, s.Len(), want)
				}
			},
		})
	})
}

func TestSetAllStops(t *testing.T) {
	var s pattern.Set[int]
	for i := range 10 {
		s.Add(i)
	}
	seen := 0
	for range s.All {
		if seen++; seen == 3 {
			break
		}
	}
	if seen != 3 {
		t.Errorf("All went on to %d members", seen)
	}
}

func TestSetAllDoesNotAllocate(t *testing.T) {
	var s pattern.Set[int]
	for i := range 100 {
		s.Add(i)
	}
	sum := 0
	if n := testing.AllocsPerRun(100, func() {
		for v := range s.All {
			sum += *v
		}
	}); n != 0 {
		t.Errorf("All allocates %v times", n)
	}
}

func TestSetMemoryReturns(t *testing.T) {
	var s pattern.Set[int]
	before := heap()
	var ms []*pattern.Member[int]
	for i := range 20_000 {
		ms = append(ms, s.Add(i))
	}
	for _, m := range ms[1:] {
		s.Remove(m)
	}
	clear(ms)
	ms = nil
	if kept := heap() - before; kept > 10_000 {
		t.Errorf("one member of 20,000 keeps %d bytes", kept)
	}
	runtime.KeepAlive(&s)
}

// Members that stay are seen exactly once by every iteration, while so many
// come and go that the slots are rebuilt over and over.
func TestSetReadersSeeWhatStays(t *testing.T) {
	const stay, waves = 100, 60
	var s pattern.Set[int]
	var movers []*pattern.Member[int]
	for i := range stay {
		s.Add(i)
		movers = append(movers, s.Add(-1), s.Add(-1), s.Add(-1), s.Add(-1))
	}
	var stop atomic.Bool
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for last := false; !last; {
				last = stop.Load()
				var seen []int
				for v := range s.All {
					if *v >= 0 {
						seen = append(seen, *v)
					}
				}
				if len(seen) != stay || !slices.IsSorted(seen) || len(slices.Compact(seen)) != stay {
					t.Errorf("members that stay were seen as %v", seen)
					return
				}
			}
		})
	}
	for w := range 2 {
		writers.Go(func() {
			mine := slices.Clone(movers[w*len(movers)/2 : (w+1)*len(movers)/2])
			for range waves {
				for _, m := range mine {
					s.Remove(m)
				}
				for i := range mine {
					mine[i] = s.Add(-1)
				}
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	if want := stay + len(movers); s.Len() != want {
		t.Errorf("Len = %d, want %d", s.Len(), want)
	}
}
