package broker

import (
	"cmp"
	"slices"
	"time"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// Events is told what happens to subscriptions, in order, under the broker's
// lock: implementations only append to a queue. Peers behind bridges are no
// sessions of this node, and nothing is told of them. Drain is called after
// each change with no lock held but that of the Session that changed.
type Events interface {
	// Created says that session is the first to subscribe to s.
	Created(session wamp.ID, s Subscription)
	// Subscribed says that session now holds subscription.
	Subscribed(session, subscription wamp.ID)
	// Unsubscribed says that session no longer holds subscription.
	Unsubscribed(session, subscription wamp.ID)
	// Deleted says that session was the last to hold subscription.
	Deleted(session, subscription wamp.ID)
	// Drain may send what was appended, through Announce, into b.
	Drain(b *peer.Batch)
}

// Subscription describes one topic or pattern.
type Subscription struct {
	ID      wamp.ID
	Created time.Time
	Match   wamp.Match
	URI     wamp.URI
}

func (sub *subscription) describe() Subscription {
	return Subscription{ID: sub.id, Created: sub.created, Match: sub.pattern.Match, URI: sub.pattern.URI}
}

func (br *Broker) drain(b *peer.Batch) {
	if e := br.cfg.Load().Events; e != nil {
		e.Drain(b)
	}
}

// Announce sends an event of the router's own to all subscribers of topic that
// allow, which may be nil, lets have it. It crosses no bridge, and of patterns
// it reaches those that begin with the router's component: who subscribes to
// everything means the application.
func (br *Broker) Announce(b *peer.Batch, topic wamp.URI, payload wamp.Payload, allow func(*peer.Peer) bool) {
	br.deliver(b, &publication{id: wamp.RandomID(), topic: topic, payload: payload, allow: allow, limited: allow != nil})
}

// Wanted reports whether Announce on topic would reach anybody, or a history
// keep it. It takes no lock and allocates nothing.
func (br *Broker) Wanted(topic wamp.URI) bool {
	_, ok := br.index.Best(topic, (*subscription).reserved)
	return ok
}

// reserved says that the pattern is one of the router's own topics.
func (sub *subscription) reserved() bool { return sub.pattern.URI.Reserved() }

// List is all subscriptions in the order of their ids: of sessions, of peers
// behind bridges, and those with a history.
func (br *Broker) List() []Subscription {
	var list []Subscription
	br.index.All(func(_ wamp.Match, _ wamp.URI, sub *subscription) bool {
		list = append(list, sub.describe())
		return true
	})
	slices.SortFunc(list, func(a, b Subscription) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Get is the subscription with that id.
func (br *Broker) Get(id wamp.ID) (Subscription, bool) {
	sub, ok := br.find(id)
	if !ok {
		return Subscription{}, false
	}
	return sub.describe(), true
}

// Lookup is the id of the subscription of exactly that topic or pattern.
func (br *Broker) Lookup(match wamp.Match, uri wamp.URI) (wamp.ID, bool) {
	sub, ok := br.index.Get(match, uri)
	if !ok {
		return 0, false
	}
	return sub.id, true
}

// Matching is the ids of all subscriptions that an event on uri reaches: the
// exact one, prefixes from short to long, wildcards.
func (br *Broker) Matching(uri wamp.URI) []wamp.ID {
	var ids []wamp.ID
	for _, sub := range br.index.Match(nil, uri) {
		ids = append(ids, sub.id)
	}
	return ids
}

// Members is the ids of the sessions of this node on a subscription, in the
// order in which they came; false when there is no such subscription.
func (br *Broker) Members(id wamp.ID) ([]wamp.ID, bool) {
	sub, ok := br.find(id)
	if !ok {
		return nil, false
	}
	var ids []wamp.ID
	for h := range sub.members.All {
		if h.peer.Via == nil {
			ids = append(ids, h.peer.Session)
		}
	}
	return ids, true
}

// Count is how many Members there are.
func (br *Broker) Count(id wamp.ID) (int, bool) {
	br.mu.Lock()
	defer br.mu.Unlock()
	sub, ok := br.byID[id]
	if !ok {
		return 0, false
	}
	return sub.sessions, true
}

func (br *Broker) find(id wamp.ID) (*subscription, bool) {
	br.mu.Lock()
	defer br.mu.Unlock()
	sub, ok := br.byID[id]
	return sub, ok
}

func noSuchSubscription(id wamp.ID) error {
	return wamp.Errorf(wamp.ErrNoSuchSubscription, "there is no subscription %d", id)
}
