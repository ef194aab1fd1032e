// Package rbac answers one question: may this session do this to this URI or
// URI pattern. An Authorizer holds the grants of one realm, a session holds
// the Rights of its roles, and Rights.Decide is the one decision function of
// every transport. Who a session is, is package auth's business.
//
// Grants only allow; what no grant covers is denied. A grant to a pattern
// covers a request for a pattern when every URI that the requested one
// matches is also matched by the granted one:
//
//   - an exact grant covers that URI, asked for with exact match;
//   - a prefix grant covers URIs and prefixes that begin with it, character by
//     character, and wildcard patterns whose text before the first wildcard
//     does;
//   - a wildcard grant covers the URIs that it matches and the wildcard
//     patterns that have its literal components in its places.
//
// Management URIs (see Management) are covered only by grants that name them:
// exact ones, and patterns whose own text begins, before any wildcard, with
// the component "bondy" or with the name of a wamp.* management procedure.
package rbac

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"bondy/core/wamp"
)

// Roles with a meaning of their own in Grant.Roles.
const (
	// RoleAll stands for every session.
	RoleAll = "all"
	// RoleAnonymous is the one role of anonymous sessions.
	RoleAnonymous = "anonymous"
)

// Permission is one action that a grant allows.
type Permission uint8

// The permissions. Unregister, Unsubscribe and Cancel undo what a session
// holds; they are accepted in grants but need none, and Decide allows them.
const (
	Register Permission = iota
	Unregister
	Call
	Cancel
	Subscribe
	Unsubscribe
	Publish

	numPermissions
)

// String is the permission's name: wamp.call and so on.
func (p Permission) String() string {
	switch p {
	case Register:
		return "wamp.register"
	case Unregister:
		return "wamp.unregister"
	case Call:
		return "wamp.call"
	case Cancel:
		return "wamp.cancel"
	case Subscribe:
		return "wamp.subscribe"
	case Unsubscribe:
		return "wamp.unsubscribe"
	case Publish:
		return "wamp.publish"
	default:
		return "unknown"
	}
}

// ParsePermission reads a permission's name.
func ParsePermission(name string) (Permission, bool) {
	for p := range numPermissions {
		if p.String() == name {
			return p, true
		}
	}
	return 0, false
}

// Resource is a URI or a pattern of URIs.
type Resource struct {
	URI   wamp.URI
	Match wamp.Match
}

// Grant gives each of some roles each of some permissions on each of some
// resources.
type Grant struct {
	// Roles are names of groups and users, RoleAll or RoleAnonymous.
	Roles       []string
	Permissions []Permission
	Resources   []Resource
}

// Config is what one realm allows. The zero value allows nothing.
type Config struct {
	// SecurityDisabled allows everything, management included, to everybody.
	SecurityDisabled bool
	Grants           []Grant
}

// maxRole bounds the name of a role in bytes.
const maxRole = 254

// Validate checks the configuration; the error names the key.
func (c *Config) Validate() error {
	for i, g := range c.Grants {
		if err := g.validate(); err != nil {
			return fmt.Errorf("grants[%d].%w", i, err)
		}
	}
	return nil
}

func (g *Grant) validate() error {
	switch {
	case len(g.Roles) == 0:
		return errors.New("roles: empty")
	case len(g.Permissions) == 0:
		return errors.New("permissions: empty")
	case len(g.Resources) == 0:
		return errors.New("resources: empty")
	}
	for i, r := range g.Roles {
		if r == "" || len(r) > maxRole {
			return fmt.Errorf("roles[%d]: a name has 1 to %d bytes", i, maxRole)
		}
	}
	for i, p := range g.Permissions {
		if p >= numPermissions {
			return fmt.Errorf("permissions[%d]: unknown permission %d", i, p)
		}
	}
	for i, r := range g.Resources {
		if r.Match > wamp.MatchWildcard {
			return fmt.Errorf("resources[%d].match: unknown policy %d", i, r.Match)
		}
		if !r.URI.Valid(r.Match, false) {
			return fmt.Errorf("resources[%d].uri: %q is not valid with match %q", i, r.URI, r.Match)
		}
	}
	return nil
}

// Management reports whether uri belongs to what administers the router or
// acts on other sessions: the component "bondy" and all below it but
// bondy.ping, and the wamp.* procedures that kill or modify sessions or
// remove callees or subscribers.
func Management(uri wamp.URI) bool { return uri != "bondy.ping" && names(string(uri)) }

// names reports whether a URI, or the literal beginning of a pattern, lies
// within management.
func names(s string) bool {
	if rest, ok := strings.CutPrefix(s, "bondy"); ok {
		return rest == "" || rest[0] == '.'
	}
	return strings.HasPrefix(s, "wamp.") && slices.ContainsFunc([]string{
		"wamp.session.kill",
		"wamp.session.modify_details",
		"wamp.registration.remove_callee",
		"wamp.subscription.remove_subscriber",
	}, func(stem string) bool { return strings.HasPrefix(s, stem) })
}
