package session

import (
	"slices"

	"bondy/core/auth"
	"bondy/core/wamp"
)

// askedRoles reads which of its roles a client wants to have: one with authrole,
// or several with the extension _authroles, which goes before it.
func askedRoles(d wamp.Dict) (roles []string, err error) {
	for _, key := range [...]string{"_authroles", "x_authroles"} {
		if d[key] != nil {
			if roles, err = d.Strings(key); err != nil || len(roles) > 0 {
				return roles, err
			}
		}
	}
	role, err := d.String("authrole")
	if role == "" {
		return nil, err
	}
	return []string{role}, err
}

// narrow gives an identity the roles that the client wants, if that are several
// and it has them. What anonymous clients want counts for nothing.
func narrow(who *auth.Identity, roles []string) (*auth.Identity, error) {
	if len(roles) < 2 || who.AuthMethod == auth.MethodAnonymous {
		return who, nil
	}
	for _, role := range roles {
		if !slices.Contains(who.Roles, role) {
			return nil, wamp.Errorf(wamp.ErrNoSuchRole, "%s has no role %q", who.AuthID, role)
		}
	}
	n := *who
	n.AuthRole, n.Roles = roles[0], roles
	return &n, nil
}
