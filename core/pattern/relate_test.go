package pattern_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bondy/core/pattern"
	"bondy/core/wamp"
)

// universe is every URI of up to four components over a tiny alphabet.
func universe() []wamp.URI {
	components := []string{"a", "b", "ab"}
	level := []string{""}
	var all []wamp.URI
	for range 4 {
		var next []string
		for _, head := range level {
			for _, c := range components {
				u := strings.TrimPrefix(head+"."+c, ".")
				next = append(next, u)
				all = append(all, wamp.URI(u))
			}
		}
		level = next
	}
	return all
}

// Covers and Overlaps must agree with what Matches says of all URIs.
func TestRelationsAgreeWithMatches(t *testing.T) {
	all := universe()
	draw := func(t *rapid.T, label string) pattern.Pattern {
		switch m := wamp.Match(rapid.IntRange(0, 2).Draw(t, label+" match")); m {
		case wamp.MatchWildcard:
			parts := rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "b", "ab"}), 1, 3).Draw(t, label)
			return pattern.Pattern{Match: m, URI: wamp.URI(strings.Join(parts, "."))}
		case wamp.MatchPrefix:
			u := string(rapid.SampledFrom(all).Draw(t, label))
			return pattern.Pattern{Match: m, URI: wamp.URI(u[:rapid.IntRange(0, min(len(u), 5)).Draw(t, label+" length")])}
		default:
			return pattern.Pattern{Match: m, URI: rapid.SampledFrom(all).Draw(t, label)}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		p, q := draw(t, "p"), draw(t, "q")
		covers, overlaps := true, false
		for _, u := range all {
			inP, inQ := p.Matches(u), q.Matches(u)
			covers = covers && (inP || !inQ)
			overlaps = overlaps || inP && inQ
		}
		if got := p.Overlaps(q); got != overlaps {
			t.Fatalf("%v overlaps %v: got %v, want %v", p, q, got, overlaps)
		}
		// the universe is small, so that a pattern may cover by chance what it
		// does not cover in general; the reverse must never happen
		if p.Covers(q) && !covers {
			t.Fatalf("%v covers %v, but not all of it", p, q)
		}
	})
}

func TestCovers(t *testing.T) {
	e, p, w := wamp.MatchExact, wamp.MatchPrefix, wamp.MatchWildcard
	for _, tc := range []struct {
		p, q pattern.Pattern
		want bool
	}{
		{pattern.Pattern{Match: e, URI: "a.b"}, pattern.Pattern{Match: e, URI: "a.b"}, true},
		{pattern.Pattern{Match: e, URI: "a.b"}, pattern.Pattern{Match: p, URI: "a.b"}, false},
		{pattern.Pattern{Match: p, URI: "a."}, pattern.Pattern{Match: e, URI: "a.b"}, true},
		{pattern.Pattern{Match: p, URI: "a"}, pattern.Pattern{Match: p, URI: "a.b"}, true},
		{pattern.Pattern{Match: p, URI: "a.b"}, pattern.Pattern{Match: p, URI: "a"}, false},
		{pattern.Pattern{Match: p, URI: "a."}, pattern.Pattern{Match: w, URI: "a..c"}, true},
		{pattern.Pattern{Match: p, URI: "a.b"}, pattern.Pattern{Match: w, URI: "a..c"}, false},
		{pattern.Pattern{Match: p, URI: ""}, pattern.Pattern{Match: w, URI: ".b"}, true},
		{pattern.Pattern{Match: w, URI: "a."}, pattern.Pattern{Match: w, URI: "a.b"}, true},
		{pattern.Pattern{Match: w, URI: "a."}, pattern.Pattern{Match: p, URI: "a."}, false},
		{pattern.Pattern{Match: w, URI: "a.b"}, pattern.Pattern{Match: w, URI: "a."}, false},
	} {
		if got := tc.p.Covers(tc.q); got != tc.want {
			t.Errorf("%v covers %v: got %v", tc.p, tc.q, got)
		}
	}
}
