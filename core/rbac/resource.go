package rbac

import (
	"slices"
	"strings"

	"bondy/core/wamp"
)

// Resource is a URI or a pattern of URIs.
type Resource struct {
	URI   wamp.URI
	Match wamp.Match
}

func (r Resource) canonical() Resource { return Resource{r.URI.Canonical(r.Match), r.Match} }

// literal is the text with which everything begins that a resource matches.
func (r Resource) literal() string {
	uri := string(r.URI)
	switch {
	case r.Match != wamp.MatchWildcard:
		return uri
	case uri == "" || uri[0] == '.':
		return ""
	}
	if i := strings.Index(uri, ".."); i >= 0 {
		return uri[:i+1]
	}
	return uri // a wildcard at the end leaves its dot
}

// covers reports whether everything that o matches is matched by r, as the
// package comment has it. It does not look at management.
func (r Resource) covers(o Resource) bool {
	switch r.Match {
	case wamp.MatchPrefix:
		return strings.HasPrefix(o.literal(), string(r.URI))
	case wamp.MatchWildcard:
		if o.Match == wamp.MatchPrefix {
			return false
		}
		return strings.Count(string(r.URI), ".") == strings.Count(string(o.URI), ".") && shaped(string(r.URI), string(o.URI))
	default:
		return r == o
	}
}

// Management reports whether uri belongs to what administers the router or
// acts on other sessions: the component "bondy" and all below it but what is
// about the caller's own session, and the wamp.* procedures that kill or modify
// sessions or remove callees or subscribers. An alias is what it stands for.
func Management(uri wamp.URI) bool {
	uri = uri.Canonical(wamp.MatchExact)
	return names(string(uri)) && !own(uri)
}

// own reports whether a URI of the component bondy is about the caller alone.
func own(uri wamp.URI) bool {
	switch uri {
	case "bondy.ping", "bondy.session.self", "bondy.ticket.issue", "bondy.ticket.revoke_own",
		"bondy.user.self", "bondy.user.self.change_password":
		return true
	default:
		return false
	}
}

// names reports whether a URI, or the literal beginning of a pattern, lies
// within management.
func names(s string) bool {
	if rest, ok := strings.CutPrefix(s, "bondy"); ok {
		return rest == "" || rest[0] == '.'
	}
	rest, ok := strings.CutPrefix(s, "wamp.")
	return ok && (strings.HasPrefix(rest, "session.kill") || strings.HasPrefix(rest, "session.modify_details") ||
		strings.HasPrefix(rest, "registration.remove_callee") || strings.HasPrefix(rest, "subscription.remove_subscriber"))
}

// management reports whether only grants that name management cover r. A pattern
// may overlap it otherwise.
func (r Resource) management() bool {
	if r.Match == wamp.MatchExact {
		return Management(r.URI)
	}
	return names(r.literal())
}

// Management reports whether a grant on r covers management: none on another does.
func (r Resource) Management() bool { return r.canonical().management() }

// named reports whether r, as a grant, names management.
func (r Resource) named() bool { return names(r.literal()) }

// decides reports whether r, registered, would answer for one of some procedures.
func (r Resource) decides(deciders []wamp.URI) bool {
	return slices.ContainsFunc(deciders, func(d wamp.URI) bool { return r.covers(Resource{URI: d}) })
}

// namesAll reports whether r, as a grant, names all those procedures for which asked
// would answer: its text begins with their first component.
func (r Resource) namesAll(asked Resource, deciders []wamp.URI) bool {
	return !slices.ContainsFunc(deciders, func(d wamp.URI) bool {
		first, _, more := strings.Cut(string(d), ".")
		if more {
			first += "."
		}
		return asked.covers(Resource{URI: d}) && !strings.HasPrefix(r.literal(), first)
	})
}
