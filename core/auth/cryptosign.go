package auth

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"slices"

	"bondy/core/wamp"
)

// challengeLen is the length of a challenge in bytes.
const challengeLen = 32

// cryptosign has the client sign a random challenge with a key of the user's
// (section "Cryptosign-based Authentication"). Without authid the key finds the
// user, if exactly one has it that is not disabled. Asked for a channel binding
// that the connection has, the challenge is bound to it; otherwise CHALLENGE
// says that it is not, and the client decides.
type cryptosign struct {
	dir    finder
	owner  func(ed25519.PublicKey) string // nil when only names find users
	router ed25519.PrivateKey             // nil when the router does not sign
}

func (s *cryptosign) usable(req *Request) error {
	if _, ok := publicKey(req.Extra); !ok {
		return wamp.Errorf(wamp.ErrAuthenticationDenied, "authextra.pubkey is not a hex Ed25519 key")
	}
	if _, err := clientChallenge(req.Extra); err != nil {
		return err
	}
	if s.owner == nil {
		return named{}.usable(req)
	}
	return bounded(req)
}

// publicKey reads HELLO.Details.authextra.pubkey.
func publicKey(extra wamp.Dict) (ed25519.PublicKey, bool) {
	text, _ := extra["pubkey"].(string)
	key, err := hex.DecodeString(text)
	return key, err == nil && len(key) == ed25519.PublicKeySize
}

// clientChallenge reads HELLO.Details.authextra.challenge; nil when there is
// none.
func clientChallenge(extra wamp.Dict) ([]byte, error) {
	v := extra["challenge"]
	if v == nil {
		return nil, nil
	}
	text, _ := v.(string)
	challenge, err := hex.DecodeString(text)
	if err != nil || len(challenge) != challengeLen {
		return nil, wamp.Errorf(wamp.ErrAuthenticationDenied, "authextra.challenge is not %d bytes in hex", challengeLen)
	}
	return challenge, nil
}

// cryptosignChannel returns the channel id and its kind, nil and nil without.
// The specification wants 32 bytes, so tls-unique, which has 12, is hashed, as
// clients do.
func cryptosignChannel(req *Request) (id []byte, kind any) {
	binding, _ := req.Extra["channel_binding"].(string)
	id, err := channel(req.TLS, binding)
	if err != nil {
		return nil, nil
	}
	if len(id) != channelLen {
		sum := sha256.Sum256(id)
		id = sum[:]
	}
	return id, binding
}

func (s *cryptosign) begin(ctx context.Context, req *Request) (*Identity, *Exchange, error) {
	key, _ := publicKey(req.Extra)
	authid := req.AuthID
	if s.owner != nil {
		authid = cmp.Or(authid, s.owner(key))
	}
	c, err := s.dir.find(ctx, req, authid, MethodCryptosign, func(u *User) string {
		if !slices.ContainsFunc(u.Keys, func(k ed25519.PublicKey) bool { return k.Equal(key) }) {
			return "not a key of the user's"
		}
		return ""
	})
	if err != nil {
		return nil, nil, err
	}
	id, kind := cryptosignChannel(req)
	challenge := make([]byte, challengeLen)
	_, _ = rand.Read(challenge) // never fails: crypto/rand ends the process instead
	extra := wamp.Dict{"challenge": hex.EncodeToString(challenge), "channel_binding": kind}
	if asked, _ := clientChallenge(req.Extra); asked != nil && s.router != nil {
		message := bound(asked, id)
		public, _ := s.router.Public().(ed25519.PublicKey)
		extra["pubkey"] = hex.EncodeToString(public)
		extra["signature"] = hex.EncodeToString(append(ed25519.Sign(s.router, message), message...))
	}
	message := bound(challenge, id)
	return nil, &Exchange{
		Method:    MethodCryptosign,
		Challenge: extra,
		verify: func(_ context.Context, signature string, _ wamp.Dict) (*Identity, error) {
			return c.admit(signed(key, message, signature))
		},
	}, nil
}

// bound is a challenge XOR the channel id; without one it is the challenge.
func bound(challenge, id []byte) []byte {
	if id == nil {
		return challenge
	}
	out := make([]byte, len(challenge))
	subtle.XORBytes(out, challenge, id)
	return out
}

// signed checks a hex signature of the message, with the message behind it
// or without.
func signed(key ed25519.PublicKey, message []byte, signature string) bool {
	b, err := hex.DecodeString(signature)
	if err != nil || len(b) < ed25519.SignatureSize {
		return false
	}
	sig, rest := b[:ed25519.SignatureSize], b[ed25519.SignatureSize:]
	if len(rest) > 0 && !bytes.Equal(rest, message) {
		return false
	}
	return ed25519.Verify(key, message, sig)
}
