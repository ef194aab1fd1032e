package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sync"
)

// maxKeys bounds the keys that a vault remembers; one that has no place any
// more takes that of an arbitrary other one.
const maxKeys = 4096

// vault knows the keys that derive from passwords. It derives what is not
// stored when it is first needed and remembers it. Names with and without user
// share it, so that time tells nothing of either.
type vault struct {
	gate *Gate

	mu   sync.Mutex
	keys map[slot][]byte
}

// slot is a hash of what a key derives from.
type slot [sha256.Size]byte

func newSlot(secret string, p params) slot {
	b := make([]byte, 0, 256)
	b = fmt.Appendf(b, "%s %d %d %d ", p.kdf, p.iterations, p.memory, len(p.salt))
	return sha256.Sum256(append(append(b, p.salt...), secret...))
}

func newVault(gate *Gate) *vault { return &vault{gate: gate, keys: make(map[slot][]byte)} }

// params are how a candidate's password becomes a key.
type params struct {
	cost
	salt []byte
	// cra says that it is the key of wampcra, which derives from the password
	// as it is.
	cra bool
	// printed says that the SaltedPassword is what the function of that name
	// makes of the key.
	printed bool
}

// params prefers the candidate's Credential if strong, and otherwise its
// verifier, which costs less.
func (c *candidate) params(strong bool) params {
	s := &c.shape
	salt := c.mac("scram", c.salted)[:saltLen]
	switch {
	case s.Credential != nil && (strong || !s.hasSecret()):
		if c.genuine {
			salt = s.Credential.Salt
		}
		return params{cost: s.Credential.cost(), salt: salt}
	case strong && s.KDF == KDFArgon2id && c.cra == nil && s.Password != "":
		return params{cost: defaultCost(KDFArgon2id), salt: salt}
	}
	return c.craParams()
}

// craParams are those of the key of wampcra.
func (c *candidate) craParams() params {
	p := params{cost: cost{kdf: KDFPBKDF2, iterations: c.iterations}, salt: []byte(salt(c.key, c.salted)), cra: true}
	if c.cra != nil {
		p.iterations = c.cra.iterations
		if c.genuine && c.cra.salt != "" {
			p.salt = []byte(c.cra.salt)
		}
	}
	return p
}

// root returns the SaltedPassword of a candidate, or as many bytes that nobody
// can guess where none can be had.
func (v *vault) root(ctx context.Context, c *candidate, p params) ([]byte, error) {
	s := &c.shape
	switch {
	case c.fresh && p.cra:
		return v.freshRoot(ctx, c, p)
	case p.cra && c.cra != nil:
		if c.genuine {
			return c.cra.key, nil
		}
		return c.decoy, nil
	case !p.cra && s.Credential != nil, s.Password == "":
		return c.decoy, nil
	}
	secret := string(s.Password)
	if !c.genuine {
		secret = base64.StdEncoding.EncodeToString(c.decoy)
	}
	if !p.cra {
		secret = prepared(secret)
	}
	return v.remembered(ctx, newSlot(secret, p), secret, p)
}

// freshRoot derives each time, from what there is, so that time does not tell
// whether it was a password.
func (v *vault) freshRoot(ctx context.Context, c *candidate, p params) ([]byte, error) {
	key, err := p.derive(ctx, v.gate, string(c.shape.Password), p.salt)
	switch {
	case err != nil:
		return nil, err
	case c.cra != nil:
		return c.cra.key, nil
	case c.shape.Password == "":
		return c.decoy, nil
	}
	return key, nil
}

// scram returns what wamp-scram checks a candidate's proof with.
func (v *vault) scram(ctx context.Context, c *candidate, p params) (scramKeys, error) {
	root, err := v.root(ctx, c, p)
	if err != nil {
		return scramKeys{}, err
	}
	if p.printed {
		root = printed(root)
	}
	keys := scramKeysOf(root) // also where they are stored, lest time tells
	switch cred := c.shape.Credential; {
	case cred == nil || !c.genuine || p.cra:
	case !p.printed:
		keys = scramKeys{stored: cred.StoredKey, server: cred.ServerKey}
	case len(cred.PrintedStoredKey) > 0:
		keys = scramKeys{stored: cred.PrintedStoredKey, server: cred.PrintedServerKey}
	}
	return keys, nil
}

// opens tells whether a password is the candidate's.
func (v *vault) opens(ctx context.Context, c *candidate, p params, password string) (bool, error) {
	keys, err := v.scram(ctx, c, p)
	if err != nil {
		return false, err
	}
	if !p.cra {
		password = prepared(password)
	}
	root, err := p.derive(ctx, v.gate, password, p.salt)
	if err != nil {
		return false, err
	}
	return keys.opens(root), nil
}

// remembered derives a key once.
func (v *vault) remembered(ctx context.Context, s slot, secret string, p params) ([]byte, error) {
	if key, ok := v.lookup(s); ok {
		return key, nil
	}
	key, err := p.derive(ctx, v.gate, secret, p.salt)
	if err != nil {
		return nil, err
	}
	v.store(s, key)
	return key, nil
}

func (v *vault) lookup(s slot) ([]byte, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	key, ok := v.keys[s]
	return key, ok
}

func (v *vault) store(s slot, key []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, ok := v.keys[s]; !ok && len(v.keys) >= maxKeys {
		for victim := range v.keys {
			delete(v.keys, victim)
			break
		}
	}
	v.keys[s] = key
}

// prepared is the password as it is derived; one that no credential can have
// stays as it is, and costs the same.
func prepared(password string) string {
	if text, err := prepare(password); err == nil {
		return text
	}
	return password
}
