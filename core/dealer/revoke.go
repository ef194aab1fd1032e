package dealer

import (
	"maps"
	"slices"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// Holding is a registration that a session holds.
type Holding struct {
	Match wamp.Match
	URI   wamp.URI
	// Disclosing says that the session is told who calls, Informed that it is
	// told of callers' sessions.
	Disclosing, Informed bool
}

// Revoke is RemoveCallee for all that the session holds and must not, of which it
// returns the number. Others than the peer's goroutine may call it; must is called
// with no lock held.
func (s *Session) Revoke(b *peer.Batch, reason wamp.URI, must func(Holding) bool) (revoked int) {
	for _, h := range s.callees() {
		of := Holding{h.reg.match, h.reg.uri, h.discloseCaller, h.sessionInfo != ""}
		if must(of) && s.d.revokeHeld(b, h, reason) {
			s.d.changed(b, h.reg)
			revoked++
		}
	}
	return revoked
}

func (s *Session) callees() []*callee {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	return slices.Collect(maps.Values(s.held))
}

// revokeHeld revokes what its session still holds.
func (d *Dealer) revokeHeld(b *peer.Batch, h *callee, reason wamp.URI) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if h.sess.held[h.reg.id] != h {
		return false
	}
	d.revokeLocked(b, h, reason)
	return true
}
