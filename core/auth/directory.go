package auth

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	"bondy/core/wamp"
)

// finder finds whom a client claims to be. The error is errBarred when policy
// keeps the method from that user.
type finder interface {
	// find looks for authid and does the same work for every name. lacks says
	// what a user lacks for the method, nothing if it can be used.
	find(ctx context.Context, req *Request, authid, method string, lacks func(*account) string) (*candidate, error)
}

// account is a user as the methods see it.
type account struct {
	User
	cra *craKey // the parsed Verifier
}

func newAccount(u User) (a account, err error) {
	a.User = u
	a.Groups = slices.Clone(u.Groups)
	if len(u.Verifier) > 0 {
		a.cra, err = parseVerifier(u.Verifier)
	}
	return a, err
}

// hasPassword tells whether the account has a password in any form.
func (a *account) hasPassword() bool { return a.hasSecret() || a.Credential != nil }

// hasSecret tells whether it has one that wampcra can use.
func (a *account) hasSecret() bool { return a.Password != "" || a.cra != nil }

func lacksPassword(a *account) string {
	if !a.hasPassword() {
		return "user without password"
	}
	return ""
}

func lacksSecret(a *account) string {
	if !a.hasSecret() {
		return "user without a secret for wampcra"
	}
	return ""
}

// directory finds the users of the realm's configuration, and for a name
// without one a candidate that looks the same from outside and is never
// admitted.
type directory struct {
	realm
	users  map[string]*account
	keys   map[string][]*account // by public key
	ring   []twin
	policy *policy
}

// realm is what all candidates of a realm need.
type realm struct {
	key        []byte
	iterations int
}

// twin is a user at its place on a ring of hashes. A name without user takes
// after the next one on the ring, so that it behaves as some user does, and
// goes on to when others come and go.
type twin struct {
	at   uint64
	user *account
}

func newDirectory(cfg *Config, key []byte) (*directory, error) {
	d := &directory{
		realm:  realm{key: key, iterations: cmp.Or(cfg.Iterations, DefaultIterations)},
		users:  make(map[string]*account, len(cfg.Users)),
		keys:   make(map[string][]*account),
		policy: newPolicy(cfg),
	}
	var others []twin
	accounts := make([]account, len(cfg.Users))
	for i, u := range cfg.Users {
		var err error
		if accounts[i], err = newAccount(u); err != nil {
			return nil, err
		}
		a := &accounts[i]
		d.users[a.Name] = a
		for _, k := range a.Keys {
			d.keys[string(k)] = append(d.keys[string(k)], a)
		}
		t := twin{at: d.place(a.Name), user: a}
		if a.hasPassword() {
			d.ring = append(d.ring, t)
		} else {
			others = append(others, t)
		}
	}
	if len(d.ring) == 0 {
		d.ring = others
	}
	slices.SortFunc(d.ring, func(a, b twin) int { return cmp.Compare(a.at, b.at) })
	return d, nil
}

// place is a secret hash; an HMAC would make realms of many users start slowly.
func (d *directory) place(name string) uint64 {
	text := make([]byte, 0, 2*sha256.BlockSize)
	sum := sha256.Sum256(append(append(append(text, "twin"...), d.key...), name...))
	return binary.BigEndian.Uint64(sum[:])
}

// twin is the user after whom a name takes that has none.
func (d *directory) twin(name string) *account {
	if len(d.ring) == 0 {
		return &account{}
	}
	i, _ := slices.BinarySearchFunc(d.ring, d.place(name), func(t twin, at uint64) int { return cmp.Compare(t.at, at) })
	return d.ring[i%len(d.ring)].user
}

func (d *directory) find(_ context.Context, req *Request, authid, method string, lacks func(*account) string) (*candidate, error) {
	u, flaw := d.users[authid], ""
	other := d.twin(authid)
	shape := cmp.Or(u, other)
	switch {
	case u == nil:
		u, flaw = other, "unknown user"
	case lacks(u) != "":
		shape, flaw = other, lacks(u)
	case u.Disabled:
		flaw = "disabled user"
	}
	if decision := d.policy.decide(u.Name, u.Groups, method, req.Remote.Addr()); !decision.Allowed {
		return nil, barred(decision.Reason)
	}
	c := d.candidate(req, authid, method, provider, append([]string{authid}, u.Groups...))
	c.shape, c.genuine, c.flaw = shape, shape.Name == authid, flaw
	return c, nil
}

// owner is the name of the one user who has a public key, or the key in hex:
// that names nobody.
func (d *directory) owner(key ed25519.PublicKey) string {
	var owner string
	for _, a := range d.keys[string(key)] {
		switch {
		case a.Disabled:
		case owner != "":
			return hex.EncodeToString(key)
		default:
			owner = a.Name
		}
	}
	return cmp.Or(owner, hex.EncodeToString(key))
}

// candidate is whom a client claims to be.
type candidate struct {
	realm
	identity Identity
	shape    *account // whose parameters a challenge shows
	fresh    bool     // what was found may be another one the next time
	genuine  bool     // shape is whom the client claims to be
	decoy    []byte   // in place of a key that is not there
	face     string   // the authrole that a challenge shows
	flaw     string   // why the client cannot be let in whatever it proves; empty if it can
	noRole   bool     // the user has not the role that was asked for
}

// candidate makes one for a name with its roles: itself and its groups.
func (r realm) candidate(req *Request, authid, method, provider string, roles []string) *candidate {
	c := &candidate{realm: r, decoy: r.mac("decoy", authid)}
	c.identity = Identity{AuthID: authid, AuthRole: req.AuthRole, AuthMethod: method, AuthProvider: provider}
	if req.AuthRole != "" {
		c.noRole = !slices.Contains(roles, req.AuthRole)
		c.identity.Roles = []string{req.AuthRole}
	} else {
		c.identity.AuthRole = roles[min(1, len(roles)-1)]
		c.identity.Roles = roles
	}
	c.face = c.identity.AuthRole
	return c
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

// salt is the text of a name's salt: 16 bytes that nobody can predict and that
// are there whether or not the name has a user.
func salt(key []byte, name string) string {
	return base64.StdEncoding.EncodeToString(mac(key, "salt", name)[:saltLen])
}

func (r realm) mac(purpose, text string) []byte { return mac(r.key, purpose, text) }

func mac(key []byte, purpose, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(purpose))
	h.Write([]byte{0})
	h.Write([]byte(text))
	return h.Sum(nil)
}

// named is the part of a method that logs in users by name.
type named struct{}

func (named) usable(req *Request) error {
	if req.AuthID == "" {
		return wamp.Errorf(wamp.ErrAuthenticationDenied, "HELLO names no authid")
	}
	return bounded(req)
}

// bounded checks the names that HELLO brings.
func bounded(req *Request) error {
	switch {
	case len(req.AuthID) > MaxName:
		return wamp.Errorf(wamp.ErrAuthenticationDenied, "authid is longer than %d bytes", MaxName)
	case len(req.AuthRole) > MaxName:
		return wamp.Errorf(wamp.ErrNoSuchRole, "authrole is longer than %d bytes", MaxName)
	}
	return nil
}

// barred says why policy keeps a method from a client. The reason stays
// outside the *wamp.Error, for the log.
func barred(reason string) error { return fmt.Errorf("%s: %w", reason, errBarred) }
