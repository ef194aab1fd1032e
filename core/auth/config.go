package auth

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"
)

// Bounds of names and secrets in bytes, and of the key derivation.
const (
	// MaxName bounds the name of a user or group.
	MaxName = 254
	// MaxPassword bounds a password.
	MaxPassword = 1024
	// KeySize is the least length of Config.Key.
	KeySize = 32
	// DefaultIterations is the default of Config.Iterations.
	DefaultIterations = 10_000

	minIterations = 1_000
	maxIterations = 1_000_000
)

// Config is what one realm knows about logging in. The zero value is secure:
// it offers the methods that need a user and knows no user.
type Config struct {
	// SecurityDisabled makes everybody anonymous; Methods and Users then
	// count for nothing.
	SecurityDisabled bool
	// Methods are the methods on offer; empty means all that need a user.
	// MethodAnonymous must be named to be offered.
	Methods []string
	// Users may log in.
	Users []User
	// Iterations is the PBKDF2 cost of wampcra, 1,000 to 1,000,000; 0 means
	// DefaultIterations. Clients do the same work.
	Iterations int
	// Key is the realm's secret from which salts derive, those of users and
	// those that hide that a user does not exist; at least KeySize bytes.
	// Empty draws one, and salts then differ after every start, which no
	// client minds.
	Key []byte
	// Gate bounds expensive computations, best over all realms of a node;
	// nil gives this realm its own.
	Gate *Gate
}

// User is one who may log in with a name and a password.
type User struct {
	// Name is the authid, compared exactly, byte by byte.
	Name string
	// Password is what ticket and wampcra check; without it and a Verifier
	// neither lets the user in.
	Password Secret
	// Verifier is what NewVerifier made of the password, in place of it.
	Verifier []byte
	// Keys are the Ed25519 public keys that cryptosign accepts.
	Keys []ed25519.PublicKey
	// Groups are the roles that the user has beside its own name; the first
	// is its default authrole, and without any the name is.
	Groups []string
	// Disabled users are refused as if they did not exist.
	Disabled bool
}

// Validate checks the configuration; the error names the key.
func (c *Config) Validate() error {
	for i, m := range c.Methods {
		switch m {
		case MethodAnonymous, MethodTicket, MethodWAMPCRA, MethodCryptosign:
		default:
			return fmt.Errorf("authmethods[%d]: unknown method %q", i, m)
		}
		if slices.Contains(c.Methods[:i], m) {
			return fmt.Errorf("authmethods[%d]: %q is there twice", i, m)
		}
	}
	if n := c.Iterations; n != 0 && (n < minIterations || n > maxIterations) {
		return fmt.Errorf("iterations: %d is not in %d..%d", n, minIterations, maxIterations)
	}
	if n := len(c.Key); n != 0 && n < KeySize {
		return fmt.Errorf("key: %d bytes are fewer than %d", n, KeySize)
	}
	return validateUsers(c.Users)
}

// methods are the names of what is on offer.
func (c *Config) methods() []string {
	switch {
	case c.SecurityDisabled:
		return []string{MethodAnonymous}
	case len(c.Methods) == 0:
		return []string{MethodCryptosign, MethodWAMPCRA, MethodTicket}
	default:
		return c.Methods
	}
}

func validateUsers(users []User) error {
	names, groups := make(map[string]bool), make(map[string]bool)
	for i, u := range users {
		if err := validName(u.Name); err != nil {
			return fmt.Errorf("users[%d].username: %w", i, err)
		}
		if names[u.Name] {
			return fmt.Errorf("users[%d].username: %q is there twice", i, u.Name)
		}
		names[u.Name] = true
		if len(u.Password) > MaxPassword {
			return fmt.Errorf("users[%d].password: longer than %d bytes", i, MaxPassword)
		}
		for j, k := range u.Keys {
			if len(k) != ed25519.PublicKeySize {
				return fmt.Errorf("users[%d].authorized_keys[%d]: %d bytes, an Ed25519 key has %d", i, j, len(k), ed25519.PublicKeySize)
			}
		}
		for j, g := range u.Groups {
			if err := validName(g); err != nil {
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

// validName checks the name of a user or group. The reserved words have a
// meaning of their own in grants and sources.
func validName(name string) error {
	switch {
	case name == "":
		return errors.New("a name must not be empty")
	case len(name) > MaxName:
		return fmt.Errorf("longer than %d bytes", MaxName)
	case !utf8.ValidString(name):
		return errors.New("not valid UTF-8")
	case slices.Contains([]string{"all", "anonymous", "any", "from", "on", "to"}, name):
		return fmt.Errorf("%q is a reserved word", name)
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return fmt.Errorf("%q holds a control character", name)
		}
	}
	return nil
}
