package broker

import (
	"bondy/core/peer"
	"bondy/core/wamp"
)

// Holding is what a session of this node holds.
type Holding struct {
	Session wamp.ID
	Match   wamp.Match
	URI     wamp.URI
	// Informed says that the session is told of publishers' sessions.
	Informed bool
}

// Revoke is RemoveSubscriber for all that must go, of which it returns the
// number. must is called with no lock held.
func (br *Broker) Revoke(b *peer.Batch, reason wamp.URI, must func(Holding) bool) (revoked int) {
	for _, sub := range br.subscriptions() {
		var gone []*Session
		for h := range sub.members.All {
			if h.peer.Via == nil && must(Holding{h.peer.Session, sub.pattern.Match, sub.pattern.URI, h.info != silent}) {
				gone = append(gone, h.session)
			}
		}
		for _, s := range gone {
			if s.revoke(b, sub, reason) {
				revoked++
			}
		}
	}
	br.drain(b)
	return revoked
}

func (br *Broker) subscriptions() []*subscription {
	br.mu.Lock()
	defer br.mu.Unlock()
	all := make([]*subscription, 0, len(br.byID))
	for _, sub := range br.byID {
		all = append(all, sub)
	}
	return all
}
