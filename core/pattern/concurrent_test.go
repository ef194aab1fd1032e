package pattern_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"bondy/core/pattern"
	"bondy/core/wamp"
)

// Entries that are always there are always found, once and in order, while
// their neighbors come and go so that the nodes around them split and join.
func TestReadersSeeWhatStays(t *testing.T) {
	const u = wamp.URI("com.example.device.on")
	stay := []entry{
		{wamp.MatchExact, u},
		{wamp.MatchPrefix, "com"},
		{wamp.MatchPrefix, "com.example.dev"},
		{wamp.MatchPrefix, "com.example.device."},
		{wamp.MatchWildcard, "com.example..on"},
		{wamp.MatchWildcard, "com..device."},
		{wamp.MatchWildcard, "...on"},
	}
	x := index(stay...)
	var stop atomic.Bool
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			var dst []*entry
			for last := false; !last && !t.Failed(); {
				last = stop.Load()
				dst = x.Match(dst[:0], u)
				var seen []entry
				for _, e := range dst {
					if slices.Contains(stay, *e) {
						seen = append(seen, *e)
					}
				}
				if !slices.Equal(seen, stay) {
					t.Errorf("Match found %v", seen)
				}
				if e, ok := x.Best("com.example.device.off", isOne(stay)); !ok || e.uri != "com.example.device." {
					t.Errorf("Best = %v, %t", e, ok)
				}
				listed := 0
				x.All(func(m wamp.Match, u wamp.URI, v *entry) bool {
					if *v != (entry{m, u}) {
						t.Errorf("All gave %v as %v %q", *v, m, u)
					}
					if slices.Contains(stay, *v) {
						listed++
					}
					return true
				})
				if listed != len(stay) {
					t.Errorf("All gave %d entries that stay", listed)
				}
			}
		})
	}
	for w := range 2 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(w)))
			for range 20_000 {
				near := stay[r.IntN(len(stay))]
				near.uri = near.uri[:r.IntN(len(near.uri)+1)]
				if r.IntN(2) == 0 {
					near.uri += wamp.URI(fmt.Sprintf("%c.", 'a'+r.IntN(26)))
				}
				if slices.Contains(stay, near) {
					continue
				}
				if r.IntN(2) == 0 {
					put(x, near.match, near.uri)
				} else {
					drop(x, near.match, near.uri)
				}
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
}

func isOne(es []entry) func(*entry) bool {
	return func(e *entry) bool { return slices.Contains(es, *e) }
}

// Updates of one key exclude one another.
func TestUpdatesExclude(t *testing.T) {
	var x pattern.Index[int]
	var wg sync.WaitGroup
	const writers, each = 4, 1000
	for range writers {
		wg.Go(func() {
			for range each {
				x.Update(wamp.MatchExact, "com.counter", func(old int, _ bool) (int, bool) { return old + 1, true })
			}
		})
	}
	wg.Wait()
	if v, _ := x.Get(wamp.MatchExact, "com.counter"); v != writers*each {
		t.Errorf("counted %d, want %d", v, writers*each)
	}
}
