package migrate

import (
	"crypto/rand"
	"encoding/json"
	"fmt"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/strict"
	"bondy/core/wamp"
)

// users converts the users.
func (c *converter) users(path string, uri wamp.URI, r *foreignRealm) []directory.UserDocument {
	out := []directory.UserDocument{}
	for i := range r.Users {
		u := &r.Users[i]
		at := fmt.Sprintf("%s.users[%d]", path, i)
		d := directory.UserDocument{
			Username: u.Username, Groups: strict.Some(c.members(u.at, at, r, u.Groups)),
			Enabled: strict.Some(!u.Enabled.Has() || u.Enabled.Value), Meta: meta(u.Meta),
		}
		if u.SSORealmURI != "" {
			d.SSORealmURI = strict.Some(wamp.URI(u.SSORealmURI))
		}
		if c.keepsCredentials(at, uri, u) {
			c.credential(at, uri, u, &d)
		}
		if len(u.Aliases) > 0 {
			d.Aliases = strict.Some(u.Aliases)
		}
		out = append(out, d)
	}
	return out
}

// keepsCredentials tells whether the credentials that stand with a user count: of
// those that another realm keeps, the first ones do.
func (c *converter) keepsCredentials(path string, uri wamp.URI, u *foreignUser) bool {
	where := [2]string{u.SSORealmURI, u.Username}
	if u.SSORealmURI == "" || len(u.Password) == 0 && len(u.AuthorizedKeys) == 0 {
		return true
	}
	if c.credentials[where] {
		c.note(u.at, uri, path, Dropped, "the credentials of %s: the realm %s has others, and the predecessor ignores these", u.Username, u.SSORealmURI)
		return false
	}
	c.credentials[where] = true
	return true
}

func (c *converter) credential(path string, uri wamp.URI, u *foreignUser, d *directory.UserDocument) {
	var keys []directory.PublicKey
	for i, text := range u.AuthorizedKeys {
		var k directory.PublicKey
		if err := k.UnmarshalText([]byte(text)); err != nil {
			c.note(u.at, uri, fmt.Sprintf("%s.authorized_keys[%d]", path, i), Dropped, "%v", err)
			continue
		}
		keys = append(keys, k)
	}
	if keys != nil {
		d.AuthorizedKeys = strict.Some(keys)
	} else if u.HasAuthorizedKeys && u.AuthorizedKeys == nil {
		c.note(u.at, uri, path, Dropped, "the keys of %s are not in the document: add them", u.Username)
	}
	if len(u.Password) == 0 {
		if u.HasPassword {
			c.note(u.at, uri, path, Dropped, "the password of %s is not in the document: set a new one", u.Username)
		}
		return
	}
	hash, err := hashOf(u)
	switch {
	case err != nil:
		c.note(u.at, uri, path+".password", Dropped, "of %s: %v: set a new one", u.Username, err)
	case auth.Opens(nil, u.Username, hash.Verifier, hash.Credential, defaultPassword):
		c.note(u.at, uri, path+".password", Dropped, "of %s: it is the predecessor's default password, which everybody knows: set another one", u.Username)
	default:
		d.PasswordHash = strict.Some(hash)
		if text, plain := plainPassword(u); plain {
			if err := auth.CheckPassword(text); err != nil {
				c.note(u.at, uri, path+".password", Changed, "of %s: kept, but a new one %v: set one that has", u.Username, err)
			}
		}
	}
}

// defaultPassword is that of the user admin in a fresh installation.
const defaultPassword auth.Secret = "bondy-admin"

// plainPassword is a password that is in plain text.
func plainPassword(u *foreignUser) (text auth.Secret, plain bool) {
	var s string
	err := json.Unmarshal(u.Password, &s)
	return auth.Secret(s), err == nil
}

// hashOf is what stands for a password: as the predecessor keeps it, or made anew
// of one in plain text.
func hashOf(u *foreignUser) (h directory.PasswordHash, err error) {
	text, plain := plainPassword(u)
	if !plain {
		h.Verifier, h.Credential, err = auth.ImportPassword(u.Password)
		return h, err
	}
	if text == "" || len(text) > auth.MaxPassword {
		return h, fmt.Errorf("it has not 1 to %d bytes", auth.MaxPassword)
	}
	key := make([]byte, auth.KeySize) // only for the salt, which is in the hash
	_, _ = rand.Read(key)             // never fails: crypto/rand ends the process instead
	v, err := auth.NewVerifier(key, u.Username, string(text))
	if err == nil {
		h.Verifier, err = auth.ExplicitVerifier(key, u.Username, v)
	}
	return h, err
}
