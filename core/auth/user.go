package auth

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"bondy/core/id"
	"bondy/core/wamp"
)

// User is one who may log in with a name and a password.
type User struct {
	// Name is the authid, compared exactly, byte by byte.
	Name string
	// Password is what ticket, password, wampcra and wamp-scram check. The next
	// two stand in its place; without any none of those lets the user in.
	Password Secret
	// Verifier is what NewVerifier or ImportVerifier made of the password.
	Verifier []byte
	// Credential is what NewCredential made of it; wampcra cannot use it.
	Credential *Credential
	// KDF is how the password is to be kept: KDFArgon2id at once, KDFPBKDF2
	// always, and empty with Argon2id from the first login by MethodPassword.
	KDF KDF
	// Keys are the Ed25519 public keys that cryptosign accepts.
	Keys []ed25519.PublicKey
	// Groups are the roles that the user has beside its own name, those that it
	// is in itself before those that they are in; the first is its default
	// authrole, and without any the name is.
	Groups []string
	// Disabled users are refused as if they did not exist. It is the last word:
	// also of users whom the realm that keeps their credentials disabled.
	Disabled bool
	// AuthRealm is the realm that keeps the credentials; empty is the user's own.
	AuthRealm wamp.URI
	// Incarnation tells the user from one of that name who was deleted.
	Incarnation id.Incarnation
}

// hasPassword tells whether the user has a password in any form.
func (u *User) hasPassword() bool { return u.hasSecret() || u.Credential != nil }

// hasSecret tells whether it has one that wampcra can use.
func (u *User) hasSecret() bool { return u.Password != "" || len(u.Verifier) > 0 }

func lacksPassword(u *User) string {
	if !u.hasPassword() {
		return "user without password"
	}
	return ""
}

func lacksSecret(u *User) string {
	if !u.hasSecret() {
		return "user without a secret for wampcra"
	}
	return ""
}

func lacksKeys(u *User) string {
	if len(u.Keys) == 0 {
		return "user without authorized keys"
	}
	return ""
}

func lacksNothing(*User) string { return "" }

// Same tells whether two are one user with the same credentials.
func (u *User) Same(o *User) bool {
	return u.AuthRealm == o.AuthRealm && u.Incarnation == o.Incarnation && u.Password == o.Password &&
		bytes.Equal(u.Verifier, o.Verifier) && u.Credential.same(o.Credential) &&
		slices.EqualFunc(u.Keys, o.Keys, func(a, b ed25519.PublicKey) bool { return a.Equal(b) })
}

func validateUsers(users []User) error {
	names, groups := make(map[string]bool), make(map[string]bool)
	for i, u := range users {
		if err := ValidName(u.Name); err != nil {
			return fmt.Errorf("users[%d].username: %w", i, err)
		}
		if names[u.Name] {
			return fmt.Errorf("users[%d].username: %q is there twice", i, u.Name)
		}
		names[u.Name] = true
		if len(u.Password) > MaxPassword {
			return fmt.Errorf("users[%d].password: longer than %d bytes", i, MaxPassword)
		}
		if len(u.Verifier) > 0 {
			if _, err := parseVerifier(u.Verifier); err != nil {
				return fmt.Errorf("users[%d].verifier: %w", i, err)
			}
		}
		if u.Credential != nil {
			if err := u.Credential.Validate(); err != nil {
				return fmt.Errorf("users[%d].credential: %w", i, err)
			}
		}
		if u.KDF != "" && u.KDF != KDFPBKDF2 && u.KDF != KDFArgon2id {
			return fmt.Errorf("users[%d].kdf: unknown key derivation function %q: use %s or %s", i, u.KDF, KDFArgon2id, KDFPBKDF2)
		}
		for j, k := range u.Keys {
			if len(k) != ed25519.PublicKeySize {
				return fmt.Errorf("users[%d].authorized_keys[%d]: %d bytes, an Ed25519 key has %d", i, j, len(k), ed25519.PublicKeySize)
			}
		}
		for j, g := range u.Groups {
			if err := ValidName(g); err != nil {
				return fmt.Errorf("users[%d].groups[%d]: %w", i, j, err)
			}
			groups[g] = true
		}
	}
	for i, u := range users {
		if groups[u.Name] { // a grant to this name could mean either
			return fmt.Errorf("users[%d].username: %q is also the name of a group", i, u.Name)
		}
	}
	return nil
}

// ValidName checks the name of a user, an alias or a group.
func ValidName(name string) error {
	switch {
	case name == "":
		return errors.New("a name must not be empty")
	case len(name) > MaxName:
		return fmt.Errorf("longer than %d bytes", MaxName)
	case !utf8.ValidString(name):
		return errors.New("not valid UTF-8")
	case ReservedName(name):
		return fmt.Errorf("%q is a reserved word", name)
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return fmt.Errorf("%q holds a control character", name)
		}
	}
	return nil
}

// ReservedName tells whether a name is a word with a meaning of its own in grants
// and sources, which no user, alias or group can have.
func ReservedName(name string) bool {
	return slices.Contains([]string{"all", "anonymous", "any", "from", "on", "to"}, name)
}
