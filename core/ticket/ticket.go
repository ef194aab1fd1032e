// Package ticket issues and judges signed tickets: assertions of a realm that
// its bearer is one of its users, which stand in place of the user's credentials
// for a time.
//
// A ticket is a JWS in compact form, signed with ES256 by a Key of the realm that
// keeps the user's credentials, which is its issuer. It holds only as long as
// there is a Record of it: deleting that, or moving the epoch of its user or
// realm, revokes it at once. It names realm, name and incarnation of the user, so
// that a user who is created again is another one, and the realm, or the SSO realm
// whose realms, it is good for.
//
// An Authority does this for all realms of a node. What it needs to remember is
// behind the interfaces Rings and Records.
package ticket

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"bondy/core/auth"
	"bondy/core/id"
	"bondy/core/wamp"
)

// Errors that clients see beside those of package wamp; the predecessor's.
const (
	ErrInvalidRequest wamp.URI = "bondy.error.invalid_request"
	ErrInvalidValue   wamp.URI = "bondy.error.invalid_value"
)

// Operator is who issued what the node's operator did.
const Operator = "operator"

const (
	// headerType is what the header of a ticket says that it is.
	headerType = "bondy-ticket+jwt"
	// Leeway is how far the clocks of nodes may be apart: a ticket holds that
	// much longer, and before it was issued.
	Leeway = 30 * time.Second
	// maxLength bounds a ticket in bytes.
	maxLength = 4096
)

// Record is what is kept of a ticket while it is alive. A ticket without one is
// refused.
type Record struct {
	ID string `json:"id"`
	// AuthRealm issued it; with Name and Incarnation that is whose it is.
	AuthRealm   wamp.URI       `json:"authrealm"`
	Name        string         `json:"authid"`
	Incarnation id.Incarnation `json:"incarnation"`
	Scope       Scope          `json:"scope"`
	// AuthMethod is how the session that asked for it had logged in, IssuedBy its
	// authid, or the client of whom it showed a ticket; both are Operator where the
	// node's operator did.
	AuthMethod string `json:"authmethod"`
	IssuedBy   string `json:"issued_by"`
	// IssuedAt is exact to the millisecond, ExpiresAt to the second.
	IssuedAt  time.Time `json:"issued_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Records keeps the records of live tickets. Implementations are safe for
// concurrent use; what they did is durable when they return.
type Records interface {
	// Put adds a record. If its user, by AuthRealm and Name, then has more than
	// most, those of them that expire first go, but not the new one.
	Put(r Record, most int) error
	// Get finds the record of a ticket.
	Get(authrealm wamp.URI, ticket string) (Record, bool)
	// Epoch is the later one of the moments at which all tickets of the user, and
	// of the realm, were revoked; the zero time if none ever were.
	Epoch(authrealm wamp.URI, name string) time.Time
	// Revoke deletes a record; false if there was none.
	Revoke(authrealm wamp.URI, ticket string) (bool, error)
	// RevokeAll voids all tickets of a user, or of the realm if name is empty: the
	// epoch moves to a moment, never back, and no record that is there outlives
	// that, also if its IssuedAt is later because another node's clock was ahead:
	// it is deleted, or the epoch moves as far.
	RevokeAll(authrealm wamp.URI, name string, at time.Time) error
	// Purge deletes the records that expired before a moment and returns how many.
	// Epochs that are older than that by MaxLifetime may go, too.
	Purge(before time.Time) (int, error)
}

// Rings has the signing keys of realms. Implementations are safe for concurrent
// use.
type Rings interface {
	// Ring returns the keys of a realm in any state, none for an unknown realm.
	// Nobody changes them.
	Ring(realm wamp.URI) []*Key
}

// Authority issues and judges the tickets of all realms of a node. Safe for
// concurrent use.
type Authority struct {
	rings   Rings
	sealer  Sealer
	records Records
}

// New makes an Authority; sealer opens the keys of the rings.
func New(rings Rings, sealer Sealer, records Records) *Authority {
	return &Authority{rings: rings, sealer: sealer, records: records}
}

// claims are what a ticket says.
type claims struct {
	jwt.Claims
	Incarnation id.Incarnation `json:"inc"`
	Scope       Scope          `json:"scope"`
	AuthMethod  string         `json:"authmethod"`
	IssuedBy    string         `json:"issued_by"`
}

// audience is the realm, or the SSO realm, that the ticket is good for.
func (r *Record) audience() string { return string(cmp.Or(r.Scope.Realm, r.AuthRealm)) }

func (r *Record) claims() *claims {
	issued := jwt.NewNumericDate(r.IssuedAt)
	return &claims{
		Claims: jwt.Claims{
			Issuer: string(r.AuthRealm), Subject: r.Name, Audience: jwt.Audience{r.audience()},
			Expiry: jwt.NewNumericDate(r.ExpiresAt), NotBefore: issued, IssuedAt: issued, ID: r.ID,
		},
		Incarnation: r.Incarnation, Scope: r.Scope, AuthMethod: r.AuthMethod, IssuedBy: r.IssuedBy,
	}
}

// sign writes the ticket of a record.
func (a *Authority) sign(r *Record) (string, error) {
	key := active(a.rings.Ring(r.AuthRealm))
	if key == nil {
		return "", wamp.Errorf(wamp.ErrUnavailable, "the realm %q has no key to sign with: rotate its keys", r.AuthRealm)
	}
	private, err := key.open(a.sealer)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(r.claims())
	if err != nil {
		return "", fmt.Errorf("write a ticket: %w", err)
	}
	options := (&jose.SignerOptions{}).WithType(headerType).WithHeader("kid", key.ID)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, options)
	if err != nil {
		return "", fmt.Errorf("sign a ticket: %w", err)
	}
	signed, err := signer.Sign(body)
	if err != nil {
		return "", fmt.Errorf("sign a ticket: %w", err)
	}
	return signed.CompactSerialize()
}

// Issued is a new ticket.
type Issued struct {
	Record
	Ticket string
}

// Dict is what bondy.ticket.issue returns. Times are in seconds since 1970.
func (i *Issued) Dict() wamp.Dict {
	return wamp.Dict{
		"ticket": i.Ticket, "id": i.ID, "issued_at": i.IssuedAt.Unix(), "expires_at": i.ExpiresAt.Unix(),
		"scope": map[string]any(i.Scope.Dict()),
	}
}

// Request is who asks for a ticket. It is made of the session alone, but for
// Options.
type Request struct {
	// Realm is that of the session, Users the users of it.
	Realm wamp.URI
	Users auth.Directory
	// Holder is the session's Principal; without one there is no ticket.
	Holder *auth.Principal
	// AuthMethod is that of the session.
	AuthMethod string
	// By is who issues the ticket, if not the user or a client on behalf of the
	// user; the Methods of the Policy then do not count.
	By      string
	Policy  Policy
	Options Options
	// Allowed tells whether the session has the permission bondy.issue for the
	// resource of a scope.
	Allowed func(resource wamp.URI) bool
}

// Issue makes a ticket. What it refuses is a *wamp.Error: ErrNotAuthorized for
// the way in which the session logged in and for a scope that it has no
// permission for, ErrInvalidValue for a client ticket that does not hold,
// ErrInvalidRequest for options that contradict each other.
func (a *Authority) Issue(req *Request) (*Issued, error) {
	if err := req.holds(); err != nil {
		return nil, err
	}
	scope, err := a.scope(req)
	if err != nil {
		return nil, err
	}
	if resource := scope.Kind().Resource(); !req.Allowed(resource) {
		return nil, wamp.Errorf(wamp.ErrNotAuthorized, "no grant of bondy.issue on %s", resource)
	}
	by := cmp.Or(req.By, req.Holder.Name)
	if req.Options.ClientTicket != "" {
		by = scope.ClientID
	}
	now := time.Now().Truncate(time.Millisecond)
	if epoch := a.records.Epoch(req.Holder.AuthRealm, req.Holder.Name); !now.After(epoch) {
		now = epoch.Truncate(time.Millisecond).Add(time.Millisecond) // also where another node's clock is ahead
	}
	r := Record{
		ID: rand.Text(), AuthRealm: req.Holder.AuthRealm, Name: req.Holder.Name, Incarnation: req.Holder.Incarnation,
		Scope: scope, AuthMethod: req.AuthMethod, IssuedBy: by,
		IssuedAt: now, ExpiresAt: now.Add(req.Policy.lifetime(req.Options.Lifetime)).Truncate(time.Second),
	}
	text, err := a.sign(&r)
	if err != nil {
		return nil, err
	}
	if err := a.records.Put(r, req.Policy.most()); err != nil {
		return nil, err
	}
	return &Issued{Record: r, Ticket: text}, nil
}

// holds checks that the session may have a ticket at all, and that its user is
// still there.
func (req *Request) holds() error {
	method := req.AuthMethod
	switch {
	case req.Holder == nil:
		return wamp.Errorf(wamp.ErrNotAuthorized, "tickets are for users: this session is none")
	case req.Holder.Ticket != "":
		return wamp.Errorf(wamp.ErrNotAuthorized, "the session logged in with a ticket: log in with other credentials to get one")
	case method == auth.MethodTicket: // not a signed one, so it was the password
		method = auth.MethodPassword
	}
	if req.By == "" && !req.Policy.takes(method) {
		return wamp.Errorf(wamp.ErrNotAuthorized, "who logged in by %s gets no ticket", req.AuthMethod)
	}
	if u, ok := req.Users.User(req.Holder.Name); !ok || u.Disabled || !belongs(req.Realm, u, req.Holder) {
		return wamp.Errorf(wamp.ErrNotAuthorized, "the user of this session is gone or disabled")
	}
	return nil
}

// belongs tells whether a user of a realm is a principal.
func belongs(realm wamp.URI, u auth.User, p *auth.Principal) bool {
	return u.Name == p.Name && u.Incarnation == p.Incarnation && cmp.Or(u.AuthRealm, realm) == p.AuthRealm
}

// scope is what the options ask for.
func (a *Authority) scope(req *Request) (Scope, error) {
	o := &req.Options
	s := Scope{Realm: req.Realm, ClientID: o.ClientID, DeviceID: o.DeviceID}
	if !o.Local && !req.Holder.Trusted && req.Holder.AuthRealm != req.Realm {
		s.Realm = ""
	}
	switch {
	case !o.SSO || s.Realm == "" || req.By == "": // to sessions it says what they would accept
	case req.Holder.Trusted:
		return s, wamp.Errorf(ErrInvalidRequest, "allow_sso: no credential was asked for, so the ticket can be good in the realm %q alone: leave it out", req.Realm)
	default:
		return s, wamp.Errorf(ErrInvalidRequest, "allow_sso: the credentials of %q are in the realm %q itself and in no SSO realm: leave it out", req.Holder.Name, req.Realm)
	}
	if o.ClientTicket != "" {
		client, err := a.Check(req.Realm, req.Users, o.ClientTicket)
		switch {
		case err != nil:
			return s, wamp.Errorf(ErrInvalidValue, "client_ticket: not a valid ticket of this realm")
		case client.Scope.ClientID != "":
			return s, wamp.Errorf(ErrInvalidRequest, "client_ticket: nested: it is scoped to a client itself")
		case o.ClientID != "" && o.ClientID != client.Name:
			return s, wamp.Errorf(ErrInvalidRequest, "client_id: it is not whose client_ticket is")
		case o.DeviceID != "" && client.Scope.DeviceID != "" && o.DeviceID != client.Scope.DeviceID:
			return s, wamp.Errorf(ErrInvalidRequest, "device_id: client_ticket is for another device")
		}
		s.ClientID, s.DeviceID = client.Name, cmp.Or(o.DeviceID, client.Scope.DeviceID)
	}
	if s.ClientID == req.Holder.Name {
		return s, wamp.Errorf(ErrInvalidRequest, "nested: the client is the user itself")
	}
	return s, nil
}

// Revoke makes a ticket worthless, at once; false if there is no such ticket.
func (a *Authority) Revoke(authrealm wamp.URI, ticket string) (bool, error) {
	return a.records.Revoke(authrealm, ticket)
}

// RevokeAll does so with all tickets of a user, or of all users of a realm if
// name is empty. Those issued from now on are not touched.
func (a *Authority) RevokeAll(authrealm wamp.URI, name string) error {
	return a.records.RevokeAll(authrealm, name, time.Now())
}

// Purge deletes what is kept of tickets that have expired, and returns how many
// there were. A node calls it every now and then.
func (a *Authority) Purge() (int, error) { return a.records.Purge(time.Now().Add(-Leeway)) }
