package directory

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"bondy/core/id"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// load takes in a row that was written before. What it refers to came before it;
// a row that refers to what is not there, or no more, counts for nothing.
func (tx *Tx) load(r Row) error {
	if err := tx.loadRow(r); err != nil {
		return fmt.Errorf("%s %q: %w", r.Kind, r.Key, err)
	}
	return nil
}

func (tx *Tx) loadRow(r Row) error {
	switch r.Kind {
	case KindRealm:
		var v realmRow
		if err := json.Unmarshal(r.Value, &v); err != nil {
			return err
		}
		uri := wamp.URI(r.Key)
		r := &Realm{URI: uri, Incarnation: v.Incarnation, Created: v.Created, Properties: v.Properties}
		tx.drafts[uri] = newState(r, tx.before.salt(uri))
		return nil
	case KindGroup:
		return loadIn(tx, r, 2, func(d *state, at []string, v *groupRow) {
			if v.In == d.realm.Incarnation {
				d.groups = d.groups.Set(at[1], &Group{Name: at[1], Incarnation: v.Incarnation})
			}
		})
	case KindUser:
		return loadIn(tx, r, 2, func(d *state, at []string, v *userRow) {
			if v.In == d.realm.Incarnation {
				d.users = d.users.Set(at[1], &User{
					Name: at[1], Incarnation: v.Incarnation, Disabled: v.Disabled, SSO: v.SSO, SSOIncarnation: v.SSOOf,
				})
				d.ring = d.ring.Set(d.ringKey(at[1]), at[1])
			}
		})
	case KindPassword:
		return loadIn(tx, r, 2, func(d *state, at []string, v *passwordRow) {
			if u := d.of(at[1], v.Of); u != nil {
				u.Password = &Password{Verifier: v.Verifier, Credential: v.Credential, KDF: v.KDF}
			}
		})
	case KindKey:
		return loadIn(tx, r, 3, func(d *state, at []string, v *ofRow) {
			if u := d.of(at[1], v.Of); u != nil {
				if k, err := hex.DecodeString(at[2]); err == nil && len(k) == ed25519.PublicKeySize {
					u.Keys = append(u.Keys, k)
					d.own(k, u.Name)
				}
			}
		})
	case KindMeta:
		return loadIn(tx, r, 3, func(d *state, at []string, v *metaRow) {
			if at[1] == rowUser {
				if u := d.of(at[2], v.Of); u != nil {
					u.Meta = v.Meta
				}
			} else if g, ok := d.groups.Get(at[2]); ok && g.Incarnation == v.Of {
				g.Meta = v.Meta
			}
		})
	case KindAlias:
		return loadIn(tx, r, 2, func(d *state, at []string, v *aliasRow) {
			if u := d.of(v.User, v.Of); u != nil {
				u.Aliases = append(u.Aliases, at[1])
				d.aliases = d.aliases.Set(at[1], u.Name)
			}
		})
	case KindMember:
		return loadIn(tx, r, 4, tx.loadMember)
	case KindSource:
		return loadIn(tx, r, 2, tx.loadSource)
	case KindGrant:
		return tx.loadGrant(r)
	case KindSigningKey, KindTicket:
		return loadIn(tx, r, 2, func(d *state, at []string, v *opaqueRow) {
			switch {
			case v.In != d.realm.Incarnation:
			case r.Kind == KindTicket:
				d.tickets = d.tickets.Set(at[1], v.Value)
			default:
				d.signing = d.signing.Set(at[1], v.Value)
			}
		})
	default:
		return nil // of a later release
	}
}

// loadIn decodes a row whose key has n parts, of which the first is the realm.
func loadIn[V any](tx *Tx, r Row, n int, take func(d *state, at []string, v *V)) error {
	at, err := split(r.Key, n)
	if err != nil {
		return err
	}
	d := tx.drafts[wamp.URI(at[0])]
	if d == nil {
		return nil
	}
	var v V
	if err := json.Unmarshal(r.Value, &v); err != nil {
		return err
	}
	take(d, at, &v)
	return nil
}

// of is a user if it is of that incarnation. Nobody else has it yet: it may be
// changed.
func (d *state) of(name string, of id.Incarnation) *User {
	if u, ok := d.users.Get(name); ok && u.Incarnation == of {
		return u
	}
	return nil
}

func (tx *Tx) loadMember(d *state, at []string, v *memberRow) {
	if of, ok := tx.incarnation(d, rowGroup, at[3]); !ok || of != v.Group {
		return
	}
	if at[1] == rowUser {
		if u := d.of(at[2], v.Of); u != nil {
			u.Groups = append(u.Groups, at[3])
		}
		return
	}
	if g, ok := d.groups.Get(at[2]); ok && g.Incarnation == v.Of {
		g.Groups = append(g.Groups, at[3])
	}
}

func (tx *Tx) loadSource(d *state, at []string, v *sourceRow) {
	if v.In != d.realm.Incarnation || len(v.Of) != len(v.Source.Subjects) {
		return
	}
	s := Source{Source: v.Source, Meta: v.Meta}
	s.ID, s.Subjects = at[1], nil
	for i, name := range v.Source.Subjects {
		if of, ok := tx.subject(d, name); ok && of == v.Of[i] {
			s.Subjects = append(s.Subjects, name)
		}
	}
	if len(s.Subjects) > 0 {
		d.sources = d.sources.Set(s.ID, &s)
	}
}

func (tx *Tx) loadGrant(r Row) error {
	return loadIn(tx, r, 5, func(d *state, at []string, v *grantRow) {
		of, ok := tx.incarnation(d, at[1], at[2])
		match, known := wamp.ParseMatch(at[3])
		if !ok || of != v.Of || !known {
			return
		}
		g := rbac.RoleGrant{Resource: rbac.Resource{URI: wamp.URI(at[4]), Match: match}}
		for _, name := range v.Permissions {
			if p, ok := rbac.ParsePermission(name); ok {
				g.Permissions |= rbac.Set(p)
			}
		}
		if g.Permissions == 0 {
			return
		}
		key := join(at[1], at[2])
		grants, _ := d.grants.Get(key)
		d.grants = d.grants.Set(key, append(grants, g))
	})
}
