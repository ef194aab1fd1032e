package auth

import (
	"cmp"
	"context"
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
}

// Ticket is a signed ticket that holds.
type Ticket struct {
	// ID names it among those of the user's Principal.AuthRealm.
	ID string
	// Expires is when it holds no more.
	Expires time.Time
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
				return m.redeem(c, signature)
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
func (m password) redeem(c *candidate, text string) (*Identity, error) {
	var u User
	if c.user != nil {
		u = *c.user
		u.AuthRealm = cmp.Or(u.AuthRealm, c.realmURI)
	}
	t, err := m.tickets.Verify(c.realmURI, u, text)
	if err != nil {
		return nil, denied(err.Error())
	}
	id, err := c.admitWith(t.ID, true)
	if err == nil {
		id.Expires = t.Expires
	}
	return id, err
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
	m.upgrade(ctx, *c.user, fresh)
}
