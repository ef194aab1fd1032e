package auth

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"bondy/core/wamp"
)

// craKeyLen is the length in bytes of what PBKDF2 derives.
const craKeyLen = 32

// craSignatureLen is the length of a signature: base64 of an HMAC-SHA256.
const craSignatureLen = 44

// wampcra has the client sign a challenge with a key that derives from the
// password and a salt (section "Challenge Response Authentication").
type wampcra struct {
	named
	dir        *directory
	iterations int
	keys       *keyCache
}

func newWAMPCRA(dir *directory, iterations int, gate *Gate) *wampcra {
	return &wampcra{dir: dir, iterations: iterations, keys: &keyCache{gate: gate, keys: make(map[string][]byte)}}
}

// craChallenge is what the client signs, as JSON.
type craChallenge struct {
	AuthID       string  `json:"authid"`
	AuthRole     string  `json:"authrole"`
	AuthMethod   string  `json:"authmethod"`
	AuthProvider string  `json:"authprovider"`
	Nonce        string  `json:"nonce"`
	Timestamp    string  `json:"timestamp"`
	Session      wamp.ID `json:"session"`
}

func (w *wampcra) begin(_ context.Context, req *Request) (*Identity, *Exchange, error) {
	c := w.dir.find(req, MethodWAMPCRA, lacksPassword)
	challenge, err := json.Marshal(craChallenge{
		AuthID:       c.identity.AuthID,
		AuthRole:     c.identity.AuthRole,
		AuthMethod:   MethodWAMPCRA,
		AuthProvider: provider,
		Nonce:        rand.Text(),
		Timestamp:    time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00"),
		Session:      req.Session,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("encode wampcra challenge: %w", err)
	}
	salt := w.dir.salt(req.AuthID)
	return nil, &Exchange{
		Method: MethodWAMPCRA,
		Challenge: wamp.Dict{
			"challenge":  string(challenge),
			"salt":       salt,
			"keylen":     int64(craKeyLen),
			"iterations": int64(w.iterations),
		},
		verify: func(ctx context.Context, signature string, _ wamp.Dict) (*Identity, error) {
			if len(signature) != craSignatureLen {
				return nil, denied("malformed signature")
			}
			key, err := w.keys.derive(ctx, c.identity.AuthID, c.secret, salt, w.iterations)
			if err != nil {
				return nil, err
			}
			h := hmac.New(sha256.New, key)
			h.Write(challenge)
			want := base64.StdEncoding.AppendEncode(nil, h.Sum(nil))
			return c.admit(hmac.Equal([]byte(signature), want))
		},
	}, nil
}

// maxKeys bounds a keyCache; a name that has no place any more takes that of
// an arbitrary other one.
const maxKeys = 4096

// keyCache derives the key of a name when it is first needed and remembers it.
// Names with and without user share it, so that time tells nothing of either.
type keyCache struct {
	gate *Gate

	mu   sync.Mutex
	keys map[string][]byte
}

// derive returns the base64 text of the derived key, which is the HMAC key.
// One name always comes with the same secret, salt and iterations.
func (k *keyCache) derive(ctx context.Context, name, secret, salt string, iterations int) ([]byte, error) {
	if key, ok := k.lookup(name); ok {
		return key, nil
	}
	if err := k.gate.Enter(ctx); err != nil {
		return nil, err
	}
	defer k.gate.Leave()
	if key, ok := k.lookup(name); ok { // derived by another while we waited
		return key, nil
	}
	raw, err := pbkdf2.Key(sha256.New, secret, []byte(salt), iterations, craKeyLen)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	key := base64.StdEncoding.AppendEncode(nil, raw)
	k.store(name, key)
	return key, nil
}

func (k *keyCache) lookup(name string) ([]byte, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.keys[name]
	return key, ok
}

func (k *keyCache) store(name string, key []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.keys) >= maxKeys {
		for victim := range k.keys {
			delete(k.keys, victim)
			break
		}
	}
	k.keys[name] = key
}
