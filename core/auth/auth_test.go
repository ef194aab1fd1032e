package auth_test

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"bondy/core/auth"
	"bondy/core/wamp"
)

func users() []auth.User {
	return []auth.User{
		{Name: "joe", Password: "s3cret-ticket", Groups: []string{"user"}},
		{Name: "peter", Password: "s3cret-cra", Groups: []string{"user", "operator"}},
		{Name: "loner", Password: "s3cret-loner"},
		{Name: "gone", Password: "s3cret-gone", Groups: []string{"user"}, Disabled: true},
		{Name: "keyless", Groups: []string{"user"}},
	}
}

func config() auth.Config {
	return auth.Config{
		Methods:    []string{auth.MethodAnonymous, auth.MethodTicket, auth.MethodWAMPCRA},
		Users:      users(),
		Iterations: 1000,
	}
}

func newAuth(t testing.TB, cfg auth.Config) *auth.Authenticator {
	t.Helper()
	a, err := auth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// sign is what a client does with a CHALLENGE (autobahn's derive_key and
// compute_wcs).
func sign(t testing.TB, secret string, challenge wamp.Dict) string {
	t.Helper()
	salt, _ := challenge["salt"].(string)
	iterations, _ := challenge["iterations"].(int64)
	keylen, _ := challenge["keylen"].(int64)
	text, _ := challenge["challenge"].(string)
	key, err := pbkdf2.Key(sha256.New, secret, []byte(salt), int(iterations), int(keylen))
	if err != nil {
		t.Fatal(err)
	}
	h := hmac.New(sha256.New, []byte(base64.StdEncoding.EncodeToString(key)))
	h.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// answer is what a client that knows secret says in AUTHENTICATE.
func answer(t testing.TB, secret string, x *auth.Exchange) string {
	t.Helper()
	if x.Method == auth.MethodTicket {
		return secret
	}
	return sign(t, secret, x.Challenge)
}

// begin expects a challenge.
func begin(t testing.TB, a *auth.Authenticator, req auth.Request) *auth.Exchange {
	t.Helper()
	id, x, err := a.Begin(t.Context(), req)
	if err != nil || id != nil || x == nil {
		t.Fatalf("Begin(%+v) = %v, %v, %v, want an exchange", req, id, x, err)
	}
	if x.Method != req.Methods[0] {
		t.Fatalf("method %q, want %q", x.Method, req.Methods[0])
	}
	return x
}

func uri(err error) wamp.URI {
	if we, ok := errors.AsType[*wamp.Error](err); ok {
		return we.URI
	}
	return ""
}

func TestAnonymous(t *testing.T) {
	a := newAuth(t, config())
	seen := make(map[string]bool)
	for _, req := range []auth.Request{
		{},
		{Methods: []string{"anonymous"}},
		{Methods: []string{"telepathy", "anonymous"}},
		{Methods: []string{"anonymous", "ticket"}, AuthID: "joe", Roles: []string{"admin"}},
		{Methods: []string{"ticket", "anonymous"}}, // ticket needs an authid
	} {
		id, x, err := a.Begin(t.Context(), req)
		if err != nil || x != nil {
			t.Fatalf("Begin(%+v) = %v, %v", req, x, err)
		}
		if id.AuthRole != "anonymous" || id.AuthMethod != "anonymous" || id.AuthProvider == "" ||
			!slices.Equal(id.Roles, []string{"anonymous"}) {
			t.Errorf("Begin(%+v) = %+v", req, id)
		}
		if len(id.AuthID) < 16 || seen[id.AuthID] {
			t.Errorf("authid %q is not fresh", id.AuthID)
		}
		seen[id.AuthID] = true
	}
}

func TestMethodsInTheClientsOrder(t *testing.T) {
	cfg := config()
	cfg.Methods = append(cfg.Methods, "cryptosign")
	cfg.Sources = []auth.Source{{Subjects: []string{"all"}}, {Subjects: []string{"peter"}, Methods: []string{"wampcra"}, Deny: true}}
	a := newAuth(t, cfg)
	for _, tc := range []struct {
		authid  string
		methods []string
		want    string
	}{
		{"joe", []string{"ticket", "wampcra", "anonymous"}, "ticket"},
		{"joe", []string{"wampcra", "ticket"}, "wampcra"},
		{"joe", []string{"wamp-scram", "ticket"}, "ticket"}, // the realm does not offer it
		{"peter", []string{"wampcra", "ticket"}, "ticket"},  // a source denies it to him
		{"joe", []string{"cryptosign", "ticket"}, "ticket"}, // HELLO brings no key
	} {
		_, x, err := a.Begin(t.Context(), auth.Request{AuthID: tc.authid, Methods: tc.methods})
		if err != nil || x == nil || x.Method != tc.want {
			t.Errorf("Begin(%s, %v) = %+v, %v, want %s", tc.authid, tc.methods, x, err, tc.want)
		}
	}
}

func TestNoMatchingMethod(t *testing.T) {
	off := config()
	off.SecurityDisabled = true
	defaults := config()
	defaults.Methods = nil
	for _, tc := range []struct {
		name    string
		cfg     auth.Config
		methods []string
		offer   string
	}{
		{"unknown", config(), []string{"telepathy"}, "anonymous, ticket, wampcra"},
		{"security disabled", off, []string{"ticket"}, "anonymous"},
		{"anonymous must be named", defaults, nil, "cryptosign, wampcra, ticket"},
		{"zero value", auth.Config{}, []string{"anonymous"}, "cryptosign, wampcra, ticket"},
	} {
		_, _, err := newAuth(t, tc.cfg).Begin(t.Context(), auth.Request{AuthID: "joe", Methods: tc.methods})
		if uri(err) != wamp.ErrNoMatchingAuthMethod || !strings.HasSuffix(err.Error(), ": "+tc.offer) {
			t.Errorf("%s: %v, want %s naming %q", tc.name, err, wamp.ErrNoMatchingAuthMethod, tc.offer)
		}
	}
	if id, _, err := newAuth(t, off).Begin(t.Context(), auth.Request{}); err != nil || id.AuthRole != "anonymous" {
		t.Errorf("security disabled: %+v, %v", id, err)
	}
}

func TestLogin(t *testing.T) {
	a := newAuth(t, config())
	for _, method := range []string{auth.MethodTicket, auth.MethodWAMPCRA} {
		for _, tc := range []struct {
			authid, authrole, secret, role string
			roles                          []string
			err                            wamp.URI
		}{
			{"joe", "", "s3cret-ticket", "user", []string{"joe", "user"}, ""},
			{"peter", "", "s3cret-cra", "user", []string{"peter", "user", "operator"}, ""},
			{"peter", "operator", "s3cret-cra", "operator", []string{"operator"}, ""},
			{"peter", "peter", "s3cret-cra", "peter", []string{"peter"}, ""},
			{"loner", "", "s3cret-loner", "loner", []string{"loner"}, ""},
			{"joe", "operator", "s3cret-ticket", "", nil, wamp.ErrNoSuchRole},
			{"joe", "all", "s3cret-ticket", "user", []string{"joe", "user"}, ""},
			{"joe", "anonymous", "s3cret-ticket", "", nil, wamp.ErrNoSuchRole},
			{"joe", "operator", "wrong", "", nil, wamp.ErrAuthenticationDenied},
			{"joe", "", "s3cret-ticketx", "", nil, wamp.ErrAuthenticationDenied},
			{"joe", "", "s3cret-ticke", "", nil, wamp.ErrAuthenticationDenied},
			{"joe", "", "", "", nil, wamp.ErrAuthenticationDenied},
			{"Joe", "", "s3cret-ticket", "", nil, wamp.ErrAuthenticationDenied},
			{"joe ", "", "s3cret-ticket", "", nil, wamp.ErrAuthenticationDenied},
			{"gone", "", "s3cret-gone", "", nil, wamp.ErrAuthenticationDenied},
			{"keyless", "", "", "", nil, wamp.ErrAuthenticationDenied},
			{"nobody", "", "", "", nil, wamp.ErrAuthenticationDenied},
		} {
			x := begin(t, a, auth.Request{AuthID: tc.authid, Roles: []string{tc.authrole}, Methods: []string{method}})
			id, err := x.Finish(t.Context(), answer(t, tc.secret, x), nil)
			if uri(err) != tc.err || (err == nil) != (tc.err == "") || (id == nil) != (err != nil) {
				t.Errorf("%s %+v: %+v, %v", method, tc, id, err)
				continue
			}
			if id != nil && (id.AuthID != tc.authid || id.AuthRole != tc.role || id.AuthMethod != method ||
				id.AuthProvider != "static" || !slices.Equal(id.Roles, tc.roles)) {
				t.Errorf("%s %+v: %+v", method, tc, id)
			}
		}
	}
}

func TestHelloThatNoMethodCanUse(t *testing.T) {
	a := newAuth(t, config())
	for _, method := range []string{auth.MethodTicket, auth.MethodWAMPCRA} {
		for _, tc := range []struct {
			req  auth.Request
			want wamp.URI
		}{
			{auth.Request{}, wamp.ErrAuthenticationDenied},
			{auth.Request{AuthID: strings.Repeat("x", auth.MaxName+1)}, wamp.ErrAuthenticationDenied},
			{auth.Request{AuthID: "joe", Roles: []string{strings.Repeat("x", auth.MaxName+1)}}, wamp.ErrNoSuchRole},
		} {
			tc.req.Methods = []string{method}
			if id, x, err := a.Begin(t.Context(), tc.req); id != nil || x != nil || uri(err) != tc.want {
				t.Errorf("Begin(%+v) = %v, %v, %v, want %s", tc.req, id, x, err, tc.want)
			}
		}
	}
}

func TestChallenge(t *testing.T) {
	a := newAuth(t, config())
	if x := begin(t, a, auth.Request{AuthID: "joe", Methods: []string{"ticket"}}); x.Challenge == nil || len(x.Challenge) != 0 {
		t.Errorf("ticket challenge %v, want an empty dict", x.Challenge)
	}
	req := auth.Request{Session: 3251278072152162, AuthID: "peter", Roles: []string{"operator"}, Methods: []string{"wampcra"}}
	x, again := begin(t, a, req), begin(t, a, req)
	text, _ := x.Challenge["challenge"].(string)
	if text == again.Challenge["challenge"] {
		t.Error("the same challenge twice")
	}
	if salt, _ := x.Challenge["salt"].(string); len(salt) != 24 || salt != again.Challenge["salt"] {
		t.Errorf("salts %v and %v, want one of 16 bytes", salt, again.Challenge["salt"])
	}
	if x.Challenge["keylen"] != int64(32) || x.Challenge["iterations"] != int64(1000) {
		t.Errorf("parameters %v", x.Challenge)
	}
	var d map[string]any
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	stamp, _ := d["timestamp"].(string)
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil || time.Since(at).Abs() > time.Minute || !strings.HasSuffix(stamp, "Z") {
		t.Errorf("timestamp %q, %v", stamp, err)
	}
	if n, _ := d["nonce"].(string); n == "" {
		t.Errorf("no nonce in %s", text)
	}
	delete(d, "timestamp")
	delete(d, "nonce")
	if want := map[string]any{
		"authid": "peter", "authrole": "operator", "authmethod": "wampcra", "authprovider": "static",
		"session": float64(3251278072152162),
	}; !maps.Equal(d, want) {
		t.Errorf("challenge %v, want %v", d, want)
	}
}

func TestExchangeEndsOnce(t *testing.T) {
	a := newAuth(t, config())
	for _, method := range []string{auth.MethodTicket, auth.MethodWAMPCRA} {
		req := auth.Request{AuthID: "joe", Methods: []string{method}}
		x := begin(t, a, req)
		if _, err := x.Finish(t.Context(), "wrong", nil); uri(err) != wamp.ErrAuthenticationDenied {
			t.Errorf("%s, wrong: %v", method, err)
		}
		if id, err := x.Finish(t.Context(), answer(t, "s3cret-ticket", x), nil); id != nil || uri(err) != wamp.ErrProtocolViolation {
			t.Errorf("%s, second attempt: %v, %v", method, id, err)
		}
	}
	req := auth.Request{AuthID: "joe", Methods: []string{"wampcra"}}
	old, fresh := begin(t, a, req), begin(t, a, req)
	if id, err := fresh.Finish(t.Context(), answer(t, "s3cret-ticket", old), nil); id != nil || uri(err) != wamp.ErrAuthenticationDenied {
		t.Errorf("replayed signature: %v, %v", id, err)
	}
}

func FuzzFinish(f *testing.F) {
	a := newAuth(f, config())
	f.Add("ticket", "joe", "s3cret-ticketx")
	f.Add("wampcra", "joe", "gir1mSx+deCDUV7wRM5SGIn/+R/ClqLZuH4m7FJeBVI=")
	f.Add("wampcra", "nobody", "bm90aGluZw==")
	f.Fuzz(func(t *testing.T, method, authid, signature string) {
		_, x, err := a.Begin(t.Context(), auth.Request{AuthID: authid, Roles: []string{"user"}, Methods: []string{method}})
		if err != nil || x == nil {
			return
		}
		id, err := x.Finish(t.Context(), signature, nil)
		if id != nil && (method != "ticket" || !slices.ContainsFunc(users(), func(u auth.User) bool {
			return u.Name == authid && string(u.Password) == signature
		})) {
			t.Fatalf("%q logged in by %s with %q", authid, method, signature)
		}
		if id == nil && uri(err) == "" {
			t.Fatalf("refused without a reason for the peer: %v", err)
		}
	})
}

func BenchmarkWAMPCRA(b *testing.B) {
	a := newAuth(b, config())
	req := auth.Request{AuthID: "joe", Methods: []string{"wampcra"}}
	b.ReportAllocs()
	for b.Loop() {
		x := begin(b, a, req)
		if _, err := x.Finish(b.Context(), "gir1mSx+deCDUV7wRM5SGIn/+R/ClqLZuH4m7FJeBVI=", nil); err == nil {
			b.Fatal("accepted")
		}
	}
}
