package auth_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"bondy/core/auth"
	"bondy/core/wamp"
)

// issuer signs tokens with one key per algorithm.
type issuer struct {
	keys map[jose.SignatureAlgorithm]crypto.Signer
	set  jose.JSONWebKeySet
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{keys: map[jose.SignatureAlgorithm]crypto.Signer{jose.ES256: ec, jose.EdDSA: ed, jose.RS256: rs, jose.RS512: rs}}
	for alg, k := range i.keys {
		i.set.Keys = append(i.set.Keys, jose.JSONWebKey{Key: k.Public(), KeyID: string(alg)})
	}
	return i
}

func (i *issuer) document(t testing.TB) []byte {
	t.Helper()
	text, err := json.Marshal(i.set)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// token signs claims; key replaces the issuer's own if it is not nil.
func (i *issuer) token(t testing.TB, alg jose.SignatureAlgorithm, key any, claims map[string]any) string {
	t.Helper()
	if key == nil {
		key = i.keys[alg]
	}
	return token(t, alg, string(alg), key, claims)
}

func token(t testing.TB, alg jose.SignatureAlgorithm, kid string, key any, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func claims(change ...any) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": "https://id.example.com", "aud": []string{"bondy", "other"}, "sub": "u-17",
		"exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "nbf": now.Unix(),
		"email": "ann@example.com", "tenant": "acme",
		"realm_access": map[string]any{"roles": []string{"op", "guest"}}, "scope": "read write",
	}
	for n := 0; n < len(change); n += 2 {
		if change[n+1] == nil {
			delete(c, change[n].(string))
		} else {
			c[change[n].(string)] = change[n+1]
		}
	}
	return c
}

func jwtConfig(t testing.TB, i *issuer) auth.Config {
	t.Helper()
	document := i.document(t)
	cfg := config()
	cfg.Methods = []string{auth.MethodJWT}
	cfg.Issuers = []auth.Issuer{{
		Issuer: "https://id.example.com", Audience: "bondy",
		Keys:        auth.NewKeySet(func(context.Context) ([]byte, error) { return document, nil }, 0, 0),
		Require:     map[string]string{"tenant": "acme"},
		GroupsClaim: "/realm_access/roles",
		GroupsMap:   map[string][]string{"op": {"operator", "user"}, "root": {"administrator"}},
		Groups:      []string{"user"},
	}}
	return cfg
}

func present(ctx context.Context, t testing.TB, a *auth.Authenticator, authid, text string) (*auth.Identity, error) {
	t.Helper()
	x := begin(t, a, auth.Request{AuthID: authid, Methods: []string{auth.MethodJWT}}) //nolint:contextcheck // challenges need none
	return x.Finish(ctx, text, nil)
}

func TestJWT(t *testing.T) {
	i := newIssuer(t)
	cfg := jwtConfig(t, i)
	a := newAuth(t, cfg)
	for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.RS256} {
		c := claims()
		id, err := present(t.Context(), t, a, "", i.token(t, alg, nil, c))
		if err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		if id.AuthID != "u-17" || id.AuthRole != "user" || id.AuthMethod != "jwt" || id.AuthProvider != "https://id.example.com" ||
			!slices.Equal(id.Roles, []string{"user", "operator"}) || id.Expires.Unix() != c["exp"] {
			t.Errorf("%s: %+v", alg, id)
		}
	}
	x := begin(t, a, auth.Request{Roles: []string{"operator"}, Methods: []string{auth.MethodJWT}})
	if id, err := x.Finish(t.Context(), i.token(t, jose.ES256, nil, claims()), nil); err != nil || !slices.Equal(id.Roles, []string{"operator"}) {
		t.Errorf("a narrower role: %+v, %v", id, err)
	}
	x = begin(t, a, auth.Request{Roles: []string{"administrator"}, Methods: []string{auth.MethodJWT}})
	if _, err := x.Finish(t.Context(), i.token(t, jose.ES256, nil, claims()), nil); uri(err) != wamp.ErrNoSuchRole {
		t.Errorf("a role that the claims do not give: %v", err)
	}
	cfg.Issuers[0].AuthID, cfg.Issuers[0].Prefix = "email", "id:"
	if id, err := present(t.Context(), t, newAuth(t, cfg), "id:ann@example.com", i.token(t, jose.ES256, nil, claims())); err != nil || id.AuthID != "id:ann@example.com" {
		t.Errorf("another claim with a prefix: %+v, %v", id, err)
	}
	cfg.Issuers[0].GroupsClaim, cfg.Issuers[0].GroupsMap = "scope", map[string][]string{"write": {"writer"}}
	if id, err := present(t.Context(), t, newAuth(t, cfg), "", i.token(t, jose.ES256, nil, claims())); err != nil || !slices.Equal(id.Roles, []string{"user", "writer"}) {
		t.Errorf("words of a scope: %+v, %v", id, err)
	}
}

func TestJWTRefuses(t *testing.T) {
	i := newIssuer(t)
	a := newAuth(t, jwtConfig(t, i))
	past := func(d time.Duration) int64 { return time.Now().Add(-d).Unix() }
	good := i.token(t, jose.ES256, nil, claims())
	parts := strings.Split(good, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	publicPEM, err := json.Marshal(i.set.Keys[0])
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"expired":            i.token(t, jose.ES256, nil, claims("exp", past(time.Minute))),
		"without exp":        i.token(t, jose.ES256, nil, claims("exp", nil)),
		"not yet":            i.token(t, jose.ES256, nil, claims("nbf", past(-time.Minute))),
		"of the future":      i.token(t, jose.ES256, nil, claims("iat", past(-time.Minute))),
		"another issuer":     i.token(t, jose.ES256, nil, claims("iss", "https://evil.example.com")),
		"no issuer":          i.token(t, jose.ES256, nil, claims("iss", nil)),
		"for others":         i.token(t, jose.ES256, nil, claims("aud", "other")),
		"for nobody":         i.token(t, jose.ES256, nil, claims("aud", nil)),
		"another tenant":     i.token(t, jose.ES256, nil, claims("tenant", "evil")),
		"no tenant":          i.token(t, jose.ES256, nil, claims("tenant", nil)),
		"nobody":             i.token(t, jose.ES256, nil, claims("sub", "")),
		"no name":            i.token(t, jose.ES256, nil, claims("sub", nil)),
		"a number as name":   i.token(t, jose.ES256, nil, claims("sub", 7)),
		"a reserved name":    i.token(t, jose.ES256, nil, claims("sub", "all")),
		"a user of ours":     i.token(t, jose.ES256, nil, claims("sub", "joe")),
		"not allowed alg":    i.token(t, jose.RS512, nil, claims()),
		"another key":        i.token(t, jose.ES256, newIssuer(t).keys[jose.ES256], claims()),
		"an unknown key":     token(t, jose.ES256, "other", i.keys[jose.ES256], claims()),
		"a shared secret":    i.token(t, jose.HS256, publicPEM, claims()),
		"no signature":       b64([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".",
		"stripped":           parts[0] + "." + parts[1] + ".",
		"changed":            parts[0] + "." + b64([]byte(`{"iss":"https://id.example.com","sub":"root"}`)) + "." + parts[2],
		"garbage":            "a.b.c",
		"nothing":            "",
		"five parts":         good + "." + good,
		"its own key inside": jwkInside(t),
	} {
		if id, err := present(t.Context(), t, a, "", text); id != nil || uri(err) != wamp.ErrAuthenticationDenied {
			t.Errorf("%s: %+v, %v", what, id, err)
		}
	}
	if id, err := present(t.Context(), t, a, "u-18", good); id != nil || uri(err) != wamp.ErrAuthenticationDenied {
		t.Errorf("somebody else's: %+v, %v", id, err)
	}
	if _, err := present(t.Context(), t, a, "u-17", i.token(t, jose.ES256, nil, claims("exp", past(10*time.Second)))); err != nil {
		t.Errorf("within the leeway: %v", err)
	}
	cfg := jwtConfig(t, i)
	cfg.Issuers[0].Groups = nil
	if id, err := present(t.Context(), t, newAuth(t, cfg), "", i.token(t, jose.ES256, nil, claims("realm_access", nil))); id != nil || err == nil {
		t.Errorf("without any group: %+v", id)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := present(ended, t, a, "", good); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

// jwkInside is a token that brings the key that signed it.
func jwkInside(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(claims())
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestJWTWithSecret(t *testing.T) {
	secret := strings.Repeat("k", 32)
	cfg := jwtConfig(t, newIssuer(t))
	cfg.Issuers[0].Keys, cfg.Issuers[0].Secret, cfg.Issuers[0].Algorithms = nil, auth.Secret(secret), []string{"HS256"}
	a := newAuth(t, cfg)
	if id, err := present(t.Context(), t, a, "", token(t, jose.HS256, "", []byte(secret), claims())); err != nil || id.AuthID != "u-17" {
		t.Errorf("%+v, %v", id, err)
	}
	if _, err := present(t.Context(), t, a, "", token(t, jose.HS256, "", bytes.Repeat([]byte("x"), 32), claims())); err == nil {
		t.Error("another secret is accepted")
	}
	for want, change := range map[string]func(*auth.Issuer){
		"issuers[0].issuer":        func(i *auth.Issuer) { i.Issuer = "" },
		"issuers[0].audience":      func(i *auth.Issuer) { i.Audience = "" },
		"issuers[0].keys":          func(i *auth.Issuer) { i.Keys = auth.NewKeySet(nil, 0, 0) },
		"issuers[0].secret":        func(i *auth.Issuer) { i.Secret = "short" },
		"issuers[0].leeway":        func(i *auth.Issuer) { i.Leeway = time.Hour },
		"issuers[0].algorithms:":   func(i *auth.Issuer) { i.Algorithms = nil },
		"issuers[0].algorithms[0]": func(i *auth.Issuer) { i.Algorithms = []string{"none"} },
		"issuers[0].algorithms[1]": func(i *auth.Issuer) { i.Algorithms = []string{"HS256", "RS256"} },
		"issuers[0].groups":        func(i *auth.Issuer) { i.Groups = []string{"all"} },
	} {
		c := cfg
		c.Issuers = slices.Clone(cfg.Issuers)
		change(&c.Issuers[0])
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	cfg.Issuers = nil
	if cfg.Validate() == nil {
		t.Error("jwt without an issuer")
	}
}

func FuzzToken(f *testing.F) {
	i := newIssuer(f)
	a := newAuth(f, jwtConfig(f, i))
	good := i.token(f, jose.ES256, nil, claims())
	stable := maps.Clone(claims())
	f.Add(good)
	f.Add(i.token(f, jose.RS512, nil, stable))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := present(t.Context(), t, a, "", text)
		if id != nil && !strings.HasPrefix(text, strings.Join(strings.Split(good, ".")[:2], ".")) {
			t.Fatalf("admitted by %q", text)
		}
		if id == nil && uri(err) == "" {
			t.Fatalf("refused without a reason for the peer: %v", err)
		}
	})
}
