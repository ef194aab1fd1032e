package meta

import (
	"sync"
	"sync/atomic"

	"bondy/core/broker"
	"bondy/core/codec"
	"bondy/core/dealer"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// Events tells on the topics of the Meta API what happens in a realm, in the
// order in which it happened. What nobody is subscribed to is never queued.
// Safe for concurrent use.
//
// Whoever causes an event drains the queue right afterwards, and waits while
// another does. So nobody goes on before his own events are out, nothing is
// lost, and the queue is no longer than what the sessions that change something
// at this moment cause with one change each, of which leaving is the largest.
type Events struct {
	broker *broker.Broker
	may    func(*peer.Peer, wamp.URI) bool

	pending atomic.Int64 // queued, or taken and not yet published
	turn    sync.Mutex   // held while publishing

	mu    sync.Mutex
	queue []event
}

type event struct {
	topic  wamp.URI
	args   []any
	kwargs map[string]any
}

// NewEvents makes the events of the realm that br belongs to. may says whether
// a subscriber may have an event on a topic; it is asked for each event, so
// that what was granted once can be withdrawn.
func NewEvents(br *broker.Broker, may func(p *peer.Peer, topic wamp.URI) bool) *Events {
	return &Events{broker: br, may: may}
}

// Joined tells of a session that opened.
func (e *Events) Joined(b *peer.Batch, s *Session) {
	const topic = "wamp.session.on_join"
	if e.broker.Wanted(topic) {
		e.add(topic, s.details(false))
		e.Drain(b)
	}
}

// Left tells of a session of which nothing is left, unless it is silenced.
func (e *Events) Left(b *peer.Batch, s *Session) {
	const topic = "wamp.session.on_leave"
	if !s.Silenced() && e.broker.Wanted(topic) {
		e.add(topic, s.ID(), s.Peer.AuthID, s.Peer.AuthRole)
		e.Drain(b)
	}
}

// Subscriptions is what the broker tells of subscriptions.
func (e *Events) Subscriptions() broker.Events { return subscriptionEvents{e} }

// Registrations is what the dealer tells of registrations.
func (e *Events) Registrations() dealer.Events { return registrationEvents{e} }

// Drain publishes what was queued before and returns when it is out.
func (e *Events) Drain(b *peer.Batch) {
	if e.pending.Load() == 0 {
		return
	}
	e.turn.Lock()
	defer e.turn.Unlock()
	for _, ev := range e.take() {
		e.publish(b, ev)
		e.pending.Add(-1)
	}
}

// tell queues the event that a session came to hold something, or no longer
// does, if somebody wants it.
func (e *Events) tell(topic wamp.URI, session, held wamp.ID) {
	if e.broker.Wanted(topic) {
		e.add(topic, session, held)
	}
}

func (e *Events) add(topic wamp.URI, args ...any) { e.queueUp(event{topic: topic, args: args}) }

func (e *Events) queueUp(ev event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pending.Add(1)
	e.queue = append(e.queue, ev)
}

// Tell tells of something else on a topic of the router's own, if somebody is
// subscribed. about makes the arguments, of what package codec encodes.
func (e *Events) Tell(b *peer.Batch, topic wamp.URI, about func() (args []any, kwargs map[string]any)) {
	if e.broker.Wanted(topic) {
		args, kwargs := about()
		e.queueUp(event{topic, args, kwargs})
		e.Drain(b)
	}
}

func (e *Events) take() []event {
	e.mu.Lock()
	defer e.mu.Unlock()
	taken := e.queue
	e.queue = nil
	return taken
}

func (e *Events) publish(b *peer.Batch, ev event) {
	payload, err := codec.NewPayload(wamp.MessagePack, ev.args, ev.kwargs)
	if err != nil {
		panic(err) // it is made of what can be encoded
	}
	e.broker.Announce(b, ev.topic, payload, func(p *peer.Peer) bool { return e.may(p, ev.topic) })
}

// subscriptionEvents implements broker.Events.
type subscriptionEvents struct{ *Events }

func (e subscriptionEvents) Created(session wamp.ID, s broker.Subscription) {
	const topic = "wamp.subscription.on_create"
	if e.broker.Wanted(topic) {
		e.add(topic, session, subscriptionDetails(s))
	}
}

func (e subscriptionEvents) Subscribed(session, subscription wamp.ID) {
	e.tell("wamp.subscription.on_subscribe", session, subscription)
}

func (e subscriptionEvents) Unsubscribed(session, subscription wamp.ID) {
	e.tell("wamp.subscription.on_unsubscribe", session, subscription)
}

func (e subscriptionEvents) Deleted(session, subscription wamp.ID) {
	e.tell("wamp.subscription.on_delete", session, subscription)
}

// registrationEvents implements dealer.Events.
type registrationEvents struct{ *Events }

func (e registrationEvents) Created(session wamp.ID, r dealer.Registration) {
	const topic = "wamp.registration.on_create"
	if e.broker.Wanted(topic) {
		e.add(topic, session, registrationDetails(r))
	}
}

func (e registrationEvents) Registered(session, registration wamp.ID) {
	e.tell("wamp.registration.on_register", session, registration)
}

func (e registrationEvents) Unregistered(session, registration wamp.ID) {
	e.tell("wamp.registration.on_unregister", session, registration)
}

func (e registrationEvents) Deleted(session, registration wamp.ID) {
	e.tell("wamp.registration.on_delete", session, registration)
}
