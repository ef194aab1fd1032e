package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"bondy/core/wamp"
)

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
			"keylen":     int64(verifierKeyLen),
			"iterations": int64(w.iterations),
		},
		verify: func(ctx context.Context, signature string, _ wamp.Dict) (*Identity, error) {
			if len(signature) != craSignatureLen {
				return nil, denied("malformed signature")
			}
			key, err := w.keys.of(ctx, c, salt, w.iterations)
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
