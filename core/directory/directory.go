package directory

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"bondy/core/id"
	"bondy/core/wamp"
)

// Directory is the realms of a node and who is in them. Safe for concurrent
// use.
type Directory struct {
	log   Log
	clock *id.Clock

	mu        sync.Mutex // held by who changes something
	now       atomic.Pointer[Snapshot]
	quota     func(wamp.URI) Quota
	refused   atomic.Uint64
	sequels   []func(*Tx, []Change) error
	observers []func(*Commit)
}

// Open reads what the log has. salt is the secret from which the salts of a
// realm's logins derive.
func Open(log Log, clock *id.Clock, salt func(realm wamp.URI) []byte) (*Directory, error) {
	d := &Directory{log: log, clock: clock, quota: func(wamp.URI) Quota { return Quota{} }}
	s := &Snapshot{realms: newTable[*state](), salt: salt}
	tx := newTx(s, Actor{})
	for _, kind := range kinds() {
		err := log.Load(kind, func(r Row) error {
			clock.Saw(r.Stamp)
			return tx.load(r)
		})
		if err != nil {
			return nil, err
		}
	}
	for _, st := range tx.drafts {
		st.usage = st.count()
	}
	d.now.Store(tx.snapshot())
	return d, nil
}

// Snapshot is how everything is now.
func (d *Directory) Snapshot() *Snapshot { return d.now.Load() }

// View is how a realm is now.
func (d *Directory) View(realm wamp.URI) (*View, error) { return d.Snapshot().View(realm) }

// Observe has f called after each change, one at a time and in order. It may
// read the Directory but not change it. Call it before the first change.
func (d *Directory) Observe(f func(*Commit)) { d.observers = append(d.observers, f) }

// Follow has f add to each change what follows from it: both are made, or neither
// is. What it adds is told to the observers, but not to who made the change. Call it
// before the first change.
func (d *Directory) Follow(f func(tx *Tx, changes []Change) error) { d.sequels = append(d.sequels, f) }

// Hold runs f while nothing changes. It may read the Directory but not change it.
func (d *Directory) Hold(f func(*Snapshot) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return f(d.now.Load())
}

// Actor is who makes a change.
type Actor struct {
	// Realm and Session are where the actor is joined, AuthID as whom; empty for
	// the node's operator.
	Realm   wamp.URI
	Session wamp.ID
	AuthID  string
	// Confined actors manage Realm alone: credentials that another realm keeps are
	// out of their reach.
	Confined bool
}

// Commit is a change that was made.
type Commit struct {
	Actor         Actor
	Before, After *Snapshot
	Changes       []Change
}

// Change is one thing that a Commit changed.
type Change struct {
	Realm wamp.URI `json:"realm"`
	Kind  Kind     `json:"kind"`
	// Name is the user's, group's or role's, the id of a source, key or ticket.
	Name string `json:"name,omitempty"`
	Verb Verb   `json:"verb"`
	// Fields are what is different, of updates.
	Fields []string `json:"fields,omitempty"`
}

// Verb says what happened.
type Verb string

// The verbs.
const (
	Created Verb = "created"
	Updated Verb = "updated"
	Deleted Verb = "deleted"
)

// Update changes things: when it returns nil, everything that change did is
// durable, visible and told to the observers; otherwise nothing is. Errors that a
// client may see are *wamp.Error.
func (d *Directory) Update(actor Actor, change func(*Tx) error) error {
	_, err := d.update(actor, change, false)
	return err
}

// Try tells what Update would do.
func (d *Directory) Try(actor Actor, change func(*Tx) error) ([]Change, error) {
	return d.update(actor, change, true)
}

// Apply is Update that tells what it did.
func (d *Directory) Apply(actor Actor, change func(*Tx) error) ([]Change, error) {
	return d.update(actor, change, false)
}

// attempt has a change made. A panic in it leaves nothing behind but tx, and is an
// error like others.
func attempt(tx *Tx, change func(*Tx) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic in a change: %v\n%s", v, debug.Stack())
		}
	}()
	return change(tx)
}

var errUnsound = errors.New("a change with rows and no changes, or the reverse")

func (d *Directory) update(actor Actor, change func(*Tx) error, dry bool) (changes []Change, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() {
		if we, ok := errors.AsType[*wamp.Error](err); ok && we.URI == ErrQuota {
			d.refused.Add(1)
		}
	}()
	before := d.now.Load()
	tx := newTx(before, actor)
	tx.quota = d.quota
	if err := attempt(tx, change); err != nil {
		return nil, err
	}
	if err := tx.check(); err != nil {
		return nil, err
	}
	if err := tx.checkManaged(); err != nil {
		return nil, err
	}
	tx.account()
	if err := tx.checkQuota(); err != nil {
		return nil, err
	}
	if (len(tx.rows) == 0) != (len(tx.changes) == 0) {
		return nil, errUnsound
	}
	changes = slices.Clone(tx.changes)
	if dry || len(changes) == 0 {
		return changes, nil
	}
	for _, f := range d.sequels {
		if err := f(tx, changes); err != nil {
			return nil, err
		}
	}
	tx.account() // of what the sequels added, too
	stamp := d.clock.Now()
	rows := make([]Row, 0, len(tx.order))
	for _, at := range tx.order {
		rows = append(rows, Row{Kind: at.kind, Key: at.key, Stamp: stamp, Value: tx.rows[at]})
	}
	if err := d.log.Commit(rows); err != nil {
		return nil, err
	}
	c := &Commit{Actor: actor, Before: before, After: tx.snapshot(), Changes: tx.changes}
	d.now.Store(c.After)
	for _, f := range d.observers {
		f(c)
	}
	return changes, nil
}
