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

// ErrClosed is returned by Join when the realm is going away.
var ErrClosed = errors.New("realm closed")

// ErrTaken is returned by Join when a session has the id already.
var ErrTaken = errors.New("session id taken")

// Join puts a session into the table.
func (r *Realm) Join(s *meta.Session) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.freeLocked(s.ID()); err != nil {
		return err
	}
	r.sessions[s.ID()] = s
	return nil
}

// JoinBridge puts a session that stands for another router into the table. The
// Meta API does not know it.
func (r *Realm) JoinBridge(id wamp.ID, m Member) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.freeLocked(id); err != nil {
		return err
	}
	r.bridges[id] = m
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
	delete(r.sessions, id)
	delete(r.bridges, id)
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
	all := slices.Collect(maps.Values(r.bridges))
	for _, s := range r.sessions {
		all = append(all, s.Conn)
	}
	return all
}
