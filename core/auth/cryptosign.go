package auth

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"slices"

	"bondy/core/wamp"
)

// cryptosign has the client sign a random challenge with a key of the user's
// (section "Cryptosign-based Authentication"). Channel binding is not offered.
type cryptosign struct {
	dir *directory
}

func (cryptosign) usable(req *Request) error {
	if err := (named{}).usable(req); err != nil {
		return err
	}
	if _, ok := publicKey(req.Extra); !ok {
		return wamp.Errorf(wamp.ErrAuthenticationDenied, "authextra.pubkey is not a hex Ed25519 key")
	}
	return nil
}

// publicKey reads HELLO.Details.authextra.pubkey.
func publicKey(extra wamp.Dict) (ed25519.PublicKey, bool) {
	text, _ := extra["pubkey"].(string)
	key, err := hex.DecodeString(text)
	return key, err == nil && len(key) == ed25519.PublicKeySize
}

func (s cryptosign) begin(_ context.Context, req *Request) (*Identity, *Exchange, error) {
	key, _ := publicKey(req.Extra)
	c := s.dir.find(req, MethodCryptosign, func(u *User) string {
		if !slices.ContainsFunc(u.Keys, func(k ed25519.PublicKey) bool { return k.Equal(key) }) {
			return "not a key of the user's"
		}
		return ""
	})
	challenge := make([]byte, 32)
	_, _ = rand.Read(challenge) // never fails: crypto/rand ends the process instead
	return nil, &Exchange{
		Method:    MethodCryptosign,
		Challenge: wamp.Dict{"challenge": hex.EncodeToString(challenge), "channel_binding": nil},
		verify: func(_ context.Context, signature string, _ wamp.Dict) (*Identity, error) {
			return c.admit(signed(key, challenge, signature))
		},
	}, nil
}

// signed checks a hex signature of the challenge, with the challenge behind it
// or without.
func signed(key ed25519.PublicKey, challenge []byte, signature string) bool {
	b, err := hex.DecodeString(signature)
	if err != nil || len(b) < ed25519.SignatureSize {
		return false
	}
	sig, rest := b[:ed25519.SignatureSize], b[ed25519.SignatureSize:]
	if len(rest) > 0 && !bytes.Equal(rest, challenge) {
		return false
	}
	return ed25519.Verify(key, challenge, sig)
}
