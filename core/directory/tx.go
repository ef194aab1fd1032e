package directory

import (
	"encoding/json"
	"fmt"
	"slices"

	"bondy/core/wamp"
)

// Tx is a change under way. It belongs to the function that got it. After an
// error from one of its methods the change is not to be made.
type Tx struct {
	actor   Actor
	before  *Snapshot
	drafts  map[wamp.URI]*state
	order   []rowAt // of rows, as they were first touched
	rows    map[rowAt][]byte
	changes []Change
	touched []wamp.URI // realms whose references are to be checked
	file    bool       // the change is what a file says
	quota   func(wamp.URI) Quota
	counted int // how many rows of order are in the usage of the drafts
}

type rowAt struct {
	kind Kind
	key  string
}

func newTx(s *Snapshot, actor Actor) *Tx {
	return &Tx{
		actor: actor, before: s, drafts: make(map[wamp.URI]*state),
		rows: make(map[rowAt][]byte),
	}
}

// draft is a realm to change; the error is a *wamp.Error.
func (tx *Tx) draft(uri wamp.URI) (*state, error) {
	uri = Canonical(uri)
	if d, ok := tx.drafts[uri]; ok {
		if d == nil {
			return nil, noSuchRealm(uri)
		}
		return d, nil
	}
	st, ok := tx.before.realms.Get(string(uri))
	if !ok {
		return nil, noSuchRealm(uri)
	}
	d := *st
	tx.drafts[uri] = &d
	return &d, nil
}

// snapshot is how everything is with the changes until now; drafts go on from
// there.
func (tx *Tx) snapshot() *Snapshot {
	realms := tx.before.realms
	for uri, d := range tx.drafts {
		if d == nil {
			realms = realms.Delete(string(uri))
		} else {
			frozen := *d
			realms = realms.Set(string(uri), &frozen)
		}
	}
	return &Snapshot{realms: realms, salt: tx.before.salt}
}

// View is how a realm is with the changes until now.
func (tx *Tx) View(realm wamp.URI) (*View, error) { return tx.snapshot().View(realm) }

// put notes a row to be written, and returns how long its value is.
func (tx *Tx) put(kind Kind, value any, parts ...string) int {
	b, err := json.Marshal(value)
	if err != nil { // the types of rows always marshal
		panic(fmt.Sprintf("directory: a row of %s: %v", kind, err))
	}
	tx.note(kind, b, parts)
	return len(b)
}

// remove notes a row to be deleted.
func (tx *Tx) remove(kind Kind, parts ...string) { tx.note(kind, nil, parts) }

func (tx *Tx) note(kind Kind, value []byte, parts []string) {
	at := rowAt{kind, join(parts...)}
	if _, ok := tx.rows[at]; !ok {
		tx.order = append(tx.order, at)
	}
	tx.rows[at] = value
}

// changed notes what the observers are told. Several changes of one thing
// become one.
func (tx *Tx) changed(realm wamp.URI, kind Kind, name string, verb Verb, fields ...string) {
	for i := len(tx.changes) - 1; i >= 0 && i >= len(tx.changes)-8; i-- { // a few are enough: those of one call
		c := &tx.changes[i]
		if c.Realm != realm || c.Kind != kind || c.Name != name ||
			kind == KindGrant && !slices.Equal(c.Fields, fields) { // of another resource
			continue
		}
		if verb == Deleted || c.Verb == Deleted { // what is made anew is another one
			break
		}
		for _, f := range fields {
			if c.Verb == Updated && !slices.Contains(c.Fields, f) {
				c.Fields = append(c.Fields, f)
			}
		}
		return
	}
	tx.changes = append(tx.changes, Change{Realm: realm, Kind: kind, Name: name, Verb: verb, Fields: fields})
}

// check looks at what concerns several realms at once, when all is done.
func (tx *Tx) check() error {
	if len(tx.touched) == 0 {
		return nil
	}
	s := tx.snapshot()
	for _, uri := range tx.touched {
		if err := s.checkRealm(uri); err != nil {
			return err
		}
	}
	return nil
}

// checkManaged refuses to change what a file would change back.
func (tx *Tx) checkManaged() error {
	if tx.file {
		return nil
	}
	for i := range tx.changes {
		c := &tx.changes[i]
		switch c.Kind {
		case KindPassword, KindSigningKey, KindTicket: // of these, files say nothing
			continue
		default:
		}
		if st, ok := tx.before.realms.Get(string(c.Realm)); ok && st.realm.Managed {
			return inconsistent("the realm %q follows a file of the node: change it there, or have the file say manage = %q", c.Realm, ManageNode)
		}
	}
	return nil
}
