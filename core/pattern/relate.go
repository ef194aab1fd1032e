package pattern

import (
	"strings"

	"bondy/core/wamp"
)

// Pattern is a URI with the policy by which it matches.
type Pattern struct {
	Match wamp.Match
	URI   wamp.URI
}

// Matches reports whether p matches u.
func (p Pattern) Matches(u wamp.URI) bool {
	switch p.Match {
	case wamp.MatchPrefix:
		return strings.HasPrefix(string(u), string(p.URI))
	case wamp.MatchWildcard:
		return equalComponents(string(p.URI), string(u), func(a, b string) bool { return a == "" || a == b })
	case wamp.MatchExact:
	}
	return p.URI == u
}

// Covers reports whether p matches every URI that q matches.
func (p Pattern) Covers(q Pattern) bool {
	switch {
	case q.Match == wamp.MatchExact:
		return p.Matches(q.URI)
	case p.Match == wamp.MatchExact:
		return false
	case p.Match == wamp.MatchPrefix && q.Match == wamp.MatchPrefix:
		return strings.HasPrefix(string(q.URI), string(p.URI))
	case p.Match == wamp.MatchPrefix: // q's text up to its first wildcard is in all that it matches
		return strings.HasPrefix(literal(q.URI), string(p.URI))
	case q.Match == wamp.MatchPrefix:
		return false // URIs of any length begin with a prefix
	default:
		return equalComponents(string(p.URI), string(q.URI), func(a, b string) bool { return a == "" || a == b })
	}
}

// Overlaps reports whether some URI matches both p and q.
func (p Pattern) Overlaps(q Pattern) bool {
	switch {
	case p.Match == wamp.MatchExact:
		return q.Matches(p.URI)
	case q.Match == wamp.MatchExact:
		return p.Matches(q.URI)
	case p.Match == wamp.MatchPrefix && q.Match == wamp.MatchPrefix:
		return strings.HasPrefix(string(p.URI), string(q.URI)) || strings.HasPrefix(string(q.URI), string(p.URI))
	case p.Match == wamp.MatchPrefix:
		return prefixMeets(string(p.URI), string(q.URI))
	case q.Match == wamp.MatchPrefix:
		return prefixMeets(string(q.URI), string(p.URI))
	default:
		return equalComponents(string(p.URI), string(q.URI), func(a, b string) bool { return a == "" || b == "" || a == b })
	}
}

// literal is the text before the first wildcard component.
func literal(u wamp.URI) string {
	s, done := string(u), 0
	for {
		c, rest, more := strings.Cut(s[done:], ".")
		if c == "" {
			return s[:done]
		}
		if !more {
			return s
		}
		done = len(s) - len(rest)
	}
}

// prefixMeets reports whether a URI that matches the wildcard pattern may begin
// with prefix: its whole components must fit, and the last piece must begin
// the pattern's component.
func prefixMeets(prefix, pattern string) bool {
	for {
		piece, rest, whole := strings.Cut(prefix, ".")
		component, others, more := strings.Cut(pattern, ".")
		if !whole {
			return component == "" || strings.HasPrefix(component, piece)
		}
		if !more || component != "" && component != piece {
			return false
		}
		prefix, pattern = rest, others
	}
}

// equalComponents reports whether a and b have the same number of components
// and all pairs are alike.
func equalComponents(a, b string, alike func(a, b string) bool) bool {
	for {
		x, restA, moreA := strings.Cut(a, ".")
		y, restB, moreB := strings.Cut(b, ".")
		if moreA != moreB || !alike(x, y) {
			return false
		}
		if !moreA {
			return true
		}
		a, b = restA, restB
	}
}
