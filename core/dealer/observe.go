package dealer

import (
	"bondy/core/peer"
	"bondy/core/wamp"
)

// observer is told what others than one bridge have registered.
type observer struct {
	via *peer.Bridge
	f   Offer
}

// Offer is called when the first one beside a bridge registers a procedure or
// pattern, with its invocation policy, and when the last one leaves it. It runs
// under the dealer's lock and may only queue messages, into b.
type Offer func(b *peer.Batch, match wamp.Match, procedure wamp.URI, invoke string, offered bool)

// Observe calls f for everything that others than via have registered, and
// from then on for each change, until stop is called.
func (d *Dealer) Observe(b *peer.Batch, via *peer.Bridge, f Offer) (stop func()) {
	o := &observer{via: via, f: f}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.byID {
		if r.holders.Visible(via) {
			f(b, r.match, r.uri, r.policy().String(), true)
		}
	}
	d.observers[o] = struct{}{}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.observers, o)
	}
}

func (d *Dealer) notifyLocked(b *peer.Batch, r *registration, c peer.Change) {
	for o := range d.observers {
		if on, changed := c.For(o.via); changed {
			o.f(b, r.match, r.uri, r.policy().String(), on)
		}
	}
}
