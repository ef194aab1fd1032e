package wamp

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// URI names a realm, topic, procedure or error: components separated by dots.
type URI string

// MaxURILength bounds a URI in bytes; longer ones are invalid. It keeps the
// pattern index shallow whatever a client sends.
const MaxURILength = 1024

// Match is how a URI of a subscription, a registration or a grant is compared
// with the URI of a message (sections "Pattern-based Subscription" and
// "Pattern-based Registrations").
type Match uint8

// The matching policies; the zero value is the default.
const (
	MatchExact Match = iota
	MatchPrefix
	MatchWildcard
)

// String is the policy's name on the wire.
func (m Match) String() string {
	switch m {
	case MatchPrefix:
		return "prefix"
	case MatchWildcard:
		return "wildcard"
	default:
		return "exact"
	}
}

// ParseMatch reads a policy's name.
func ParseMatch(s string) (Match, bool) {
	switch s {
	case "exact":
		return MatchExact, true
	case "prefix":
		return MatchPrefix, true
	case "wildcard":
		return MatchWildcard, true
	default:
		return 0, false
	}
}

// Valid reports whether u may stand in a message under policy m (section
// "URIs"): no white space, no '#', no empty component. An empty component is
// a wildcard under MatchWildcard; a prefix may end in one and may be empty.
// strict also demands the recommended alphabet of lower-case letters, digits
// and underscore.
func (u URI) Valid(m Match, strict bool) bool {
	if len(u) > MaxURILength {
		return false
	}
	if u == "" {
		return m != MatchExact
	}
	start := 0
	for i := 0; i < len(u); i++ {
		c := u[i]
		switch {
		case c == '.':
			if i == start && m != MatchWildcard {
				return false
			}
			start = i + 1
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_':
		case strict:
			return false
		case c <= ' ' || c == '#' || c == 0x7f:
			return false
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(string(u[i:]))
			if r == utf8.RuneError && n == 1 || unicode.IsSpace(r) {
				return false
			}
			i += n - 1
		}
	}
	return start < len(u) || m != MatchExact
}

// Canonical is u without the other names that the predecessor's clients have for
// the component bondy: com.bondy and com.leapsight.bondy. Of a prefix only whole
// components count, because "com.bondy" also begins "com.bondyfoo".
func (u URI) Canonical(m Match) URI {
	if len(u) < len("com.bondy") || u[:4] != "com." || u[4] != 'b' && u[4] != 'l' {
		return u // at once, in every decision
	}
	return u.renamed(m)
}

func (u URI) renamed(m Match) URI {
	rest := strings.TrimPrefix(string(u)[len("com."):], "leapsight.")
	after, ok := strings.CutPrefix(rest, "bondy")
	if !ok || after != "" && after[0] != '.' || after == "" && m == MatchPrefix {
		return u
	}
	return URI(rest)
}

// Reserved reports whether u belongs to the protocol or to this router, under
// any of its names (section "Reserved URIs"); "wampum.x" does not.
func (u URI) Reserved() bool {
	first, _, _ := strings.Cut(string(u.Canonical(MatchExact)), ".")
	return first == "wamp" || first == "bondy"
}
