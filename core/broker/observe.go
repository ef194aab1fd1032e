package broker

import (
	"bondy/core/peer"
	"bondy/core/wamp"
)

// observer is told what others than one bridge are subscribed to.
type observer struct {
	via *peer.Bridge
	f   Interest
}

// Interest is called when the first one beside a bridge subscribes to a topic
// or pattern, and when the last one leaves it. It runs under the broker's
// lock and may only queue messages, into b.
type Interest func(b *peer.Batch, match wamp.Match, topic wamp.URI, wanted bool)

// Observe calls f for everything that others than via are subscribed to, and
// from then on for each change, until stop is called.
func (br *Broker) Observe(b *peer.Batch, via *peer.Bridge, f Interest) (stop func()) {
	o := &observer{via: via, f: f}
	br.mu.Lock()
	defer br.mu.Unlock()
	for _, sub := range br.byID {
		if sub.holders.Visible(via) {
			f(b, sub.pattern.Match, sub.pattern.URI, true)
		}
	}
	br.observers[o] = struct{}{}
	return func() {
		br.mu.Lock()
		defer br.mu.Unlock()
		delete(br.observers, o)
	}
}

func (br *Broker) notifyLocked(b *peer.Batch, sub *subscription, c peer.Change) {
	for o := range br.observers {
		if on, changed := c.For(o.via); changed {
			o.f(b, sub.pattern.Match, sub.pattern.URI, on)
		}
	}
}
