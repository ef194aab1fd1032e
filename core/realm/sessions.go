package realm

import (
	"errors"
	"maps"
	"slices"

	"bondy/core/meta"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// Member is a session in the table of its realm.
type Member interface {
	// Goodbye asks the client to leave for the given reason; it does not block.
	Goodbye(reason wamp.URI, message string)
}

// bridge is a session that stands for another router, and what is known of it.
type bridge struct {
	Member

	session *meta.Session
}

// ErrClosed is returned by Join when the realm is going away.
var ErrClosed = errors.New("realm closed")

// ErrTaken is returned by Join when a session has the id already.
var ErrTaken = errors.New("session id taken")

// Join puts a session into the table, with the bounds that it shares with
// others. The error is ErrClosed, ErrTaken, ErrFull, ErrUserFull, or the *wamp.Error
// for the client of a session that was dismissed since then, or is not what it was.
func (r *Realm) Join(s *meta.Session, since *Mark) (Rates, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.freeLocked(s.ID()); err != nil {
		return Rates{}, err
	}
	if why := since.sinceLocked(s); why != nil {
		return Rates{}, why
	}
	rates, err := r.limits.enter(s, len(r.sessions))
	if err != nil {
		return Rates{}, err
	}
	r.sessions[s.ID()] = s
	alike := r.alike[s.Rights]
	s.Place = len(alike)
	r.alike[s.Rights] = append(alike, s)
	return rates, nil
}

// JoinBridge puts a session that stands for another router into the table. The
// Meta API does not know it, but it is dismissed as others are. It has no Rights if
// it may do everything, and needs no Conn. Errors are as of Join.
func (r *Realm) JoinBridge(s *meta.Session, m Member, since *Mark) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.freeLocked(s.ID()); err != nil {
		return err
	}
	if why := since.sinceLocked(s); why != nil {
		return why
	}
	r.bridges[s.ID()] = bridge{m, s}
	return nil
}

func (r *Realm) freeLocked(id wamp.ID) error {
	if r.closed {
		return ErrClosed
	}
	_, session := r.sessions[id]
	_, bridge := r.bridges[id]
	if session || bridge {
		return ErrTaken
	}
	return nil
}

// Leave takes a session, of either kind, out of the table.
func (r *Realm) Leave(id wamp.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.sessions[id]; s != nil {
		r.limits.leave(s)
		r.unplaceLocked(s)
	}
	delete(r.sessions, id)
	delete(r.bridges, id)
}

// unplaceLocked takes s from among those with the same rights. The last of them
// gets its place.
func (r *Realm) unplaceLocked(s *meta.Session) {
	alike := r.alike[s.Rights]
	end := len(alike) - 1
	alike[s.Place] = alike[end]
	alike[s.Place].Place, alike[end] = s.Place, nil
	if r.alike[s.Rights] = alike[:end]; end == 0 {
		delete(r.alike, s.Rights)
	}
}

// Session implements meta.Sessions.
func (r *Realm) Session(id wamp.ID) *meta.Session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.sessions[id]
}

// Members implements meta.Sessions.
func (r *Realm) Members() []*meta.Session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Collect(maps.Values(r.sessions))
}

// Count implements meta.Sessions.
func (r *Realm) Count() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.sessions)
}

// mayHear says whether p, which subscribed, may have an event on topic now.
func (r *Realm) mayHear(p *peer.Peer, topic wamp.URI) bool {
	s := r.Session(p.Session) // nil for bridges: what the router tells of itself stays here
	return s != nil && s.Rights.Decide(rbac.Subscribe, topic, wamp.MatchExact)
}

// Sessions is the number of sessions, those of bridges included.
func (r *Realm) Sessions() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.sessions) + len(r.bridges)
}

// Close refuses new sessions and says goodbye to all there are.
func (r *Realm) Close(reason wamp.URI, message string) {
	for _, m := range r.shut() {
		m.Goodbye(reason, message)
	}
}

// Cut ends what is left of the sessions, whatever their clients answer.
func (r *Realm) Cut() {
	for _, s := range r.Members() {
		s.Conn.End()
	}
}

func (r *Realm) shut() []Member {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	var all []Member
	for _, b := range r.bridges {
		all = append(all, b.Member)
	}
	for _, s := range r.sessions {
		all = append(all, s.Conn)
	}
	return all
}
