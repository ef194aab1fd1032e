package rbac

import (
	"fmt"
	"slices"

	"bondy/core/wamp"
)

// Explanation is why a decision is what it is.
type Explanation struct {
	Allowed bool
	// Reason is a sentence.
	Reason string
	// Covering are the grants that allow it. Near are grants on the same URI
	// that do not. Of each there are at most 100.
	Covering, Near []Cover
}

// Cover is a grant of which an Explanation tells.
type Cover struct {
	Role  Role
	Grant RoleGrant
	// Via are the roles through which the subject has Role, its own first; none
	// if it has that itself.
	Via []Role
	// Why says why the grant does not allow what was asked.
	Why string
}

// maxCovers bounds each list of an Explanation.
const maxCovers = 100

// Explain tells why Decide allows p on uri to a subject or does not. It looks
// at every grant of the subject's roles, and is not for the way of a message.
func (a *Authorizer) Explain(s Subject, p Permission, uri wamp.URI, m wamp.Match) Explanation {
	policy := a.policy.Load()
	switch {
	case p == Unregister, p == Unsubscribe, p == Cancel:
		return Explanation{Allowed: true, Reason: fmt.Sprintf("%s needs no grant", p)}
	case policy.open:
		return Explanation{Allowed: true, Reason: "the realm's security is disabled"}
	}
	s = s.normal()
	var rs roles
	if flaw := rs.find(policy.dir, &s); flaw != nil {
		return Explanation{Reason: flaw.Message}
	}
	x := explaining{dir: policy.dir, deciders: policy.deciders, p: p, asked: Resource{uri, m}.canonical()}
	x.look(rs.list, nil, "")
	if len(s.Narrow) > 0 {
		x.look(rs.wide, rs.list, "the session asked for other roles alone")
	}
	x.Reason = x.reason(policy.dynamic)
	return x.Explanation
}

// explaining is an Explanation in the making.
type explaining struct {
	Explanation
	dir      Directory
	deciders []wamp.URI
	p        Permission
	asked    Resource
}

// look goes through the grants of roles but some. With why given, none of them
// allows anything for that reason.
func (x *explaining) look(roles, but []held, why string) {
	for i, h := range roles {
		if slices.ContainsFunc(but, func(o held) bool { return o.Role == h.Role }) {
			continue
		}
		for _, g := range x.dir.Grants(h.Role) {
			if !g.Resource.canonical().covers(x.asked) {
				continue
			}
			c := Cover{Role: h.Role, Grant: g, Via: via(roles, i), Why: x.why(g, why)}
			switch {
			case c.Why == "":
				x.Allowed = true
				x.Covering = keep(x.Covering, c)
			case why == "" || c.Why == why:
				x.Near = keep(x.Near, c)
			}
		}
	}
}

// why says why a grant on what is asked for does not allow it.
func (x *explaining) why(g RoleGrant, otherwise string) string {
	switch {
	case !g.Permissions.Has(x.p):
		return fmt.Sprintf("it does not have %s", x.p)
	case x.asked.management() && !g.Resource.canonical().named():
		return "the URI is management, which the grant does not name"
	case x.p == Register && !g.Resource.canonical().namesAll(x.asked, x.deciders):
		return "the procedure decides for the router, which the grant does not name"
	default:
		return otherwise
	}
}

// reason is the sentence.
func (x *explaining) reason(d *Dynamic) string {
	switch {
	case x.Allowed:
		return fmt.Sprintf("granted to %s", x.Covering[0].Role)
	case d != nil && d.Asks(x.p, x.asked.URI, x.asked.Match):
		return fmt.Sprintf("no grant covers it; %s decides", d.Procedure)
	case x.asked.management():
		return "no grant covers it: the URI is management, which a grant has to name"
	default:
		return "no grant covers it"
	}
}

// via are the roles on the way to the one at i.
func via(roles []held, i int) (path []Role) {
	for i = roles[i].from; i >= 0; i = roles[i].from {
		path = append(path, roles[i].Role)
	}
	slices.Reverse(path)
	return path
}

func keep(list []Cover, c Cover) []Cover {
	if len(list) < maxCovers {
		list = append(list, c)
	}
	return list
}
