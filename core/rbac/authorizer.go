package rbac

import (
	"fmt"
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
	mu     sync.Mutex
	policy *policy
	// rights has one entry for each set of roles that some session holds; it
	// keeps none of them alive.
	rights map[string]weak.Pointer[Rights]
}

// New compiles cfg. The error is that of Config.Validate.
func New(cfg Config) (*Authorizer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Authorizer{policy: compile(&cfg), rights: make(map[string]weak.Pointer[Rights])}, nil
}

// Set replaces the configuration. When it returns, the decisions of every
// Rights follow the new one. On an error, that of Config.Validate, nothing has
// changed.
func (a *Authorizer) Set(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	p := compile(&cfg)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.policy = p
	for _, w := range a.rights {
		if r := w.Value(); r != nil {
			r.view.Store(p.view(r.roles))
		}
	}
	return nil
}

// Rights returns what sessions with these roles may do, in any order of roles;
// sessions with the same roles share one Rights.
func (a *Authorizer) Rights(roles []string) *Rights {
	roles = slices.Clone(roles)
	slices.Sort(roles)
	roles = slices.Compact(roles)
	key := fmt.Sprintf("%q", roles) // quoted, so that no name can look like two
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.rights[key].Value(); r != nil {
		return r
	}
	r := &Rights{roles: roles}
	r.view.Store(a.policy.view(roles))
	a.rights[key] = weak.Make(r)
	runtime.AddCleanup(r, a.forget, key)
	return r
}

// forget drops the entry of a Rights that nobody holds any more.
func (a *Authorizer) forget(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.rights[key].Value() == nil { // else the roles came back meanwhile
		delete(a.rights, key)
	}
}

// Rights are what one set of roles may do, always by the Authorizer's latest
// configuration. It is safe for concurrent use.
type Rights struct {
	roles []string // sorted
	view  atomic.Pointer[view]
}

// Decide reports whether the grants allow p on uri, which is a pattern if m
// says so and must be valid for m. It allocates nothing once the answer is
// cached.
//
// A pattern wholly within management needs a grant that names it; a wider one,
// such as prefix "" under a grant to prefix "", may overlap management. So who
// delivers a message to the holder of a pattern, and Management says that the
// message's own URI is of that kind, asks again with that URI and exact match.
//
// Unregister, Unsubscribe and Cancel are always allowed: they only undo what
// the session was allowed to do, and whether it holds that is for the broker
// or dealer to check.
func (r *Rights) Decide(p Permission, uri wamp.URI, m wamp.Match) bool {
	switch p {
	case Unregister, Unsubscribe, Cancel:
		return true
	case Register, Call, Subscribe, Publish:
		return r.view.Load().permissions(uri, m)&(1<<p) != 0
	default:
		return false
	}
}

// policy is one version of a realm's grants; immutable.
type policy struct {
	open  bool
	seed  maphash.Seed
	roles map[string]*index
}

func compile(cfg *Config) *policy {
	p := &policy{open: cfg.SecurityDisabled, seed: maphash.MakeSeed(), roles: make(map[string]*index)}
	for _, g := range cfg.Grants {
		var ps permissions
		for _, q := range g.Permissions {
			ps |= 1 << q
		}
		for _, role := range g.Roles {
			ix := p.roles[role]
			if ix == nil {
				ix = newIndex()
				p.roles[role] = ix
			}
			for _, res := range g.Resources {
				ix.add(res, ps)
			}
		}
	}
	for _, ix := range p.roles {
		ix.seal()
	}
	return p
}

// view is the part of the policy that concerns one set of roles, and RoleAll.
func (p *policy) view(roles []string) *view {
	v := &view{open: p.open, seed: p.seed}
	if ix := p.roles[RoleAll]; ix != nil {
		v.indexes = append(v.indexes, ix)
	}
	for _, role := range roles {
		if ix := p.roles[role]; ix != nil && role != RoleAll {
			v.indexes = append(v.indexes, ix)
		}
	}
	return v
}

// view answers for one set of roles under one policy.
type view struct {
	open    bool
	seed    maphash.Seed
	indexes []*index
}

// permissions is what the roles together have on a URI or pattern.
func (v *view) permissions(uri wamp.URI, m wamp.Match) permissions {
	if v.open {
		return ^permissions(0)
	}
	h := maphash.String(v.seed, string(uri))
	var ps permissions
	for _, ix := range v.indexes {
		ps |= ix.cached(h, uri, m)
	}
	return ps
}
