package rbac

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"

	"bondy/core/wamp"
)

// permissions is a set, one bit for each Permission.
type permissions uint8

// reach is what a pattern gives: all of it outside management, and within
// management what comes from grants that name it.
type reach struct{ plain, management permissions }

func (r *reach) add(o reach) {
	r.plain |= o.plain
	r.management |= o.management
}

func (r reach) on(management bool) permissions {
	if management {
		return r.management
	}
	return r.plain
}

// index holds the resources granted to one role. After seal it only changes
// its cache and is safe for concurrent use.
type index struct {
	exact    map[string]permissions
	prefixes []prefix // sorted by text once sealed
	wildcard *node    // nil without wildcard grants
	cache    cache
}

// prefix is one granted prefix.
type prefix struct {
	text string
	// reach covers the prefix and, once sealed, the prefixes of itself.
	reach reach
	// parent is the longest other prefix that text begins with; -1 for none.
	parent int
}

// node is a component in the tree of granted wildcard patterns; reach belongs
// to the pattern that ends here.
type node struct {
	literal map[string]*node
	any     *node
	reach   reach
}

func newIndex() *index { return &index{exact: make(map[string]permissions)} }

// add puts a resource in; only before seal.
func (ix *index) add(res Resource, ps permissions) {
	uri := string(res.URI)
	r := reach{plain: ps}
	if names(literal(uri, res.Match)) {
		r.management = ps
	}
	switch res.Match {
	case wamp.MatchPrefix:
		ix.prefixes = append(ix.prefixes, prefix{text: uri, reach: r, parent: -1})
	case wamp.MatchWildcard:
		if ix.wildcard == nil {
			ix.wildcard = &node{}
		}
		ix.wildcard.insert(uri).add(r)
	default:
		ix.exact[uri] |= ps
	}
}

// seal sorts the prefixes, merges equal ones and links each to the prefixes of
// itself.
func (ix *index) seal() {
	slices.SortFunc(ix.prefixes, func(a, b prefix) int { return cmp.Compare(a.text, b.text) })
	kept := ix.prefixes[:0]
	for _, p := range ix.prefixes {
		if n := len(kept); n > 0 && kept[n-1].text == p.text {
			kept[n-1].reach.add(p.reach)
			continue
		}
		kept = append(kept, p)
	}
	for i := range kept {
		p := &kept[i]
		p.parent = ancestor(kept, i-1, p.text)
		if p.parent >= 0 {
			p.reach.add(kept[p.parent].reach)
		}
	}
	ix.prefixes = slices.Clip(kept)
}

// ancestor finds the longest prefix of s among sorted ones, given the last of
// them that is not above s. Whatever sorts between a prefix of s and s begins
// with that prefix too, so the chain of parents from there meets them all.
func ancestor(sorted []prefix, last int, s string) int {
	for last >= 0 && !strings.HasPrefix(s, sorted[last].text) {
		last = sorted[last].parent
	}
	return last
}

// permissions is what the role has on a URI or pattern, computed.
func (ix *index) permissions(uri string, m wamp.Match) permissions {
	begin := literal(uri, m)
	management := names(begin)
	var ps permissions
	if m == wamp.MatchExact {
		management = Management(wamp.URI(uri))
		ps = ix.exact[uri]
	}
	i, found := slices.BinarySearchFunc(ix.prefixes, begin, func(p prefix, s string) int { return cmp.Compare(p.text, s) })
	if !found {
		i--
	}
	if i = ancestor(ix.prefixes, i, begin); i >= 0 {
		ps |= ix.prefixes[i].reach.on(management)
	}
	if ix.wildcard != nil && m != wamp.MatchPrefix {
		var r reach
		ix.wildcard.collect(uri, &r)
		ps |= r.on(management)
	}
	return ps
}

// literal is the text with which everything begins that a pattern matches.
func literal(uri string, m wamp.Match) string {
	if m != wamp.MatchWildcard {
		return uri
	}
	if uri == "" || uri[0] == '.' {
		return ""
	}
	if i := strings.Index(uri, ".."); i >= 0 {
		return uri[:i+1]
	}
	return uri // a wildcard at the end leaves its dot
}

// insert returns the reach of a pattern.
func (n *node) insert(pattern string) *reach {
	for part := range strings.SplitSeq(pattern, ".") {
		if part == "" {
			if n.any == nil {
				n.any = &node{}
			}
			n = n.any
			continue
		}
		child := n.literal[part]
		if child == nil {
			if n.literal == nil {
				n.literal = make(map[string]*node)
			}
			child = &node{}
			n.literal[part] = child
		}
		n = child
	}
	return &n.reach
}

// collect adds what the patterns below n give on s, a URI or a wildcard
// pattern, of which a wildcard is covered by a wildcard alone.
func (n *node) collect(s string, r *reach) {
	part, rest, more := strings.Cut(s, ".")
	for _, child := range [...]*node{n.literal[part], n.any} {
		switch {
		case child == nil:
		case more:
			child.collect(rest, r)
		default:
			r.add(child.reach)
		}
	}
}

// Bounds of a cache: so many decisions, each for a URI of so many bytes.
const (
	cacheSlots = 256
	cacheURI   = 256
)

// cache remembers decisions of one index. Each URI has one slot, and a
// newcomer takes it from whoever has it; longer URIs than cacheURI are
// computed each time. So a flood of URIs costs others the computation and
// nobody memory.
type cache struct {
	slots atomic.Pointer[[cacheSlots]atomic.Pointer[decision]] // nil until first used
}

// decision is immutable.
type decision struct {
	uri   string
	match wamp.Match
	ps    permissions
}

// cached is permissions with a memory; h is a hash of uri.
func (ix *index) cached(h uint64, uri wamp.URI, m wamp.Match) permissions {
	if len(uri) > cacheURI {
		return ix.permissions(string(uri), m)
	}
	slots := ix.cache.slots.Load()
	if slots == nil {
		ix.cache.slots.CompareAndSwap(nil, new([cacheSlots]atomic.Pointer[decision]))
		slots = ix.cache.slots.Load()
	}
	slot := &slots[(h+uint64(m))%cacheSlots]
	if d := slot.Load(); d != nil && d.match == m && d.uri == string(uri) {
		return d.ps
	}
	d := &decision{uri: strings.Clone(string(uri)), match: m, ps: ix.permissions(string(uri), m)}
	slot.Store(d)
	return d.ps
}
