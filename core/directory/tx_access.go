package directory

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"bondy/core/auth"
	"bondy/core/id"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// incarnation is that of a user or group; the realm's for what is built in.
func (tx *Tx) incarnation(d *state, kind, name string) (id.Incarnation, bool) {
	if kind == rowUser {
		if u, ok := d.users.Get(name); ok {
			return u.Incarnation, true
		}
		return 0, false
	}
	if builtIn(name) {
		return d.realm.Incarnation, true
	}
	if g, ok := tx.group(d, name); ok {
		return g.Incarnation, true
	}
	return 0, false
}

// subject is the incarnation of the user or group that a source means.
func (tx *Tx) subject(d *state, name string) (id.Incarnation, bool) {
	if of, ok := tx.incarnation(d, rowUser, name); ok {
		return of, true
	}
	return tx.incarnation(d, rowGroup, name)
}

// AddSource adds a source and returns its id, which is that of its content if
// it names none; one with the same id is replaced.
func (tx *Tx) AddSource(realm wamp.URI, s Source) (string, error) {
	d, err := tx.draft(realm)
	if err != nil {
		return "", err
	}
	if s.ID, err = s.Check(); err != nil {
		return "", invalid("%v", err)
	}
	if len(s.ID) > auth.MaxName || strings.ContainsFunc(s.ID, unicode.IsControl) || !utf8.ValidString(s.ID) {
		return "", invalid("id: want up to %d bytes of text", auth.MaxName)
	}
	for _, list := range []struct {
		name string
		n    int
	}{{"subjects", len(s.Subjects)}, {"cidrs", len(s.Prefixes)}, {"methods", len(s.Methods)}} {
		if list.n > maxSource {
			return "", wamp.Errorf(ErrRange, "%s: more than %d: make several sources of it", list.name, maxSource)
		}
	}
	if s.Meta, err = object(s.Meta); err != nil {
		return "", err
	}
	var missing []string
	of := make([]id.Incarnation, len(s.Subjects))
	for i, name := range s.Subjects {
		var ok bool
		if of[i], ok = tx.subject(d, name); !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return "", wamp.Errorf(ErrNoSuchUsers, "there is no user or group %s", quoted(missing))
	}
	old, there := d.sources.Get(s.ID)
	if there && reflect.DeepEqual(old.Source, s.Source) && bytes.Equal(old.Meta, s.Meta) {
		return s.ID, nil
	}
	tx.putSource(d, &s, of)
	verb := Created
	if there {
		verb = Updated
	}
	tx.changed(d.realm.URI, KindSource, s.ID, verb)
	return s.ID, nil
}

func (tx *Tx) putSource(d *state, s *Source, of []id.Incarnation) {
	d.sources = d.sources.Set(s.ID, s)
	tx.put(KindSource, sourceRow{In: d.realm.Incarnation, Of: of, Source: s.Source, Meta: s.Meta}, string(d.realm.URI), s.ID)
}

// DeleteSource removes a source.
func (tx *Tx) DeleteSource(realm wamp.URI, id string) error {
	d, err := tx.draft(realm)
	if err != nil {
		return err
	}
	if _, ok := d.sources.Get(id); !ok {
		return wamp.Errorf(ErrNotFound, "the realm %q has no source %q", d.realm.URI, id)
	}
	tx.removeSource(d, id)
	return nil
}

func (tx *Tx) removeSource(d *state, id string) {
	d.sources = d.sources.Delete(id)
	tx.remove(KindSource, string(d.realm.URI), id)
	tx.changed(d.realm.URI, KindSource, id, Deleted)
}

// forgetSubject takes a user or group that is deleted out of sources.
func (tx *Tx) forgetSubject(d *state, name string) {
	for s := range from(d.sources, "") {
		if !slices.Contains(s.Subjects, name) {
			continue
		}
		rest := *s
		if rest.Subjects = without(s.Subjects, name); len(rest.Subjects) == 0 {
			tx.removeSource(d, s.ID)
			continue
		}
		of := make([]id.Incarnation, len(rest.Subjects))
		for i, other := range rest.Subjects {
			of[i], _ = tx.subject(d, other)
		}
		tx.putSource(d, &rest, of)
		tx.changed(d.realm.URI, KindSource, s.ID, Updated, "subjects")
	}
}

// Grant gives a role permissions on a resource, beside those that it has there.
func (tx *Tx) Grant(realm wamp.URI, role rbac.Role, resource rbac.Resource, ps rbac.PermissionSet) error {
	return tx.regrant(realm, role, resource, func(old rbac.PermissionSet) rbac.PermissionSet { return old | ps })
}

// Revoke takes permissions on a resource away from a role; those that it has not
// there are no error. What it has by another grant it keeps.
func (tx *Tx) Revoke(realm wamp.URI, role rbac.Role, resource rbac.Resource, ps rbac.PermissionSet) error {
	return tx.regrant(realm, role, resource, func(old rbac.PermissionSet) rbac.PermissionSet { return old &^ ps })
}

func (tx *Tx) regrant(realm wamp.URI, role rbac.Role, resource rbac.Resource, change func(rbac.PermissionSet) rbac.PermissionSet) error {
	d, err := tx.draft(realm)
	if err != nil {
		return err
	}
	kind := rowGroup
	if role.Kind == rbac.RoleUser {
		kind = rowUser
	}
	of, ok := tx.incarnation(d, kind, role.Name)
	if !ok {
		return wamp.Errorf(ErrUnknownRoles, "there is no %s %q", kind, role.Name)
	}
	if _, own := d.groups.Get(role.Name); kind == rowGroup && !own && !builtIn(role.Name) {
		return wamp.Errorf(ErrUnknownRoles, "the group %q is that of the prototype %q: what it may do is said there, or of a group of this realm", role.Name, d.realm.PrototypeURI)
	}
	if !resource.URI.Valid(resource.Match, false) {
		return wamp.Errorf(wamp.ErrInvalidURI, "%q is not valid with match %q", resource.URI, resource.Match)
	}
	key := roleKey(role)
	grants, _ := d.grants.Get(key)
	i := slices.IndexFunc(grants, func(g rbac.RoleGrant) bool { return g.Resource == resource })
	var old rbac.PermissionSet
	if i >= 0 {
		old = grants[i].Permissions
	}
	ps := change(old)
	if ps == old {
		return nil
	}
	if ps&^old != 0 && d.realm.URI == Master && kind == rowGroup && builtIn(role.Name) && resource.Management() {
		return inconsistent("the realm %q does not grant management to %s: grant it to a group or a user", Master, role.Name)
	}
	grants = slices.Clone(grants)
	verb := Updated
	switch {
	case i < 0 && len(grants) >= maxGrants:
		return wamp.Errorf(ErrRange, "the %s %q has %d grants, the most there may be: grant a prefix, or some of it to another group", kind, role.Name, maxGrants)
	case i < 0:
		verb = Created
		grants = append(grants, rbac.RoleGrant{Permissions: ps, Resource: resource})
	case ps == 0:
		verb = Deleted
		grants = slices.Delete(grants, i, i+1)
	default:
		grants[i].Permissions = ps
	}
	at := []string{string(d.realm.URI), kind, role.Name, resource.Match.String(), string(resource.URI)}
	if ps == 0 {
		tx.remove(KindGrant, at...)
	} else {
		tx.put(KindGrant, grantRow{Of: of, Permissions: ps.Names()}, at...)
	}
	if len(grants) == 0 {
		d.grants = d.grants.Delete(key)
	} else {
		d.grants = d.grants.Set(key, grants)
	}
	tx.changed(d.realm.URI, KindGrant, kind+"/"+role.Name, verb, resource.Match.String()+" "+string(resource.URI))
	return nil
}

// removeGrants takes everything away that a role is granted.
func (tx *Tx) removeGrants(d *state, key string) {
	grants, ok := d.grants.Get(key)
	if !ok {
		return
	}
	for _, g := range grants {
		tx.remove(KindGrant, string(d.realm.URI), key, g.Resource.Match.String(), string(g.Resource.URI))
	}
	d.grants = d.grants.Delete(key)
}

// PutSigningKey puts a signing key of the realm in place of the one with its id.
// What it says is the business of who signs.
func (tx *Tx) PutSigningKey(realm wamp.URI, keyID string, value []byte) error {
	return tx.putOpaque(realm, KindSigningKey, keyID, value)
}

// DeleteSigningKey removes a signing key.
func (tx *Tx) DeleteSigningKey(realm wamp.URI, keyID string) error {
	return tx.putOpaque(realm, KindSigningKey, keyID, nil)
}

// PutTicket puts a ticket in place of the one with its id.
func (tx *Tx) PutTicket(realm wamp.URI, ticketID string, value []byte) error {
	return tx.putOpaque(realm, KindTicket, ticketID, value)
}

// DeleteTicket removes a ticket.
func (tx *Tx) DeleteTicket(realm wamp.URI, ticketID string) error {
	return tx.putOpaque(realm, KindTicket, ticketID, nil)
}

// opaqueRow is the value of a row that others write.
type opaqueRow struct {
	In    id.Incarnation  `json:"in"`
	Value json.RawMessage `json:"value"`
}

// putOpaque writes a value in JSON, or deletes the row when it is nil.
func (tx *Tx) putOpaque(realm wamp.URI, kind Kind, key string, value json.RawMessage) error {
	d, err := tx.draft(realm)
	if err != nil {
		return err
	}
	t := &d.tickets
	if kind == KindSigningKey {
		t = &d.signing
	}
	old, there := (*t).Get(key)
	switch {
	case value == nil && !there, there && bytes.Equal(old, value):
	case value == nil:
		*t = (*t).Delete(key)
		tx.remove(kind, string(d.realm.URI), key)
		tx.changed(d.realm.URI, kind, key, Deleted)
	default:
		*t = (*t).Set(key, slices.Clone(value))
		tx.put(kind, opaqueRow{In: d.realm.Incarnation, Value: value}, string(d.realm.URI), key)
		verb := Created
		if there {
			verb = Updated
		}
		tx.changed(d.realm.URI, kind, key, verb)
	}
	return nil
}
