package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bondy/core/wamp"
)

// Tickets judges signed tickets. Implementations are safe for concurrent use.
type Tickets interface {
	// Is tells whether a text claims to be a signed ticket. It is cheap.
	Is(text string) bool
	// Verify returns the ticket if it was signed here, is alive, is good for the
	// realm, and is u's. Nobody has the zero User. It does the same work whoever
	// u is; the error is for the log.
	Verify(realm wamp.URI, u User, text string) (Ticket, error)
	// Revoke makes a ticket worthless, at once; false if there is no such ticket.
	Revoke(authrealm wamp.URI, ticket string) (bool, error)
}

// Ticket is a signed ticket that holds.
type Ticket struct {
	// ID names it among those of the user's Principal.AuthRealm.
	ID string
	// Expires is when it holds no more.
	Expires time.Time
	// Client is the client and Device the device that it is for; empty for none.
	Client, Device string
	// Bound says that Client is a user of the realm without whose own ticket it is
	// good for nothing.
	Bound bool
}

// password takes the password itself, as the methods ticket (section
// "Ticket-based Authentication") and password do, and compares what derives
// from it with what the user has. The method password uses the strongest form
// that there is and brings weaker ones up to date; ticket, with which devices
// return by the thousand, uses the one that costs least, and takes signed tickets.
type password struct {
	named
	name    string
	dir     finder
	vault   *vault
	upgrade func(ctx context.Context, u User, c *Credential)
	// renewed has what upgrade was told of, by user, who may stay as it is here.
	renewed *sync.Map
	tickets Tickets // nil for none
}

func (m password) begin(ctx context.Context, req *Request) (*Identity, *Exchange, error) {
	c, err := m.dir.find(ctx, req, req.AuthID, m.name, lacksPassword)
	if err != nil {
		return nil, nil, err
	}
	p := c.params(m.name == MethodPassword)
	return nil, &Exchange{
		Method:    m.name,
		Challenge: wamp.Dict{},
		verify: func(ctx context.Context, signature string, _ wamp.Dict) (*Identity, error) {
			if m.tickets != nil && m.tickets.Is(signature) {
				return m.redeem(c, signature, req.Extra)
			}
			ok, err := m.vault.opens(ctx, c, p, signature)
			if err != nil {
				return nil, err
			}
			id, err := c.admit(ok)
			if err == nil {
				m.renew(ctx, c, p, signature)
			}
			return id, err
		},
	}, nil
}

// redeem judges a signed ticket.
func (m password) redeem(c *candidate, text string, extra wamp.Dict) (*Identity, error) {
	t, err := m.verify(c, c.user, text, extra)
	var client Client
	if err == nil && t.Bound {
		client, t.Expires, err = m.accompanied(c, &t, extra)
	}
	if err != nil {
		return nil, denied(err.Error())
	}
	id, err := c.admitWith(t.ID, true)
	if err == nil {
		id.Expires, id.Principal.Client = t.Expires, client
	}
	return id, err
}

// verify judges a user's ticket, which is for the client and the device that are
// named, if they are.
func (m password) verify(c *candidate, u User, text string, extra wamp.Dict) (Ticket, error) {
	if u.Name != "" {
		u.AuthRealm = cmp.Or(u.AuthRealm, c.realmURI)
	}
	t, err := m.tickets.Verify(c.realmURI, u, text)
	switch client, device := extra["client_id"], extra["device_id"]; {
	case err != nil:
	case t.Client != "" && client != nil && client != t.Client:
		err = errors.New("the ticket is for another client")
	case t.Device != "" && device != nil && device != t.Device:
		err = errors.New("the ticket is for another device")
	}
	return t, err
}

// accompanied checks that a client with somebody's ticket is the one that it is
// for: it brings a ticket of its own. The two hold until the first expires.
func (m password) accompanied(c *candidate, user *Ticket, extra wamp.Dict) (who Client, expires time.Time, err error) {
	text, _ := extra["client_ticket"].(string)
	client, ok := c.people.dir.User(user.Client)
	if !ok || client.Disabled {
		return who, expires, errors.New("the client that the ticket is for is gone or disabled")
	}
	own, err := m.verify(c, client, text, extra)
	switch {
	case err != nil:
		return who, expires, fmt.Errorf("authextra.client_ticket: %w", err)
	case own.Client != "":
		return who, expires, errors.New("authextra.client_ticket: it is scoped to a client itself")
	}
	expires = user.Expires
	if own.Expires.Before(expires) {
		expires = own.Expires
	}
	return Client{AuthRealm: cmp.Or(client.AuthRealm, c.realmURI), Name: client.Name, Ticket: own.ID}, expires, nil
}

// renew hands out a Credential of the present cost for a user who just proved
// a password of which a weaker form is stored. A login does not fail for it.
func (m password) renew(ctx context.Context, c *candidate, p params, text string) {
	want := defaultCost(KDFArgon2id)
	if m.upgrade == nil || c.shape.KDF == KDFPBKDF2 || p.kdf == want.kdf && p.memory >= want.memory {
		return
	}
	weak := newSlot(string(c.shape.Verifier)+string(c.shape.Password), p)
	if old, done := m.renewed.Swap(c.identity.AuthID, weak); done && old == weak {
		return
	}
	var fresh *Credential
	var err error
	entered := m.vault.gate.Do(ctx, CredentialMemory, func() { fresh, err = NewCredential(Secret(text), want.kdf) })
	if cmp.Or(entered, err) != nil {
		m.renewed.Delete(c.identity.AuthID)
		return
	}
	m.upgrade(ctx, c.user, fresh)
}
