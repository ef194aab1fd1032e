package realm

import (
	"context"
	"sync"

	"bondy/core/broker"
	"bondy/core/dealer"
	"bondy/core/meta"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// recheck makes a change of permissions act on what stands already: it ends the
// sessions that are not what they were, because their user is gone or disabled
// (wamp.ErrNoSuchPrincipal) or has lost a role to which they are narrowed
// (wamp.ErrNoSuchRole), and revokes the subscriptions and registrations that
// sessions may no longer have, for wamp.ErrNotAuthorized. It looks at the sessions
// with rights that changed, and at no other.
//
// What a dynamic authorizer has to decide it is asked about afterwards, one
// thing at a time.
func (r *Realm) recheck(changed []*rbac.Rights) {
	if len(changed) == 0 {
		return
	}
	sessions, bridges := r.having(changed)
	for _, s := range sessions {
		if flaw := s.Rights.Flaw(); flaw != nil {
			end(s, flaw)
		}
	}
	r.Review(sessions...)
	for _, b := range bridges {
		b.Recheck()
	}
}

// Rechecked is a Member that sees to what it holds when permissions change.
type Rechecked interface{ Recheck() }

// having are the sessions that have some rights, and those of bridges that want to
// know when these change.
func (r *Realm) having(rights []*rbac.Rights) (sessions []*meta.Session, bridges []Rechecked) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	changed := make(map[*rbac.Rights]bool, len(rights))
	for _, some := range rights {
		changed[some] = true
		sessions = append(sessions, r.alike[some]...)
	}
	for _, b := range r.bridges {
		if m, ok := b.Member.(Rechecked); ok && changed[b.session.Rights] {
			bridges = append(bridges, m)
		}
	}
	return sessions, bridges
}

// Review revokes what some sessions hold and may no longer have. It is for one that
// came to hold something while permissions changed.
func (r *Realm) Review(sessions ...*meta.Session) {
	b := peer.NewBatch(r.broker.Counters)
	defer b.Flush()
	dynamic := r.Access.Dynamic()
	var doubts []doubt
	for _, s := range sessions {
		must := func(p rbac.Permission, disclosing rbac.PermissionSet, uri wamp.URI, m wamp.Match) bool {
			switch {
			case s.Rights.DecideAll(rbac.Set(p)|disclosing, uri, m):
				return false
			case dynamic != nil && dynamic.Asks(p, uri, m) && s.Rights.DecideAll(disclosing, uri, m):
				doubts = append(doubts, doubt{s.ID(), p, uri, m})
				return false
			}
			return true
		}
		if br := s.Broker.Load(); br != nil {
			br.Revoke(b, wamp.ErrNotAuthorized, func(h broker.Holding) bool {
				return must(rbac.Subscribe, rbac.Told(rbac.Subscribe, false, h.Informed), h.URI, h.Match)
			})
		}
		if d := s.Dealer.Load(); d != nil {
			d.Revoke(b, wamp.ErrNotAuthorized, func(h dealer.Holding) bool {
				return must(rbac.Register, rbac.Told(rbac.Register, h.Disclosing, h.Informed), h.URI, h.Match)
			})
		}
	}
	r.doubts.add(doubts, r.settle)
}

// doubt is something that a session holds and that only the dynamic authorizer
// may allow.
type doubt struct {
	session wamp.ID
	p       rbac.Permission
	uri     wamp.URI
	match   wamp.Match
}

// doubts wait to be settled, each once, on some goroutines that are there while
// there are any. They are no more than what sessions hold.
type doubts struct {
	mu      sync.Mutex
	waiting map[doubt]struct{}
	askers  int
}

// maxAskers bounds how many doubts are settled at a time: one whose authorizer is
// slow does not hold up the others.
const maxAskers = 16

func (ds *doubts) add(list []doubt, settle func(doubt)) {
	if len(list) == 0 {
		return
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if ds.waiting == nil {
		ds.waiting = make(map[doubt]struct{})
	}
	for _, d := range list {
		ds.waiting[d] = struct{}{}
	}
	for ds.askers < min(maxAskers, len(ds.waiting)) {
		ds.askers++
		go func() {
			for d, ok := ds.next(); ok; d, ok = ds.next() {
				settle(d)
			}
		}()
	}
}

// next takes one of those that wait; if none does, it returns false, and who asks
// ends.
func (ds *doubts) next() (doubt, bool) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for d := range ds.waiting {
		delete(ds.waiting, d)
		return d, true
	}
	ds.askers--
	return doubt{}, false
}

// settle asks the dynamic authorizer, which has its own deadline, and revokes
// what it does not allow, unless it was granted meanwhile.
func (r *Realm) settle(d doubt) {
	s := r.Session(d.session)
	if s == nil || s.Rights.Decide(d.p, d.uri, d.match) {
		return
	}
	if dynamic := r.Access.Dynamic(); dynamic != nil {
		answer, err := dynamic.Ask(context.Background(), r.Caller, nil, r.About(s), d.p, d.uri, d.match)
		if err == nil && answer.Allow || s.Rights.Decide(d.p, d.uri, d.match) {
			return
		}
	}
	b := peer.NewBatch(r.broker.Counters)
	defer b.Flush()
	if d.p == rbac.Subscribe {
		s.Broker.Load().Revoke(b, wamp.ErrNotAuthorized, func(h broker.Holding) bool { return h.URI == d.uri && h.Match == d.match })
		return
	}
	s.Dealer.Load().Revoke(b, wamp.ErrNotAuthorized, func(h dealer.Holding) bool { return h.URI == d.uri && h.Match == d.match })
}

// About gives what a dynamic authorizer is told of a session.
func (r *Realm) About(s *meta.Session) func() map[string]any {
	return func() map[string]any {
		roles := make([]any, len(s.Roles))
		for i, role := range s.Roles {
			roles[i] = role
		}
		return map[string]any{
			"session": s.ID(), "realm": string(r.URI), "authid": s.Peer.AuthID, "authrole": s.Peer.AuthRole,
			"authroles": roles, "authmethod": s.AuthMethod, "authprovider": s.AuthProvider,
		}
	}
}
