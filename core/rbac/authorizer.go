package rbac

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"weak"

	"bondy/core/wamp"
)

// Authorizer holds the compiled grants of one realm. It is safe for concurrent
// use.
type Authorizer struct {
	seed    maphash.Seed
	policy  atomic.Pointer[policy]
	version atomic.Uint64 // of the policy
	queries sync.Pool     // of *query

	mu      sync.Mutex
	last    uint64          // number of the latest index
	indexes map[Role]*index // of roles that some view needed, as their grants are
	// rights and views have one entry for each subject and for each set of
	// indexes that some session has; they keep none of them alive.
	rights map[string]weak.Pointer[Rights]
	views  map[string]weak.Pointer[view]
	// What looking a subject up needs, kept for the next.
	roles roles
	found []*index
	key   []byte
}

// New makes the Authorizer of cfg. The error is that of Config.Validate.
func New(cfg Config) (*Authorizer, error) {
	p, err := cfg.policy()
	if err != nil {
		return nil, err
	}
	a := &Authorizer{
		seed: maphash.MakeSeed(), indexes: make(map[Role]*index),
		rights: make(map[string]weak.Pointer[Rights]), views: make(map[string]weak.Pointer[view]),
	}
	a.policy.Store(p)
	return a, nil
}

// Set replaces the configuration. When it returns, the decisions of every
// Rights follow the new one: each looks again when it is asked next. On an
// error, that of Config.Validate, nothing has changed.
func (a *Authorizer) Set(cfg Config) error {
	p, err := cfg.policy()
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for role, ix := range a.indexes {
		if !ix.of(p.dir.Grants(role)) {
			delete(a.indexes, role)
		}
	}
	a.policy.Store(p)
	a.version.Add(1)
	return nil
}

// Version counts the calls of Set. Who comes to hold something compares it before
// and after: if it changed, what was allowed may not be any more.
func (a *Authorizer) Version() uint64 { return a.version.Load() }

// Rights returns what a subject may do; equal subjects share one Rights.
func (a *Authorizer) Rights(s Subject) *Rights {
	s = s.normal()
	key := s.key()
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.rights[key].Value(); r != nil {
		return r
	}
	r := &Rights{a: a, subject: s}
	r.seen.Store(r.lookLocked().view)
	a.rights[key] = weak.Make(r)
	runtime.AddCleanup(r, func(key string) { forget(a, a.rights, key) }, key)
	return r
}

// forget drops the entry of something that nobody holds any more.
func forget[T any](a *Authorizer, from map[string]weak.Pointer[T], key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if from[key].Value() == nil { // else it came back meanwhile
		delete(from, key)
	}
}

// viewLocked is what a subject sees of the present policy.
func (a *Authorizer) viewLocked(s *Subject) *view {
	p := a.policy.Load()
	if p.open {
		return a.sharedLocked([]byte(everything), nil, nil)
	}
	if flaw := a.roles.find(p.dir, s); flaw != nil {
		return &view{flaw: flaw}
	}
	a.found = a.found[:0]
	for _, h := range a.roles.list {
		if ix := a.indexLocked(p, h.Role); ix != nil {
			a.found = append(a.found, ix)
		}
	}
	slices.SortFunc(a.found, func(a, b *index) int { return cmp.Compare(a.number, b.number) })
	key := a.key[:0]
	for _, ix := range a.found {
		key = binary.AppendUvarint(key, ix.number)
	}
	for _, d := range p.deciders { // other procedures decide otherwise
		key = append(append(key, 0), d...)
	}
	if p.dynamic != nil { // which is the last of them
		key = append(key, 0)
	}
	a.key = key
	return a.sharedLocked(key, a.found, p.deciders)
}

// sharedLocked is the view of the indexes, of which key tells the numbers; none
// for one that allows everything.
func (a *Authorizer) sharedLocked(key []byte, indexes []*index, deciders []wamp.URI) *view {
	if old := a.views[string(key)].Value(); old != nil {
		return old
	}
	v := &view{a: a, open: string(key) == everything, indexes: slices.Clone(indexes), deciders: deciders}
	a.views[string(key)] = weak.Make(v)
	runtime.AddCleanup(v, func(key string) { forget(a, a.views, key) }, string(key))
	return v
}

// everything is the key of the view that is not limited. No number is 0.
const everything = "\x00"

// indexLocked is the compiled grants of a role, nil if it has none.
func (a *Authorizer) indexLocked(p *policy, role Role) *index {
	if ix := a.indexes[role]; ix != nil {
		return ix
	}
	grants := p.dir.Grants(role)
	if len(grants) == 0 {
		return nil
	}
	a.last++
	ix := newIndex(a.last, grants)
	a.indexes[role] = ix
	return ix
}
