package meta

import (
	"bondy/core/mgmt"
	"bondy/core/wamp"
)

// addKills adds the procedures that end sessions, of which the caller's own is
// never one.
func addKills(t *mgmt.Table, sessions Sessions) {
	t.Add(sessionKill, func(r *mgmt.Request) (mgmt.Result, error) {
		a := r.Args()
		id := a.At(0, "session").ID()
		k, err := readKill(sessions, r, a)
		if err != nil {
			return mgmt.Result{}, err
		}
		if s := sessions.Session(id); s == nil || !k.kill(s) {
			return mgmt.Result{}, noSession(id)
		}
		return mgmt.Result{}, nil
	})
	t.Add("wamp.session.kill_by_authid", func(r *mgmt.Request) (mgmt.Result, error) {
		a := r.Args()
		authid := a.At(0, "authid").String()
		k, err := readKill(sessions, r, a)
		if err != nil {
			return mgmt.Result{}, err
		}
		return mgmt.Value(k.all(func(s *Session) bool { return s.Peer.AuthID == authid })), nil
	})
	t.Add("wamp.session.kill_by_authrole", func(r *mgmt.Request) (mgmt.Result, error) {
		a := r.Args()
		authrole := a.At(0, "authrole").String()
		k, err := readKill(sessions, r, a)
		if err != nil {
			return mgmt.Result{}, err
		}
		return mgmt.Value(len(k.all(func(s *Session) bool { return s.Peer.AuthRole == authrole }))), nil
	})
	t.Add("wamp.session.kill_all", func(r *mgmt.Request) (mgmt.Result, error) {
		k, err := readKill(sessions, r, r.Args())
		if err != nil {
			return mgmt.Result{}, err
		}
		return mgmt.Value(len(k.all(func(s *Session) bool {
			s.silenced.Store(s.ID() != k.caller) // section "wamp.session.kill_all": no events, no testaments
			return true
		}))), nil
	})
}

// killing is a request to end sessions.
type killing struct {
	sessions Sessions
	caller   wamp.ID
	reason   wamp.URI
	message  string
}

func readKill(sessions Sessions, r *mgmt.Request, a *mgmt.Args) (*killing, error) {
	k := &killing{sessions: sessions, caller: r.Session(), reason: wamp.CloseKilled, message: a.Key("message").String()}
	if reason := a.Key("reason"); reason.Set() {
		k.reason = reason.URI(wamp.MatchExact)
	}
	return k, a.Err()
}

// kill ends s unless it is the caller's own or ending already.
func (k *killing) kill(s *Session) bool {
	return s.ID() != k.caller && s.Conn.Kill(k.reason, k.message)
}

// all ends the sessions that match and returns their ids.
func (k *killing) all(match func(*Session) bool) []wamp.ID {
	killed := []wamp.ID{}
	for _, s := range k.sessions.Members() {
		if match(s) && k.kill(s) {
			killed = append(killed, s.ID())
		}
	}
	return killed
}
