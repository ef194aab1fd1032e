// Package broker routes events (sections "Publish and Subscribe" and
// "Pattern-based Subscription"). It has no goroutines and does no I/O: its
// methods run in the goroutine of the session that asks, find the receivers
// without a lock, and leave one shared frame per subscription in their queues.
//
// What it keeps of events is a Record: the retained one of a topic (section
// "Event Retention"), and those of a History (section "Event History"). A
// topic or pattern with a history is a subscription that stays without
// subscribers.
//
// Lock order: Session.mu, retention.turn, Broker.mu, the index's writer lock,
// then a receiver's queue lock. Publishing takes the last alone, and before it
// retention.turn to read if the event is to be retained.
package broker

import (
	"sync"
	"sync/atomic"

	"bondy/core/pattern"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// Config is what a realm tells its broker.
type Config struct {
	// ID derives the id of a subscription, the same on every node.
	ID func(wamp.Match, wamp.URI) wamp.ID
	// MaxSubscriptions bounds what one session may hold; 0 means no bound.
	MaxSubscriptions int
	// NoDisclosure refuses publishers that ask to be disclosed.
	NoDisclosure bool
	// Retention bounds what is retained.
	Retention Retention
	// History says of which topics and patterns events are kept.
	History []HistoryRule
	// OpenHistory gives the History of a rule that wants a disk. Where it is
	// nil or gives nil, memory serves.
	OpenHistory func(HistoryRule) History
	// Events is told what happens to subscriptions; nil costs nothing.
	Events Events
	// Counters count the messages of Configure; nil is fine.
	Counters *peer.Counters
}

// Broker holds the subscriptions of a realm. Safe for concurrent use.
type Broker struct {
	cfg         atomic.Pointer[Config]
	index       pattern.Index[*subscription]
	retention   retention
	clock       clock
	historyLost atomic.Uint64

	mu        sync.Mutex // held by the one who changes subscriptions
	byID      map[wamp.ID]*subscription
	histories map[pattern.Pattern]*subscription
	observers map[*observer]struct{}
}

// New makes a broker without subscriptions.
func New(cfg Config) *Broker {
	br := &Broker{
		byID:      make(map[wamp.ID]*subscription),
		histories: make(map[pattern.Pattern]*subscription),
		observers: make(map[*observer]struct{}),
	}
	br.Configure(cfg)
	return br
}

// Configure changes the configuration; ID and Events must stay the same. A
// history whose rule is gone is forgotten, one whose rule has other bounds keeps
// what they allow.
func (br *Broker) Configure(cfg Config) {
	if cfg.Counters == nil {
		cfg.Counters = new(peer.Counters)
	}
	cfg.Retention = cfg.Retention.withDefaults()
	b := peer.NewBatch(cfg.Counters)
	defer b.Flush()
	br.mu.Lock()
	defer br.mu.Unlock()
	br.cfg.Store(&cfg)
	br.recordLocked(b, &cfg)
}

// Subscriptions is the number of topics and patterns subscribed to, or with a
// history.
func (br *Broker) Subscriptions() int {
	br.mu.Lock()
	defer br.mu.Unlock()
	return len(br.byID)
}

// Stats are figures of a broker.
type Stats struct {
	// Subscriptions is what the method of that name gives.
	Subscriptions int
	// Retained counts retained events, RetainedBytes what they take in bytes.
	Retained      int
	RetainedBytes int64
	// RetainRefused counts events that were to be retained and did not fit.
	RetainRefused uint64
	// HistoryLost counts events that a history could not take.
	HistoryLost uint64
}

// Stats takes the figures of this moment.
func (br *Broker) Stats() Stats {
	s := Stats{Subscriptions: br.Subscriptions(), HistoryLost: br.historyLost.Load()}
	br.retention.stats(&s)
	return s
}
