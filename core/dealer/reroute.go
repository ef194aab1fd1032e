package dealer

import (
	"bondy/core/peer"
	"bondy/core/wamp"
)

// move takes a call from a callee that says that it is unavailable (section
// "Call Re-Routing"). It returns the callee if the error means that, and the
// call if it is kept, so that it can go to another. A call of which the caller
// has seen results stays, and so does one in pieces.
func (i invocation) move(from *Session, inv wamp.ID) (h *callee, k *kept) {
	i.caller.callMu.Lock()
	defer i.caller.callMu.Unlock()
	c := i.awaitsLocked(from, inv)
	if c == nil || c.begun || c.killed || !c.callee.reroutes(from.d.cfg.Load()) {
		return nil, nil
	}
	h, k = c.callee, c.kept
	if k == nil || k.reg == nil {
		return h, nil
	}
	k.pooled = false
	c.callee, c.inv = nil, 0
	return h, k
}

// reroute asks each callee that was not asked yet, and fails with
// ErrNoAvailableCallee when none is left.
func (k *kept) reroute(b *peer.Batch, from *callee) {
	if !k.rerouted {
		k.rest = k.reg.others(from, k.procedure, k.caller.peer.Via)
	}
	if k.caller.offer(b, k.rest, k.call(), &k.options, k, peer.Sent) != nil {
		k.fail(b, wamp.Errorf(wamp.ErrNoAvailableCallee, "no callee of %q is available", k.procedure))
	}
}
