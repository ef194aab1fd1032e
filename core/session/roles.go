package session

import (
	"strings"

	"bondy/core/wamp"
)

// askedRoles reads which of its roles a client wants to have: one, or several
// with commas, with authrole, or a list with the extension _authroles, which goes
// before it. What they mean is the authenticator's affair.
func askedRoles(d wamp.Dict) ([]string, error) {
	for _, key := range [...]string{"_authroles", "x_authroles"} {
		if d[key] != nil {
			if roles, err := d.Strings(key); err != nil || len(roles) > 0 {
				return roles, err
			}
		}
	}
	text, err := d.String("authrole")
	var roles []string
	for role := range strings.SplitSeq(text, ",") {
		if role = strings.TrimSpace(role); role != "" {
			roles = append(roles, role)
		}
	}
	return roles, err
}
