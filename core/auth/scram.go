package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"

	"bondy/core/wamp"
)

// Bounds of a client's nonce in bytes.
const (
	minNonceLen = 8
	maxNonceLen = 128
)

// scram has client and router prove to each other that they know the password
// or its keys (section "Salted Challenge Response Authentication"). A user
// with a verifier alone is challenged with its parameters: the SaltedPassword
// of PBKDF2 is the same.
type scram struct {
	named
	dir   finder
	vault *vault
	draft bool // the client speaks methodDraftSCRAM
}

func (s *scram) usable(req *Request) error {
	if err := s.named.usable(req); err != nil {
		return err
	}
	nonce, _ := req.Extra["nonce"].(string)
	raw, err := unbase64(nonce)
	if err != nil || len(raw) < minNonceLen || len(raw) > maxNonceLen {
		return wamp.Errorf(wamp.ErrAuthenticationDenied, "authextra.nonce is not base64 of %d to %d random bytes", minNonceLen, maxNonceLen)
	}
	kind, _, err := scramBinding(req)
	if err == nil && s.draft && kind != "" {
		return wamp.Errorf(wamp.ErrAuthenticationDenied, "channel binding needs the method %s", MethodSCRAM)
	}
	return err
}

// scramBinding returns the binding that HELLO asks for and what it binds to,
// nothing when it asks for none.
func scramBinding(req *Request) (kind string, data []byte, err error) {
	asked := req.Extra["channel_binding"]
	if asked == nil {
		return "", nil, nil
	}
	kind, _ = asked.(string)
	data, err = channel(req.TLS, kind)
	if err != nil {
		return "", nil, wamp.Errorf(wamp.ErrAuthenticationDenied, "authextra.channel_binding: %v", err)
	}
	return kind, data, nil
}

func (s *scram) begin(ctx context.Context, req *Request) (*Identity, *Exchange, error) {
	kind, data, err := scramBinding(req)
	if err != nil {
		return nil, nil, err
	}
	c, err := s.dir.find(ctx, req, req.AuthID, MethodSCRAM, lacksPassword)
	if err != nil {
		return nil, nil, err
	}
	p := c.params(true)
	p.printed = s.draft && p.kdf == KDFArgon2id
	clientNonce, _ := req.Extra["nonce"].(string)
	e := scramExchange{
		nonce: clientNonce + scramNonce(), salt: base64.StdEncoding.EncodeToString(p.salt),
		binding: kind, data: data, draft: s.draft,
	}
	first := "n=" + strings.NewReplacer(",", "=2C", "=", "=3D").Replace(req.AuthID) + ",r=" + clientNonce
	e.message = first + ",r=" + e.nonce + ",s=" + e.salt + ",i=" + strconv.Itoa(p.iterations) + "," + e.final()
	return nil, &Exchange{
		Method: s.name(), Challenge: e.challenge(p.cost),
		verify: func(ctx context.Context, signature string, extra wamp.Dict) (*Identity, error) {
			proof, err := unbase64(signature)
			if err != nil || len(proof) != sha256.Size || !e.echoed(extra) {
				return nil, denied("malformed proof, or one for another challenge or channel")
			}
			keys, err := s.vault.scram(ctx, c, p)
			if err != nil {
				return nil, err
			}
			id, err := c.admit(keys.proven(proof, e.message))
			if err == nil {
				s.sign(id, base64.StdEncoding.EncodeToString(hmacSHA256(keys.server, e.message)))
			}
			return id, err
		},
	}, nil
}

// scramNonce is the server's part of a nonce.
func scramNonce() string {
	var b [18]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return base64.StdEncoding.EncodeToString(b[:])
}

// scramExchange is what was agreed before AUTHENTICATE.
type scramExchange struct {
	nonce, salt string
	binding     string // empty for none
	data        []byte
	message     string // the AuthMessage
	draft       bool   // as scram.draft
}

// challenge is CHALLENGE.Extra.
func (e *scramExchange) challenge(c cost) wamp.Dict {
	out := wamp.Dict{"nonce": e.nonce, "salt": e.salt, "kdf": string(c.kdf), "iterations": int64(c.iterations), "memory": nil}
	if c.memory != 0 {
		out["memory"] = int64(c.memory)
	}
	if e.draft {
		return drafted(out)
	}
	return out
}

// final is the ClientFinalNoProof that the client must have signed.
func (e *scramExchange) final() string {
	if e.draft {
		return "c=,r=" + e.nonce
	}
	flag := "n"
	if e.binding != "" {
		flag = "p=" + e.binding
	}
	input := append([]byte(flag+",,"), e.data...)
	return "c=" + base64.StdEncoding.EncodeToString(input) + ",r=" + e.nonce
}

// echoed tells whether AUTHENTICATE.Extra belongs to this exchange and this
// channel.
func (e *scramExchange) echoed(extra wamp.Dict) bool {
	if e.draft {
		return true // the proof says it
	}
	nonce, _ := extra["nonce"].(string)
	same := subtle.ConstantTimeCompare([]byte(nonce), []byte(e.nonce)) == 1
	if e.binding == "" {
		return same && extra["channel_binding"] == nil && extra["cbind_data"] == nil
	}
	text, _ := extra["cbind_data"].(string)
	data, err := unbase64(text)
	return same && extra["channel_binding"] == e.binding &&
		err == nil && subtle.ConstantTimeCompare(data, e.data) == 1
}

// proven checks a ClientProof.
func (k scramKeys) proven(proof []byte, message string) bool {
	client := make([]byte, sha256.Size)
	subtle.XORBytes(client, proof, hmacSHA256(k.stored, message))
	stored := sha256.Sum256(client)
	return subtle.ConstantTimeCompare(stored[:], k.stored) == 1
}
