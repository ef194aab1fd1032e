package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
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
	dir   finder
	vault *vault
}

// craChallenge is what the client signs, as JSON. Authid and authrole are what the
// client said itself, so that it learns nothing of the user before it proved a secret.
type craChallenge struct {
	AuthID       string  `json:"authid"`
	AuthRole     string  `json:"authrole"`
	AuthMethod   string  `json:"authmethod"`
	AuthProvider string  `json:"authprovider"`
	Nonce        string  `json:"nonce"`
	Timestamp    string  `json:"timestamp"`
	Session      wamp.ID `json:"session"`
}

func (w *wampcra) begin(ctx context.Context, req *Request) (*Identity, *Exchange, error) {
	c, err := w.dir.find(ctx, req, req.AuthID, MethodWAMPCRA, lacksSecret)
	if err != nil {
		return nil, nil, err
	}
	challenge, err := json.Marshal(craChallenge{
		AuthID:       req.AuthID,
		AuthRole:     append(req.asked(), defaultRole)[0],
		AuthMethod:   MethodWAMPCRA,
		AuthProvider: c.identity.AuthProvider,
		Nonce:        rand.Text(),
		Timestamp:    time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00"),
		Session:      req.Session,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("encode wampcra challenge: %w", err)
	}
	p := c.craParams()
	return nil, &Exchange{
		Method: MethodWAMPCRA,
		Challenge: wamp.Dict{
			"challenge":  string(challenge),
			"salt":       string(p.salt),
			"keylen":     int64(derivedLen),
			"iterations": int64(p.iterations),
		},
		verify: func(ctx context.Context, signature string, _ wamp.Dict) (*Identity, error) {
			if len(signature) != craSignatureLen {
				return nil, denied("malformed signature")
			}
			root, err := w.vault.root(ctx, c, p)
			if err != nil {
				return nil, err
			}
			key := base64.StdEncoding.AppendEncode(nil, root)
			want := base64.StdEncoding.AppendEncode(nil, hmacSHA256(key, challenge))
			return c.admit(hmac.Equal([]byte(signature), want))
		},
	}, nil
}
