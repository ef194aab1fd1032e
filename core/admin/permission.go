package admin

import (
	"bondy/core/directory"
	"bondy/core/mgmt"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

func permissions() []procedure {
	return []procedure{
		{uri: "bondy.rbac.authorize", least: 3, most: 4, run: authorize},
		{uri: "bondy.rbac.explain", least: 3, most: 4, run: explain},
	}
}

// explanation is why a user, or anonymous, may do something in the realm or not.
func (c *call) explanation() (rbac.Explanation, error) {
	name, permission := c.args.At(0, "authid").String(), c.args.At(1, "permission")
	uri, match := wamp.URI(c.args.At(2, "uri").String()), wamp.MatchExact
	p, ok := rbac.ParsePermission(permission.String())
	if !ok {
		permission.Refuse("is no permission, such as %s", rbac.Call)
	}
	if m := c.args.Optional(3, "match"); m.Set() {
		if match, ok = wamp.ParseMatch(m.String()); !ok {
			m.Refuse("must be exact, prefix or wildcard")
		}
	}
	if !uri.Valid(match, false) {
		c.args.At(2, "uri").Refuse("is not valid with match %s", match)
	}
	narrow := c.args.Key("roles").Texts()
	if err := c.args.Err(); err != nil {
		return rbac.Explanation{}, err
	}
	v, err := c.view()
	if err != nil {
		return rbac.Explanation{}, err
	}
	who := rbac.Subject{Groups: []string{rbac.RoleAnonymous}, Narrow: narrow}
	if name != rbac.RoleAnonymous {
		u, err := v.FindUser(name)
		if err != nil {
			return rbac.Explanation{}, err
		}
		who.User, who.Groups = u.Name, nil
	}
	a, err := rbac.New(accessOf(v))
	if err != nil {
		return rbac.Explanation{}, err
	}
	return a.Explain(who, p, uri, match), nil
}

// accessOf is what a realm allows as it is now.
func accessOf(v *directory.View) rbac.Config {
	p := v.Effective()
	return rbac.Config{
		SecurityDisabled: !*p.SecurityEnabled, Directory: v,
		Dynamic:  rbac.Dynamic{Procedure: p.Login.Authorizer, TTL: p.Login.AuthorizerCache},
		Deciders: p.Login.Deciders(),
	}
}

func authorize(c *call) (mgmt.Result, error) {
	x, err := c.explanation()
	if err != nil {
		return mgmt.Result{}, err
	}
	return mgmt.Result{Args: []any{x.Allowed}, Kwargs: map[string]any{"message": x.Reason}}, nil
}

func explain(c *call) (mgmt.Result, error) {
	x, err := c.explanation()
	if err != nil {
		return mgmt.Result{}, err
	}
	return mgmt.Value(map[string]any{
		"allowed": x.Allowed, "reason": x.Reason, "grants": covers(x.Covering), "near": covers(x.Near),
	}), nil
}

func covers(list []rbac.Cover) []any {
	out := make([]any, len(list))
	for i, c := range list {
		g := shownGrant(c.Grant)
		via := make([]string, len(c.Via))
		for j, r := range c.Via {
			via[j] = r.String()
		}
		g["role"], g["via"], g["why"] = c.Role.String(), texts(via), orNull(c.Why)
		out[i] = g
	}
	return out
}
