package dealer

import (
	"cmp"
	"slices"
	"time"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// Events is told what happens to registrations, in order, under the dealer's
// lock: implementations only append to a queue. Drain is called with no lock
// held after each change. Callees behind bridges are no sessions of this node
// and not spoken of.
type Events interface {
	// Created tells of a registration that session made.
	Created(session wamp.ID, r Registration)
	// Registered tells that session became a callee; a Created comes before.
	Registered(session, registration wamp.ID)
	// Unregistered tells that session is no callee any more.
	Unregistered(session, registration wamp.ID)
	// Deleted tells that the last callee, session, has left; its Unregistered
	// comes before.
	Deleted(session, registration wamp.ID)
	// Drain may publish what was queued.
	Drain(b *peer.Batch)
}

// Registration is what others may know of a registration (section
// "Registration Meta API"). One whose callees are all behind bridges is not
// shown.
type Registration struct {
	ID      wamp.ID
	Created time.Time
	Match   wamp.Match
	URI     wamp.URI
	Invoke  string
}

// List is all registrations in order of their ids.
func (d *Dealer) List() []Registration {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]Registration, 0, len(d.byID))
	for _, r := range d.byID {
		if r.locals() > 0 {
			list = append(list, r.describeLocked())
		}
	}
	slices.SortFunc(list, func(a, b Registration) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Get returns a registration.
func (d *Dealer) Get(id wamp.ID) (Registration, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.byID[id]
	if !ok || r.locals() == 0 {
		return Registration{}, false
	}
	return r.describeLocked(), true
}

// Lookup returns the id of the registration of exactly this pattern.
func (d *Dealer) Lookup(match wamp.Match, uri wamp.URI) (wamp.ID, bool) {
	r, ok := d.index.Get(match, uri)
	if !ok || r.locals() == 0 {
		return 0, false
	}
	return r.id, true
}

// Matching returns the id of the registration to which a call of uri goes.
func (d *Dealer) Matching(uri wamp.URI) (wamp.ID, bool) {
	r, ok := d.index.Best(uri, func(r *registration) bool { return r.locals() > 0 })
	if !ok {
		return 0, false
	}
	return r.id, true
}

// Members returns the sessions that are callees of a registration, in the order
// in which they registered.
func (d *Dealer) Members(id wamp.ID) ([]wamp.ID, bool) {
	members := d.members(id)
	sessions := make([]wamp.ID, len(members))
	for i, h := range members {
		sessions[i] = h.sess.peer.Session
	}
	return sessions, len(members) > 0
}

// Count is how many sessions are callees of a registration.
func (d *Dealer) Count(id wamp.ID) (int, bool) {
	n := len(d.members(id))
	return n, n > 0
}

func (d *Dealer) members(id wamp.ID) []*callee {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.byID[id]
	if !ok {
		return nil
	}
	return r.members()
}

func (r *registration) describeLocked() Registration {
	return Registration{ID: r.id, Created: r.created, Match: r.match, URI: r.uri, Invoke: r.policy().String()}
}

// policy is the one by which callees are picked now.
func (r *registration) policy() invoke {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.local.live > 0 {
		return r.local.policy
	}
	return r.bridged.policy
}

// locals is the number of callees that are sessions of this node.
func (r *registration) locals() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.local.live
}

// members are the callees that are sessions of this node.
func (r *registration) members() []*callee {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*callee, 0, r.local.live)
	for _, h := range r.local.list {
		if h != nil {
			list = append(list, h)
		}
	}
	return list
}
