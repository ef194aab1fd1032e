package meta

import (
	"cmp"
	"maps"
	"slices"

	"bondy/core/mgmt"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// addOwn adds what the Meta API lacks: a session about itself, and a list that
// tells who they are, in pages and by whom.
func addOwn(t *mgmt.Table, sessions Sessions) {
	t.Add("bondy.session.self", func(r *mgmt.Request) (mgmt.Result, error) {
		s := sessions.Session(r.Session())
		if s == nil {
			return mgmt.Result{}, wamp.Errorf(wamp.ErrNoSuchSession, "you have no session here: ask wamp.session.get for one")
		}
		d, err := s.described(true)
		if err != nil {
			return mgmt.Result{}, err
		}
		d["realm"] = r.Realm
		return mgmt.Value(d), nil
	})
	t.Add("bondy.session.list", func(r *mgmt.Request) (mgmt.Result, error) {
		a := r.Args()
		realm, page := a.Optional(0, "realm").URI(wamp.MatchExact), a.Page()
		authid, authrole := a.Key("authid").String(), a.Key("authrole").String()
		switch {
		case a.Err() != nil:
			return mgmt.Result{}, a.Err()
		case realm != "" && realm != r.Realm:
			return mgmt.Result{}, wamp.Errorf(wamp.ErrNotAuthorized, "%q is another realm: its sessions are listed there", realm)
		}
		found := sessions.Members()
		found = slices.DeleteFunc(found, func(s *Session) bool {
			return authid != "" && s.Peer.AuthID != authid || authrole != "" && s.Peer.AuthRole != authrole
		})
		slices.SortFunc(found, func(a, b *Session) int { return cmp.Compare(a.ID(), b.ID()) })
		part, next := mgmt.Cut(page, found, (*Session).ID)
		address := r.Rights.Decide(rbac.Call, sessionKill, wamp.MatchExact)
		list := make([]any, len(part))
		for i, s := range part {
			d, err := s.described(address)
			if err != nil {
				return mgmt.Result{}, err
			}
			list[i] = d
		}
		return mgmt.Paged(list, next), nil
	})
}

// described is all that is known of the session.
func (s *Session) described(address bool) (map[string]any, error) {
	d := s.details(address)
	roles := make([]any, len(s.Roles))
	for i, role := range s.Roles {
		roles[i] = role
	}
	d["x_authroles"] = roles
	further, err := s.further()
	maps.Copy(d, further)
	return d, err
}
