package node

import (
	"encoding/hex"
	"fmt"

	"bondy/cmd/internal/config"
	"bondy/core/auth"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// realms turns what the file says of realms into what the router takes. gate
// bounds the expensive computations of all realms together.
func realms(cfg *config.Config, gate *auth.Gate) ([]realm.Config, error) {
	out := make([]realm.Config, len(cfg.Realms))
	for i := range cfg.Realms {
		r := &cfg.Realms[i]
		grants, err := grantsOf(r.Grants)
		if err != nil {
			return nil, fmt.Errorf("realm %s: %w", r.URI, err)
		}
		people, err := users(r.Users)
		if err != nil {
			return nil, fmt.Errorf("realm %s: %w", r.URI, err)
		}
		out[i] = realm.Config{
			URI: wamp.URI(r.URI),
			Auth: auth.Config{
				SecurityDisabled: !r.SecurityEnabled, Methods: methods(r.AuthMethods),
				Users: people, Gate: gate,
			},
			Access:            rbac.Config{SecurityDisabled: !r.SecurityEnabled, Grants: grants},
			RefuseConnections: !r.AllowConnections,
			StrictURIs:        r.URIStrictness == config.URIStrict,
			Queue:             queue(&cfg.Limits, r.SlowConsumer),
			CallTimeout:       r.CallTimeout,
			MaxCallTimeout:    r.CallTimeoutMax,
			MaxSubscriptions:  cfg.Limits.MaxSubscriptionsPerSession,
			MaxRegistrations:  cfg.Limits.MaxRegistrationsPerSession,
			MaxCalls:          cfg.Limits.MaxPendingCallsPerSession,
		}
	}
	return out, nil
}

func queue(l *config.Limits, slow config.SlowConsumer) peer.Limits {
	return peer.Limits{
		Soft: int(l.QueueSoft), Hard: int(l.QueueHard), Reserve: int(l.QueueReserve),
		Grace: l.QueueGrace, CloseSlow: slow == config.SlowClose,
	}
}

func methods(names []config.AuthMethod) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = string(n)
	}
	return out
}

func users(in []config.User) ([]auth.User, error) {
	out := make([]auth.User, len(in))
	for i, u := range in {
		out[i] = auth.User{
			Name: u.Username, Password: auth.Secret(u.Password.Reveal()),
			Groups: u.Groups, Disabled: !u.Enabled,
		}
		for j, text := range u.AuthorizedKeys {
			key, err := hex.DecodeString(text)
			if err != nil {
				return nil, fmt.Errorf("users[%d].authorized_keys[%d]: %w", i, j, err)
			}
			out[i].Keys = append(out[i].Keys, key)
		}
	}
	return out, nil
}

func grantsOf(in []config.Grant) ([]rbac.Grant, error) {
	out := make([]rbac.Grant, len(in))
	for i, g := range in {
		out[i].Roles = g.Roles
		for _, name := range g.Permissions {
			p, ok := rbac.ParsePermission(name)
			if !ok {
				return nil, fmt.Errorf("grants[%d]: unknown permission %q", i, name)
			}
			out[i].Permissions = append(out[i].Permissions, p)
		}
		for _, r := range g.Resources {
			m, ok := wamp.ParseMatch(string(r.Match))
			if !ok {
				return nil, fmt.Errorf("grants[%d]: unknown matching policy %q", i, r.Match)
			}
			out[i].Resources = append(out[i].Resources, rbac.Resource{URI: wamp.URI(r.URI), Match: m})
		}
	}
	return out, nil
}
