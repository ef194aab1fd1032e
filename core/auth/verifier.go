package auth

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sync"
)

// verifierKeyLen is the length in bytes of what PBKDF2 derives.
const verifierKeyLen = 32

// NewVerifier is what can be stored in place of a user's password: the base64
// text of a key that PBKDF2-HMAC-SHA256 derives from it, under a salt that
// follows from the realm's Config.Key and the name, with DefaultIterations.
func NewVerifier(key []byte, name, password string) ([]byte, error) {
	return derive(password, salt(key, name), DefaultIterations)
}

func derive(secret, salt string, iterations int) ([]byte, error) {
	raw, err := pbkdf2.Key(sha256.New, secret, []byte(salt), iterations, verifierKeyLen)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	return base64.StdEncoding.AppendEncode(nil, raw), nil
}

// maxKeys bounds a keyCache; a name that has no place any more takes that of
// an arbitrary other one.
const maxKeys = 4096

// keyCache knows the verifiers of users; it derives what is not stored when it
// is first needed and remembers it. Names with and without user share it, so
// that time tells nothing of either.
type keyCache struct {
	gate *Gate

	mu   sync.Mutex
	keys map[string][]byte
}

func newKeyCache(gate *Gate) *keyCache {
	return &keyCache{gate: gate, keys: make(map[string][]byte)}
}

// of returns the verifier of a candidate. One name always comes with the same
// secret, salt and iterations.
func (k *keyCache) of(ctx context.Context, c *candidate, salt string, iterations int) ([]byte, error) {
	if key, ok := k.lookup(c.identity.AuthID); ok {
		return key, nil
	}
	if err := k.gate.Enter(ctx); err != nil {
		return nil, err
	}
	defer k.gate.Leave()
	if key, ok := k.lookup(c.identity.AuthID); ok { // derived by another while we waited
		return key, nil
	}
	// also where a verifier is stored, lest time tells who has one
	key, err := derive(c.secret, salt, iterations)
	if err != nil {
		return nil, err
	}
	if c.verifier != nil {
		key = c.verifier
	}
	k.store(c.identity.AuthID, key)
	return key, nil
}

// derive derives the key of what a client sent.
func (k *keyCache) derive(ctx context.Context, secret, salt string, iterations int) ([]byte, error) {
	if err := k.gate.Enter(ctx); err != nil {
		return nil, err
	}
	defer k.gate.Leave()
	return derive(secret, salt, iterations)
}

func (k *keyCache) lookup(name string) ([]byte, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.keys[name]
	return key, ok
}

func (k *keyCache) store(name string, key []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.keys) >= maxKeys {
		for victim := range k.keys {
			delete(k.keys, victim)
			break
		}
	}
	k.keys[name] = key
}
