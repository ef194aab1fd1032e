package auth

import (
	"cmp"
	"context"
	"sync"

	"bondy/core/wamp"
)

// password takes the password itself, as the methods ticket (section
// "Ticket-based Authentication") and password do, and compares what derives
// from it with what the user has. The method password uses the strongest form
// that there is and brings weaker ones up to date; ticket, with which devices
// return by the thousand, uses the one that costs least.
type password struct {
	named
	name    string
	dir     finder
	vault   *vault
	upgrade func(ctx context.Context, user string, c *Credential)
	renewed *sync.Map // the users whom upgrade was told of, who stay as they are here
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

// renew hands out a Credential of the present cost for a user who just proved
// a password of which a weaker form is stored. A login does not fail for it.
func (m password) renew(ctx context.Context, c *candidate, p params, text string) {
	want := defaultCost(KDFArgon2id)
	if m.upgrade == nil || m.name != MethodPassword || c.shape.KDF == KDFPBKDF2 ||
		p.kdf == want.kdf && p.memory >= want.memory {
		return
	}
	if _, done := m.renewed.LoadOrStore(c.identity.AuthID, true); done {
		return
	}
	var fresh *Credential
	var err error
	entered := m.vault.gate.Do(ctx, CredentialMemory, func() { fresh, err = NewCredential(Secret(text), want.kdf) })
	if cmp.Or(entered, err) != nil {
		m.renewed.Delete(c.identity.AuthID)
		return
	}
	m.upgrade(ctx, c.identity.AuthID, fresh)
}
