package dealer

import (
	"bondy/core/peer"
	"bondy/core/wamp"
)

// Holding is a registration that a session of this node holds.
type Holding struct {
	Session wamp.ID
	Match   wamp.Match
	URI     wamp.URI
	// Disclosing says that the session is told who calls, Informed that it is
	// told of callers' sessions.
	Disclosing, Informed bool
}

// Revoke is RemoveCallee for all that must go, of which it returns the number.
// must is called with no lock held.
func (d *Dealer) Revoke(b *peer.Batch, reason wamp.URI, must func(Holding) bool) (revoked int) {
	for _, h := range d.callees() {
		of := Holding{h.sess.peer.Session, h.reg.match, h.reg.uri, h.discloseCaller, h.sessionInfo != ""}
		if must(of) && d.revokeHeld(b, h, reason) {
			d.changed(b, h.reg)
			revoked++
		}
	}
	return revoked
}

// callees are those that are sessions of this node.
func (d *Dealer) callees() []*callee {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []*callee
	for _, r := range d.byID {
		all = append(all, r.members()...)
	}
	return all
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
