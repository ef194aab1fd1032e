package rbac

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"

	"bondy/core/wamp"
)

// view answers for the subjects that have the same grants.
type view struct {
	flaw    *wamp.Error // for a subject that is not what it was
	open    bool
	a       *Authorizer
	indexes []*index
	longest int // of the prefixes in them
	// deciders are the procedures that decide for the router; nil in most realms.
	deciders []wamp.URI
	cache    cache
	key      string // in Authorizer.views
	members  int    // that have it; guarded by Authorizer.mu
}

// permissions is what the roles together have on a canonical URI or pattern.
func (v *view) permissions(uri wamp.URI, m wamp.Match) PermissionSet {
	if v.open {
		return 1<<numPermissions - 1
	}
	if len(v.indexes) == 0 {
		return 0
	}
	h := maphash.String(v.a.seed, string(uri))
	if d := v.cache.find(h, uri, m); d != nil {
		return d.ps
	}
	ps := v.compute(Resource{uri, m})
	if len(uri) <= cacheURI {
		v.cache.put(h, &decision{uri: strings.Clone(string(uri)), match: m, ps: ps})
	}
	return ps
}

func (v *view) compute(r Resource) (ps PermissionSet) {
	q, ok := v.a.queries.Get().(*query)
	if !ok {
		q = &query{seed: v.a.seed}
	}
	defer v.a.queries.Put(q)
	q.read(r, v.longest)
	for _, ix := range v.indexes {
		ps |= ix.permissions(q)
	}
	if ps.Has(Register) && r.decides(v.deciders) && !v.mayDecide(r) {
		ps &^= Set(Register)
	}
	return ps
}

// mayDecide reports whether some grant lets r be registered, which is of a
// procedure that decides for the router. It looks at them all.
func (v *view) mayDecide(r Resource) bool {
	return slices.ContainsFunc(v.indexes, func(ix *index) bool {
		return slices.ContainsFunc(ix.grants, func(g RoleGrant) bool {
			res := g.Resource.canonical()
			return g.Permissions.Has(Register) && res.covers(r) && res.namesAll(r, v.deciders)
		})
	})
}

// Bounds of a cache: so many decisions, each for a URI of so many bytes.
const (
	minSlots = 16
	maxSlots = 256
	cacheURI = 256
)

// cache remembers decisions of one view. Each URI has one slot, and a
// newcomer takes it from whoever has it, or makes a small cache a larger one;
// longer URIs than cacheURI are computed each time. So a flood of URIs costs
// others the computation and nobody much memory.
type cache struct{ slots atomic.Pointer[[]slot] } // nil until first used

type slot = atomic.Pointer[decision]

// decision is immutable.
type decision struct {
	uri   string
	match wamp.Match
	ps    PermissionSet
}

// find returns the decision on a URI with hash h, nil if there is none.
func (c *cache) find(h uint64, uri wamp.URI, m wamp.Match) *decision {
	slots := c.slots.Load()
	if slots == nil {
		return nil
	}
	d := at(*slots, h, m).Load()
	if d == nil || d.match != m || d.uri != string(uri) {
		return nil
	}
	return d
}

func (c *cache) put(h uint64, d *decision) {
	old := c.slots.Load()
	n := minSlots
	if old != nil {
		place := at(*old, h, d.match)
		if n = 4 * len(*old); n > maxSlots || place.CompareAndSwap(nil, d) {
			place.Store(d)
			return
		}
	}
	slots := make([]slot, n) // what the small one had is soon there again
	at(slots, h, d.match).Store(d)
	c.slots.CompareAndSwap(old, &slots)
}

func at(slots []slot, h uint64, m wamp.Match) *slot {
	return &slots[(h+uint64(m))%uint64(len(slots))]
}
