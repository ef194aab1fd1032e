package auth

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"

	"bondy/core/wamp"
)

// Directory has the users of one realm. Logins read it anew each time, so that
// what it says acts on the next one. What it returns is not changed by anybody.
// Implementations are safe for concurrent use and do not block.
type Directory interface {
	// User finds a user by its name or an alias, disabled ones too; the
	// credentials are those that count, wherever they are kept.
	User(name string) (User, bool)
	// Account says which credentials those of a name or an alias are: by the realm
	// that keeps them and the user's own name. It costs little, the same for all. A
	// name that is nobody's has what an alias of the SSO realm stands for, if it is
	// one, kept where the credentials of the Twin of its place are.
	Account(name string, place uint64) (authrealm wamp.URI, user string)
	// Key is the Config.Key of a realm that keeps credentials; nil for that of the
	// realm itself.
	Key(authrealm wamp.URI) []byte
	// Owners are the names of users who have a public key and are not disabled;
	// two of them are enough.
	Owners(key ed25519.PublicKey) []string
	// Twin is the user at or after a place on a ring, on which users are at the
	// Place of their names; of users with a password if there are any. After that
	// user takes a name that has none of its own, so that it behaves as some user
	// does, and goes on to when others come and go.
	Twin(place uint64) (User, bool)
}

// finder finds whom a client claims to be. The error is errBarred when policy
// keeps the method from that user.
type finder interface {
	// find looks for authid and does the same work for every name. lacks says
	// what a user lacks for the method, nothing if it can be used.
	find(ctx context.Context, req *Request, authid, method string, lacks func(*User) string) (*candidate, error)
}

// people finds the users of a Directory, and for a name without one a candidate
// that looks the same from outside and is never admitted, also to whoever compares
// realms of one SSO realm. It cannot hide that a user has an alias from whoever knows
// one of the two and asks for both with a salted method, or guesses at both: a user has
// one salt, and one count of guesses. Nor, where some users of a realm have their
// credentials from an SSO realm and others not, which of these a name is like.
type people struct {
	realm
	dir    Directory
	policy *policy
}

// realm is what all candidates of a realm need.
type realm struct {
	uri        wamp.URI
	key        []byte
	iterations int
}

func (p *people) find(_ context.Context, req *Request, authid, method string, lacks func(*User) string) (*candidate, error) {
	place := Place(p.key, authid)
	u, known := p.dir.User(authid)
	twin, _ := p.dir.Twin(place)
	looks, shape, flaw, lack := &u, &u, "", ""
	if known { // each looks for one name that is there and for one that is not
		_, _ = p.dir.User("")
		if lack = lacks(&u); lack != "" {
			shape = &twin
		}
	} else {
		_, _ = p.dir.User(twin.Name)
		looks, shape, flaw = &twin, &twin, "unknown user"
	}
	if known && u.Disabled {
		flaw = "disabled user"
	}
	if decision := p.policy.decide(looks.Name, looks.Groups, method, req.from()); !decision.Allowed {
		return nil, barred(decision.Reason)
	}
	name := authid
	if known {
		name = u.Name
	}
	c := p.candidate(req, Identity{AuthID: name, AuthMethod: method, AuthProvider: provider}, append(append(make([]string, 0, 1+len(looks.Groups)), name), looks.Groups...))
	if len(c.identity.Narrow) == 0 && len(looks.Groups) > 0 {
		c.identity.AuthRole = looks.Groups[0]
	}
	if err := c.take(shape, known && shape == &u); err != nil {
		flaw = err.Error()
	}
	c.flaw, c.lack, c.realmURI, c.people = flaw, lack, req.Realm, p
	keeper, account := p.account(req.Realm, authid, place)
	c.salted = account
	if key := p.dir.Key(keeper); key != nil {
		c.key = key
	}
	c.user = u
	return c, nil
}

// account says whose credentials a name stands for in a realm: under the user's own
// name and the realm that keeps them, whatever alias it is and whichever realm of an
// SSO realm is joined. All guesses at them count together, and they have one salt.
func (p *people) account(realm wamp.URI, authid string, place uint64) (keeper wamp.URI, user string) {
	keeper, user = p.dir.Account(authid, place)
	return cmp.Or(keeper, realm), user
}

// unchanged tells whether a user is still there as it was found: the client may
// have taken its time to answer.
func (p *people) unchanged(u *User) bool {
	now, ok := p.dir.User(u.Name)
	return ok && !now.Disabled && now.Same(u)
}

// owner is the name of the one user who has a public key, or the key in hex:
// that names nobody.
func (p *people) owner(key ed25519.PublicKey) string {
	if names := p.dir.Owners(key); len(names) == 1 {
		return names[0]
	}
	return hex.EncodeToString(key)
}

// has tells whether the realm has a user of a name.
func (p *people) has(name string) bool {
	_, ok := p.dir.User(name)
	return ok
}

// named is the part of a method that logs in users by name.
type named struct{}

func (named) usable(req *Request) error {
	if req.AuthID == "" {
		return wamp.Errorf(wamp.ErrAuthenticationDenied, "HELLO names no authid")
	}
	return bounded(req)
}

// maxRoles bounds the roles that a client may ask for.
const maxRoles = 100

// bounded checks the names that HELLO brings.
func bounded(req *Request) error {
	if len(req.AuthID) > MaxName {
		return wamp.Errorf(wamp.ErrAuthenticationDenied, "authid is longer than %d bytes", MaxName)
	}
	if len(req.Roles) > maxRoles {
		return wamp.Errorf(wamp.ErrNoSuchRole, "more than %d roles are asked for", maxRoles)
	}
	for _, role := range req.Roles {
		if len(role) > MaxName {
			return wamp.Errorf(wamp.ErrNoSuchRole, "a role that is asked for is longer than %d bytes", MaxName)
		}
	}
	return nil
}

// barred says why policy keeps a method from a client. The reason stays
// outside the *wamp.Error, for the log.
func barred(reason string) error { return fmt.Errorf("%s: %w", reason, errBarred) }
