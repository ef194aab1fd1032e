package auth_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"testing"

	"bondy/core/auth"
	"bondy/core/wamp"
)

func TestCryptosign(t *testing.T) {
	seed := func(b byte) ed25519.PrivateKey {
		s := make([]byte, ed25519.SeedSize)
		s[0] = b
		return ed25519.NewKeyFromSeed(s)
	}
	public := func(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }
	carol, other := seed(1), seed(2)
	a := newAuth(t, auth.Config{
		Methods: []string{auth.MethodCryptosign},
		Users: []auth.User{
			{Name: "carol", Keys: []ed25519.PublicKey{public(seed(3)), public(carol)}, Groups: []string{"gateways"}},
			{Name: "peter", Password: "s3cret"},
		},
	})
	request := func(name string, k ed25519.PrivateKey) auth.Request {
		return auth.Request{
			AuthID: name, Methods: []string{auth.MethodCryptosign},
			Extra: wamp.Dict{"pubkey": hex.EncodeToString(public(k))},
		}
	}
	sign := func(k ed25519.PrivateKey, x *auth.Exchange, challenge string, withChallenge bool) string {
		if challenge == "" {
			challenge = x.Challenge["challenge"].(string)
		}
		b, err := hex.DecodeString(challenge)
		if err != nil {
			t.Fatal(err)
		}
		s := ed25519.Sign(k, b)
		if withChallenge {
			s = append(s, b...)
		}
		return hex.EncodeToString(s)
	}
	for _, withChallenge := range []bool{true, false} {
		x := begin(t, a, request("carol", carol))
		id, err := x.Finish(t.Context(), sign(carol, x, "", withChallenge), nil)
		if err != nil || id.AuthID != "carol" || id.AuthRole != "gateways" || id.AuthMethod != "cryptosign" {
			t.Errorf("challenge in the signature %v: %+v, %v", withChallenge, id, err)
		}
	}
	old := begin(t, a, request("carol", carol)).Challenge["challenge"].(string)
	for name, tc := range map[string]struct {
		user      string
		announced ed25519.PrivateKey
		signature func(x *auth.Exchange) string
	}{
		"another key signs":        {"carol", carol, func(x *auth.Exchange) string { return sign(other, x, "", true) }},
		"a key that is not hers":   {"carol", other, func(x *auth.Exchange) string { return sign(other, x, "", true) }},
		"a user without keys":      {"peter", carol, func(x *auth.Exchange) string { return sign(carol, x, "", true) }},
		"an unknown user":          {"nobody", carol, func(x *auth.Exchange) string { return sign(carol, x, "", true) }},
		"a challenge of yesterday": {"carol", carol, func(x *auth.Exchange) string { return sign(carol, x, old, true) }},
		"garbage":                  {"carol", carol, func(*auth.Exchange) string { return "zz" }},
		"an empty signature":       {"carol", carol, func(*auth.Exchange) string { return "" }},
	} {
		x := begin(t, a, request(tc.user, tc.announced))
		if id, err := x.Finish(t.Context(), tc.signature(x), nil); err == nil {
			t.Errorf("%s: admitted as %+v", name, id)
		}
	}
	for _, extra := range []wamp.Dict{nil, {"pubkey": int64(1)}, {"pubkey": "abcd"}} {
		req := request("carol", carol)
		req.Extra = extra
		if _, _, err := a.Begin(t.Context(), req); err == nil {
			t.Errorf("began with authextra %v", extra)
		}
	}
}
