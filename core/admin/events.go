package admin

import (
	"crypto/rand"
	"slices"
	"time"

	"bondy/core/directory"
	"bondy/core/meta"
	"bondy/core/peer"
	"bondy/core/ticket/book"
	"bondy/core/wamp"
)

// Events tells, on topics below bondy of the realm concerned, what was changed: of
// realms in the master realm. Its Observe is for Directory.Observe, so that an
// event follows the change that it tells of, in order. All have the same keyword
// arguments: id, time, realm, kind, name, verb, fields and actor.
type Events struct {
	find     func(wamp.URI) *meta.Events
	counters *peer.Counters
}

// NewEvents makes them. find finds the events of a realm that is open here, nil
// where there is none; counters are the node's.
func NewEvents(find func(realm wamp.URI) *meta.Events, counters *peer.Counters) *Events {
	return &Events{find: find, counters: counters}
}

// Observe tells of a change. It does not block.
func (e *Events) Observe(c *directory.Commit) {
	batch := peer.NewBatch(e.counters)
	defer batch.Flush()
	now := time.Now()
	var rotated []wamp.URI // a rotation changes several keys
	for _, change := range c.Changes {
		if change.Kind == directory.KindSigningKey {
			if slices.Contains(rotated, change.Realm) {
				continue
			}
			rotated = append(rotated, change.Realm)
			change.Name, change.Verb = "", directory.Updated
		}
		topics := topicsOf(change)
		if user, all := book.EpochOf(change); change.Kind == directory.KindTicket && all {
			change.Name, change.Verb = user, directory.Deleted // what is kept of it is new, and the tickets are gone
		}
		for _, topic := range topics {
			in := change.Realm
			if change.Kind == directory.KindRealm {
				in = directory.Master
			}
			if events := e.find(in); events != nil {
				events.Tell(batch, topic, func() ([]any, map[string]any) {
					return arguments(topic, change), envelope(c.Actor, change, now)
				})
			}
		}
	}
}

// Node tells in the master realm, on the topic bondy.node.VERB, of what the node
// itself does.
func (e *Events) Node(name string, verb directory.Verb) {
	batch := peer.NewBatch(e.counters)
	defer batch.Flush()
	if events := e.find(directory.Master); events != nil {
		events.Tell(batch, wamp.URI("bondy.node."+verb), func() ([]any, map[string]any) {
			change := directory.Change{Realm: directory.Master, Kind: "node", Name: name, Verb: verb}
			return nil, envelope(directory.Actor{}, change, time.Now())
		})
	}
}

// topicsOf are the topics on which a change is told.
func topicsOf(c directory.Change) []wamp.URI {
	words := map[directory.Verb]string{directory.Created: "added", directory.Updated: "updated", directory.Deleted: "deleted"}
	kind := string(c.Kind)
	switch c.Kind {
	case directory.KindRealm:
		words[directory.Created] = "created"
	case directory.KindUser:
		if c.Verb == directory.Updated && (slices.Contains(c.Fields, "password") || slices.Contains(c.Fields, "authorized_keys")) {
			return []wamp.URI{"bondy.user.updated", "bondy.user.credentials_changed"}
		}
	case directory.KindGroup, directory.KindSource:
	case directory.KindGrant:
		words[directory.Created], words[directory.Deleted] = "created", "revoked"
	case directory.KindTicket:
		if _, all := book.EpochOf(c); all && c.Verb != directory.Deleted {
			return []wamp.URI{"bondy.ticket.revoked_all"}
		} else if all {
			return nil
		}
		words[directory.Created], words[directory.Deleted] = "issued", "revoked"
	case directory.KindSigningKey:
		kind, words[directory.Updated] = "key", "rotated"
	default: // parts of a user, of which the user's own change tells
		return nil
	}
	return []wamp.URI{wamp.URI("bondy." + kind + "." + words[c.Verb])}
}

// arguments are the predecessor's.
func arguments(topic wamp.URI, c directory.Change) []any {
	switch {
	case c.Kind == directory.KindRealm:
		return []any{string(c.Realm)}
	case topic == "bondy.user.added":
		return []any{c.Name}
	default:
		return []any{string(c.Realm), c.Name}
	}
}

// envelope is the same for all events.
func envelope(actor directory.Actor, c directory.Change, now time.Time) map[string]any {
	by := map[string]any{"realm": orNull(actor.Realm), "authid": orNull(actor.AuthID), "session": nil}
	if actor.Session != 0 {
		by["session"] = actor.Session
	}
	return map[string]any{
		"id": rand.Text(), "time": now.UTC().Format(time.RFC3339Nano), "realm": string(c.Realm), "kind": string(c.Kind),
		"name": c.Name, "verb": string(c.Verb), "fields": texts(c.Fields), "actor": by,
	}
}
