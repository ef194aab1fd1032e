package auth

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"bondy/core/wamp"
)

// Bounds of names and secrets in bytes.
const (
	// MaxName bounds the name of a user or group.
	MaxName = 254
	// MaxPassword bounds a password, and MinPassword is the least number of its
	// characters.
	MaxPassword = 1024
	MinPassword = 6
	// KeySize is the least length of Config.Key.
	KeySize = 32
)

// CheckPassword says what keeps a password from being given to a user: its length
// alone. Those that users have are not asked.
func CheckPassword(password Secret) error {
	switch {
	case utf8.RuneCountInString(string(password)) < MinPassword:
		return fmt.Errorf("must have at least %d characters", MinPassword)
	case len(password) > MaxPassword:
		return fmt.Errorf("must have at most %d bytes", MaxPassword)
	}
	return nil
}

// Config is what one realm knows about logging in. The zero value is secure:
// it offers methods that need a user and knows no user.
type Config struct {
	// Realm is its URI, for explanations.
	Realm wamp.URI
	// SecurityDisabled makes everybody anonymous; Methods, Users and Sources
	// then count for nothing.
	SecurityDisabled bool
	// Methods are the methods on offer; empty means cryptosign, wampcra and
	// ticket.
	Methods []string
	// Directory has the users who may log in; Users are for realms whose users do
	// not change, and make one of them.
	Directory Directory
	Users     []User
	// Sources say who may use which method from where; without any, everybody
	// may use what is on offer from everywhere, but trust.
	Sources []Source
	// Iterations is the PBKDF2 cost of wampcra for users with a Password,
	// 1,000 to 1,000,000; 0 means DefaultIterations. Clients do the same work.
	Iterations int
	// Key is the realm's secret from which salts derive, those of users and
	// those that hide that a user does not exist; at least KeySize bytes.
	// Empty draws one, and salts then differ after every start, which no
	// client minds.
	Key []byte
	// RouterKey signs challenges of clients that want to know the router by
	// cryptosign; nil if it does not. Clients choose what it signs: it is used
	// for nothing else.
	RouterKey ed25519.PrivateKey
	// Trustroots are whose certificates MethodCryptosign accepts in place of
	// keys of Users.
	Trustroots []Trustroot
	// CertName is the name in a client certificate that MethodTLS takes as
	// authid.
	CertName CertName
	// Issuers are those whose tokens MethodJWT accepts.
	Issuers []Issuer
	// Tickets judges the signed tickets that MethodTicket takes beside passwords;
	// nil takes none.
	Tickets Tickets
	// Dynamic names, by method, the procedures that decide in place of Users
	// in ticket, password, wampcra, wamp-scram and cryptosign; Caller calls
	// them.
	Dynamic map[string]wamp.URI
	Caller  Caller
	// Upgrade stores a Credential for a user who just logged in with the
	// method password and of whose password something weaker is stored; may
	// be nil. It is called during the login, by many at once. The user is as it
	// was when the password was checked: since then it may have got another one.
	Upgrade func(ctx context.Context, u User, c *Credential)
	// Gate bounds expensive computations, best over all realms of a node;
	// nil gives this realm its own.
	Gate *Gate
	// Guard slows down who guesses, best over all realms of a node; nil lets
	// everybody guess as fast as the Gate allows.
	Guard *Guard
}

// Methods are the names of all authentication methods.
func Methods() []string {
	return []string{
		MethodAnonymous, MethodTrust, MethodPassword, MethodTicket, MethodWAMPCRA,
		MethodSCRAM, MethodCryptosign, MethodTLS, MethodJWT,
	}
}

// Validate checks the configuration; the error names the key.
func (c *Config) Validate() error {
	for i, m := range c.Methods {
		if !slices.Contains(Methods(), m) {
			return fmt.Errorf("authmethods[%d]: unknown method %q", i, m)
		}
		if slices.Contains(c.Methods[:i], m) {
			return fmt.Errorf("authmethods[%d]: %q is there twice", i, m)
		}
		if err := c.validateMethod(m); err != nil {
			return fmt.Errorf("authmethods[%d]: %w", i, err)
		}
	}
	if n := c.Iterations; n != 0 && (n < minIterations || n > maxIterations) {
		return fmt.Errorf("iterations: %d is not in %d..%d", n, minIterations, maxIterations)
	}
	if n := len(c.Key); n != 0 && n < KeySize {
		return fmt.Errorf("key: %d bytes are fewer than %d", n, KeySize)
	}
	if n := len(c.RouterKey); n != 0 && n != ed25519.PrivateKeySize {
		return fmt.Errorf("router_key: %d bytes, an Ed25519 key has %d", n, ed25519.PrivateKeySize)
	}
	for i := range c.Sources {
		if err := c.Sources[i].validate(); err != nil {
			return fmt.Errorf("sources[%d].%w", i, err)
		}
	}
	for i := range c.Issuers {
		if err := c.Issuers[i].validate(); err != nil {
			return fmt.Errorf("issuers[%d].%w", i, err)
		}
		if slices.ContainsFunc(c.Issuers[:i], func(o Issuer) bool { return o.Issuer == c.Issuers[i].Issuer }) {
			return fmt.Errorf("issuers[%d].issuer: %q is there twice", i, c.Issuers[i].Issuer)
		}
	}
	for i := range c.Trustroots {
		if err := c.Trustroots[i].validate(); err != nil {
			return fmt.Errorf("trustroots[%d].%w", i, err)
		}
	}
	for _, m := range slices.Sorted(maps.Keys(c.Dynamic)) {
		switch {
		case !slices.Contains(dynamicMethods(), m):
			return fmt.Errorf("dynamic.%s: no procedure can decide this method", m)
		case c.Caller == nil:
			return fmt.Errorf("dynamic.%s: nothing can call a procedure here", m)
		case !c.Dynamic[m].Valid(wamp.MatchExact, false):
			return fmt.Errorf("dynamic.%s: %q is not a valid URI", m, c.Dynamic[m])
		}
	}
	if c.Directory != nil && len(c.Users) > 0 {
		return errors.New("users: there is a directory of users already")
	}
	return validateUsers(c.Users)
}

// validateMethod checks that a method has what it needs.
func (c *Config) validateMethod(name string) error {
	switch name {
	case MethodTrust:
		if !slices.ContainsFunc(c.Sources, func(s Source) bool { return !s.Deny && slices.Contains(s.Methods, name) }) {
			return errors.New("trust needs a source that names it and the addresses that are trusted")
		}
	case MethodTLS:
		return c.CertName.validate()
	case MethodJWT:
		if len(c.Issuers) == 0 {
			return errors.New("jwt needs an issuer")
		}
	}
	return nil
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
