package realm

import (
	"fmt"

	"bondy/core/auth"
	"bondy/core/rbac"
)

// Follow has another version of the directory say who may do what, also in open
// sessions, and revokes what they may no longer have. Only some roles differ, as
// rbac.Authorizer.Follow has it.
func (r *Realm) Follow(d rbac.Directory, roles []rbac.Role) { r.recheck(r.Access.Follow(d, roles)) }

// Rights are what a client may do who logged in.
func (r *Realm) Rights(who *auth.Identity) *rbac.Rights {
	s := rbac.Subject{Groups: who.Groups, Narrow: who.Narrow}
	if who.Principal != nil {
		s.User = who.Principal.Name
	}
	return r.Access.Rights(s)
}

// access is what the realm allows: where no directory is given, one of the
// grants and users of the configuration.
func (c *Config) access() (rbac.Config, error) {
	access := c.Access
	if access.Directory != nil {
		return access, nil
	}
	users := make(map[string][]string, len(c.Auth.Users))
	for i := range c.Auth.Users {
		if u := &c.Auth.Users[i]; !u.Disabled {
			users[u.Name] = u.Groups
		}
	}
	var err error
	if access.Directory, err = rbac.Static(access.Grants, users); err != nil {
		err = fmt.Errorf("realm %s: %w", c.URI, err)
	}
	return access, err
}
