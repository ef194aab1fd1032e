package directory

import (
	"cmp"
	"reflect"

	"bondy/core/auth"
	"bondy/core/wamp"
)

// userAt is a user of the realm that keeps its credentials.
type userAt struct {
	realm wamp.URI
	name  string
}

// secret is what a document says of a password.
type secret struct {
	from *UserDocument
	// seen was stored when it was compared; set takes its place, nil if it is the
	// same.
	seen, set *Password
}

// hash compares the passwords of the documents with those that are stored, and
// makes what is to be stored of those that differ.
func (dep *deployment) hash(s *Snapshot) error {
	dep.secrets = make(map[userAt]*secret)
	for _, it := range dep.items {
		for i := range it.doc.Users.Value {
			u := &it.doc.Users.Value[i]
			if it.blind || !it.whole && !u.Password.Present && !u.PasswordHash.Present {
				continue
			}
			if err := dep.hashOne(s, it, u); err != nil {
				return at(err, "%s: users[%d]", it.uri, i)
			}
		}
	}
	return nil
}

func (dep *deployment) hashOne(s *Snapshot, it *item, u *UserDocument) error {
	sso := it.sso(s, u)
	where := userAt{it.uri, u.Username}
	if sso != "" {
		if where.realm = sso; !u.Password.Present && !u.PasswordHash.Present {
			return nil // the SSO realm's own document speaks of it
		}
	}
	switch kdf := u.KDF.Value; {
	case u.Password.Has() && u.PasswordHash.Has():
		return invalid("password: want password or password_hash, not both")
	case kdf != "" && kdf != auth.KDFPBKDF2 && kdf != auth.KDFArgon2id:
		return unknown("kdf", string(kdf), string(auth.KDFPBKDF2), string(auth.KDFArgon2id))
	}
	if u.Password.Has() {
		if err := auth.CheckPassword(u.Password.Value); err != nil {
			return invalid("password: %v", err)
		}
	}
	if other := dep.secrets[where]; other != nil {
		if reflect.DeepEqual(other.from.Password, u.Password) && reflect.DeepEqual(other.from.PasswordHash, u.PasswordHash) {
			return nil
		}
		return inconsistent("password: another document says something else of the user %q of the realm %q", where.name, where.realm)
	}
	sec := &secret{from: u}
	dep.secrets[where] = sec
	st, _ := s.realms.Get(string(where.realm))
	sec.seen = st.password(where.name)
	if !u.Password.Has() {
		return sec.derive(s, st, where)
	}
	var err error
	return cmp.Or(dep.gate(func() { err = sec.derive(s, st, where) }), err)
}

// derive sees whether what is stored is what the document says, and makes it if
// not.
func (sec *secret) derive(s *Snapshot, st *state, where userAt) error {
	u, seen := sec.from, sec.seen
	sameKDF := seen != nil && (!u.KDF.Has() || seen.KDF == u.KDF.Value)
	var err error
	switch {
	case u.Password.Has():
		if !sameKDF || !auth.Opens(s.salt(where.realm), where.name, seen.Verifier, seen.Credential, u.Password.Value) {
			sec.set, err = s.Hash(where.realm, where.name, u.Password.Value, u.KDF.Value)
		}
		return err
	case u.PasswordHash.Has():
		want := u.PasswordHash.Value
		if sameKDF {
			have, err := s.hash(st, where.name, seen)
			if err == nil && have.covers(want) {
				return nil
			}
		}
		sec.set = &Password{Verifier: want.Verifier, Credential: want.Credential, KDF: u.KDF.Value}
	default:
		sec.set = &Password{}
	}
	return nil
}

// covers tells whether all that o has is the same here.
func (h PasswordHash) covers(o PasswordHash) bool {
	return (len(o.Verifier) == 0 || string(h.Verifier) == string(o.Verifier)) &&
		(o.Credential == nil || reflect.DeepEqual(h.Credential, o.Credential))
}

// password is that of a user, nil if there is none.
func (d *state) password(name string) *Password {
	if d == nil {
		return nil
	}
	u, ok := d.users.Get(name)
	if !ok {
		return nil
	}
	return u.Password
}

// stale tells whether a password is another one than when it was compared.
func (dep *deployment) stale(s *Snapshot) bool {
	for where, sec := range dep.secrets {
		if st, _ := s.realms.Get(string(where.realm)); st.password(where.name) != sec.seen {
			return true
		}
	}
	return false
}

// sso is the realm that keeps a user's credentials, empty for its own.
func (it *item) sso(s *Snapshot, u *UserDocument) wamp.URI {
	if u.SSORealmURI.Present || it.whole {
		return Canonical(u.SSORealmURI.Value)
	}
	if st, ok := s.realms.Get(string(it.uri)); ok {
		if old, ok := st.users.Get(u.Username); ok {
			return old.SSO
		}
	}
	return ""
}
