package rbac

import (
	"slices"
	"weak"
)

// member is a subject of which somebody has the Rights, which it does not keep
// alive.
type member struct {
	Subject

	key    string // in Authorizer.members
	rights weak.Pointer[Rights]
	view   *view
	places []place // one for each role on which what it sees depends
}

// circle is who has a role, in no order.
type circle struct {
	role    Role
	members []*member
}

// place is where somebody is in a circle.
type place struct {
	of *circle
	at int
}

// seatLocked sees to it that m is in the circles of some roles, and in no other.
func (a *Authorizer) seatLocked(m *member, roles []held) {
	if slices.EqualFunc(m.places, roles, func(p place, h held) bool { return p.of.role == h.Role }) {
		return
	}
	a.leaveLocked(m)
	m.places = make([]place, 0, len(roles))
	for _, h := range roles {
		c := a.circles[h.Role]
		if c == nil {
			c = &circle{role: h.Role}
			a.circles[h.Role] = c
		}
		m.places = append(m.places, place{c, len(c.members)})
		c.members = append(c.members, m)
	}
}

// leaveLocked takes m out of its circles. Who was the last of one gets its place.
func (a *Authorizer) leaveLocked(m *member) {
	for _, p := range m.places {
		c, end := p.of, len(p.of.members)-1
		last := c.members[end]
		i := slices.Index(last.places, place{c, end})
		last.places[i].at, c.members[p.at], c.members[end] = p.at, last, nil
		if c.members = c.members[:end]; end == 0 {
			delete(a.circles, c.role)
		}
	}
	m.places = nil
}

// showLocked gives m another view, nil for none. One that nobody has is dropped.
func (a *Authorizer) showLocked(m *member, v *view) {
	old := m.view
	if m.view = v; v != nil {
		v.members++
	}
	if old == nil {
		return
	}
	if old.members--; old.members == 0 && a.views[old.key] == old {
		delete(a.views, old.key)
	}
}

// forget drops a subject of which nobody has the Rights any more.
func (a *Authorizer) forget(m *member) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forgetLocked(m)
}

func (a *Authorizer) forgetLocked(m *member) {
	a.leaveLocked(m)
	a.showLocked(m, nil)
	if a.members[m.key] == m { // else somebody asked for the same anew
		delete(a.members, m.key)
	}
}
