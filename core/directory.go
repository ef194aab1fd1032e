package core

import (
	"crypto/ed25519"
	"log/slog"
	"slices"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/meta"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/ticket/book"
	"bondy/core/wamp"
)

// Why sessions end when the directory changes; the predecessor's words where it
// has any.
const (
	closeUserDeleted  wamp.URI = "bondy.user.deleted"
	closeUserDisabled wamp.URI = "bondy.user.disabled"
	closeCredentials  wamp.URI = "bondy.user.credentials_changed" //nolint:gosec // no credential
	closeTicket       wamp.URI = "bondy.ticket.revoked"
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
	for i := range c.Changes { // first, so that clients learn the reason
		r.dismiss(c, &c.Changes[i])
	}
	work := r.affected(c)
	for _, uri := range work.order {
		if err := r.followRealm(c, uri, work.realms[uri]); err != nil {
			r.log.Error("a change of the directory is not in effect", slog.String("realm", string(uri)), slog.Any("err", err))
		}
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
	realms map[wamp.URI]extent
}

func (w *work) add(uri wamp.URI, e extent) {
	if old, ok := w.realms[uri]; !ok {
		w.order = append(w.order, uri)
	} else if old > e {
		return
	}
	w.realms[uri] = e
}

// affected are the realms that a change concerns: those changed, and those that
// inherit from them or have their credentials there.
func (r *Router) affected(c *directory.Commit) *work {
	w := &work{realms: make(map[wamp.URI]extent)}
	for _, ch := range c.Changes {
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
		w.add(ch.Realm, e)
		for _, uri := range dependents(c.After, ch.Realm) {
			w.add(uri, min(e, properties))
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

func (r *Router) followRealm(c *directory.Commit, uri wamp.URI, e extent) error {
	v, err := c.After.View(uri)
	old, oldErr := r.Realm(uri)
	switch {
	case err != nil: // it is gone
		if oldErr == nil {
			r.remove(old)
		}
		return nil
	case e == existence && oldErr == nil: // it is another one of that name
		r.remove(old)
		fallthrough
	case oldErr != nil:
		m, err := r.newRealm(r.config(v))
		if err == nil {
			r.add(m)
		}
		return err
	case e == properties:
		return old.Apply(r.config(v))
	default:
		p := v.Effective()
		return old.SetAccess(access(v, &p))
	}
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

// dismiss ends the sessions that a change makes wrong.
func (r *Router) dismiss(c *directory.Commit, ch *directory.Change) {
	var reason wamp.URI
	var message string
	ticket, spare := false, wamp.ID(0)
	owner, epoch := book.EpochOf(*ch)
	epoch = epoch && ch.Kind == directory.KindTicket && ch.Verb != directory.Deleted
	switch {
	case epoch:
		reason, message = closeTicket, "all tickets were revoked"
	case ch.Kind == directory.KindTicket && ch.Verb == directory.Deleted: // also when it expired
		ticket, reason, message = true, closeTicket, "the ticket was revoked"
	case ch.Kind != directory.KindUser || ch.Verb == directory.Created:
		return
	case ch.Verb == directory.Deleted:
		reason, message = closeUserDeleted, "the user was deleted"
	case slices.Contains(ch.Fields, "enabled") && disabled(c.After, ch):
		reason, message = closeUserDisabled, "the user was disabled"
	case slices.Contains(ch.Fields, "password"), slices.Contains(ch.Fields, "authorized_keys"):
		reason, message = closeCredentials, "the user's credentials were changed: log in again"
		spare = c.Actor.Session
	default:
		return
	}
	before := dependents(c.Before, ch.Realm)
	for _, uri := range append([]wamp.URI{ch.Realm}, before...) {
		m, err := r.Realm(uri)
		if err != nil {
			continue
		}
		m.Dismiss(func(s *meta.Session) bool {
			p := s.Principal
			switch {
			case p == nil || s.ID() == spare && uri == c.Actor.Realm:
				return false
			case epoch:
				return p.Ticket != "" && p.AuthRealm == ch.Realm && (owner == "" || p.Name == owner)
			case ticket:
				return p.Ticket == ch.Name && p.Ticket != ""
			default: // of the realm itself, or of one that has its credentials there
				return p.Name == ch.Name && (uri == ch.Realm || p.AuthRealm == ch.Realm)
			}
		}, reason, message)
	}
}

func disabled(s *directory.Snapshot, ch *directory.Change) bool {
	v, err := s.View(ch.Realm)
	if err != nil {
		return true
	}
	u, err := v.FindUser(ch.Name)
	return err != nil || u.Disabled
}
