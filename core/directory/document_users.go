package directory

import (
	"crypto/ed25519"
	"slices"

	"bondy/core/strict"
	"bondy/core/wamp"
)

// given is a pointer to what is to be set, or nil for what is to stay.
func given[T any](f strict.Field[T], whole bool) *T {
	if f.Present || whole {
		return &f.Value
	}
	return nil
}

// putGroups brings groups in line with the document. They may be in each other in
// any order: those that they leave come first, and new ones begin alone.
func putGroups(tx *Tx, d *state, it *item) error {
	docs := it.doc.Groups.Value
	for i, g := range docs {
		old, there := d.groups.Get(g.Name)
		want := given(g.Groups, it.whole)
		var err error
		switch {
		case !there:
			err = tx.AddGroup(it.uri, g.Name, nil, nil)
		case want != nil:
			stay := slices.DeleteFunc(slices.Clone(old.Groups), func(name string) bool { return !slices.Contains(*want, name) })
			err = tx.UpdateGroup(it.uri, g.Name, &stay, nil)
		}
		if err != nil {
			return at(err, "groups[%d]", i)
		}
	}
	for i, g := range docs {
		if err := tx.knownGroups(d, g.Groups.Value); err != nil {
			return at(err, "groups[%d].groups", i)
		}
		if err := tx.UpdateGroup(it.uri, g.Name, given(g.Groups, it.whole), given(g.Meta, it.whole)); err != nil {
			return at(err, "groups[%d]", i)
		}
	}
	return nil
}

// knownGroups checks that there are groups, and says which may be meant.
func (tx *Tx) knownGroups(d *state, names []string) error {
	for i, name := range names {
		if builtIn(name) || tx.hasGroup(d, name) {
			continue
		}
		known := slices.Collect(keysOf(d.groups))
		if proto := tx.protoOf(d); proto != nil {
			known = slices.AppendSeq(known, keysOf(proto.groups))
		}
		return wamp.Errorf(ErrNoSuchGroups, "[%d]: there is no group %q%s", i, name, strict.Suggest(name, known))
	}
	return nil
}

// putUsers brings users in line with the document.
func (dep *deployment) putUsers(tx *Tx, d *state, it *item) error {
	docs := it.doc.Users.Value
	for i := range docs { // aliases that go make room for others
		if err := dropAliases(tx, d, it, &docs[i]); err != nil {
			return at(err, "users[%d]", i)
		}
	}
	for i := range docs {
		err := tx.knownGroups(d, docs[i].Groups.Value)
		if err != nil {
			return at(err, "users[%d].groups", i)
		}
		if err = putUser(tx, d, it, &docs[i]); err == nil {
			err = dep.putCredentials(tx, d, it, &docs[i])
		}
		if err != nil {
			return at(err, "users[%d]", i)
		}
	}
	for i, u := range docs {
		for _, alias := range u.Aliases.Value {
			if err := tx.AddAlias(it.uri, u.Username, alias); err != nil {
				return at(err, "users[%d].aliases", i)
			}
		}
	}
	return nil
}

// dropAliases takes the aliases away that the document does not have.
func dropAliases(tx *Tx, d *state, it *item, doc *UserDocument) error {
	u, there := d.users.Get(doc.Username)
	if !there || !doc.Aliases.Present && (!it.whole || u.SSO != "") {
		return nil
	}
	home, err := tx.home(d, u)
	if err != nil {
		return err
	}
	with, _ := home.users.Get(u.Name)
	for _, alias := range with.Aliases {
		if !slices.Contains(doc.Aliases.Value, alias) {
			if err := tx.RemoveAlias(it.uri, u.Name, alias); err != nil {
				return err
			}
		}
	}
	return nil
}

// putUser creates or updates a user but for the credentials.
func putUser(tx *Tx, d *state, it *item, doc *UserDocument) error {
	sso := Canonical(doc.SSORealmURI.Value)
	old, there := d.users.Get(doc.Username)
	if there && old.SSO != sso && (it.whole || doc.SSORealmURI.Present) {
		if !it.whole {
			return inconsistent("sso_realm_uri: where the credentials are kept stays: delete the user first")
		}
		if err := tx.DeleteUser(it.uri, old.Name, true); err != nil {
			return err
		}
		there = false
	}
	enabled := !doc.Enabled.Has() || doc.Enabled.Value
	disabled := !enabled
	if !there {
		return tx.AddUser(it.uri, UserSpec{
			Name: doc.Username, SSO: sso, Disabled: disabled, Groups: doc.Groups.Value, Meta: doc.Meta.Value,
		})
	}
	patch := UserPatch{Groups: given(doc.Groups, it.whole), Meta: given(doc.Meta, it.whole)}
	if doc.Enabled.Present || it.whole {
		patch.Disabled = &disabled
	}
	return tx.UpdateUser(it.uri, doc.Username, patch)
}

// putCredentials gives a user the password and keys of the document. Where another
// realm keeps them, only what the document says counts.
func (dep *deployment) putCredentials(tx *Tx, d *state, it *item, doc *UserDocument) error {
	u, _ := d.users.Get(doc.Username)
	where := userAt{it.uri, u.Name}
	if u.SSO != "" {
		where.realm = u.SSO
	}
	var patch UserPatch
	if sec := dep.secrets[where]; sec != nil && sec.from == doc {
		patch.Password = sec.set
	}
	if doc.AuthorizedKeys.Present || it.whole && u.SSO == "" {
		keys := make([]ed25519.PublicKey, len(doc.AuthorizedKeys.Value))
		for i, k := range doc.AuthorizedKeys.Value {
			keys[i] = ed25519.PublicKey(k)
		}
		patch.Keys = &keys
	}
	if patch.Password == nil && patch.Keys == nil {
		return nil
	}
	return tx.UpdateUser(it.uri, u.Name, patch)
}
