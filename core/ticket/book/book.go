// Package book keeps the records of tickets and the signing keys of realms in
// their Directory.
package book

import (
	"bytes"
	"cmp"
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"bondy/core/directory"
	"bondy/core/ticket"
	"bondy/core/wamp"
)

// Book implements ticket.Records and ticket.Rings. It knows which tickets belong
// to whom, and which keys a realm has, without looking through the Directory. Safe
// for concurrent use.
//
// Lock order: the Directory's, then Book.mu.
type Book struct {
	dir *directory.Directory

	mu     sync.Mutex
	realms map[wamp.URI]*page
}

// page is what is known of one realm.
type page struct {
	users map[string][]*ticket.Record // live or expired
	ring  []*ticket.Key               // nil: not read yet
}

// epochPrefix begins the ids of rows that hold an epoch and no ticket. No id of a
// ticket has a space.
const epochPrefix = "epoch "

// epoch is the moment at which all tickets of a user, or of the realm, were
// revoked.
type epoch struct {
	At time.Time `json:"at"`
}

// New makes the Book of d, before the first change of d.
func New(d *directory.Directory) *Book {
	b := &Book{dir: d, realms: make(map[wamp.URI]*page)}
	s := d.Snapshot()
	for uri := range s.Realms() {
		v, err := s.View(uri)
		if err != nil {
			continue // it was there a moment ago: a snapshot does not change
		}
		for id, value := range v.Tickets("") {
			b.enter(uri, id, value)
		}
	}
	d.Observe(b.observe)
	d.Follow(b.follow)
	return b
}

// follow revokes the tickets of users who get other credentials or are disabled:
// whoever had what was good until now may have drawn some. Of users who are deleted
// nothing stays: one of the same name is somebody else.
func (b *Book) follow(tx *directory.Tx, changes []directory.Change) error {
	for _, c := range changes {
		var err error
		switch {
		case c.Kind != directory.KindUser:
		case c.Verb == directory.Deleted:
			err = b.erase(tx, c.Realm, c.Name)
		case c.Verb == directory.Updated && revokes(tx, &c):
			err = b.WithdrawAll(tx, c.Realm, c.Name, time.Now())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// erase deletes all that is kept of the tickets of a user.
func (b *Book) erase(tx *directory.Tx, realm wamp.URI, name string) error {
	if _, err := tx.View(realm); err != nil {
		return nil //nolint:nilerr // the realm went with all that was in it
	}
	for _, r := range b.Of(realm, name) {
		if err := tx.DeleteTicket(realm, r.ID); err != nil {
			return err
		}
	}
	return tx.DeleteTicket(realm, epochPrefix+name)
}

func revokes(tx *directory.Tx, c *directory.Change) bool {
	if slices.Contains(c.Fields, "password") || slices.Contains(c.Fields, "authorized_keys") {
		return true
	}
	v, err := tx.View(c.Realm)
	if err != nil || !slices.Contains(c.Fields, "enabled") {
		return false
	}
	u, err := v.FindUser(c.Name)
	return err == nil && u.Disabled
}

func (b *Book) page(uri wamp.URI) *page {
	p := b.realms[uri]
	if p == nil {
		p = &page{users: make(map[string][]*ticket.Record)}
		b.realms[uri] = p
	}
	return p
}

// enter notes a record.
func (b *Book) enter(uri wamp.URI, id string, value []byte) {
	r := new(ticket.Record)
	if strings.HasPrefix(id, epochPrefix) || json.Unmarshal(value, r) != nil {
		return
	}
	p := b.page(uri)
	p.users[r.Name] = append(p.users[r.Name], r)
}

// strike forgets a record.
func (b *Book) strike(uri wamp.URI, id string, value []byte) {
	var r ticket.Record
	if strings.HasPrefix(id, epochPrefix) || json.Unmarshal(value, &r) != nil {
		return
	}
	p := b.page(uri)
	rest := slices.DeleteFunc(p.users[r.Name], func(o *ticket.Record) bool { return o.ID == id })
	if len(rest) == 0 {
		delete(p.users, r.Name)
	} else {
		p.users[r.Name] = rest
	}
}

// observe follows a change of the Directory.
func (b *Book) observe(c *directory.Commit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, change := range c.Changes {
		switch change.Kind {
		case directory.KindRealm:
			if change.Verb == directory.Deleted {
				delete(b.realms, change.Realm)
			}
		case directory.KindSigningKey:
			b.page(change.Realm).ring = nil
		case directory.KindTicket:
			if v, err := c.Before.View(change.Realm); err == nil {
				if old, ok := v.Ticket(change.Name); ok {
					b.strike(change.Realm, change.Name, old)
				}
			}
			if v, err := c.After.View(change.Realm); err == nil {
				if now, ok := v.Ticket(change.Name); ok {
					b.enter(change.Realm, change.Name, now)
				}
			}
		default:
		}
	}
}

// Ring implements ticket.Rings.
func (b *Book) Ring(realm wamp.URI) []*ticket.Key {
	b.mu.Lock()
	defer b.mu.Unlock()
	v, err := b.dir.View(realm) // under the lock, so that observe comes after it
	if err != nil {
		return nil
	}
	p := b.page(v.Realm().URI)
	if p.ring == nil {
		p.ring = ringOf(v)
	}
	return p.ring
}

// ringOf are the keys of a realm; one that cannot be read is none.
func ringOf(v *directory.View) []*ticket.Key {
	ring := []*ticket.Key{}
	for value := range v.SigningKeys() {
		k := new(ticket.Key)
		if json.Unmarshal(value, k) == nil {
			ring = append(ring, k)
		}
	}
	return ring
}

// Closed are the signing keys of all realms that s does not open, with why.
func Closed(d *directory.Snapshot, s ticket.Sealer) iter.Seq2[*ticket.Key, error] {
	return func(yield func(*ticket.Key, error) bool) {
		for uri := range d.Realms() {
			v, err := d.View(uri)
			if err != nil {
				continue // it was there a moment ago: a snapshot does not change
			}
			for _, k := range ringOf(v) {
				if err := k.Opens(s); err != nil && !yield(k, err) {
					return
				}
			}
		}
	}
}

// Drop deletes signing keys and revokes all tickets of their realms.
func (b *Book) Drop(tx *directory.Tx, keys []*ticket.Key, at time.Time) error {
	for _, k := range keys {
		if err := tx.DeleteSigningKey(k.Realm, k.ID); err != nil {
			return err
		}
		if err := b.WithdrawAll(tx, k.Realm, "", at); err != nil {
			return err
		}
	}
	return nil
}

// Rotate has the next key of a realm sign from now on. Keys that verify nothing
// any more go, and the oldest of too many.
func Rotate(tx *directory.Tx, s ticket.Sealer, realm wamp.URI) error {
	v, err := tx.View(realm)
	if err != nil {
		return err
	}
	ring := ringOf(v)
	changed, err := ticket.Rotate(s, directory.Canonical(realm), ring)
	if err != nil {
		return err
	}
	for _, k := range changed {
		value, err := json.Marshal(k)
		if err != nil {
			return err
		}
		if err := tx.PutSigningKey(realm, k.ID, value); err != nil {
			return err
		}
	}
	if v, err = tx.View(realm); err != nil {
		return err
	}
	for _, k := range ticket.Spent(ringOf(v), time.Now()) {
		if err := tx.DeleteSigningKey(realm, k.ID); err != nil {
			return err
		}
	}
	return nil
}

// Put implements ticket.Records.
func (b *Book) Put(r ticket.Record, most int) error {
	value, err := json.Marshal(&r)
	if err != nil {
		return err
	}
	actor := directory.Actor{Realm: r.AuthRealm, AuthID: r.Name}
	return b.dir.Update(actor, func(tx *directory.Tx) error {
		list := b.Of(r.AuthRealm, r.Name)
		slices.SortFunc(list, func(a, b ticket.Record) int { return a.ExpiresAt.Compare(b.ExpiresAt) })
		for _, old := range list[:max(0, len(list)+1-most)] {
			if err := tx.DeleteTicket(r.AuthRealm, old.ID); err != nil {
				return err
			}
		}
		if err := tx.TicketRoom(r.AuthRealm); err != nil {
			return err
		}
		return tx.PutTicket(r.AuthRealm, r.ID, value)
	})
}

// Of lists the tickets of a user, or of a whole realm if name is empty, in the
// order of their ids.
func (b *Book) Of(realm wamp.URI, name string) []ticket.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []ticket.Record
	p := b.realms[directory.Canonical(realm)]
	if p == nil {
		return nil
	}
	if name != "" {
		for _, r := range p.users[name] {
			out = append(out, *r)
		}
	} else {
		for _, list := range p.users {
			for _, r := range list {
				out = append(out, *r)
			}
		}
	}
	slices.SortFunc(out, func(a, b ticket.Record) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Get implements ticket.Records.
func (b *Book) Get(realm wamp.URI, id string) (ticket.Record, bool) {
	v, err := b.dir.View(realm)
	if err != nil || strings.HasPrefix(id, epochPrefix) {
		return ticket.Record{}, false
	}
	value, ok := v.Ticket(id)
	var r ticket.Record
	if !ok || json.Unmarshal(value, &r) != nil {
		return ticket.Record{}, false
	}
	return r, true
}

// Epoch implements ticket.Records.
func (b *Book) Epoch(realm wamp.URI, name string) time.Time {
	v, err := b.dir.View(realm)
	if err != nil {
		return time.Time{}
	}
	user, all := epochOf(v, name), epochOf(v, "")
	if user.After(all) {
		return user
	}
	return all
}

func epochOf(v *directory.View, name string) time.Time {
	var e epoch
	if value, ok := v.Ticket(epochPrefix + name); ok && json.Unmarshal(value, &e) == nil {
		return e.At
	}
	return time.Time{}
}

// Revoke implements ticket.Records. It is told of as something that the ticket's user
// did.
func (b *Book) Revoke(realm wamp.URI, id string) (found bool, err error) {
	r, _ := b.Get(realm, id)
	err = b.dir.Update(directory.Actor{Realm: r.AuthRealm, AuthID: r.Name}, func(tx *directory.Tx) error {
		found, err = Withdraw(tx, realm, id)
		return err
	})
	return found && err == nil, err
}

// Withdraw is Revoke as part of a greater change.
func Withdraw(tx *directory.Tx, realm wamp.URI, id string) (bool, error) {
	v, err := tx.View(realm)
	if err != nil {
		return false, err
	}
	if _, ok := v.Ticket(id); !ok || strings.HasPrefix(id, epochPrefix) {
		return false, nil
	}
	return true, tx.DeleteTicket(realm, id)
}

// RevokeAll implements ticket.Records.
func (b *Book) RevokeAll(realm wamp.URI, name string, at time.Time) error {
	return b.dir.Update(directory.Actor{}, func(tx *directory.Tx) error { return b.WithdrawAll(tx, realm, name, at) })
}

// WithdrawAll is RevokeAll as part of a greater change.
func (b *Book) WithdrawAll(tx *directory.Tx, realm wamp.URI, name string, at time.Time) error {
	v, err := tx.View(realm)
	if err != nil {
		return err
	}
	for _, r := range b.Of(realm, name) {
		if err := tx.DeleteTicket(realm, r.ID); err != nil {
			return err
		}
	}
	if !at.After(epochOf(v, name)) {
		return nil
	}
	value, err := json.Marshal(epoch{At: at})
	if err != nil {
		return err
	}
	return tx.PutTicket(realm, epochPrefix+name, value)
}

// Purge implements ticket.Records.
func (b *Book) Purge(before time.Time) (n int, err error) {
	s := b.dir.Snapshot()
	for uri := range s.Realms() {
		v, err := s.View(uri)
		if err != nil {
			return n, err
		}
		for some := range slices.Chunk(expired(v, before), purgeAtOnce) {
			gone, err := b.purge(v.Realm(), some)
			if n += gone; err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// purgeAtOnce bounds the rows that are deleted in one commit, for which others
// wait.
const purgeAtOnce = 1000

// row is one of KindTicket.
type row struct {
	id    string
	value []byte
}

// expired are the tickets and epochs of a realm that say nothing any more.
func expired(v *directory.View, before time.Time) (rows []row) {
	for id, value := range v.Tickets("") {
		if strings.HasPrefix(id, epochPrefix) {
			var e epoch
			if json.Unmarshal(value, &e) == nil && !e.At.Before(before.Add(-ticket.MaxLifetime)) {
				continue
			}
		} else {
			var r ticket.Record
			if json.Unmarshal(value, &r) == nil && !r.ExpiresAt.Before(before) {
				continue
			}
		}
		rows = append(rows, row{id, value})
	}
	return rows
}

// purge deletes rows of a realm that are still what they were, and returns how
// many of them were tickets.
func (b *Book) purge(of *directory.Realm, rows []row) (n int, err error) {
	err = b.dir.Update(directory.Actor{}, func(tx *directory.Tx) error {
		n = 0
		v, err := b.dir.Snapshot().View(of.URI)
		if err != nil || v.Realm().Incarnation != of.Incarnation {
			return nil //nolint:nilerr // the realm is gone, and its tickets with it
		}
		for _, r := range rows {
			if now, ok := v.Ticket(r.id); !ok || !bytes.Equal(now, r.value) {
				continue
			}
			if err := tx.DeleteTicket(of.URI, r.id); err != nil {
				return err
			}
			if !strings.HasPrefix(r.id, epochPrefix) {
				n++
			}
		}
		return nil
	})
	return n, err
}

// EpochOf is whose epoch a changed row of kind KindTicket is, "" being the
// realm's; false if it is a ticket.
func EpochOf(c directory.Change) (name string, ok bool) {
	return strings.CutPrefix(c.Name, epochPrefix)
}
