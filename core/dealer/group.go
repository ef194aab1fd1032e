package dealer

import (
	"math/rand/v2"
	"slices"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// invoke is the policy by which a shared registration picks a callee (section
// "Shared Registration", and three of the predecessor's).
type invoke uint8

const (
	single invoke = iota
	first
	last
	roundRobin
	random
	jumpHash    // by the call's key
	leastLoaded // the one with the fewest calls of this registration
	leastOfTwo  // the less loaded of two at random
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
	case "jump_consistent_hash", "jch":
		return jumpHash, nil
	case "queue_least_loaded", "qll":
		return leastLoaded, nil
	case "queue_least_loaded_sample", "qlls":
		return leastOfTwo, nil
	default:
		return single, wamp.Errorf(wamp.ErrInvalidArgument,
			"unknown invocation policy %q: use single, first, last, roundrobin, random, jump_consistent_hash, "+
				"queue_least_loaded or queue_least_loaded_sample", name)
	}
}

func (i invoke) String() string {
	return [...]string{
		"single", "first", "last", "roundrobin", "random",
		"jump_consistent_hash", "queue_least_loaded", "queue_least_loaded_sample",
	}[i]
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

// pick chooses a callee for a call that came over via.
func (g *group) pick(procedure wamp.URI, via *peer.Bridge, o *callOptions) (*callee, outcome) {
	n := len(g.list)
	if n == 0 {
		return nil, nobody
	}
	policy := g.policy
	if o.partition {
		policy = jumpHash
	}
	start, step := 0, 1
	switch policy {
	case last:
		start, step = n-1, n-1 // modulo n: one back
	case roundRobin:
		start = g.turn % n
	case random:
		start = g.nth(draw(g.live))
	case jumpHash:
		if !o.keyed {
			return nil, keyless
		}
		start = g.nth(jump(hash(o.key), g.live))
	case leastLoaded:
		return g.least(procedure, via)
	case leastOfTwo:
		if h := g.sample(procedure, via); h != nil {
			return h, callable
		}
		start = g.nth(draw(g.live))
	case single, first:
	}
	found := nobody
	for i := range n {
		at := (start + i*step) % n
		switch h := g.list[at]; {
		case h == nil || !h.takes(procedure, via):
		case h.full():
			found = busy
		default:
			g.turn = (at + 1) % n
			return h, callable
		}
	}
	return nil, found
}

// least is the callee with the fewest calls, in turn among equals.
func (g *group) least(procedure wamp.URI, via *peer.Bridge) (best *callee, found outcome) {
	n := len(g.list)
	for i := range n {
		switch h := g.list[(g.turn+i)%n]; {
		case h == nil || !h.takes(procedure, via):
		case h.full():
			found = max(found, busy)
		case best == nil || h.load < best.load:
			best, found = h, callable
		}
	}
	if best != nil {
		g.turn = (best.pos + 1) % n
	}
	return best, found
}

// sample is the less loaded of two callees at random, nil if neither can take
// the call.
func (g *group) sample(procedure wamp.URI, via *peer.Bridge) (best *callee) {
	i := draw(g.live)
	j := i
	if g.live > 1 {
		j = (i + 1 + draw(g.live-1)) % g.live
	}
	for _, k := range [...]int{i, j} {
		h := g.list[g.nth(k)]
		if h.takes(procedure, via) && !h.full() && (best == nil || h.load < best.load) {
			best = h
		}
	}
	return best
}

// nth is where the k-th callee alive is in the list.
func (g *group) nth(k int) int {
	if g.live == len(g.list) {
		return k
	}
	for i, h := range g.list {
		if h == nil {
			continue
		}
		if k == 0 {
			return i
		}
		k--
	}
	return 0
}

// after appends the callees but h that may have the call, in the order in
// which they are asked after h.
func (g *group) after(to []*callee, h *callee, procedure wamp.URI, via *peer.Bridge) []*callee {
	n, start := len(g.list), len(to)
	for i := range n {
		at := (h.pos + 1 + i) % n
		if g.policy == last {
			at = (h.pos + (i+1)*(n-1)) % n
		}
		if o := g.list[at]; o != nil && o.sess != h.sess && o.takes(procedure, via) {
			to = append(to, o)
		}
	}
	switch rest := to[start:]; g.policy {
	case random:
		rand.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] }) //nolint:gosec // load balancing, not a secret
	case leastLoaded, leastOfTwo:
		slices.SortStableFunc(rest, func(a, b *callee) int { return a.load - b.load })
	case single, first, last, roundRobin, jumpHash:
	}
	return to
}

func draw(n int) int {
	return rand.IntN(n) //nolint:gosec // load balancing, not a secret
}

// hash is FNV-1a, the same on every node.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// jump is the bucket of key among n ("A Fast, Minimal Memory, Consistent Hash
// Algorithm", Lamping and Veach): with one bucket more, only the keys move that
// go there.
func jump(key uint64, n int) int {
	at, next := -1, 0
	for next < n {
		at = next
		key = key*2862933555777941757 + 1
		next = int(float64(at+1) * (float64(1<<31) / float64(key>>33+1)))
	}
	return at
}
