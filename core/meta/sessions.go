package meta

import (
	"maps"
	"slices"

	"bondy/core/mgmt"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// sessionKill is also the right to know where a client is.
const sessionKill = "wamp.session.kill"

func addSessions(t *mgmt.Table, sessions Sessions) {
	t.Add("wamp.session.count", func(r *mgmt.Request) (mgmt.Result, error) {
		a := r.Args()
		roles := a.Optional(0, "filter_authroles").Strings()
		switch {
		case a.Err() != nil:
			return mgmt.Result{}, a.Err()
		case roles == nil:
			return mgmt.Value(sessions.Count()), nil
		}
		return mgmt.Value(len(withRole(sessions, roles))), nil
	})
	t.Add("wamp.session.list", func(r *mgmt.Request) (mgmt.Result, error) {
		a := r.Args()
		roles, page := a.Optional(0, "filter_authroles").Strings(), a.Page()
		if a.Err() != nil {
			return mgmt.Result{}, a.Err()
		}
		ids := withRole(sessions, roles)
		slices.Sort(ids)
		part, next := mgmt.Cut(page, ids, same)
		return mgmt.Paged(part, next), nil
	})
	t.Add("wamp.session.get", func(r *mgmt.Request) (mgmt.Result, error) {
		s, err := one(sessions, r.Args())
		if err != nil {
			return mgmt.Result{}, err
		}
		d := s.details(r.Rights.Decide(rbac.Call, sessionKill, wamp.MatchExact))
		further, err := s.further()
		maps.Copy(d, further)
		return mgmt.Value(d), err
	})
	t.Add("wamp.session.modify_details", func(r *mgmt.Request) (mgmt.Result, error) {
		a := r.Args()
		delta := a.At(1, "details").Dict()
		s, err := one(sessions, a)
		if err != nil {
			return mgmt.Result{}, err
		}
		return mgmt.Result{}, s.modify(delta)
	})
}

// one is the session that the first argument names.
func one(sessions Sessions, a *mgmt.Args) (*Session, error) {
	id := a.At(0, "session").ID()
	if err := a.Err(); err != nil {
		return nil, err
	}
	if s := sessions.Session(id); s != nil {
		return s, nil
	}
	return nil, noSession(id)
}

func noSession(id wamp.ID) error {
	return wamp.Errorf(wamp.ErrNoSuchSession, "this realm has no session %d, or it is your own", id)
}

// withRole lists the sessions that have one of the roles, all if that is nil.
func withRole(sessions Sessions, roles []string) []wamp.ID {
	ids := []wamp.ID{}
	for _, s := range sessions.Members() {
		if roles == nil || slices.Contains(roles, s.Peer.AuthRole) {
			ids = append(ids, s.ID())
		}
	}
	return ids
}

func same(id wamp.ID) wamp.ID { return id }
