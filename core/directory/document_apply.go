package directory

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"bondy/core/wamp"
)

// ApplyOptions say how documents are applied.
type ApplyOptions struct {
	// Prune deletes the users, groups and sources of a realm, and takes away the
	// permissions, that its document does not have. Users of an SSO realm as whom
	// users of other realms log in stay.
	Prune bool
	// Gate runs what takes the time of a password when there is room for it; nil
	// does so at once.
	Gate func(compute func()) error
	// Still says, within the change, why it may not be made any more; nil for always.
	Still func() error
}

// still has a change made if it may be.
func (o *ApplyOptions) still(change func(*Tx) error) func(*Tx) error {
	if o.Still == nil {
		return change
	}
	return func(tx *Tx) error {
		if err := o.Still(); err != nil {
			return err
		}
		return change(tx)
	}
}

// PlanDocuments tells what ApplyDocuments would do.
func (d *Directory) PlanDocuments(actor Actor, docs []Document, o ApplyOptions) ([]Change, error) {
	return d.deploy(docs, o, func(f func(*Tx) error) ([]Change, error) { return d.Try(actor, f) })
}

// ApplyDocuments makes realms what documents say, whole or not at all, and tells
// what it changed: nothing when it is done again. The documents may refer to each
// other in any order. Each new password in plain text takes milliseconds.
func (d *Directory) ApplyDocuments(actor Actor, docs []Document, o ApplyOptions) ([]Change, error) {
	return d.deploy(docs, o, func(f func(*Tx) error) ([]Change, error) { return d.Apply(actor, o.still(f)) })
}

func (d *Directory) deploy(docs []Document, o ApplyOptions, do func(func(*Tx) error) ([]Change, error)) ([]Change, error) {
	items := make([]*item, len(docs))
	for i := range docs {
		if docs[i].Manage != "" {
			return nil, at(invalid("manage: is for files of a node: leave it out"), "%s", docs[i].URI)
		}
		items[i] = newItem(&docs[i])
		items[i].prune = o.Prune
	}
	return d.run(items, o.Gate, do)
}

// run applies items with do, again when passwords were changed while those of the
// items were hashed.
func (d *Directory) run(
	items []*item, gate func(func()) error, do func(func(*Tx) error) ([]Change, error),
) ([]Change, error) {
	dep, err := newDeployment(items)
	if err != nil {
		return nil, err
	}
	if dep.gate = gate; gate == nil {
		dep.gate = func(compute func()) error { compute(); return nil }
	}
	for range maxTries {
		if err := dep.hash(d.Snapshot()); err != nil {
			return nil, err
		}
		changes, err := do(dep.apply)
		if !errors.Is(err, errStale) {
			return changes, err
		}
	}
	return nil, wamp.Errorf(wamp.ErrUnavailable, "others change the same passwords: try again")
}

// maxTries is how often documents are applied again because of others.
const maxTries = 5

var errStale = errors.New("a password was changed meanwhile")

// item is a document on its way in.
type item struct {
	doc *Document
	uri wamp.URI
	// prune is ApplyOptions.Prune, whole resets what the document does not say.
	prune, whole bool
	// managed is what Properties.Managed becomes; nil leaves it.
	managed *bool
	// blind leaves passwords alone.
	blind bool
}

func newItem(doc *Document) *item { return &item{doc: doc, uri: Canonical(doc.URI)} }

// deployment is documents that are applied together.
type deployment struct {
	items   []*item // those before others that refer to them
	secrets map[userAt]*secret
	gate    func(compute func()) error
}

// newDeployment checks what does not depend on what there is.
func newDeployment(items []*item) (*deployment, error) {
	by := make(map[wamp.URI]*item, len(items))
	for i, it := range items {
		switch {
		case it.uri == "":
			return nil, invalid("[%d].uri: missing", i)
		case by[it.uri] != nil:
			return nil, invalid("[%d].uri: there are two documents of the realm %q", i, it.uri)
		}
		by[it.uri] = it
		if err := it.doc.once(); err != nil {
			return nil, at(err, "%s", it.uri)
		}
	}
	dep := &deployment{}
	const visiting, done = 1, 2
	marks := make(map[wamp.URI]int)
	var visit func(it *item, path []string) error
	visit = func(it *item, path []string) error {
		path = append(path, string(it.uri))
		switch marks[it.uri] {
		case done:
			return nil
		case visiting:
			return inconsistent("realms refer to each other in a circle: %s", strings.Join(path, " -> "))
		}
		marks[it.uri] = visiting
		for _, f := range []wamp.URI{it.doc.PrototypeURI.Value, it.doc.SSORealmURI.Value} {
			if other := by[Canonical(f)]; other != nil {
				if err := visit(other, path); err != nil {
					return err
				}
			}
		}
		marks[it.uri] = done
		dep.items = append(dep.items, it)
		return nil
	}
	for _, it := range items {
		if err := visit(it, nil); err != nil {
			return nil, err
		}
	}
	return dep, nil
}

// once checks that names are there, each once.
func (d *Document) once() error {
	seen := make(map[string]bool)
	check := func(path, name string) error {
		switch {
		case name == "":
			return wamp.Errorf(ErrMissingValue, "%s: missing", path)
		case seen[name]:
			return invalid("%s: %q is there twice", path, name)
		}
		seen[name] = true
		return nil
	}
	for i, g := range d.Groups.Value {
		if err := check(fmt.Sprintf("groups[%d].name", i), g.Name); err != nil {
			return err
		}
	}
	for i, u := range d.Users.Value {
		if err := check(fmt.Sprintf("users[%d].username", i), u.Username); err != nil {
			return err
		}
	}
	return nil
}

// apply makes the realms what the documents say.
func (dep *deployment) apply(tx *Tx) error {
	if dep.stale(tx.before) {
		return errStale
	}
	for _, it := range dep.items {
		if err := it.putRealm(tx); err != nil {
			return at(err, "%s", it.uri)
		}
	}
	for _, it := range slices.Backward(dep.items) { // users of SSO realms after those who use them
		if it.prune {
			if err := dep.pruneItem(tx, it); err != nil {
				return at(err, "%s", it.uri)
			}
		}
	}
	for _, it := range dep.items {
		for _, step := range []func(*Tx, *state, *item) error{putGroups, dep.putUsers, putSources, putGrants} {
			d, err := tx.draft(it.uri)
			if err == nil {
				err = step(tx, d, it)
			}
			if err != nil {
				return at(err, "%s", it.uri)
			}
		}
	}
	return nil
}

// putRealm creates or updates the realm itself.
func (it *item) putRealm(tx *Tx) error {
	patch := func(p *Properties) error {
		if it.managed != nil {
			p.Managed = *it.managed
		}
		return it.doc.patch(p, it.whole)
	}
	if _, err := tx.draft(it.uri); err == nil {
		return tx.UpdateRealm(it.uri, patch)
	}
	it.whole = true // of a new realm nothing is said elsewhere
	var p Properties
	if err := patch(&p); err != nil {
		return err
	}
	return tx.CreateRealm(it.uri, p)
}

// pruneItem deletes users and groups that the document does not have.
func (dep *deployment) pruneItem(tx *Tx, it *item) error {
	d, err := tx.draft(it.uri)
	if err != nil {
		return err
	}
	keep := make(map[string]bool)
	for _, u := range it.doc.Users.Value {
		keep[u.Username] = true
	}
	if d.realm.IsSSORealm {
		dep.keepUsed(tx, it.uri, keep)
	}
	for u := range from(d.users, "") {
		if !keep[u.Name] {
			if err := tx.DeleteUser(it.uri, u.Name, true); err != nil {
				return err
			}
		}
	}
	clear(keep)
	for _, g := range it.doc.Groups.Value {
		keep[g.Name] = true
	}
	for g := range from(d.groups, "") {
		if !keep[g.Name] && (it.uri != Master || g.Name != Administrators) {
			if err := tx.DeleteGroup(it.uri, g.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepUsed adds the users of an SSO realm as whom users of other realms log in, or
// will.
func (dep *deployment) keepUsed(tx *Tx, sso wamp.URI, keep map[string]bool) {
	for _, other := range dep.items {
		for _, u := range other.doc.Users.Value {
			if Canonical(u.SSORealmURI.Value) == sso {
				keep[u.Username] = true
			}
		}
	}
	for uri := range tx.before.Realms() {
		if st := tx.peek(uri); st != nil {
			for u := range from(st.users, "") {
				if u.SSO == sso {
					keep[u.Name] = true
				}
			}
		}
	}
}
