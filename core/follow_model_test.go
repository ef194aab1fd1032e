package core_test

import (
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core"
	"bondy/core/auth"
	"bondy/core/broker"
	"bondy/core/dealer"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/id"
	"bondy/core/meta"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// What there is in a world: little, so that everything meets everything.
func worldRealms() []wamp.URI { return []wamp.URI{"proto", "sso", "shop", "site"} }
func worldUsers() []string    { return []string{"ann", "bob", "eve"} }
func worldGroups() []string   { return []string{"g1", "g2", "g3"} }

func worldURIs() []rbac.Resource {
	return []rbac.Resource{
		{URI: "com.a"},
		{URI: "com.b"},
		{URI: "com.a.b"},
		{URI: "com.", Match: wamp.MatchPrefix},
		{URI: "com.a", Match: wamp.MatchPrefix},
		{URI: "com..b", Match: wamp.MatchWildcard},
		{URI: "", Match: wamp.MatchPrefix},
		{URI: "com.decide"},
		{URI: "bondy.realm.get"},
	}
}

// world is a router that follows a directory that changes at random.
type world struct {
	*testing.T
	*rand.Rand
	log      *directorytest.Log
	dir      *directory.Directory
	router   *core.Router
	bench    *bench
	batch    *peer.Batch
	sessions []*resident
}

// resident is a session of a world, with what it was let in by and what it is to
// hold.
type resident struct {
	*meta.Session
	*farewell
	realm    wamp.URI
	who      *auth.Identity
	of, user id.Incarnation // of the realm and of the user there
	keys     []ed25519.PublicKey
	subs     map[rbac.Resource]bool
	regs     map[rbac.Resource]bool
}

func (f *farewell) Goodbye(reason wamp.URI, _ string) { f.reasons = append(f.reasons, reason) }

func pick[T any](w *world, list []T) T { return list[w.IntN(len(list))] }

func some[T any](w *world, list []T) (out []T) {
	for _, v := range list {
		if w.IntN(3) == 0 {
			out = append(out, v)
		}
	}
	return out
}

// change does one thing to the directory that may fail, and names it.
func (w *world) change(tx *directory.Tx) (string, error) {
	in, user, group := pick(w, worldRealms()), pick(w, worldUsers()), pick(w, worldGroups())
	yes := w.IntN(2) == 0
	role := rbac.Role{Kind: rbac.RoleUser, Name: user}
	if w.IntN(3) > 0 {
		role = rbac.Role{Kind: rbac.RoleGroup, Name: pick(w, append([]string{rbac.RoleAll, rbac.RoleAnonymous}, worldGroups()...))}
	}
	res, ps := pick(w, worldURIs()), rbac.Set(some(w, allow())...)
	said := func(text string, args ...any) string { return fmt.Sprintf("%s: ", in) + fmt.Sprintf(text, args...) }
	switch w.IntN(30) {
	default:
		return said("grant %v %v %v", role, res, ps.Names()), tx.Grant(in, role, res, ps)
	case 5, 6, 7, 8:
		return said("revoke %v %v %v", role, res, ps.Names()), tx.Revoke(in, role, res, ps)
	case 9:
		return said("disable %s %t", user, yes), tx.UpdateUser(in, user, directory.UserPatch{Disabled: &yes})
	case 10:
		groups := some(w, worldGroups())
		return said("groups of %s %v", user, groups), tx.UpdateUser(in, user, directory.UserPatch{Groups: &groups})
	case 11, 12:
		k := keys(byte(w.IntN(3)))
		return said("keys of %s", user), tx.UpdateUser(in, user, directory.UserPatch{Keys: &k})
	case 13, 14:
		groups := some(w, worldGroups())
		return said("group %s in %v", group, groups), tx.UpdateGroup(in, group, &groups, nil)
	case 15:
		return said("delete group %s", group), tx.DeleteGroup(in, group)
	case 16, 17, 28, 29:
		return said("add group %s", group), tx.AddGroup(in, group, some(w, worldGroups()), nil)
	case 18:
		if err := tx.DeleteUser(in, user, true); err != nil || yes {
			return said("delete user %s", user), err
		}
		return said("another user %s", user), tx.AddUser(in, directory.UserSpec{Name: user, Groups: some(w, worldGroups())})
	case 19, 20, 24, 25, 26, 27:
		spec := directory.UserSpec{Name: user, Groups: some(w, worldGroups())}
		if yes && in != "sso" {
			spec.SSO = "sso"
		}
		return said("add user %s", user), tx.AddUser(in, spec)
	case 21:
		on := w.IntN(4) > 0
		return said("security %t", on), tx.UpdateRealm(in, func(p *directory.Properties) error { p.SecurityEnabled = &on; return nil })
	case 22:
		return said("properties"), tx.UpdateRealm(in, func(p *directory.Properties) error {
			switch w.IntN(3) {
			case 0:
				p.SSORealmURI = pick(w, []wamp.URI{"", "sso"})
			case 1:
				p.PrototypeURI = "proto"
			case 2:
				p.Login.Authorizer = pick(w, []wamp.URI{"", "com.decide", "com.a"})
			}
			return nil
		})
	case 23:
		if w.IntN(4) > 0 {
			return said("nothing"), nil
		}
		if _, err := tx.View("site"); err == nil {
			if err := tx.DeleteRealm("site", true); err != nil || yes {
				return "delete site", err
			}
		}
		return "create site", tx.CreateRealm("site", directory.Properties{SSORealmURI: "sso"})
	}
}

// step changes something, mostly one thing at a time, and tells what.
func (w *world) step() (done string) {
	for done == "" {
		n, made := 1+max(0, w.IntN(6)-3), ""
		err := w.dir.Update(directory.Actor{}, func(tx *directory.Tx) error {
			for range n {
				said, err := w.change(tx)
				if err != nil {
					return err
				}
				made += said + "; "
			}
			return nil
		})
		if err == nil {
			done = made
		}
	}
	return done
}

// enter lets somebody in.
func (w *world) enter(done string) {
	if len(w.sessions) == 30 {
		return
	}
	in := pick(w, worldRealms()[1:])
	v, err := w.dir.View(in)
	if err != nil {
		return
	}
	m, err := w.router.Realm(in)
	must(w, err)
	s := &resident{
		farewell: new(farewell), realm: in, of: v.Realm().Incarnation, subs: make(map[rbac.Resource]bool), regs: make(map[rbac.Resource]bool),
	}
	unsecured := !*v.Effective().SecurityEnabled
	who := &auth.Identity{}
	switch name := pick(w, worldUsers()); {
	case unsecured || w.IntN(8) == 0:
		who.Groups = []string{rbac.RoleAnonymous}
	case w.IntN(6) == 0: // a token
		who.Groups = append(some(w, worldGroups()), "foreign")
	default:
		u, ok := v.User(name)
		if !ok || u.Disabled {
			return
		}
		there, _ := v.FindUser(name)
		s.user, s.keys = there.Incarnation, u.Keys
		who.Principal = &auth.Principal{AuthRealm: u.AuthRealm, Name: u.Name, Incarnation: u.Incarnation}
		if w.IntN(2) == 0 {
			who.Narrow = some(w, append([]string{name}, u.Groups...))
		}
	}
	p := w.bench.peer()
	p.Features |= peer.Subscriber
	s.who = who
	s.Session = &meta.Session{Peer: p, Conn: s.farewell, Principal: who.Principal, Rights: m.Rights(who), Unsecured: unsecured}
	if _, err := m.Join(s.Session, m.Mark()); err != nil {
		w.Fatalf("after %s: %+v cannot join %s: %v", done, who, in, err)
	}
	s.Broker.Store(m.Broker.Join(p))
	s.Dealer.Store(m.Dealer.Join(p))
	w.sessions = append(w.sessions, s)
}

// hold has a session hold what it may.
func (w *world) hold(s *resident) {
	res := pick(w, worldURIs())
	if s.Rights.Decide(rbac.Subscribe, res.URI, res.Match) {
		must(w, s.Broker.Load().Subscribe(w.batch, &wamp.Subscribe{Request: 1, Topic: res.URI}, res.Match))
		s.subs[res] = true
	}
	if s.Rights.Decide(rbac.Register, res.URI, res.Match) && !res.URI.Reserved() {
		if s.Dealer.Load().Register(w.batch, &wamp.Register{Request: 1, Procedure: res.URI, Options: wamp.Dict{"invoke": "random"}}, res.Match) == nil {
			s.regs[res] = true
		}
	}
	w.batch.Flush()
}

// stays tells whether a session may go on as far as the directory says.
func (s *resident) stays(v *directory.View) bool {
	if v.Realm().Incarnation != s.of {
		return false
	}
	if !*v.Effective().SecurityEnabled {
		return len(s.reasons) == 0 // who is let in without login may go on or not
	}
	if s.Unsecured {
		return false
	}
	p := s.who.Principal
	if p == nil {
		return true
	}
	there, err := v.FindUser(p.Name)
	u, ok := v.User(p.Name)
	if err != nil || !ok || u.Disabled || there.Incarnation != s.user || u.Incarnation != p.Incarnation || u.AuthRealm != p.AuthRealm {
		return false
	}
	return slices.EqualFunc(u.Keys, s.keys, func(a, b ed25519.PublicKey) bool { return a.Equal(b) })
}

// compare holds every session against a router that knows only how things are now.
func (w *world) compare(done string) {
	time.Sleep(time.Hour) // nobody answers for the dynamic authorizer
	synctest.Wait()
	again := directorytest.Open(w, w.log)
	fresh, err := core.New(core.Config{Directory: again, Log: slog.New(slog.DiscardHandler)})
	must(w, err)
	var open []*resident
	for _, s := range w.sessions {
		var rights *rbac.Rights
		stays := false
		if v, err := again.View(s.realm); err == nil {
			m, err := fresh.Realm(s.realm)
			must(w, err)
			rights = m.Rights(s.who)
			stays = s.stays(v) && rights.Valid()
		}
		if ended := len(s.reasons) > 0; ended {
			if stays {
				w.Fatalf("after %s: session of %+v %+v in %s ended for %v", done, s.who, s.who.Principal, s.realm, s.reasons)
			}
			w.leave(s)
			continue
		} else if !stays {
			w.Fatalf("after %s: session of %+v %+v in %s did not end", done, s.who, s.who.Principal, s.realm)
		}
		for _, res := range worldURIs() {
			for _, p := range allow() {
				if got, want := s.Rights.Decide(p, res.URI, res.Match), rights.Decide(p, res.URI, res.Match); got != want {
					w.Fatalf("after %s: %+v in %s: %s %v = %t, want %t", done, s.who, s.realm, p, res, got, want)
				}
			}
		}
		w.holds(done, s, rights)
		open = append(open, s)
	}
	w.sessions = open
}

// holds demands that a session holds what it may of what it held.
func (w *world) holds(done string, s *resident, rights *rbac.Rights) {
	for p, held := range map[rbac.Permission]map[rbac.Resource]bool{rbac.Subscribe: s.subs, rbac.Register: s.regs} {
		for res := range held {
			if !rights.Decide(p, res.URI, res.Match) {
				delete(held, res)
			}
		}
	}
	subs, regs := make(map[rbac.Resource]bool), make(map[rbac.Resource]bool)
	s.Broker.Load().Revoke(w.batch, "", func(h broker.Holding) bool { subs[rbac.Resource{URI: h.URI, Match: h.Match}] = true; return false })
	s.Dealer.Load().Revoke(w.batch, "", func(h dealer.Holding) bool { regs[rbac.Resource{URI: h.URI, Match: h.Match}] = true; return false })
	if fmt.Sprint(subs, regs) != fmt.Sprint(s.subs, s.regs) {
		w.Fatalf("after %s: %+v in %s holds %v %v, want %v %v", done, s.who, s.realm, subs, regs, s.subs, s.regs)
	}
}

func (w *world) leave(s *resident) {
	if m, err := w.router.Realm(s.realm); err == nil && m.Session(s.ID()) == s.Session {
		m.Leave(s.ID())
	}
	s.Broker.Load().Leave(w.batch)
	s.Dealer.Load().Leave(w.batch)
	w.batch.Flush()
}

func TestFollowAgainstModel(t *testing.T) {
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			w := &world{T: t, Rand: rand.New(rand.NewPCG(seed, 1)), log: new(directorytest.Log), bench: newBench()}
			w.batch = peer.NewBatch(&w.bench.counters)
			w.dir = directorytest.Open(t, w.log)
			directorytest.Do(t, w.dir, func(tx *directory.Tx) error {
				must(t, tx.CreateRealm("proto", directory.Properties{IsPrototype: true}))
				must(t, tx.CreateRealm("sso", directory.Properties{IsSSORealm: true}))
				must(t, tx.CreateRealm("shop", directory.Properties{PrototypeURI: "proto", SSORealmURI: "sso"}))
				must(t, tx.CreateRealm("site", directory.Properties{SSORealmURI: "sso"}))
				return nil
			})
			var err error
			w.router, err = core.New(core.Config{Directory: w.dir, Log: slog.New(slog.DiscardHandler)})
			must(t, err)
			for range 150 {
				done := w.step()
				w.compare(done)
				for range 3 {
					w.enter(done)
				}
				for _, s := range w.sessions {
					w.hold(s)
				}
			}
			for _, s := range w.sessions {
				w.leave(s)
			}
		})
	}
}
