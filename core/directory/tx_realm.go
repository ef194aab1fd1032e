package directory

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"bondy/core/id"
	"bondy/core/wamp"
)

// CreateRealm adds a realm. Realms to which it refers may be created by the
// same Tx, before or after it.
func (tx *Tx) CreateRealm(uri wamp.URI, p Properties) error {
	uri = Canonical(uri)
	if err := p.validate(uri); err != nil {
		return err
	}
	if _, err := tx.draft(uri); err == nil {
		return wamp.Errorf(ErrAlreadyExists, "there is a realm %q already", uri)
	}
	if uri != Master && (strings.HasPrefix(string(uri), string(MasterAlias)) || uri.Reserved()) {
		return wamp.Errorf(ErrReservedName, "%q is reserved: choose a realm URI that begins with another component", uri)
	}
	r := &Realm{URI: uri, Incarnation: id.NewIncarnation(), Created: time.Now().UTC().Truncate(time.Second), Properties: p}
	tx.drafts[uri] = newState(r, tx.before.salt(uri))
	tx.changed(uri, KindRealm, string(uri), Created)
	return tx.putRealm(r)
}

func (tx *Tx) putRealm(r *Realm) error {
	tx.touched = append(tx.touched, r.URI)
	n := tx.put(KindRealm, realmRow{Incarnation: r.Incarnation, Created: r.Created, Properties: r.Properties}, string(r.URI))
	if n > maxProperties {
		return wamp.Errorf(ErrRange, "the properties of the realm %q have %d bytes, the most is %d: shorten its lists", r.URI, n, maxProperties)
	}
	return nil
}

// UpdateRealm has change set properties of a realm. What a realm is, prototype
// or SSO realm, it stays, and the prototype cannot change either.
func (tx *Tx) UpdateRealm(uri wamp.URI, change func(*Properties) error) error {
	d, err := tx.draft(uri)
	if err != nil {
		return err
	}
	old := d.realm
	r := *old
	if err := change(&r.Properties); err != nil {
		return err
	}
	switch {
	case old.IsPrototype && !r.IsPrototype:
		return inconsistent("is_prototype: a prototype stays one: delete the realm and create another")
	case old.IsSSORealm && !r.IsSSORealm:
		return inconsistent("is_sso_realm: an SSO realm stays one: delete the realm and create another")
	case old.PrototypeURI != "" && r.PrototypeURI != old.PrototypeURI:
		return inconsistent("prototype_uri: the realm inherits from %q for good", old.PrototypeURI)
	}
	if err := r.validate(r.URI); err != nil {
		return err
	}
	fields := differentFields(&old.Properties, &r.Properties)
	if len(fields) == 0 {
		return nil
	}
	d.realm = &r
	tx.changed(r.URI, KindRealm, string(r.URI), Updated, fields...)
	return tx.putRealm(&r)
}

// differentFields names, by the keys of documents, what differs.
func differentFields(a, b *Properties) []string {
	var out []string
	compare := func(x, y reflect.Value) {
		for i := range x.NumField() {
			f := x.Type().Field(i)
			if f.Anonymous {
				continue
			}
			if !reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				out = append(out, name)
			}
		}
	}
	was, is := a.document(""), b.document("")
	compare(reflect.ValueOf(was), reflect.ValueOf(is))
	compare(reflect.ValueOf(was.DocumentSettings), reflect.ValueOf(is.DocumentSettings))
	if a.Managed != b.Managed {
		out = append(out, "manage")
	}
	return out
}

// DeleteRealm removes a realm with everything in it. One with users goes with
// force alone, one that others refer to not at all.
func (tx *Tx) DeleteRealm(uri wamp.URI, force bool) error {
	d, err := tx.draft(uri)
	if err != nil {
		return err
	}
	uri = d.realm.URI
	if uri == Master {
		return wamp.Errorf(ErrReservedName, "the realm %q cannot be deleted: the node is administered from it", uri)
	}
	if n := d.users.Len(); n > 0 && !force {
		return wamp.Errorf(ErrActiveUsers, "the realm %q has %d users: delete them first, or force it", uri, n)
	}
	for name := range keysOf(d.users) {
		u, _ := d.users.Get(name)
		tx.removeUser(d, u)
	}
	for name := range keysOf(d.groups) {
		g, _ := d.groups.Get(name)
		tx.removeGroup(d, g)
	}
	for key := range keysOf(d.sources) {
		tx.remove(KindSource, string(uri), key)
	}
	for key := range keysOf(d.grants) {
		tx.removeGrants(d, key)
	}
	for key := range keysOf(d.signing) {
		tx.remove(KindSigningKey, string(uri), key)
	}
	for key := range keysOf(d.tickets) {
		tx.remove(KindTicket, string(uri), key)
	}
	tx.remove(KindRealm, string(uri))
	tx.drafts[uri] = nil
	tx.touched = append(tx.touched, uri)
	tx.changed(uri, KindRealm, string(uri), Deleted)
	return nil
}

// keysOf are the keys of a table as it is now.
func keysOf[V any](t table[V]) func(func(string) bool) {
	return func(yield func(string) bool) {
		it := t.Iterator()
		for !it.Done() {
			if key, _, _ := it.Next(); !yield(key) {
				return
			}
		}
	}
}

// checkRealm checks what a realm refers to, and who refers to it.
func (s *Snapshot) checkRealm(uri wamp.URI) error {
	st, exists := s.realms.Get(string(uri))
	if exists {
		if err := s.checkReferences(&st.realm.Properties); err != nil {
			return err
		}
	}
	var prototypeOf, ssoOf []string
	for other := range s.Realms() {
		o, _ := s.realms.Get(string(other))
		if o.realm.PrototypeURI == uri {
			prototypeOf = append(prototypeOf, string(other))
		}
		if o.realm.IsSSORealm && (other == uri || o.realm.PrototypeURI == uri) {
			if v, err := s.View(other); err == nil && v.Effective().SSORealmURI != "" {
				return inconsistent("the SSO realm %q would inherit an SSO realm of its own from %q", other, o.realm.PrototypeURI)
			}
		}
		if o.realm.SSORealmURI == uri {
			ssoOf = append(ssoOf, string(other))
		}
	}
	if !exists && len(prototypeOf)+len(ssoOf) > 0 {
		return wamp.Errorf(ErrInUse, "the realm %q is the prototype or SSO realm of %s: delete or change those first",
			uri, quoted(slices.Concat(prototypeOf, ssoOf)))
	}
	return nil
}

func (s *Snapshot) checkReferences(p *Properties) error {
	if uri := p.PrototypeURI; uri != "" {
		proto, ok := s.realms.Get(string(uri))
		switch {
		case !ok:
			return wamp.Errorf(wamp.ErrNoSuchRealm, "prototype_uri: there is no realm %q", uri)
		case !proto.realm.IsPrototype:
			return inconsistent("prototype_uri: the realm %q is not a prototype", uri)
		}
	}
	if uri := p.SSORealmURI; uri != "" {
		sso, ok := s.realms.Get(string(uri))
		switch {
		case !ok:
			return wamp.Errorf(wamp.ErrNoSuchRealm, "sso_realm_uri: there is no realm %q", uri)
		case !sso.realm.IsSSORealm:
			return wamp.Errorf(ErrInvalidSSO, "sso_realm_uri: the realm %q is not an SSO realm", uri)
		}
	}
	return nil
}
