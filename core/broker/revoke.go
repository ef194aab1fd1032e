package broker

import (
	"maps"
	"slices"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// Holding is what a session holds.
type Holding struct {
	Match wamp.Match
	URI   wamp.URI
	// Informed says that the session is told of publishers' sessions.
	Informed bool
}

// Revoke is RemoveSubscriber for all that the session holds and must not, of which
// it returns the number. Others than the peer's goroutine may call it; must is
// called with no lock held.
func (s *Session) Revoke(b *peer.Batch, reason wamp.URI, must func(Holding) bool) (revoked int) {
	for _, h := range s.holds() {
		sub := h.Value.sub
		if must(Holding{sub.pattern.Match, sub.pattern.URI, h.Value.info != silent}) && s.revoke(b, sub, reason) {
			revoked++
		}
	}
	if revoked > 0 {
		s.br.drain(b)
	}
	return revoked
}

func (s *Session) holds() []*member {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.held))
}
