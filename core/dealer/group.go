package dealer

import (
	"math/rand/v2"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// invoke is the policy by which a shared registration picks a callee (section
// "Shared Registration").
type invoke uint8

const (
	single invoke = iota
	first
	last
	roundRobin
	random
)

func parseInvoke(name string) (invoke, error) {
	switch name {
	case "", "single":
		return single, nil
	case "first":
		return first, nil
	case "last":
		return last, nil
	case "roundrobin":
		return roundRobin, nil
	case "random":
		return random, nil
	default:
		return single, wamp.Errorf(wamp.ErrInvalidArgument,
			"unknown invocation policy %q: use single, first, last, roundrobin or random", name)
	}
}

func (i invoke) String() string {
	return [...]string{"single", "first", "last", "roundrobin", "random"}[i]
}

// group is a list of callees in order of registration, among which one policy
// picks. It is guarded by the registration's lock.
type group struct {
	policy invoke
	list   []*callee // nil where one left; at least half of it is alive
	live   int
	turn   int // where round robin goes on
}

// add appends h; O(1).
func (g *group) add(h *callee) {
	h.pos = len(g.list)
	g.list = append(g.list, h)
	g.live++
}

// remove takes h out; O(1) amortized.
func (g *group) remove(h *callee) {
	g.list[h.pos] = nil
	g.live--
	if g.live >= len(g.list)/2 && g.live > 0 {
		return
	}
	kept := make([]*callee, 0, g.live+g.live/2)
	turn := 0
	for i, h := range g.list {
		if i == g.turn {
			turn = len(kept)
		}
		if h != nil {
			h.pos = len(kept)
			kept = append(kept, h)
		}
	}
	g.list, g.turn = kept, turn
}

// takes reports whether h may have a call of the procedure that came over via.
func (h *callee) takes(procedure wamp.URI, via *peer.Bridge) bool {
	to := h.sess.peer
	return to.Via == nil || to.Via != via && to.Procedures(procedure)
}

// pick chooses a callee for a call that came over via, nil if there is none.
func (g *group) pick(procedure wamp.URI, via *peer.Bridge) *callee {
	n := len(g.list)
	if n == 0 {
		return nil
	}
	start, step := 0, 1
	switch g.policy {
	case last:
		start, step = n-1, n-1 // modulo n: one back
	case roundRobin:
		start = g.turn % n
	case random:
		start = rand.IntN(n) //nolint:gosec // load balancing, not a secret
	case single, first:
	}
	for i := range n {
		at := (start + i*step) % n
		if h := g.list[at]; h != nil && h.takes(procedure, via) {
			g.turn = (at + 1) % n
			return h
		}
	}
	return nil
}

// others appends the callees but h that may have the call.
func (g *group) others(to []*callee, h *callee, procedure wamp.URI, via *peer.Bridge) []*callee {
	for _, o := range g.list {
		if o != nil && o != h && o.takes(procedure, via) {
			to = append(to, o)
		}
	}
	return to
}
