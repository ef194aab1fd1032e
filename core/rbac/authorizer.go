package rbac

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"iter"
	"maps"
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
	members map[string]*member
	circles map[Role]*circle
	views   map[string]*view // one for each set of indexes that some member has
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
		members: make(map[string]*member), circles: make(map[Role]*circle), views: make(map[string]*view),
	}
	a.policy.Store(p)
	return a, nil
}

// Set replaces the configuration. When it returns, the decisions of every Rights
// follow the new one; it returns those that may allow something else now. On an
// error, that of Config.Validate, nothing has changed.
func (a *Authorizer) Set(cfg Config) ([]*Rights, error) {
	p, err := cfg.policy()
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.policy.Store(p)
	for role := range a.indexes {
		a.compareLocked(role)
	}
	return a.renewLocked(maps.Values(a.members), true), nil
}

// Follow is Set where nothing is different but the version of the Directory, and
// of that only some roles: what they are granted, in which groups they are
// themselves, or whether there is such a user. It looks at who has those roles, and
// at nobody else.
func (a *Authorizer) Follow(d Directory, roles []Role) []*Rights {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := *a.policy.Load()
	old := p.dir
	p.dir = d
	a.policy.Store(&p)
	concerned, moved := make(map[*member]struct{}), false
	for _, role := range roles {
		a.compareLocked(role)
		moved = moved || !role.stays(old, d)
		if c := a.circles[role]; c != nil {
			for _, m := range c.members {
				concerned[m] = struct{}{}
			}
		}
	}
	return a.renewLocked(maps.Keys(concerned), moved)
}

// stays reports whether a role is in the same groups in another version.
func (r Role) stays(old, now Directory) bool {
	if r.Kind == RoleGroup {
		return slices.Equal(old.GroupParents(r.Name), now.GroupParents(r.Name))
	}
	before, there := old.UserGroups(r.Name)
	after, still := now.UserGroups(r.Name)
	return there == still && slices.Equal(before, after)
}

// compareLocked forgets what was compiled of a role that has other grants now.
func (a *Authorizer) compareLocked(role Role) {
	if ix := a.indexes[role]; ix != nil && !ix.of(a.policy.Load().dir.Grants(role)) {
		delete(a.indexes, role)
	}
}

// renewLocked gives subjects their view of the present policy, and returns the
// Rights of those for whom it is another one than before. If nobody moved, they have
// the same roles as before.
func (a *Authorizer) renewLocked(subjects iter.Seq[*member], moved bool) (changed []*Rights) {
	defer a.version.Add(1) // when all decide by the new one: who decided before then sees it change
	for m := range subjects {
		if r := m.rights.Value(); r != nil {
			old := m.view
			v := a.viewLocked(m, moved || old.flaw != nil)
			a.showLocked(m, v)
			r.view.Store(v)
			if old != v && (old.flaw == nil || v.flaw == nil) {
				changed = append(changed, r)
			}
		}
	}
	return changed
}

// Version counts the changes by Set and Follow that every Rights follows. Who comes to
// hold something compares it before and after: if it changed, what was allowed may not
// be any more.
func (a *Authorizer) Version() uint64 { return a.version.Load() }

// Rights returns what a subject may do; equal subjects share one Rights.
func (a *Authorizer) Rights(s Subject) *Rights {
	s = s.normal()
	key := s.key()
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := a.members[key]; m != nil {
		if r := m.rights.Value(); r != nil {
			return r
		}
		a.forgetLocked(m)
	}
	r := new(Rights)
	m := &member{Subject: s, key: key, rights: weak.Make(r)}
	a.members[key] = m
	a.showLocked(m, a.viewLocked(m, true))
	r.view.Store(m.view)
	runtime.AddCleanup(r, a.forget, m)
	return r
}

// viewLocked is what a subject sees of the present policy. Unless it moved, its
// roles are those that it had.
func (a *Authorizer) viewLocked(m *member, moved bool) *view {
	p := a.policy.Load()
	if p.open {
		a.seatLocked(m, nil)
		return a.sharedLocked([]byte(everything), nil, nil)
	}
	a.found = a.found[:0]
	if moved || len(m.Narrow) > 0 {
		flaw := a.roles.find(p.dir, &m.Subject)
		a.seatLocked(m, a.roles.looked())
		if flaw != nil {
			return &view{flaw: flaw}
		}
		for _, h := range a.roles.list {
			a.takeLocked(p, h.Role)
		}
	} else {
		for _, place := range m.places {
			a.takeLocked(p, place.of.role)
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
	if v := a.views[string(key)]; v != nil {
		return v
	}
	v := &view{a: a, key: string(key), open: string(key) == everything, indexes: slices.Clone(indexes), deciders: deciders}
	for _, ix := range indexes {
		v.longest = max(v.longest, ix.longest)
	}
	a.views[v.key] = v
	return v
}

// everything is the key of the view that is not limited. No number is 0.
const everything = "\x00"

// takeLocked adds the compiled grants of a role, if it has any, to those found.
func (a *Authorizer) takeLocked(p *policy, role Role) {
	ix := a.indexes[role]
	if ix == nil {
		grants := p.dir.Grants(role)
		if len(grants) == 0 {
			return
		}
		a.last++
		ix = newIndex(a.seed, a.last, grants)
		a.indexes[role] = ix
	}
	a.found = append(a.found, ix)
}
