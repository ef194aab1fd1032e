package client

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"

	"bondy/core/auth"
	"bondy/core/wamp"
)

// Bounds of what a CHALLENGE may ask of wamp-scram: enough that the proof is no
// gift to who guesses, and not so much that the client stands still.
const (
	minSCRAMIterations = 1000
	maxArgonIterations = 64
	maxArgonMemory     = 512 << 10 // in KiB
)

// SCRAM proves a password that does not travel, and demands of the router that it
// proves to know it too (section "Salted Challenge Response Authentication"). There
// is no channel binding.
func SCRAM(authid, password string) Authenticator { return scram{authid: authid, password: password} }

type scram struct{ authid, password string }

func (s scram) Method() string   { return "wamp-scram" }
func (s scram) AuthID() string   { return s.authid }
func (s scram) Extra() wamp.Dict { return nil }

// Answer is that of a proof, which keeps what it needs.
func (s scram) Answer(wamp.Dict) (string, error) {
	return "", errors.New("wamp-scram answers within a session alone")
}

func (s scram) begin() prover {
	nonce := make([]byte, 18)
	_, _ = rand.Read(nonce) // never fails: crypto/rand ends the process instead
	return &proof{scram: s, nonce: base64.StdEncoding.EncodeToString(nonce)}
}

// prover is an Authenticator for one session alone, which also judges the router.
type prover interface {
	Authenticator
	// answered is AUTHENTICATE.Extra, after Answer.
	answered() wamp.Dict
	// welcomed checks WELCOME.Details.authextra after an answer.
	welcomed(extra wamp.Dict) error
}

// proof is one login by wamp-scram.
type proof struct {
	scram

	nonce, both string // the client's part, and with the router's
	want        string // the router's signature; empty before Answer
}

// Extra implements Authenticator.
func (p *proof) Extra() wamp.Dict { return wamp.Dict{"nonce": p.nonce, "channel_binding": nil} }

// Answer implements Authenticator.
func (p *proof) Answer(challenge wamp.Dict) (string, error) {
	var salt string
	var err error
	if p.both, err = challenge.String("nonce"); err != nil {
		return "", err
	}
	if salt, err = challenge.String("salt"); err != nil {
		return "", err
	}
	if !strings.HasPrefix(p.both, p.nonce) || p.both == p.nonce || strings.ContainsAny(p.both, ",") {
		return "", wamp.Violationf("CHALLENGE with a nonce that is not the client's and more")
	}
	iterations, err := challenge.Int("iterations")
	if err != nil {
		return "", err
	}
	root, err := p.root(challenge, salt, iterations)
	if err != nil {
		return "", err
	}
	client := digest(root, "Client Key")
	stored := sha256.Sum256(client)
	message := "n=" + strings.NewReplacer(",", "=2C", "=", "=3D").Replace(p.authid) + ",r=" + p.nonce +
		",r=" + p.both + ",s=" + salt + ",i=" + strconv.FormatInt(iterations, 10) +
		",c=" + base64.StdEncoding.EncodeToString([]byte("n,,")) + ",r=" + p.both
	for i, b := range digest(stored[:], message) {
		client[i] ^= b
	}
	p.want = base64.StdEncoding.EncodeToString(digest(digest(root, "Server Key"), message))
	return base64.StdEncoding.EncodeToString(client), nil
}

// root derives the SaltedPassword.
func (p *proof) root(challenge wamp.Dict, salt string, iterations int64) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(salt)
	if err != nil || len(raw) == 0 {
		return nil, wamp.Violationf("CHALLENGE with a salt that is not base64")
	}
	password, err := auth.Prepare(auth.Secret(p.password))
	if err != nil {
		return nil, fmt.Errorf("the password cannot be prepared: %w", err)
	}
	kdf, err := challenge.String("kdf")
	if err != nil {
		return nil, err
	}
	switch kdf {
	case "pbkdf2":
		if iterations < minSCRAMIterations || iterations > maxIterations {
			return nil, wamp.Violationf("CHALLENGE asks for %d iterations", iterations)
		}
		return pbkdf2.Key(sha256.New, password, raw, int(iterations), sha256.Size)
	case "argon2id13":
		memory, err := challenge.Int("memory")
		if err != nil {
			return nil, err
		}
		if iterations < 1 || iterations > maxArgonIterations || memory < 8 || memory > maxArgonMemory {
			return nil, wamp.Violationf("CHALLENGE asks for %d iterations over %d KiB", iterations, memory)
		}
		return argon2.IDKey([]byte(password), raw, uint32(iterations), uint32(memory), 1, sha256.Size), nil
	}
	return nil, wamp.Violationf("CHALLENGE with the unknown key derivation %q", kdf)
}

func (p *proof) answered() wamp.Dict {
	return wamp.Dict{"nonce": p.both, "channel_binding": nil, "cbind_data": nil}
}

func (p *proof) welcomed(extra wamp.Dict) error {
	got, err := extra.String("verifier")
	if err != nil || p.want == "" || !hmac.Equal([]byte(got), []byte(p.want)) {
		return wamp.Errorf(wamp.ErrAuthenticationFailed, "the router did not prove that it knows the password")
	}
	return nil
}

func digest(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// provers are authenticators for one session.
func provers(methods []Authenticator) []Authenticator {
	out := make([]Authenticator, len(methods))
	for i, m := range methods {
		if s, ok := m.(scram); ok {
			m = s.begin()
		}
		out[i] = m
	}
	return out
}
