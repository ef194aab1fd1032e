package pattern

import (
	"slices"
	"sync"
	"sync/atomic"

	"bondy/core/wamp"
)

// Index holds values under (match, URI). The zero value is empty and ready.
// All methods may be called concurrently; only Update takes a lock. Lookups
// allocate nothing.
//
// The index does not validate: it takes any text for a pattern and for a URI,
// and callers see to it with [wamp.URI.Valid] that neither is longer than
// [wamp.MaxURILength].
type Index[V any] struct {
	mu    sync.Mutex                 // held by the one writer
	trees [3]atomic.Pointer[node[V]] // by wamp.Match
	size  atomic.Int64
}

// Get returns the value held under exactly (m, u).
func (x *Index[V]) Get(m wamp.Match, u wamp.URI) (V, bool) {
	return x.trees[m].Load().get(string(u))
}

// Update runs f with the value held under (m, u), ok false when there is none,
// and then holds the value that f returns, or none when keep is false. Updates
// of an index exclude one another, so f must not update the same index; it may
// look things up. u is not kept.
func (x *Index[V]) Update(m wamp.Match, u wamp.URI, f func(old V, ok bool) (v V, keep bool)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	tree := &x.trees[m]
	old, ok := tree.Load().get(string(u))
	v, keep := f(old, ok)
	switch {
	case keep:
		tree.Store(tree.Load().put(string(u), v))
		if !ok {
			x.size.Add(1)
		}
	case ok:
		tree.Store(tree.Load().drop(string(u)))
		x.size.Add(-1)
	}
}

// Match appends to dst every value whose pattern matches u and returns the
// result: the exact one, the prefixes from short to long, then the wildcards
// in the order of Best. A prefix matches by characters (section "Prefix
// Matching"); a wildcard has as many components as u and its empty components
// match any one component (section "Wildcard Matching"). The cost depends on
// the length of u and on how many patterns match it or its beginning, not on
// how many there are.
func (x *Index[V]) Match(dst []V, u wamp.URI) []V {
	s := string(u)
	if v, ok := x.trees[wamp.MatchExact].Load().get(s); ok {
		dst = append(dst, v)
	}
	start := len(dst)
	x.trees[wamp.MatchPrefix].Load().prefixes(s, 0, func(v V, _ int) bool {
		dst = append(dst, v)
		return true
	})
	slices.Reverse(dst[start:])
	x.trees[wamp.MatchWildcard].Load().wildcards(s, 0, true, func(v V) bool {
		dst = append(dst, v)
		return true
	})
	return dst
}

// Best returns the value to which a call of u goes, in the order that the
// package comment gives. accept is asked candidate by candidate, the best
// first, until it takes one; nil takes the first.
func (x *Index[V]) Best(u wamp.URI, accept func(V) bool) (V, bool) {
	s := string(u)
	var best V
	found := false
	// try reports whether to go on searching.
	try := func(v V) bool {
		if accept == nil || accept(v) {
			best, found = v, true
		}
		return !found
	}
	if v, ok := x.trees[wamp.MatchExact].Load().get(s); ok && !try(v) {
		return best, true
	}
	whole := func(v V, end int) bool { return !boundary(s, end) || try(v) }
	partial := func(v V, end int) bool { return boundary(s, end) || try(v) }
	prefixes, wildcards := x.trees[wamp.MatchPrefix].Load(), x.trees[wamp.MatchWildcard].Load()
	if prefixes.prefixes(s, 0, whole) && wildcards.wildcards(s, 0, true, try) {
		prefixes.prefixes(s, 0, partial)
	}
	return best, found
}

// All calls yield with every entry until it returns false: exact, prefix,
// wildcard, each in the byte order of the URIs. An entry that is there all the
// while is seen exactly once, one that comes or goes meanwhile perhaps.
func (x *Index[V]) All(yield func(wamp.Match, wamp.URI, V) bool) {
	for _, m := range [...]wamp.Match{wamp.MatchExact, wamp.MatchPrefix, wamp.MatchWildcard} {
		more := x.trees[m].Load().all(nil, func(u []byte, v V) bool { return yield(m, wamp.URI(u), v) })
		if !more {
			return
		}
	}
}

// Below calls yield with the entries under policy m whose text begins with
// prefix, in byte order, until it returns false. What comes or goes meanwhile
// is seen perhaps.
func (x *Index[V]) Below(m wamp.Match, prefix wamp.URI, yield func(wamp.URI, V) bool) {
	x.trees[m].Load().below(string(prefix), func(u []byte, v V) bool { return yield(wamp.URI(u), v) })
}

// Len is how many entries there are.
func (x *Index[V]) Len() int { return int(x.size.Load()) }

// boundary reports whether the first end bytes of u are whole components.
func boundary(u string, end int) bool {
	return end == 0 || end == len(u) || u[end-1] == '.' || u[end] == '.'
}
