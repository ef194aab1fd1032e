package client

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	"bondy/core/wamp"
)

// Bounds of what a CHALLENGE may ask of PBKDF2, so that a router can't keep
// its client busy for minutes.
const (
	maxIterations = 10_000_000
	maxKeyLength  = 1024
)

// Authenticator proves who the client is by one authentication method. It
// keeps no state between sessions and is safe for concurrent use.
type Authenticator interface {
	// Method is the method's name in HELLO.Details.authmethods.
	Method() string
	// AuthID is the authid to join as; empty if the router is to choose.
	AuthID() string
	// Extra is what the method adds to HELLO.Details.authextra.
	Extra() wamp.Dict
	// Answer makes the signature of AUTHENTICATE from the extra dict of
	// CHALLENGE.
	Answer(challenge wamp.Dict) (string, error)
}

// Anonymous joins without credentials.
func Anonymous() Authenticator { return plain{method: "anonymous"} }

// Ticket presents a ticket (section "Ticket-based Authentication"). It travels
// as it is: use it over TLS or on the local machine.
func Ticket(authid, ticket string) Authenticator {
	return plain{method: "ticket", authid: authid, secret: ticket}
}

// Password presents a password. It travels as it is: use it over TLS or on the
// local machine.
func Password(authid, password string) Authenticator {
	return plain{method: "password", authid: authid, secret: password}
}

// JWT presents a JSON Web Token of an issuer that the realm trusts; with an empty
// authid the token says who the client is. It travels as it is, as a ticket does.
func JWT(authid, token string) Authenticator {
	return plain{method: "jwt", authid: authid, secret: token}
}

// Trust joins as authid where a source of the realm lets the client's address in
// without proof.
func Trust(authid string) Authenticator { return plain{method: "trust", authid: authid} }

// Certificate relies on the client certificate of Config.TLS.
func Certificate(authid string) Authenticator { return plain{method: "tls", authid: authid} }

// CRA answers challenges with a shared secret that does not travel (section
// "Challenge Response Authentication"), salted or not as the router says.
func CRA(authid, secret string) Authenticator { return cra{authid: authid, secret: secret} }

// Cryptosign signs challenges with an Ed25519 key (section "Cryptosign-based
// Authentication"). With an empty authid the router chooses it by the key.
// Channel binding is not supported: a router that asks for it gets an error.
func Cryptosign(authid string, key ed25519.PrivateKey) Authenticator {
	return cryptosign{authid: authid, key: key}
}

// plain is a method whose answer is the secret itself.
type plain struct{ method, authid, secret string }

func (p plain) Method() string   { return p.method }
func (p plain) AuthID() string   { return p.authid }
func (p plain) Extra() wamp.Dict { return nil }

func (p plain) Answer(wamp.Dict) (string, error) { return p.secret, nil }

type cra struct{ authid, secret string }

func (c cra) Method() string   { return "wampcra" }
func (c cra) AuthID() string   { return c.authid }
func (c cra) Extra() wamp.Dict { return nil }

func (c cra) Answer(challenge wamp.Dict) (string, error) {
	text, err := challenge.String("challenge")
	if err != nil {
		return "", err
	}
	if text == "" {
		return "", wamp.Violationf("CHALLENGE without a challenge")
	}
	key, err := c.key(challenge)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// key is the secret, or with a salt the base64 text of what PBKDF2 derives
// from it.
func (c cra) key(challenge wamp.Dict) ([]byte, error) {
	salt, err := challenge.String("salt")
	if err != nil || salt == "" {
		return []byte(c.secret), err
	}
	iterations, length := int64(1000), int64(32)
	for name, v := range map[string]*int64{"iterations": &iterations, "keylen": &length} {
		if _, ok := challenge[name]; !ok {
			continue
		}
		if *v, err = challenge.Int(name); err != nil {
			return nil, err
		}
	}
	if iterations < 1 || iterations > maxIterations || length < 1 || length > maxKeyLength {
		return nil, wamp.Violationf("CHALLENGE asks for %d iterations and a key of %d bytes", iterations, length)
	}
	derived, err := pbkdf2.Key(sha256.New, c.secret, []byte(salt), int(iterations), int(length))
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return base64.StdEncoding.AppendEncode(nil, derived), nil
}

type cryptosign struct {
	authid string
	key    ed25519.PrivateKey
}

func (c cryptosign) Method() string { return "cryptosign" }
func (c cryptosign) AuthID() string { return c.authid }

func (c cryptosign) Extra() wamp.Dict {
	public, _ := c.key.Public().(ed25519.PublicKey)
	return wamp.Dict{"pubkey": hex.EncodeToString(public)}
}

func (c cryptosign) Answer(challenge wamp.Dict) (string, error) {
	text, err := challenge.String("challenge")
	if err != nil {
		return "", err
	}
	message, err := hex.DecodeString(text)
	if err != nil || len(message) != 32 {
		return "", wamp.Violationf("CHALLENGE must carry 32 bytes in hexadecimal")
	}
	if challenge["channel_binding"] != nil {
		return "", wamp.Errorf(wamp.ErrFeatureNotSupported, "channel binding %v", challenge["channel_binding"])
	}
	return hex.EncodeToString(append(ed25519.Sign(c.key, message), message...)), nil
}

// authID is the one authid that a HELLO can name.
func authID(methods []Authenticator) (string, error) {
	authid := ""
	for _, m := range methods {
		if c, ok := m.(cryptosign); ok && len(c.key) != ed25519.PrivateKeySize {
			return "", errors.New("auth: the cryptosign key is no Ed25519 private key")
		}
		id := m.AuthID()
		if authid != "" && id != "" && id != authid {
			return "", fmt.Errorf("auth: methods for different authids, %q and %q", authid, id)
		}
		if authid == "" {
			authid = id
		}
	}
	return authid, nil
}
