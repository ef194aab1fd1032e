// Package broker routes events (sections "Publish and Subscribe" and
// "Pattern-based Subscription"). It has no goroutines and does no I/O: its
// methods run in the goroutine of the session that asks, find the receivers
// without a lock, and leave one shared frame per subscription in their queues.
//
// Lock order: Broker.mu, the index's writer lock, then a receiver's queue
// lock. Publishing takes the last alone.
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
}

// Broker holds the subscriptions of a realm. Safe for concurrent use.
type Broker struct {
	cfg   atomic.Pointer[Config]
	index pattern.Index[*subscription]

	mu        sync.Mutex // held by the one who changes subscriptions
	byID      map[wamp.ID]*subscription
	observers map[*observer]struct{}
}

// subscription is one topic or pattern that somebody is subscribed to. It
// exists in the index exactly as long as it has members.
type subscription struct {
	id      wamp.ID
	match   wamp.Match
	uri     wamp.URI
	members pattern.Set[subscriber]
	holders peer.Holders // guarded by Broker.mu
}

// subscriber is one session's hold on a subscription.
type subscriber struct {
	peer *peer.Peer
	sub  *subscription
	gate peer.Gate
}

type member = pattern.Member[subscriber]

// New makes a broker without subscriptions.
func New(cfg Config) *Broker {
	br := &Broker{byID: make(map[wamp.ID]*subscription), observers: make(map[*observer]struct{})}
	br.Configure(cfg)
	return br
}

// Configure changes the configuration; ID must stay the same function.
func (br *Broker) Configure(cfg Config) { br.cfg.Store(&cfg) }

// Subscriptions is the number of topics and patterns subscribed to.
func (br *Broker) Subscriptions() int {
	br.mu.Lock()
	defer br.mu.Unlock()
	return len(br.byID)
}

// Session is one peer's side of the broker. All methods but Leave belong to
// the goroutine that serves the peer, which calls Leave when it is done.
type Session struct {
	br   *Broker
	peer *peer.Peer
	held map[wamp.ID]*member
}

// Join makes p known to the broker.
func (br *Broker) Join(p *peer.Peer) *Session {
	return &Session{br: br, peer: p}
}

// Subscribe adds the session to the subscription of m's topic under match,
// whose URI the caller has checked, and queues SUBSCRIBED. Subscribing again
// gives the same subscription.
func (s *Session) Subscribe(b *peer.Batch, m *wamp.Subscribe, match wamp.Match) error {
	id := s.br.cfg.Load().ID(match, m.Topic)
	f := peer.NewFrame(&wamp.Subscribed{Request: m.Request, Subscription: id})
	defer f.Free()
	if h, ok := s.held[id]; ok && h.Value.sub.match == match && h.Value.sub.uri == m.Topic {
		s.peer.Reply(b, f)
		return nil
	}
	if limit := s.br.cfg.Load().MaxSubscriptions; limit > 0 && len(s.held) >= limit {
		return wamp.Errorf(wamp.ErrUnavailable, "this session holds %d subscriptions, the most it may", limit)
	}
	h, err := s.br.add(b, id, match, m.Topic, s.peer)
	if err != nil {
		return err
	}
	if s.held == nil {
		s.held = make(map[wamp.ID]*member)
	}
	s.held[id] = h
	s.peer.Open(b, f, &h.Value.gate)
	return nil
}

// add makes p a member; its gate is still shut, so that no event precedes
// SUBSCRIBED.
func (br *Broker) add(b *peer.Batch, id wamp.ID, match wamp.Match, uri wamp.URI, p *peer.Peer) (h *member, err error) {
	br.mu.Lock()
	defer br.mu.Unlock()
	br.index.Update(match, uri, func(sub *subscription, ok bool) (*subscription, bool) {
		if !ok {
			if other, taken := br.byID[id]; taken {
				err = wamp.Errorf(wamp.ErrUnavailable, "the id of this topic is taken by %s %q", other.match, other.uri)
				return nil, false
			}
			sub = &subscription{id: id, match: match, uri: uri}
			br.byID[id] = sub
		}
		h = sub.members.Add(subscriber{peer: p, sub: sub})
		return sub, true
	})
	if err == nil {
		sub := h.Value.sub
		br.notifyLocked(b, sub, sub.holders.Add(p.Via))
	}
	return h, err
}

// SubscriptionID is the id of a subscription, whether or not it exists.
func (s *Session) SubscriptionID(match wamp.Match, topic wamp.URI) wamp.ID {
	return s.br.cfg.Load().ID(match, topic)
}

// Unsubscribe ends the session's hold on a subscription and queues
// UNSUBSCRIBED, after which no event of it follows.
func (s *Session) Unsubscribe(b *peer.Batch, m *wamp.Unsubscribe) error {
	h, ok := s.held[m.Subscription]
	if !ok {
		return wamp.Errorf(wamp.ErrNoSuchSubscription, "this session holds no subscription %d", m.Subscription)
	}
	delete(s.held, m.Subscription)
	s.br.remove(b, h)
	f := peer.NewFrame(&wamp.Unsubscribed{Request: m.Request})
	defer f.Free()
	s.peer.Shut(b, f, &h.Value.gate)
	return nil
}

func (br *Broker) remove(b *peer.Batch, h *member) {
	br.mu.Lock()
	defer br.mu.Unlock()
	sub := h.Value.sub
	br.index.Update(sub.match, sub.uri, func(*subscription, bool) (*subscription, bool) {
		sub.members.Remove(h)
		if sub.members.Len() > 0 {
			return sub, true
		}
		delete(br.byID, sub.id)
		return nil, false
	})
	br.notifyLocked(b, sub, sub.holders.Remove(h.Value.peer.Via))
}

// Leave ends everything that the session holds. The peer's queue is closed
// already, so that nothing can be sent to it meanwhile.
func (s *Session) Leave(b *peer.Batch) {
	for _, h := range s.held {
		s.br.remove(b, h)
	}
	s.held = nil
}
