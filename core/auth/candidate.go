package auth

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"slices"

	"bondy/core/wamp"
)

// candidate is whom a client claims to be.
type candidate struct {
	realm
	identity Identity
	shape    User    // whose parameters a challenge shows
	cra      *craKey // the parsed Verifier of shape
	fresh    bool    // what was found may be another one the next time
	genuine  bool    // shape is whom the client claims to be
	decoy    []byte  // in place of a key that is not there
	salted   string  // the name from which salts derive, by the key of the realm
	flaw     string  // why the client cannot be let in whatever it proves; empty if it can
	lack     string  // the credential that the method needs and the user has not
	noRole   string  // a role that was asked for and is not held
	realmURI wamp.URI
	people   *people // among whom user is
	user     User    // the zero value when there is none
}

// candidate makes one who holds roles, of which the first is the authrole, and
// gives it those of them that the client asks for. To ask for all, for the
// default or for nothing means everything.
func (r realm) candidate(req *Request, who Identity, held []string) *candidate {
	c := &candidate{realm: r, identity: who, decoy: keyed("decoy", r.key, who.AuthID), salted: who.AuthID}
	c.identity.AuthRole, c.identity.Roles = held[0], held
	if asked := req.asked(); len(asked) > 0 {
		c.identity.AuthRole, c.identity.Roles, c.identity.Narrow = asked[0], asked, asked
		if i := slices.IndexFunc(asked, func(role string) bool { return !slices.Contains(held, role) }); i >= 0 {
			c.noRole = asked[i]
		}
	}
	return c
}

// defaultRole is what a client says that wants the role that is its own by default,
// and what stands for that role before anybody knows who it is.
const defaultRole = "default"

// asked are the roles that a client wants alone; none for everything it has.
func (req *Request) asked() []string {
	var out []string
	for _, role := range req.Roles {
		switch role {
		case "", SubjectAll, defaultRole:
			return nil
		}
		if !slices.Contains(out, role) {
			out = append(out, role)
		}
	}
	return out
}

// take gives the candidate a shape; the error is about what is stored of it.
func (c *candidate) take(shape *User, genuine bool) (err error) {
	c.shape, c.genuine = *shape, genuine
	if len(shape.Verifier) > 0 {
		c.cra, err = parseVerifier(shape.Verifier)
	}
	return err
}

// admit ends an exchange.
func (c *candidate) admit(proven bool) (*Identity, error) {
	if c.lack != "" {
		return nil, denied(c.lack)
	}
	return c.admitWith("", proven)
}

// admitWith is admit for a signed ticket, which needs no other credential.
func (c *candidate) admitWith(ticket string, proven bool) (*Identity, error) {
	switch {
	case c.flaw != "":
		return nil, denied(c.flaw)
	case !proven:
		return nil, denied("wrong credential")
	case c.user.Name != "" && !c.people.unchanged(&c.user):
		return nil, denied("the user has changed meanwhile")
	case c.noRole != "":
		return nil, wamp.Errorf(wamp.ErrNoSuchRole, "%s has no role %q", c.identity.AuthID, c.noRole)
	}
	id := c.identity // a copy, so that no session keeps the secret reachable
	if u := &c.user; u.Name != "" {
		id.Principal = &Principal{
			AuthRealm: cmp.Or(u.AuthRealm, c.realmURI), Name: u.Name, Incarnation: u.Incarnation, Ticket: ticket,
		}
	}
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
