package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"bondy/core/wamp"
)

// Issuer is one whose tokens (RFC 7519) the method jwt accepts.
type Issuer struct {
	// Issuer and Audience are what the claims iss and aud must say.
	Issuer, Audience string
	// Keys are the issuer's public keys. In their place Secret is a shared one
	// for the HMAC algorithms, at least 32 bytes long.
	Keys   *KeySet
	Secret Secret
	// Algorithms are the signatures accepted; empty means those with public
	// keys of today: ES256, ES384, EdDSA, PS256 and RS256. Those with HMAC must
	// be named, and go with Secret alone.
	Algorithms []string
	// Leeway is how far clocks may be apart; 0 means 30 s.
	Leeway time.Duration
	// Require are claims with the value that they must have.
	Require map[string]string
	// AuthID is the claim that becomes the authid; empty means sub. A claim is
	// a name, or a JSON pointer (RFC 6901) to a nested one.
	AuthID string
	// Prefix is put before it, to tell the people of one issuer from those of
	// another and from the realm's own users. What then is the name of a user of the
	// realm is refused.
	Prefix string
	// GroupsClaim is a claim with a list of strings, or a string of words, which
	// GroupsMap maps to groups. Values that it does not name count for nothing.
	GroupsClaim string
	GroupsMap   map[string][]string
	// Groups are for everybody with a token. Who has no group at all is refused.
	Groups []string
}

const (
	defaultLeeway = 30 * time.Second
	maxLeeway     = 10 * time.Minute
)

func (i *Issuer) validate() error {
	switch {
	case i.Issuer == "":
		return errors.New("issuer: missing")
	case i.Audience == "":
		return errors.New("audience: missing; without it tokens for others would be accepted")
	case (i.Keys == nil) == (i.Secret == ""):
		return errors.New("keys: want the issuer's keys or a secret, and not both")
	case i.Secret != "" && len(i.Secret) < KeySize:
		return fmt.Errorf("secret: shorter than %d bytes", KeySize)
	case i.Leeway < 0 || i.Leeway > maxLeeway:
		return fmt.Errorf("leeway: %s is not in 0..%s", i.Leeway, maxLeeway)
	case i.Secret != "" && len(i.Algorithms) == 0:
		return errors.New("algorithms: HS256, HS384 or HS512 must be named")
	}
	for n, name := range i.Algorithms {
		alg := jose.SignatureAlgorithm(name)
		if !slices.Contains(asymmetric(), alg) && !slices.Contains(symmetric(), alg) {
			return fmt.Errorf("algorithms[%d]: unknown algorithm %q", n, name)
		}
		if slices.Contains(symmetric(), alg) != (i.Secret != "") {
			return fmt.Errorf("algorithms[%d]: %s does not go with the kind of key", n, name)
		}
	}
	groups := slices.Clone(i.Groups)
	for _, to := range i.GroupsMap {
		groups = append(groups, to...)
	}
	for _, g := range groups {
		if err := ValidName(g); err != nil {
			return fmt.Errorf("groups: %w", err)
		}
	}
	return nil
}

func asymmetric() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
		jose.PS256, jose.PS384, jose.PS512, jose.RS256, jose.RS384, jose.RS512,
	}
}

func symmetric() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.HS256, jose.HS384, jose.HS512}
}

func (i *Issuer) algorithms() []jose.SignatureAlgorithm {
	if len(i.Algorithms) == 0 {
		return []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.EdDSA, jose.PS256, jose.RS256}
	}
	out := make([]jose.SignatureAlgorithm, len(i.Algorithms))
	for n, name := range i.Algorithms {
		out[n] = jose.SignatureAlgorithm(name)
	}
	return out
}

// token takes a JSON Web Token as the signature of AUTHENTICATE. Who has it
// need not be a user of the realm: the claims say who it is and which groups
// it has, and the identity ends with the token.
type token struct {
	dir     *people
	issuers []Issuer
}

func (m *token) usable(req *Request) error { return bounded(req) }

func (m *token) begin(_ context.Context, req *Request) (*Identity, *Exchange, error) {
	from := req.from()
	if !m.dir.policy.possible(MethodJWT, from) {
		return nil, nil, barred("no source allows jwt from this address")
	}
	return nil, &Exchange{
		Method:    MethodJWT,
		Challenge: wamp.Dict{},
		verify: func(ctx context.Context, signature string, _ wamp.Dict) (*Identity, error) {
			c, err := m.judge(ctx, req, signature)
			switch {
			case ctx.Err() != nil:
				return nil, fmt.Errorf("judge a token: %w", context.Cause(ctx))
			case err != nil:
				return nil, denied(err.Error())
			}
			return c.admit(true)
		},
	}, nil
}

// judge returns who a token is about; the error is for the log.
func (m *token) judge(ctx context.Context, req *Request, text string) (*candidate, error) {
	var all []jose.SignatureAlgorithm
	for n := range m.issuers {
		all = append(all, m.issuers[n].algorithms()...)
	}
	t, err := jwt.ParseSigned(text, all)
	if err != nil {
		return nil, fmt.Errorf("not a token: %w", err)
	}
	var said jwt.Claims
	if err := t.UnsafeClaimsWithoutVerification(&said); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	at := slices.IndexFunc(m.issuers, func(i Issuer) bool { return i.Issuer == said.Issuer })
	if at < 0 {
		return nil, errors.New("a token of another issuer")
	}
	i := &m.issuers[at]
	std, claims, err := i.verified(ctx, t)
	if err != nil {
		return nil, err
	}
	return m.candidate(req, i, std, claims)
}

// verified returns the claims of a token with a good signature whose standard
// claims are right.
func (i *Issuer) verified(ctx context.Context, t *jwt.JSONWebToken) (*jwt.Claims, map[string]any, error) {
	header := t.Headers[0] // ParseSigned takes exactly one
	if !slices.Contains(i.algorithms(), jose.SignatureAlgorithm(header.Algorithm)) {
		return nil, nil, fmt.Errorf("the issuer does not sign with %s", header.Algorithm)
	}
	var std jwt.Claims
	claims := make(map[string]any)
	if err := i.check(ctx, t, header, &std, &claims); err != nil {
		return nil, nil, err
	}
	if std.Expiry == nil {
		return nil, nil, errors.New("a token without exp")
	}
	expected := jwt.Expected{Issuer: i.Issuer, AnyAudience: jwt.Audience{i.Audience}}
	if err := std.ValidateWithLeeway(expected, cmp.Or(i.Leeway, defaultLeeway)); err != nil {
		return nil, nil, fmt.Errorf("claims: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(i.Require)) {
		if got, _ := claim(claims, name).(string); got != i.Require[name] {
			return nil, nil, fmt.Errorf("the claim %s is not what it must be", name)
		}
	}
	return &std, claims, nil
}

// check finds the key that signed the token.
func (i *Issuer) check(ctx context.Context, t *jwt.JSONWebToken, header jose.Header, to ...any) error {
	if i.Secret != "" {
		return t.Claims([]byte(i.Secret), to...)
	}
	keys, err := i.Keys.find(ctx, header.KeyID, header.Algorithm)
	if err != nil {
		return err
	}
	err = errNoKey
	for _, k := range keys {
		if err = t.Claims(k.Key, to...); err == nil {
			return nil
		}
	}
	return fmt.Errorf("signature: %w", err)
}

func (m *token) candidate(req *Request, i *Issuer, std *jwt.Claims, claims map[string]any) (*candidate, error) {
	name, _ := claim(claims, cmp.Or(i.AuthID, "sub")).(string)
	authid := i.Prefix + name
	if err := ValidName(authid); name == "" || err != nil {
		return nil, errors.New("the token names nobody")
	}
	if m.dir.has(authid) {
		return nil, errors.New("the token names a user of the realm")
	}
	if req.AuthID != "" && req.AuthID != authid {
		return nil, errors.New("the token is somebody else's")
	}
	roles := i.groups(claims)
	if len(roles) == 0 {
		return nil, errors.New("the token gives no group")
	}
	if d := m.dir.policy.decide(authid, roles, MethodJWT, req.from()); !d.Allowed {
		return nil, errors.New(d.Reason)
	}
	return m.dir.candidate(req, Identity{
		AuthID: authid, AuthMethod: MethodJWT, AuthProvider: i.Issuer, Groups: roles, Expires: std.Expiry.Time(),
	}, roles), nil
}

// groups are those that the claims give, each once.
func (i *Issuer) groups(claims map[string]any) []string {
	out := slices.Clone(i.Groups)
	var values []any
	switch v := claim(claims, i.GroupsClaim).(type) {
	case string:
		for word := range strings.FieldsSeq(v) {
			values = append(values, word)
		}
	case []any:
		values = v
	}
	for _, v := range values {
		text, _ := v.(string)
		for _, g := range i.GroupsMap[text] {
			if !slices.Contains(out, g) {
				out = append(out, g)
			}
		}
	}
	return out
}

// claim reads a claim by its name, or by a JSON pointer.
func claim(claims map[string]any, name string) any {
	path, nested := strings.CutPrefix(name, "/")
	if !nested {
		return claims[name]
	}
	var at any = claims
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for part := range strings.SplitSeq(path, "/") {
		object, _ := at.(map[string]any)
		at = object[unescape.Replace(part)]
	}
	return at
}
