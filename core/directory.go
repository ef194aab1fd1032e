package core

import (
	"crypto/ed25519"
	"iter"
	"log/slog"
	"maps"
	"slices"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// users are the users of a realm as they are whenever somebody asks.
type users struct {
	dir   *directory.Directory
	realm wamp.URI
}

// User implements auth.Directory.
func (u users) User(name string) (auth.User, bool) {
	v, err := u.dir.View(u.realm)
	if err != nil {
		return auth.User{}, false
	}
	return v.User(name)
}

// Account implements auth.Directory.
func (u users) Account(name string, place uint64) (wamp.URI, string) {
	v, err := u.dir.View(u.realm)
	if err != nil {
		return u.realm, name
	}
	return v.Account(name, place)
}

// Key implements auth.Directory.
func (u users) Key(authrealm wamp.URI) []byte {
	v, err := u.dir.View(u.realm)
	if err != nil {
		return nil
	}
	return v.Key(authrealm)
}

// Owners implements auth.Directory.
func (u users) Owners(key ed25519.PublicKey) []string {
	v, err := u.dir.View(u.realm)
	if err != nil {
		return nil
	}
	return v.Owners(key)
}

// Twin implements auth.Directory.
func (u users) Twin(place uint64) (auth.User, bool) {
	v, err := u.dir.View(u.realm)
	if err != nil {
		return auth.User{}, false
	}
	return v.Twin(place)
}

// configs are the realms of the directory.
func (r *Router) configs(s *directory.Snapshot) []realm.Config {
	var out []realm.Config
	for uri := range s.Realms() {
		if v, err := s.View(uri); err == nil {
			out = append(out, r.config(v))
		}
	}
	return out
}

// config is a realm as the directory describes it, with the bounds of this node.
func (r *Router) config(v *directory.View) realm.Config {
	p := v.Effective()
	c := realm.Config{
		URI: v.Realm().URI,
		Auth: auth.Config{
			SecurityDisabled: !*p.SecurityEnabled, Methods: p.AuthMethods,
			Directory: users{r.directory, v.Realm().URI}, Sources: v.Inherited(),
		},
		Access:            access(v, &p),
		RefuseConnections: !*p.AllowConnections,
		StrictURIs:        p.StrictURIs,
		CallTimeout:       p.CallTimeout,
		MaxCallTimeout:    p.CallTimeoutMax,
		Routing:           p.Routing,
	}
	for s := range v.Sources("") {
		c.Auth.Sources = append(c.Auth.Sources, s.Source)
	}
	c.Queue.CloseSlow = p.CloseSlow
	if r.configure != nil {
		r.configure(&c, &p)
	}
	return c
}

func access(v *directory.View, p *directory.Properties) rbac.Config {
	return rbac.Config{
		SecurityDisabled: !*p.SecurityEnabled, Directory: v,
		Dynamic:  rbac.Dynamic{Procedure: p.Login.Authorizer, TTL: p.Login.AuthorizerCache},
		Deciders: p.Login.Deciders(),
	}
}

// Refresh applies the bounds of this node anew to the realms of the directory.
func (r *Router) Refresh() error {
	return r.directory.Hold(func(s *directory.Snapshot) error { return r.Apply(r.configs(s)) })
}

// follow makes the router do what the directory says now. It runs within
// directory.Update.
func (r *Router) follow(c *directory.Commit) {
	r.dismiss(c, judged(c)) // first, so that clients learn the reason
	work := affected(c)
	for _, uri := range work.order {
		if err := r.followRealm(c, uri, work.realms[uri]); err != nil {
			r.log.Error("a change of the directory is not in effect", slog.String("realm", string(uri)), slog.Any("err", err))
		}
	}
	for i := range c.Changes { // last: until here logins began by the issuers of before
		r.dismiss(c, withdrawn(c, &c.Changes[i]))
	}
}

// extent is how much of a realm is to be done again.
type extent uint8

// The extents.
const (
	rights extent = iota
	properties
	existence
)

// work is what is to be done again, realm by realm.
type work struct {
	order  []wamp.URI
	realms map[wamp.URI]*task
}

type task struct {
	extent
	roles map[rbac.Role]struct{} // about which something changed
}

func (w *work) add(uri wamp.URI, e extent, roles iter.Seq[rbac.Role]) {
	t := w.realms[uri]
	if t == nil {
		t = &task{roles: make(map[rbac.Role]struct{})}
		w.realms[uri] = t
		w.order = append(w.order, uri)
	}
	t.extent = max(t.extent, e)
	for role := range roles {
		t.roles[role] = struct{}{}
	}
}

// affected are the realms that a change concerns: those changed, and those that
// inherit from them or have their credentials there.
func affected(c *directory.Commit) *work {
	w := &work{realms: make(map[wamp.URI]*task)}
	for i := range c.Changes {
		ch := &c.Changes[i]
		e := rights
		switch ch.Kind {
		case directory.KindRealm:
			if e = properties; ch.Verb != directory.Updated {
				e = existence
			}
		case directory.KindSource:
			e = properties
		case directory.KindUser:
			if ch.Verb == directory.Updated && !slices.ContainsFunc(ch.Fields, func(f string) bool { return f == "groups" || f == "enabled" }) {
				continue
			}
		case directory.KindPassword, directory.KindTicket, directory.KindSigningKey:
			continue
		default:
		}
		w.add(ch.Realm, e, slices.Values(ch.Roles()))
	}
	for _, uri := range slices.Clone(w.order) {
		t := w.realms[uri]
		for _, other := range dependents(c.After, uri) {
			w.add(other, min(t.extent, properties), maps.Keys(t.roles))
		}
	}
	return w
}

// dependents are the realms whose prototype or SSO realm a realm is.
func dependents(s *directory.Snapshot, of wamp.URI) []wamp.URI {
	v, err := s.View(of)
	if err != nil || !v.Realm().IsPrototype && !v.Realm().IsSSORealm {
		return nil
	}
	var out []wamp.URI
	for uri := range s.Realms() {
		if o, err := s.View(uri); err == nil && uri != of && (o.Realm().PrototypeURI == of || o.Effective().SSORealmURI == of) {
			out = append(out, uri)
		}
	}
	return out
}

func (r *Router) followRealm(c *directory.Commit, uri wamp.URI, t *task) error {
	v, err := c.After.View(uri)
	old, oldErr := r.Realm(uri)
	switch {
	case err != nil: // it is gone
		if oldErr == nil {
			r.remove(old)
		}
		return nil
	case t.extent == existence && oldErr == nil: // it is another one of that name
		r.remove(old)
		fallthrough
	case oldErr != nil:
		m, err := r.newRealm(r.config(v))
		if err == nil {
			r.add(m)
		}
		return err
	case t.extent == properties:
		if err := old.Apply(r.config(v)); err != nil {
			old.Follow(v, slices.Collect(maps.Keys(t.roles))) // the rights at least
			return err
		}
	default:
		old.Follow(v, slices.Collect(maps.Keys(t.roles)))
	}
	return nil
}

func (r *Router) add(m *realm.Realm) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.realms[m.URI] = m
}

func (r *Router) remove(m *realm.Realm) {
	r.mu.Lock()
	delete(r.realms, m.URI)
	r.gone = append(slices.DeleteFunc(r.gone, func(m *realm.Realm) bool { return m.Sessions() == 0 }), m)
	r.mu.Unlock()
	m.Close(wamp.CloseRealm, "the realm was removed")
}
