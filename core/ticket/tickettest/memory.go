package tickettest

import (
	"slices"
	"sync"
	"time"

	"bondy/core/ticket"
	"bondy/core/wamp"
)

// Memory is Records and Rings that are gone with the process. Safe for concurrent
// use.
type Memory struct {
	mu      sync.Mutex
	records map[userOf][]ticket.Record
	epochs  map[userOf]time.Time // those of realms have no name
	rings   map[wamp.URI][]*ticket.Key
}

// userOf is a user of an authrealm.
type userOf struct {
	realm wamp.URI
	name  string
}

// NewMemory makes an empty Memory.
func NewMemory() *Memory {
	return &Memory{records: make(map[userOf][]ticket.Record), epochs: make(map[userOf]time.Time), rings: make(map[wamp.URI][]*ticket.Key)}
}

// Ring implements Rings.
func (m *Memory) Ring(realm wamp.URI) []*ticket.Key {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rings[realm]
}

// SetRing puts keys in place of those of the same id.
func (m *Memory) SetRing(realm wamp.URI, changed []*ticket.Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ring := slices.DeleteFunc(slices.Clone(m.rings[realm]), func(old *ticket.Key) bool {
		return slices.ContainsFunc(changed, func(k *ticket.Key) bool { return k.ID == old.ID })
	})
	m.rings[realm] = append(ring, changed...)
}

// Put implements Records.
func (m *Memory) Put(r ticket.Record, most int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := userOf{r.AuthRealm, r.Name}
	list := slices.Clone(m.records[at])
	slices.SortFunc(list, func(a, b ticket.Record) int { return a.ExpiresAt.Compare(b.ExpiresAt) })
	list = slices.Delete(list, 0, max(0, len(list)+1-most))
	m.records[at] = append(list, r)
	return nil
}

// Get implements Records.
func (m *Memory) Get(authrealm wamp.URI, id string) (ticket.Record, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for at, list := range m.records {
		if i := slices.IndexFunc(list, func(r ticket.Record) bool { return r.ID == id }); i >= 0 && at.realm == authrealm {
			return list[i], true
		}
	}
	return ticket.Record{}, false
}

// Epoch implements Records.
func (m *Memory) Epoch(authrealm wamp.URI, name string) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	epoch := m.epochs[userOf{authrealm, name}]
	if all := m.epochs[userOf{realm: authrealm}]; all.After(epoch) {
		return all
	}
	return epoch
}

// Revoke implements Records.
func (m *Memory) Revoke(authrealm wamp.URI, id string) (bool, error) {
	return m.drop(func(r ticket.Record) bool { return r.AuthRealm == authrealm && r.ID == id }) > 0, nil
}

// RevokeAll implements Records.
func (m *Memory) RevokeAll(authrealm wamp.URI, name string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for of, list := range m.records {
		for _, r := range list {
			if of.realm == authrealm && (name == "" || of.name == name) && r.IssuedAt.After(at) {
				at = r.IssuedAt
			}
		}
	}
	who := userOf{authrealm, name}
	if at.After(m.epochs[who]) {
		m.epochs[who] = at
	}
	return nil
}

// Purge implements Records.
func (m *Memory) Purge(before time.Time) (int, error) {
	return m.drop(func(r ticket.Record) bool { return r.ExpiresAt.Before(before) }), nil
}

// drop deletes records and returns how many.
func (m *Memory) drop(which func(ticket.Record) bool) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for at, list := range m.records {
		left := slices.DeleteFunc(slices.Clone(list), which)
		n += len(list) - len(left)
		if m.records[at] = left; len(left) == 0 {
			delete(m.records, at)
		}
	}
	return n
}
