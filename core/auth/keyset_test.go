package auth_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"bondy/core/auth"
)

// Keys are fetched when needed, again when they are old or one is missing, not
// too often, and kept while the source is gone.
func TestKeySet(t *testing.T) {
	i := newIssuer(t)
	synctest.Test(t, func(t *testing.T) {
		var fetched, broken atomic.Int32
		var document atomic.Value
		first := jose.JSONWebKeySet{Keys: i.set.Keys[:1]}
		text, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		document.Store(text)
		cfg := jwtConfig(t, i)
		cfg.Issuers[0].Algorithms = []string{"ES256", "EdDSA", "RS256", "RS512"}
		cfg.Issuers[0].Keys = auth.NewKeySet(func(ctx context.Context) ([]byte, error) {
			fetched.Add(1)
			switch broken.Load() {
			case 1:
				return nil, errors.New("no route to host")
			case 2:
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return document.Load().([]byte), nil
		}, time.Hour, 24*time.Hour)
		a := newAuth(t, cfg)
		has := func(k jose.JSONWebKey) bool {
			alg := jose.SignatureAlgorithm(k.KeyID)
			_, err := present(t.Context(), t, a, "", i.token(t, alg, nil, claims()))
			return err == nil
		}
		for range 2 {
			if !has(first.Keys[0]) || fetched.Load() != 1 {
				t.Fatalf("fetched %d times, want once", fetched.Load())
			}
		}
		document.Store(i.document(t)) // the issuer adds keys
		for range 10 {
			if has(i.set.Keys[1]) || fetched.Load() != 1 {
				t.Fatalf("asked again at once, %d times", fetched.Load())
			}
		}
		time.Sleep(10 * time.Second)
		if !has(i.set.Keys[1]) || fetched.Load() != 2 {
			t.Fatalf("the new key did not come, fetched %d times", fetched.Load())
		}
		broken.Store(1)
		time.Sleep(2 * time.Hour)
		if !has(i.set.Keys[0]) || fetched.Load() != 3 {
			t.Errorf("keys of two hours: fetched %d times", fetched.Load())
		}
		broken.Store(2) // hangs until its deadline
		time.Sleep(21 * time.Hour)
		start := time.Now()
		if !has(i.set.Keys[0]) || time.Since(start) != 5*time.Second {
			t.Errorf("a source that hangs held the login up for %s", time.Since(start))
		}
		time.Sleep(2 * time.Hour)
		if has(i.set.Keys[0]) {
			t.Error("keys are used for longer than a day without source")
		}
		broken.Store(0)
		time.Sleep(time.Minute)
		if !has(i.set.Keys[0]) {
			t.Error("the source is back, the keys are not")
		}
	})
}

// Outsiders who show tokens of keys that are not there neither make more than one fetch
// in ten seconds nor keep a rotation from being seen longer than that.
func TestUnknownKeysDoNotHideARotation(t *testing.T) {
	i := newIssuer(t)
	synctest.Test(t, func(t *testing.T) {
		var fetched atomic.Int32
		var document atomic.Value
		publish := func(keys ...jose.JSONWebKey) {
			text, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
			if err != nil {
				t.Fatal(err)
			}
			document.Store(text)
		}
		cfg := jwtConfig(t, i)
		cfg.Issuers[0].Algorithms = []string{"ES256", "RS256"}
		cfg.Issuers[0].Keys = auth.NewKeySet(func(context.Context) ([]byte, error) {
			fetched.Add(1)
			return document.Load().([]byte), nil
		}, time.Hour, 24*time.Hour)
		a := newAuth(t, cfg)
		admitted := func(text string) bool {
			_, err := present(t.Context(), t, a, "", text)
			return err == nil
		}
		key := func(alg jose.SignatureAlgorithm) jose.JSONWebKey {
			return jose.JSONWebKey{Key: i.keys[alg].Public(), KeyID: string(alg)}
		}
		old, next := i.token(t, jose.ES256, nil, claims()), i.token(t, jose.RS256, nil, claims())
		publish(key(jose.ES256))
		start := time.Now()
		for second := range 180 {
			if second == 101 {
				publish(key(jose.ES256), key(jose.RS256))
			}
			if admitted(token(t, jose.ES256, fmt.Sprint("key-", second), i.keys[jose.ES256], claims())) {
				t.Fatal("a token of an unknown key was accepted")
			}
			if !admitted(old) {
				t.Fatal("the flood keeps out who has a good token")
			}
			if second >= 111 && !admitted(next) {
				t.Fatalf("after %s the rotation is not seen", time.Since(start)-101*time.Second)
			}
			time.Sleep(time.Second)
		}
		if n := fetched.Load(); n > 18 {
			t.Errorf("%d fetches in three minutes, want one in ten seconds at most", n)
		}
	})
}

func TestKeySetDocuments(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	i := newIssuer(t)
	weak := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: short.Public(), KeyID: "weak"}}}
	weakText, err := json.Marshal(weak)
	if err != nil {
		t.Fatal(err)
	}
	private, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.keys[jose.ES256]}, {Key: []byte("symmetric")}}})
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string][]byte{
		"nothing": nil, "no JSON": []byte("<html>"), "no keys": []byte("{}"), "no objects": []byte(`{"keys":[1]}`),
		"short RSA": weakText, "private": private, "too long": make([]byte, auth.MaxKeySet+1),
		"too many": []byte(`{"keys":[` + strings.Repeat("{},", 100) + `{}]}`),
	} {
		if auth.ParseKeySet(text) == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	mixed := map[string]any{"keys": []any{map[string]any{"kty": "future"}, i.set.Keys[0], map[string]any{"kty": "oct", "k": "AAAA"}}}
	text, err := json.Marshal(mixed)
	if err != nil {
		t.Fatal(err)
	}
	if err := auth.ParseKeySet(text); err != nil {
		t.Errorf("a set with keys of other kinds: %v", err)
	}
}

func FuzzKeySet(f *testing.F) {
	f.Add(newIssuer(f).document(f))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}]}`))
	f.Fuzz(func(_ *testing.T, text []byte) { _ = auth.ParseKeySet(text) })
}
