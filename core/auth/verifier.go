package auth

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// NewVerifier is what can be stored in place of a user's password: the base64
// text of a key that PBKDF2-HMAC-SHA256 derives from it, under a salt that
// follows from the realm's Config.Key and the name, with DefaultIterations.
// For wampcra it is as good as the password; only a Credential is not.
func NewVerifier(key []byte, name, password string) ([]byte, error) {
	raw, err := pbkdf2.Key(sha256.New, password, []byte(salt(key, name)), DefaultIterations, derivedLen)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	return base64.StdEncoding.AppendEncode(nil, raw), nil
}

// ImportVerifier is a verifier made elsewhere: the 32-byte key that
// PBKDF2-HMAC-SHA256 derived under the bytes of the text salt.
func ImportVerifier(salt string, iterations int, key []byte) ([]byte, error) {
	v := fmt.Appendf(nil, "%s$%d:%s$%s", KDFPBKDF2, iterations,
		base64.StdEncoding.EncodeToString([]byte(salt)), base64.StdEncoding.EncodeToString(key))
	_, err := parseVerifier(v)
	return v, err
}

// craKey is a parsed verifier.
type craKey struct {
	salt       string // empty means the one that derives from the name
	iterations int
	key        []byte
}

// parseVerifier reads what NewVerifier and ImportVerifier write.
func parseVerifier(text []byte) (*craKey, error) {
	k := &craKey{iterations: DefaultIterations}
	if rest, ok := bytes.CutPrefix(text, []byte("pbkdf2$")); ok {
		numbers, key, _ := bytes.Cut(rest, []byte("$"))
		iterations, saltText, _ := bytes.Cut(numbers, []byte(":"))
		salt, err := unbase64(string(saltText))
		if err != nil || len(salt) < minSaltLen || len(salt) > maxSaltLen || !utf8.Valid(salt) {
			return nil, fmt.Errorf("the salt is not base64 of %d to %d bytes of text", minSaltLen, maxSaltLen)
		}
		if k.iterations, err = strconv.Atoi(string(iterations)); err != nil {
			return nil, errors.New("the iterations are no number")
		}
		if err := (cost{kdf: KDFPBKDF2, iterations: k.iterations}).validate(); err != nil {
			return nil, err
		}
		k.salt, text = string(salt), key
	}
	var err error
	if k.key, err = unbase64(string(text)); err != nil || len(k.key) != derivedLen {
		return nil, fmt.Errorf("the key is not base64 of %d bytes", derivedLen)
	}
	return k, nil
}
