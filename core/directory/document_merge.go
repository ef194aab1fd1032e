package directory

import (
	"fmt"
	"slices"
	"strings"

	"bondy/core/wamp"
)

// Merge brings realms in line with what the files of a node say, in one
// transaction: it creates what is missing, lets a realm with ManageFile follow its
// document in everything, removes those that did and have no document any more, and
// leaves every other realm alone. differ names what the documents of those say and
// the realms do not have, or otherwise, but for passwords; what realms have in
// addition is no difference. made is what it changed.
func (d *Directory) Merge(actor Actor, docs []Document) (made []Change, differ []string, err error) {
	yes, no := true, false
	var follow, kept []*item
	for i := range docs {
		it := newItem(&docs[i])
		_, missing := d.View(it.uri)
		switch m := it.doc.Manage; {
		case m != "" && m != ManageNode && m != ManageFile:
			return nil, nil, at(unknown("manage", string(m), string(ManageNode), string(ManageFile)), "%s", it.uri)
		case m == ManageFile:
			it.managed, it.prune, it.whole = &yes, true, true
			follow = append(follow, it)
		case missing != nil:
			it.managed = &no
			follow = append(follow, it)
		default:
			it.managed, it.blind = &no, true
			kept = append(kept, it)
		}
	}
	if _, err := newDeployment(slices.Concat(follow, kept)); err != nil {
		return nil, nil, err
	}
	made, err = d.run(follow, nil, func(apply func(*Tx) error) ([]Change, error) {
		return d.Apply(actor, func(tx *Tx) error {
			tx.file = true
			if err := tx.unmanage(follow, kept); err != nil {
				return err
			}
			if err := apply(tx); err != nil {
				return err
			}
			differ = differences(tx, kept)
			return nil
		})
	})
	return made, differ, err
}

// unmanage removes realms that followed a file and have no document any more, and
// lets go of those that are to follow no longer.
func (tx *Tx) unmanage(follow, kept []*item) error {
	named := make(map[wamp.URI]bool)
	for _, it := range follow {
		named[it.uri] = true
	}
	for _, it := range kept {
		named[it.uri] = true
		err := tx.UpdateRealm(it.uri, func(p *Properties) error { p.Managed = false; return nil })
		if err != nil {
			return at(err, "%s", it.uri)
		}
	}
	for uri := range tx.before.Realms() {
		if st := tx.peek(uri); st.realm.Managed && !named[uri] {
			if err := tx.DeleteRealm(uri, true); err != nil {
				return at(err, "%s", uri)
			}
		}
	}
	return nil
}

// maxDiffer bounds how many differences are told.
const maxDiffer = 20

// differences names what documents say otherwise than realms are.
func differences(tx *Tx, kept []*item) []string {
	var out []string
	for _, it := range kept {
		fork := newTx(tx.snapshot(), tx.actor)
		dep, err := newDeployment([]*item{it})
		if err == nil {
			err = dep.apply(fork)
		}
		if err != nil {
			out = append(out, err.Error())
			continue
		}
		told := make(map[string]bool)
		for _, c := range fork.changes {
			if text := c.text(); c.Realm == it.uri && !told[text] {
				told[text] = true
				out = append(out, text)
			}
		}
	}
	if more := len(out) - maxDiffer; more > 0 {
		out = append(out[:maxDiffer], fmt.Sprintf("%d more", more))
	}
	return out
}

// text says what is different.
func (c *Change) text() string {
	switch c.Kind {
	case KindRealm:
		return fmt.Sprintf("%s: properties %s", c.Realm, strings.Join(c.Fields, ", "))
	case KindGrant:
		return fmt.Sprintf("%s: grants of %s", c.Realm, c.Name)
	default:
		return fmt.Sprintf("%s: %s %s", c.Realm, c.Kind, c.Name)
	}
}
