package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"

	"bondy/core/wamp"
)

// directory finds users, and for a name without one a candidate that looks the
// same from outside and is never admitted.
type directory struct {
	users  map[string]*User
	sample []*User // the same users by index, as models for the unknown
	key    []byte
}

func newDirectory(users []User, key []byte) *directory {
	d := &directory{users: make(map[string]*User, len(users)), key: key}
	for _, u := range users {
		u.Groups = slices.Clone(u.Groups)
		d.users[u.Name] = &u
		d.sample = append(d.sample, &u)
	}
	return d
}

// candidate is whom a client claims to be.
type candidate struct {
	identity Identity
	secret   string
	verifier []byte // in place of secret
	flaw     string // why the client cannot be let in whatever it proves; empty if it can
	noRole   bool   // the user has not the role that was asked for
}

// find never fails and does the same work for every name. lacks says what a
// user lacks for the method, nothing if it can be used.
func (d *directory) find(req *Request, method string, lacks func(*User) string) *candidate {
	u, flaw := d.users[req.AuthID], ""
	decoy := d.mac("decoy", req.AuthID)
	switch {
	case u == nil:
		u, flaw = d.model(decoy), "unknown user"
	case u.Disabled:
		flaw = "disabled user"
	default:
		flaw = lacks(u)
	}
	c := &candidate{
		identity: Identity{AuthID: req.AuthID, AuthRole: req.AuthRole, AuthMethod: method, AuthProvider: provider},
		secret:   string(u.Password),
		verifier: u.Verifier,
		flaw:     flaw,
	}
	if flaw != "" {
		c.secret, c.verifier = base64.StdEncoding.EncodeToString(decoy), nil
	}
	roles := append([]string{req.AuthID}, u.Groups...)
	switch {
	case req.AuthRole != "":
		c.noRole = !slices.Contains(roles, req.AuthRole)
		c.identity.Roles = []string{req.AuthRole}
	default:
		c.identity.AuthRole = roles[min(1, len(roles)-1)]
		c.identity.Roles = roles
	}
	return c
}

func lacksPassword(u *User) string {
	if u.Password == "" && len(u.Verifier) == 0 {
		return "user without password"
	}
	return ""
}

// model picks the user whose groups a name without user pretends to have, so
// that the role in a challenge does not tell the two apart.
func (d *directory) model(mac []byte) *User {
	if len(d.sample) == 0 {
		return &User{}
	}
	return d.sample[int(binary.BigEndian.Uint32(mac)>>1)%len(d.sample)]
}

// salt is the text of a name's salt: 16 bytes that nobody can predict and that
// are there whether or not the name has a user.
func (d *directory) salt(name string) string { return salt(d.key, name) }

func salt(key []byte, name string) string {
	return base64.StdEncoding.EncodeToString(mac(key, "salt", name)[:16])
}

func (d *directory) mac(purpose, text string) []byte { return mac(d.key, purpose, text) }

func mac(key []byte, purpose, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(purpose))
	h.Write([]byte{0})
	h.Write([]byte(text))
	return h.Sum(nil)
}

// admit ends an exchange.
func (c *candidate) admit(proven bool) (*Identity, error) {
	switch {
	case c.flaw != "":
		return nil, denied(c.flaw)
	case !proven:
		return nil, denied("wrong credential")
	case c.noRole:
		return nil, wamp.Errorf(wamp.ErrNoSuchRole, "%s has no role %q", c.identity.AuthID, c.identity.AuthRole)
	}
	id := c.identity // a copy, so that no session keeps the secret reachable
	return &id, nil
}

// named is the part of a method that logs in users by name.
type named struct{}

func (named) usable(req *Request) error {
	switch {
	case req.AuthID == "":
		return wamp.Errorf(wamp.ErrAuthenticationDenied, "HELLO names no authid")
	case len(req.AuthID) > MaxName:
		return wamp.Errorf(wamp.ErrAuthenticationDenied, "authid is longer than %d bytes", MaxName)
	case len(req.AuthRole) > MaxName:
		return wamp.Errorf(wamp.ErrNoSuchRole, "authrole is longer than %d bytes", MaxName)
	}
	return nil
}
