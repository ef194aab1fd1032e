package node

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"bondy/cmd/internal/config"
	"bondy/core/admin"
	"bondy/core/audit"
	"bondy/core/auth"
	"bondy/core/broker"
	"bondy/core/directory"
	"bondy/core/meta"
	"bondy/core/mgmt"
	"bondy/core/peer"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// configure gives a realm what is this node's own: bounds, and what logins need
// beside users. One that nobody could log in to takes no connections.
func (n *Node) configure(c *realm.Config, p *directory.Properties) {
	l := n.limits.Load()
	slow := config.SlowDrop
	if c.Queue.CloseSlow {
		slow = config.SlowClose
	}
	c.Queue = queue(l, slow)
	c.MaxSubscriptions, c.MaxRegistrations, c.MaxCalls =
		l.MaxSubscriptionsPerSession, l.MaxRegistrationsPerSession, l.MaxPendingCallsPerSession
	uri := c.URI
	c.OpenHistory = func(rule broker.HistoryRule) broker.History { return n.openHistory(uri, rule) }

	users := c.Auth.Directory
	login, ok, err := n.logins.config(uri, p, c.Auth.Sources)
	if err != nil || !ok {
		if !c.RefuseConnections {
			n.log.Warn("nobody can log in to a realm: none of its authmethods can work", slog.String("realm", string(uri)), slog.Any("err", err))
		}
		c.RefuseConnections, login = true, auth.Config{SecurityDisabled: c.Auth.SecurityDisabled}
	}
	c.Auth = login
	c.Auth.Directory, c.Auth.Gate, c.Auth.Guard, c.Auth.Tickets = users, n.gate, n.guard, n.tickets
	c.Auth.Upgrade = n.storeCredential(uri)
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

// forget drops what is kept here of realms that were deleted, before others of
// their names open theirs.
func (n *Node) forget(c *directory.Commit) {
	for _, ch := range c.Changes {
		if ch.Kind != directory.KindRealm || ch.Verb != directory.Deleted {
			continue
		}
		n.logins.forget(ch.Realm)
		if err := n.history.Forget(ch.Realm); err != nil {
			n.log.Error("the event history of a deleted realm is still on the disk", slog.String("realm", string(ch.Realm)), slog.Any("err", err))
		}
	}
}

// newEvents makes what tells on topics.
func (n *Node) newEvents() *admin.Events {
	counters, _ := n.router.Peers()
	return admin.NewEvents(func(uri wamp.URI) *meta.Events {
		r, err := n.router.Realm(uri)
		if err != nil {
			return nil
		}
		return r.Events
	}, counters)
}

// storeCredential stores what a login made of a user's password.
func (n *Node) storeCredential(realm wamp.URI) func(context.Context, auth.User, *auth.Credential) {
	return func(_ context.Context, u auth.User, c *auth.Credential) {
		err := n.directory.Update(directory.Actor{}, func(tx *directory.Tx) error { return tx.Rehash(realm, u, c) })
		if err != nil {
			n.log.Warn("a credential was not stored", slog.String("realm", string(realm)), slog.Any("err", err))
		}
	}
}

// procedures adds the management procedures to those of a realm.
func (n *Node) procedures(t *mgmt.Table, _ *realm.Realm) {
	admin.Register(t, admin.Config{
		Directory: n.directory, Realm: func(uri wamp.URI) (*realm.Realm, error) { return n.router.Realm(uri) }, Gate: n.gate, Guard: n.guard, Pace: n.pace, Context: n.life,
		Audit: n.audit, Tickets: n.tickets, Book: n.book, Sealer: n.box,
	})
}

// merge brings the realms in line with the file and returns what it says otherwise
// of realms that stay as they are.
func (n *Node) merge(cfg *config.Config) (notes []string, err error) {
	docs, err := documents(cfg)
	if err != nil {
		return nil, err
	}
	made, differ, err := n.directory.Merge(directory.Actor{}, docs)
	if err != nil {
		return nil, err
	}
	n.administered("bondy.node.configured", made)
	if len(differ) > 0 {
		text := strings.Join(differ, ", ")
		notes = append(notes, `stored realms stay as they are (with manage = "file" they would follow the file): `+text)
		n.log.Warn(`the file differs from stored realms, which stay as they are; with manage = "file" they would follow it`,
			slog.String("differences", text))
	}
	return notes, nil
}

// administered records changes that no call made.
func (n *Node) administered(action string, made []directory.Change) {
	if len(made) == 0 {
		return
	}
	e := audit.Event{Kind: audit.Administration, Outcome: audit.OK, Action: action, Object: "node " + n.cfg.Node, Agent: "bondy-" + n.opts.Version}
	for _, c := range made {
		e.Changes = append(e.Changes, string(c.Realm)+": "+admin.Describe(c))
	}
	audit.Emit(n.audit, e)
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

// purgeTickets forgets tickets that have expired, every hour until ctx ends.
func (n *Node) purgeTickets(ctx context.Context) error {
	t := time.NewTicker(time.Hour)
	defer t.Stop()
	for {
		if _, err := n.tickets.Purge(); err != nil {
			n.log.Error("expired tickets were not forgotten", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}
