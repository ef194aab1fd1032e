package ticket

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"bondy/core/auth"
	"bondy/core/wamp"
)

// Is implements auth.Tickets: it looks at the header alone.
func (a *Authority) Is(text string) bool {
	header, rest, _ := strings.Cut(text, ".")
	if len(text) > maxLength || strings.Count(rest, ".") != 1 {
		return false
	}
	b, err := base64.RawURLEncoding.DecodeString(header)
	var h struct {
		Type string `json:"typ"`
	}
	return err == nil && json.Unmarshal(b, &h) == nil && h.Type == headerType
}

// Verify implements auth.Tickets.
func (a *Authority) Verify(realm wamp.URI, u auth.User, text string) (auth.Ticket, error) {
	r, err := a.live(text)
	if err == nil {
		err = r.serves(realm, u)
	}
	if err != nil {
		return auth.Ticket{}, err
	}
	return auth.Ticket{
		ID: r.ID, Expires: r.ExpiresAt.Add(Leeway), Device: r.Scope.DeviceID,
		Client: r.Scope.ClientID, Bound: r.Scope.ClientID != "" && r.IssuedBy == r.Scope.ClientID,
	}, nil
}

// Check returns the record of a ticket that is good for a realm and whose user is
// one of its users and not disabled. The error says why not, to who may know.
func (a *Authority) Check(realm wamp.URI, users auth.Directory, text string) (*Record, error) {
	r, err := a.live(text)
	if err != nil {
		return nil, err
	}
	u, ok := users.User(r.Name)
	switch {
	case !ok:
		return nil, errors.New("the user of the ticket is gone")
	case u.Disabled:
		return nil, errors.New("the user of the ticket is disabled")
	}
	u.AuthRealm = cmp.Or(u.AuthRealm, realm)
	return r, r.serves(realm, u)
}

// serves checks that a ticket is a user's and good for a realm.
func (r *Record) serves(realm wamp.URI, u auth.User) error {
	switch {
	case r.AuthRealm != u.AuthRealm:
		return errors.New("the ticket is for users of another realm")
	case r.Name != u.Name:
		return errors.New("the ticket is somebody else's")
	case r.Incarnation != u.Incarnation:
		return errors.New("the ticket is of a user of that name who was deleted")
	case r.Scope.Realm != "" && r.Scope.Realm != realm:
		return errors.New("the ticket is for another realm")
	}
	return nil
}

// live returns the record of a ticket that is signed, has begun and not expired,
// and was not revoked.
func (a *Authority) live(text string) (*Record, error) {
	c, err := a.signed(text)
	if err != nil {
		return nil, err
	}
	if c.Expiry == nil || c.NotBefore == nil || c.IssuedAt == nil {
		return nil, errors.New("a ticket without exp, nbf or iat")
	}
	if err := c.ValidateWithLeeway(jwt.Expected{}, Leeway); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	r, ok := a.records.Get(wamp.URI(c.Issuer), c.ID)
	switch {
	case !ok:
		return nil, errors.New("the ticket was revoked, or made room for another")
	case !r.IssuedAt.After(a.records.Epoch(r.AuthRealm, r.Name)):
		return nil, errors.New("all tickets of the user or the realm were revoked")
	case !r.says(c):
		return nil, errors.New("the ticket is not what was issued under its id")
	}
	return &r, nil
}

// says tells whether a ticket with these claims is the record's.
func (r *Record) says(c *claims) bool {
	want := r.claims()
	return c.ID == want.ID && c.Issuer == want.Issuer && c.Subject == want.Subject && c.Incarnation == want.Incarnation &&
		c.Scope == want.Scope && len(c.Audience) == 1 && c.Audience[0] == want.Audience[0] &&
		*c.Expiry == *want.Expiry && *c.IssuedAt == *want.IssuedAt
}

// signed returns the claims of a ticket whose signature is right.
func (a *Authority) signed(text string) (*claims, error) {
	if len(text) > maxLength {
		return nil, fmt.Errorf("a ticket of more than %d bytes", maxLength)
	}
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, fmt.Errorf("not a ticket: %w", err)
	}
	header := jws.Signatures[0].Protected // the compact form has exactly one
	if header.ExtraHeaders[jose.HeaderType] != headerType {
		return nil, errors.New("not a ticket: of another type")
	}
	var said struct {
		Issuer wamp.URI `json:"iss"`
	}
	if err := json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &said); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	key := find(a.rings.Ring(said.Issuer), header.KeyID, time.Now())
	if key == nil {
		return nil, errors.New("no key of the issuer fits the ticket")
	}
	body, err := jws.Verify(key.public)
	if err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	c := new(claims)
	if err := json.Unmarshal(body, c); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	if c.Issuer != string(said.Issuer) {
		return nil, errors.New("claims: two issuers")
	}
	return c, nil
}
