// Package rbac answers one question: may this session do this to this URI or
// URI pattern. An Authorizer holds the grants of one realm, a session holds
// the Rights of its Subject, and Rights.Decide is the one decision function of
// every transport. Who a session is, is package auth's business.
//
// A subject has the roles that a Directory gives it: its user, the groups in
// which that is, the groups in which those are, and RoleAll. What is granted to
// one of them is granted to the subject.
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
// URIs are canonical (wamp.URI.Canonical) before they are decided on.
// Management URIs (see Management) are covered only by grants that name them:
// exact ones, and patterns whose own text begins, before any wildcard, with
// the component "bondy" or with the name of a wamp.* management procedure.
//
// The same goes for who registers what the router asks about its clients, the
// procedure of Dynamic and those in Deciders, also by a pattern: only grants whose
// text begins with the first component of such a procedure let it.
//
// Each role's grants are compiled once for as long as they stay the same, and
// subjects with the same grants share a view of them with its cache.
package rbac

import (
	"fmt"
	"slices"

	"bondy/core/wamp"
)

// Config is what one realm allows. The zero value allows nothing.
type Config struct {
	// SecurityDisabled allows everything, management included, to everybody.
	SecurityDisabled bool
	// Directory knows users, groups and grants; nil is that of Static for Grants
	// and no users.
	Directory Directory
	Grants    []Grant
	// Dynamic is asked about what no grant covers, if it names a procedure.
	Dynamic Dynamic
	// Deciders are further procedures that decide for the router, such as
	// authenticators.
	Deciders []wamp.URI
}

// Validate checks the configuration; the error names the key.
func (c *Config) Validate() error {
	_, err := c.policy()
	return err
}

func (c *Config) policy() (*policy, error) {
	if err := c.Dynamic.validate(); err != nil {
		return nil, fmt.Errorf("dynamic.%w", err)
	}
	p := &policy{open: c.SecurityDisabled, dir: c.Directory, deciders: slices.Sorted(slices.Values(c.Deciders))}
	if c.Dynamic.Procedure != "" && !c.SecurityDisabled {
		p.dynamic = &c.Dynamic
		p.deciders = append(p.deciders, c.Dynamic.Procedure)
	}
	if p.dir != nil {
		return p, nil
	}
	var err error
	p.dir, err = Static(c.Grants, nil)
	return p, err
}

// policy is one version of what a realm allows; immutable.
type policy struct {
	open    bool
	dir     Directory
	dynamic *Dynamic // nil for most
	// deciders are the procedures that decide for the router.
	deciders []wamp.URI
}
