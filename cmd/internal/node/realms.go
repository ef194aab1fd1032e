package node

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"

	"bondy/cmd/internal/config"
	"bondy/core/auth"
	"bondy/core/broker"
	"bondy/core/dealer"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
	"bondy/store/realms"
)

// definitions turns what the file says of realms into what the store takes.
func definitions(cfg *config.Config) ([]realms.Definition, error) {
	out := make([]realms.Definition, len(cfg.Realms))
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
		d := realms.Definition{Description: r.Description, Managed: r.Manage == config.ManageFile}
		for _, g := range r.Groups {
			d.Groups = append(d.Groups, g.Name)
		}
		d.Realm = realm.Config{
			URI:               wamp.URI(r.URI),
			Auth:              auth.Config{SecurityDisabled: !r.SecurityEnabled, Methods: methods(r.AuthMethods), Users: people},
			Access:            rbac.Config{SecurityDisabled: !r.SecurityEnabled, Grants: grants},
			RefuseConnections: !r.AllowConnections,
			StrictURIs:        r.URIStrictness == config.URIStrict,
			CallTimeout:       r.CallTimeout,
			MaxCallTimeout:    r.CallTimeoutMax,
			Routing:           routing(r),
		}
		d.Realm.Queue.CloseSlow = r.SlowConsumer == config.SlowClose
		out[i] = d
	}
	return out, nil
}

func routing(r *config.Realm) realm.Routing {
	out := realm.Routing{
		NoDisclosure:  !r.Disclosure,
		AnyRequestIDs: r.RequestIDs == config.RequestIDsAny,
		ResumeTimeout: r.ResumeTimeout, MaxDetached: r.MaxDetachedSessions,
		MaxRate: r.MaxMessagesPerSecond,
		Retention: broker.Retention{
			MaxEvents: r.Retention.MaxEvents, MaxBytes: int64(r.Retention.MaxBytes),
			MaxSize: int(r.Retention.MaxSize), TTL: r.Retention.TTL,
		},
	}
	if r.Retention.MaxEvents == 0 {
		out.Retention.MaxEvents = -1 // the broker's word for none
	}
	if r.Features == config.FeaturesAnnounced {
		out.Features = dealer.Announced
	}
	for _, h := range r.History {
		match, _ := wamp.ParseMatch(string(h.Match)) // was validated
		out.History = append(out.History, broker.HistoryRule{
			Match: match, URI: wamp.URI(h.URI), MaxEvents: h.MaxEvents, MaxBytes: int64(h.MaxBytes),
			MaxAge: h.MaxAge, Disk: h.Storage == config.StorageDisk,
		})
	}
	for _, t := range r.Trust {
		if out.Trust == nil {
			out.Trust = make(map[string]int)
		}
		out.Trust[t.Role] = t.Level
	}
	return out
}

// bounded gives realms the bounds of this node.
func (n *Node) bounded(rs []realm.Config, l *config.Limits) []realm.Config {
	for i := range rs {
		r := &rs[i]
		slow := config.SlowDrop
		if r.Queue.CloseSlow {
			slow = config.SlowClose
		}
		r.Queue, r.Auth.Gate, r.Auth.Guard = queue(l, slow), n.gate, n.guard
		r.Auth.Upgrade = n.storeCredential(r.URI)
		r.MaxSubscriptions, r.MaxRegistrations, r.MaxCalls =
			l.MaxSubscriptionsPerSession, l.MaxRegistrationsPerSession, l.MaxPendingCallsPerSession
		uri := r.URI
		r.OpenHistory = func(rule broker.HistoryRule) broker.History { return n.openHistory(uri, rule) }
	}
	return rs
}

// openHistory gives the log of a rule on disk. One that cannot be read makes
// memory serve.
func (n *Node) openHistory(realm wamp.URI, rule broker.HistoryRule) broker.History {
	l, err := n.history.Open(realm, rule)
	if err != nil {
		n.log.Error("event history is kept in memory", slog.Any("err", err))
		return nil
	}
	return l
}

// storeCredential stores what a login made of a user's password.
func (n *Node) storeCredential(realm wamp.URI) func(context.Context, string, *auth.Credential) {
	return func(_ context.Context, user string, c *auth.Credential) {
		if err := n.realms.SetCredential(realm, user, c); err != nil {
			n.log.Warn("a credential was not stored", slog.String("realm", string(realm)), slog.Any("err", err))
		}
	}
}

// merged brings the stored realms in line with the file and returns them all,
// and what the file says otherwise of realms that stay as they are.
func (n *Node) merged(cfg *config.Config) (rs []realm.Config, notes []string, err error) {
	defs, err := definitions(cfg)
	if err != nil {
		return nil, nil, err
	}
	differ, err := n.realms.Merge(defs, func(uri wamp.URI) []byte { return realm.SaltKey(n.idKey, uri) })
	if err != nil {
		return nil, nil, err
	}
	if len(differ) > 0 {
		notes = append(notes, `stored realms stay as they are (with manage = "file" they would follow the file): `+strings.Join(differ, ", "))
		n.log.Warn(`the file differs from stored realms, which stay as they are; with manage = "file" they would follow it`,
			slog.Any("differences", differ))
	}
	rs, err = n.realms.Load()
	return n.bounded(rs, &cfg.Limits), notes, err
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
			KDF: auth.KDF(u.KDF), Groups: u.Groups, Disabled: !u.Enabled,
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
