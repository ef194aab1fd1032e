package broker

import (
	"sync"

	"bondy/core/pattern"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// Session is one peer's side of the broker. All methods belong to the goroutine
// that serves the peer, which calls Leave when it is done.
type Session struct {
	br   *Broker
	peer *peer.Peer

	mu   sync.Mutex // orders what the session and a revocation do
	held map[wamp.ID]*member
}

// Join makes p known to the broker.
func (br *Broker) Join(p *peer.Peer) *Session {
	return &Session{br: br, peer: p}
}

// Subscribe adds the session to the subscription of m's topic under match,
// whose URI the caller has checked, and queues SUBSCRIBED, with the retained
// events behind it if m asks for them. Subscribing again gives the same
// subscription. A peer behind a bridge has no options.
func (s *Session) Subscribe(b *peer.Batch, m *wamp.Subscribe, match wamp.Match) error {
	var o subscribeOptions
	var err error
	if s.peer.Via == nil {
		o, err = readSubscribeOptions(s.br.cfg.Load(), m.Options)
	}
	if err != nil {
		return err
	}
	return s.subscribe(b, m, match, o)
}

func (s *Session) subscribe(b *peer.Batch, m *wamp.Subscribe, match wamp.Match, o subscribeOptions) error {
	id := s.SubscriptionID(match, m.Topic)
	f := peer.NewFrame(&wamp.Subscribed{Request: m.Request, Subscription: id})
	defer f.Free()
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.retained {
		s.br.retention.turn.Lock()
		defer s.br.retention.turn.Unlock()
	}
	h, err := s.hold(b, id, pattern.Pattern{Match: match, URI: m.Topic}, &o)
	if err != nil {
		return err
	}
	s.br.drain(b) // while the gate is shut: nobody is told of how he came to be told
	var events []func() *peer.Frame
	if o.retained {
		events = s.retained(h.Value.sub)
	}
	s.peer.Open(b, f, &h.Value.gate, events...)
	return nil
}

// hold makes the session a member of p's subscription, which it may be already.
func (s *Session) hold(b *peer.Batch, id wamp.ID, p pattern.Pattern, o *subscribeOptions) (*member, error) {
	if h, ok := s.held[id]; ok && h.Value.sub.pattern == p {
		if h.Value.shard != o.shard || h.Value.info != o.info {
			return nil, wamp.Errorf(wamp.ErrInvalidArgument,
				"this session holds the subscription with another nkey or _disclose_session_info: unsubscribe before changing it")
		}
		return h, nil
	}
	if limit := s.br.cfg.Load().MaxSubscriptions; limit > 0 && len(s.held) >= limit {
		return nil, wamp.Errorf(wamp.ErrUnavailable, "this session holds %d subscriptions, the most it may", limit)
	}
	h, err := s.br.add(b, id, p, s, o)
	if err != nil {
		return nil, err
	}
	if s.held == nil {
		s.held = make(map[wamp.ID]*member)
	}
	s.held[id] = h
	return h, nil
}

// SubscriptionID is the id of a subscription, whether or not it exists.
func (s *Session) SubscriptionID(match wamp.Match, topic wamp.URI) wamp.ID {
	return s.br.cfg.Load().ID(match, topic)
}

// Unsubscribe ends the session's hold on a subscription and queues
// UNSUBSCRIBED, after which no event of it follows.
func (s *Session) Unsubscribe(b *peer.Batch, m *wamp.Unsubscribe) error {
	f := peer.NewFrame(&wamp.Unsubscribed{Request: m.Request})
	defer f.Free()
	if !s.end(b, m.Subscription, f) {
		return wamp.Errorf(wamp.ErrNoSuchSubscription, "this session holds no subscription %d", m.Subscription)
	}
	s.br.drain(b)
	return nil
}

// end takes the session out of a subscription and tells it so with f, which may
// be nil. It reports false when the session does not hold it.
func (s *Session) end(b *peer.Batch, id wamp.ID, f *peer.Frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.held[id]
	if !ok {
		return false
	}
	delete(s.held, id)
	s.br.remove(b, h)
	s.peer.Shut(b, f, &h.Value.gate)
	return true
}

// Leave ends everything that the session holds. The peer's queue is closed
// already, so that nothing can be sent to it meanwhile.
func (s *Session) Leave(b *peer.Batch) {
	s.leave(b)
	s.br.drain(b)
}

func (s *Session) leave(b *peer.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.held {
		s.br.remove(b, h)
	}
	s.held = nil
}

// RemoveSubscriber revokes a session's hold on a subscription (section
// "Subscription Revocation"): a client that announced the feature gets
// UNSUBSCRIBED with request 0 and the reason, any other just no more events.
// Errors: wamp.ErrNoSuchSubscription, wamp.ErrNoSuchSession.
func (br *Broker) RemoveSubscriber(b *peer.Batch, subscription, session wamp.ID, reason wamp.URI) error {
	sub, ok := br.find(subscription)
	if !ok {
		return noSuchSubscription(subscription)
	}
	for h := range sub.members.All {
		if h.peer.Session == session && h.peer.Via == nil && h.session.revoke(b, sub, reason) {
			br.drain(b)
			return nil
		}
	}
	return wamp.Errorf(wamp.ErrNoSuchSession, "no session %d on subscription %d", session, subscription)
}

func (s *Session) revoke(b *peer.Batch, sub *subscription, reason wamp.URI) bool {
	if !s.peer.Features.Has(peer.SubscriptionRevocation) {
		return s.end(b, sub.id, nil)
	}
	details := wamp.Dict{"subscription": sub.id}
	if reason != "" {
		details["reason"] = string(reason)
	}
	f := peer.NewFrame(&wamp.Unsubscribed{Details: details})
	defer f.Free()
	return s.end(b, sub.id, f)
}
