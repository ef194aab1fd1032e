package auth

import (
	"crypto/subtle"
	"fmt"
)

// ExplicitVerifier is a verifier with its salt spelled out, which is good under any
// Config.Key and name. key and name are those for which it was made.
func ExplicitVerifier(key []byte, name string, verifier []byte) ([]byte, error) {
	k, err := parseVerifier(verifier)
	if err != nil {
		return nil, fmt.Errorf("verifier: %w", err)
	}
	if k.salt == "" {
		k.salt = salt(key, name)
	}
	return ImportVerifier(k.salt, k.iterations, k.key)
}

// Opens tells whether a password is the one that a verifier, or without one a
// credential, was made of: milliseconds, and tens of them for a credential. key
// and name are those for which the verifier was made.
func Opens(key []byte, name string, verifier []byte, c *Credential, password Secret) bool {
	if len(verifier) == 0 {
		return c != nil && c.opensWith(string(password))
	}
	k, err := parseVerifier(verifier)
	if err != nil {
		return false
	}
	if k.salt == "" {
		k.salt = salt(key, name)
	}
	got, err := cost{kdf: KDFPBKDF2, iterations: k.iterations}.compute(string(password), []byte(k.salt))
	return err == nil && subtle.ConstantTimeCompare(got, k.key) == 1
}

func (c *Credential) opensWith(password string) bool {
	text, err := prepare(password)
	if err != nil {
		return false
	}
	root, err := c.cost().compute(text, c.Salt)
	return err == nil && scramKeys{stored: c.StoredKey, server: c.ServerKey}.opens(root)
}
