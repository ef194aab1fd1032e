package client

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"bondy/core/wamp"
)

// SubscribeOptions are the options of a subscription; the zero value is usable.
type SubscribeOptions struct {
	// Match is how topics are compared with the subscription's.
	Match wamp.Match
	// GetRetained asks for the retained event, if there is one.
	GetRetained bool
	// Options are further options of SUBSCRIBE; they win over the fields above.
	Options wamp.Dict
}

// Event is an event that a subscription received.
type Event struct {
	// Topic that was published to, also under a pattern.
	Topic       wamp.URI
	Publication wamp.ID
	Details     wamp.Dict
	Args        []any
	Kwargs      map[string]any
}

// EventHandler handles one event. Handlers of a session run one at a time;
// those of one subscription id share the event's values, which must not be
// changed. The context ends with the session.
type EventHandler func(ctx context.Context, ev *Event)

// Subscription is a handler's subscription to a topic. It is safe for
// concurrent use.
type Subscription struct {
	s       *Session
	topic   wamp.URI
	handler EventHandler
	done    chan struct{} // closed under Session.mu
	revoked *wamp.Error   // set before it, if the router ended it
	id      wamp.ID
}

// event is an EVENT on its way to the handlers it was read for.
type event struct {
	to          []*Subscription
	publication wamp.ID
	details     wamp.Dict
	payload     wamp.Payload
	weight      int64
}

// Subscribe subscribes handler to a topic. It can be called with events
// before Subscribe returns. Several subscriptions of a session to one topic
// share the router's; each handler gets every event.
func (s *Session) Subscribe(
	ctx context.Context, topic wamp.URI, handler EventHandler, opts SubscribeOptions,
) (*Subscription, error) {
	options := wamp.Dict{}
	if opts.Match != wamp.MatchExact {
		options["match"] = opts.Match.String()
	}
	if opts.GetRetained {
		options["get_retained"] = true
	}
	maps.Copy(options, opts.Options)
	sub := &Subscription{s: s, topic: topic, handler: handler, done: make(chan struct{})}
	_, err := s.ask(ctx, sub.grantedLocked, func(id wamp.ID) wamp.Message {
		return &wamp.Subscribe{Request: id, Options: options, Topic: topic}
	})
	if err != nil {
		return nil, err
	}
	return sub, nil
}

// ID is the router's id of the subscription.
func (sub *Subscription) ID() wamp.ID { return sub.id }

// Topic is the topic or pattern that was subscribed to.
func (sub *Subscription) Topic() wamp.URI { return sub.topic }

// Done is closed when the subscription has ended while the session may last:
// by Unsubscribe or because the router revoked it.
func (sub *Subscription) Done() <-chan struct{} { return sub.done }

// Err says, once Done is closed, why the router revoked the subscription; it is
// nil if it did not.
func (sub *Subscription) Err() error {
	select {
	case <-sub.done:
		return asError(sub.revoked)
	default:
		return nil
	}
}

// Unsubscribe ends the subscription; its handler is not called any more except
// for the event that it may be handling. The router is told when it was the
// last one of its id. Doing it again does nothing.
func (sub *Subscription) Unsubscribe(ctx context.Context) error {
	if !sub.leave() {
		return nil
	}
	drop := func(wamp.ID, bool) { sub.s.dropSubscriptionLocked(sub.id, "") }
	_, err := sub.s.ask(ctx, drop, func(id wamp.ID) wamp.Message {
		return &wamp.Unsubscribe{Request: id, Subscription: sub.id}
	})
	return err
}

// leave removes the handler and reports whether it was the last of its id.
func (sub *Subscription) leave() bool {
	s := sub.s
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.subscriptions[sub.id]
	i := slices.Index(list, sub)
	if i < 0 {
		return false
	}
	close(sub.done)
	rest := slices.Delete(slices.Clone(list), i, i+1)
	s.subscriptions[sub.id] = rest
	if len(rest) == 0 {
		delete(s.subscriptions, sub.id)
	}
	return len(rest) == 0
}

// grantedLocked takes note of SUBSCRIBED before any event is read.
func (sub *Subscription) grantedLocked(id wamp.ID, abandoned bool) {
	s := sub.s
	sub.id = id
	list := s.subscriptions[id]
	switch {
	case !abandoned:
		s.subscriptions[id] = append(slices.Clone(list), sub)
	case len(list) == 0:
		// The answer is of no interest, and the session may have ended.
		_, _ = s.requestLocked(nil, func(request wamp.ID) wamp.Message {
			return &wamp.Unsubscribe{Request: request, Subscription: id}
		})
	}
}

// dropSubscriptionLocked ends those of that id; revoked is the router's reason, if
// it was the router.
func (s *Session) dropSubscriptionLocked(id wamp.ID, revoked wamp.URI) {
	for _, sub := range s.subscriptions[id] {
		if revoked != "" {
			sub.revoked = wamp.Errorf(revoked, "the router revoked the subscription to %s", sub.topic)
		}
		close(sub.done)
	}
	delete(s.subscriptions, id)
}

func (s *Session) handlers(id wamp.ID) []*Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.subscriptions[id]
}

// event queues an event for its handlers. While the queue is full the session
// reads nothing.
func (r *reader) event(ctx context.Context, m *wamp.Event) error {
	to := r.s.handlers(m.Subscription)
	if len(to) == 0 {
		return nil // unsubscribed in this moment
	}
	weight, err := r.s.hold(ctx, m.Payload)
	if err != nil {
		return err
	}
	ev := event{to, m.Publication, maps.Clone(m.Details), m.Payload.Clone(), weight}
	r.s.startEvents()
	select {
	case r.s.events <- ev:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hold waits until the payload may be kept; the weight is to be released to
// s.ahead.
func (s *Session) hold(ctx context.Context, p wamp.Payload) (weight int64, err error) {
	weight = int64(min(p.Len(), s.cfg.ReadAhead))
	return weight, s.ahead.Acquire(ctx, weight)
}

// handleEvents calls the handlers until the reader has ended.
func (s *Session) handleEvents(ctx context.Context) {
	for ev := range s.events {
		s.ahead.Release(ev.weight)
		if s.leaving.Load() {
			continue
		}
		args, kwargs, err := decodePayload(ev.payload)
		if err != nil {
			s.cfg.Logger.Warn("event dropped", slog.Any("err", err))
			continue
		}
		published := Event{Publication: ev.publication, Details: ev.details, Args: args, Kwargs: kwargs}
		topic, _ := ev.details.String("topic")
		for _, sub := range ev.to {
			select {
			case <-sub.done:
				continue
			default:
			}
			if published.Topic = wamp.URI(topic); topic == "" {
				published.Topic = sub.topic
			}
			ev := published
			sub.handler(ctx, &ev)
		}
	}
}
