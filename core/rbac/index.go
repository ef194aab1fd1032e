package rbac

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"

	"bondy/core/wamp"
)

// reach is what a grant gives: all of it outside management, and within
// management only if the grant names that.
type reach struct{ plain, management PermissionSet }

func (r *reach) add(o reach) {
	r.plain |= o.plain
	r.management |= o.management
}

func (r reach) on(management bool) PermissionSet {
	if management {
		return r.management
	}
	return r.plain
}

// index holds the resources granted to one role, compiled; immutable. All of
// them are in one table, under hashes that a query has computed once for all
// indexes: of the URI, of its beginnings that are as long as some prefix, and
// of its components where some wildcard pattern has its literals.
type index struct {
	number uint64
	grants []RoleGrant // of which it is made
	table  []granted   // mask+1 of them, a power of two, with places left
	mask   uint64
	// filter has a bit for the hash of each resource, and few others: what is not
	// granted is hardly ever looked for in the table.
	filter  []uint8
	lengths []int   // of the prefixes
	longest int     // of these
	shapes  []shape // of the wildcard patterns
}

// bit is that of a hash in the filter.
func (ix *index) bit(h uint64) (at uint64, mask uint8) { return h >> 32 & ix.mask, 1 << (h >> 61) }

// may reports whether something with hash h may be granted.
func (ix *index) may(h uint64) bool {
	at, mask := ix.bit(h)
	return ix.filter[at]&mask != 0
}

// granted is a resource in the table.
type granted struct {
	hash  uint64
	uri   string
	reach reach
	match wamp.Match
	used  bool
}

// shape says how many components a wildcard pattern has and which are literal.
type shape struct {
	components int
	literal    []int
}

func newIndex(seed maphash.Seed, number uint64, grants []RoleGrant) *index {
	size := uint64(1) << bits.Len(uint(len(grants)+len(grants)/2))
	ix := &index{number: number, grants: grants, table: make([]granted, size), mask: size - 1, filter: make([]uint8, size)}
	q := query{seed: seed}
	for i := range grants {
		res := grants[i].Resource.canonical()
		r := reach{plain: grants[i].Permissions}
		if res.named() {
			r.management = r.plain
		}
		q.read(res, len(res.URI))
		h := q.whole
		switch res.Match {
		case wamp.MatchPrefix:
			if !slices.Contains(ix.lengths, len(res.URI)) {
				ix.lengths = append(ix.lengths, len(res.URI))
				ix.longest = max(ix.longest, len(res.URI))
			}
			h = q.sums[len(res.URI)]
		case wamp.MatchWildcard:
			s := shapeOf(res.URI)
			if !slices.ContainsFunc(ix.shapes, s.equal) {
				ix.shapes = append(ix.shapes, s)
			}
			h = q.shaped(&s)
		case wamp.MatchExact:
		}
		g := ix.place(h, res.Match, string(res.URI))
		g.hash, g.used, g.match, g.uri = h, true, res.Match, string(res.URI)
		g.reach.add(r)
		at, mask := ix.bit(h)
		ix.filter[at] |= mask
	}
	return ix
}

func shapeOf(pattern wamp.URI) (s shape) {
	for part := range strings.SplitSeq(string(pattern), ".") {
		if part != "" {
			s.literal = append(s.literal, s.components)
		}
		s.components++
	}
	return s
}

func (s shape) equal(o shape) bool {
	return s.components == o.components && slices.Equal(s.literal, o.literal)
}

// of reports whether the index is that of grants.
func (ix *index) of(grants []RoleGrant) bool {
	return len(grants) == len(ix.grants) &&
		(len(grants) == 0 || &grants[0] == &ix.grants[0] || slices.Equal(grants, ix.grants))
}

// place is where a resource is, or would be.
func (ix *index) place(h uint64, m wamp.Match, uri string) *granted {
	for i := h; ; i++ {
		g := &ix.table[i&ix.mask]
		if !g.used || g.hash == h && g.match == m && g.uri == uri {
			return g
		}
	}
}

// permissions is what the role has on what is asked for.
func (ix *index) permissions(q *query) (ps PermissionSet) {
	asked := string(q.resource.URI)
	if q.resource.Match == wamp.MatchExact && ix.may(q.whole) {
		ps = ix.place(q.whole, wamp.MatchExact, asked).reach.on(q.management)
	}
	for _, n := range ix.lengths {
		if n < len(q.sums) && ix.may(q.sums[n]) {
			ps |= ix.place(q.sums[n], wamp.MatchPrefix, asked[:n]).reach.on(q.management)
		}
	}
	if q.resource.Match == wamp.MatchPrefix {
		return ps // which no wildcard covers
	}
	for i := range ix.shapes {
		if s := &ix.shapes[i]; s.components == len(q.parts) {
			if h := q.shaped(s); ix.may(h) {
				ps |= ix.matching(h, asked).on(q.management)
			}
		}
	}
	return ps
}

// matching is the reach of the wildcard pattern with hash h that covers uri.
func (ix *index) matching(h uint64, uri string) reach {
	for i := h; ; i++ {
		g := &ix.table[i&ix.mask]
		if !g.used || g.hash == h && g.match == wamp.MatchWildcard && shaped(g.uri, uri) {
			return g.reach
		}
	}
}

// query is what is asked of the indexes of a view.
type query struct {
	seed       maphash.Seed
	resource   Resource
	management bool
	whole      uint64   // hash of the URI
	sums       []uint64 // hashes of the first bytes of the literal, by their number
	parts      []uint64 // hashes of the components, each with its place
}

// Parameters of FNV-1a, which hashes all beginnings on the way. It need not
// withstand anybody: the tables hold what was granted alone, and are compared
// in the end.
const (
	hashOffset = 14695981039346656037
	hashPrime  = 1099511628211
)

// read makes q the query for r, with the memory that it has already. No prefix
// of more than longest bytes is looked for with it.
func (q *query) read(r Resource, longest int) {
	uri, literal := string(r.URI), r.literal()
	q.resource, q.management, q.whole = r, r.management(), maphash.String(q.seed, uri)
	n := min(longest, len(literal))
	q.sums, q.parts = slices.Grow(q.sums[:0], n+1)[:n+1], q.parts[:0]
	sum := uint64(hashOffset)
	for i := range n {
		q.sums[i] = sum
		sum = (sum ^ uint64(literal[i])) * hashPrime
	}
	q.sums[n] = sum
	for more := true; more; {
		var part string
		part, uri, more = strings.Cut(uri, ".")
		h := (maphash.String(q.seed, part) ^ uint64(len(q.parts))) * hashPrime
		q.parts = append(q.parts, h^h>>32)
	}
}

// shaped is the hash of the components at the literal places of s.
func (q *query) shaped(s *shape) uint64 {
	h := uint64(s.components) //nolint:gosec // not negative
	for _, i := range s.literal {
		h += q.parts[i]
	}
	return h
}

// shaped reports whether a wildcard pattern covers a URI or another wildcard
// pattern.
func shaped(pattern, uri string) bool {
	for {
		p, patternRest, more := strings.Cut(pattern, ".")
		u, uriRest, also := strings.Cut(uri, ".")
		if p != "" && p != u || more != also {
			return false
		}
		if !more {
			return true
		}
		pattern, uri = patternRest, uriRest
	}
}
