package auth_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"net/netip"
	"os"
	"strings"
	"testing"

	"bondy/core/auth"
	"bondy/core/wamp"
)

// methods lists what a user may use from an address.
func methods(a *auth.Authenticator, name, addr string) string {
	var out []string
	for _, d := range a.Explain(name, from(addr).Addr(), false) {
		if d.Allowed {
			out = append(out, d.Method)
		}
	}
	return strings.Join(out, " ")
}

// W9: the most specific source decides alone, also against others that allow more.
func TestMostSpecificSourceWins(t *testing.T) {
	cfg := config()
	cfg.Methods = []string{"ticket", "wampcra"}
	cfg.Sources = []auth.Source{
		{Subjects: []string{"all"}, Prefixes: prefixes("0.0.0.0/0", "::/0")},
		{Subjects: []string{"all"}, Prefixes: prefixes("10.0.0.0/8"), Methods: []string{"ticket"}, Deny: true},
		{Subjects: []string{"user"}, Prefixes: prefixes("10.1.0.0/16"), Methods: []string{"ticket"}},
		{Subjects: []string{"joe"}, Prefixes: prefixes("10.1.0.0/16"), Deny: true},
		{Subjects: []string{"joe"}, Prefixes: prefixes("10.1.2.3/32"), Methods: []string{"wampcra"}},
		{Subjects: []string{"joe"}, Prefixes: prefixes("10.0.0.0/9"), Methods: []string{"ticket"}},
		{Subjects: []string{"all"}, Prefixes: prefixes("10.3.0.0/16"), Deny: true},
	}
	a := newAuth(t, cfg)
	for _, tc := range []struct{ name, addr, want string }{
		{"joe", "192.0.2.1", "ticket wampcra"},
		{"joe", "2001:db8::1", "ticket wampcra"},
		{"peter", "10.2.0.1", "wampcra"},        // the longer prefix denies
		{"joe", "10.2.0.1", "ticket wampcra"},   // and a still longer one allows him
		{"joe", "10.3.0.1", ""},                 // but one for all that is longer denies
		{"peter", "10.1.0.1", "ticket wampcra"}, // a still longer one allows his group
		{"joe", "10.1.0.1", ""},                 // but not this user
		{"joe", "10.1.2.3", "wampcra"},          // who may do one thing at his desk
		{"loner", "10.1.0.1", "wampcra"},        // who is not in the group
	} {
		if got := methods(a, tc.name, tc.addr); got != tc.want {
			t.Errorf("%s from %s: %q, want %q", tc.name, tc.addr, got, tc.want)
		}
	}
}

// W10: prefixes of one family say nothing of the other, IPv4 inside IPv6 is IPv4,
// and long masks of one do not hurt who comes by the other.
func TestAddressFamilies(t *testing.T) {
	for _, tc := range []struct {
		prefix string
		yes    []string
		no     []string
	}{
		{"10.0.0.0/8", []string{"10.1.2.3", "::ffff:10.1.2.3"}, []string{"a00::1", "a01:203::", "::a01:203", "::10.1.2.3", "11.0.0.1", ""}},
		{"a00::/8", []string{"a01:203::1"}, []string{"10.1.2.3", "::ffff:10.1.2.3"}},
		{"2001:db8:1:2::/64", []string{"2001:db8:1:2::9", "2001:db8:1:2::9%eth0"}, []string{"32.1.13.184", "10.0.0.1", "2001:db8:1:3::9"}},
		{"2001:db8::1/128", []string{"2001:db8::1"}, []string{"10.0.0.1", "2001:db8::2"}},
		{"::1/128", []string{"::1"}, []string{"127.0.0.1", "0.0.0.1", "::ffff:127.0.0.1"}},
		{"127.0.0.0/8", []string{"127.0.0.1", "::ffff:127.0.0.1"}, []string{"::1", ""}},
		{"0.0.0.0/0", []string{"127.0.0.1", "192.0.2.1"}, []string{"::1", "2001:db8::1"}},
		{"::/0", []string{"::1", "2001:db8::1"}, []string{"127.0.0.1", "::ffff:192.0.2.1"}},
	} {
		cfg := config()
		cfg.Methods = []string{"trust"}
		cfg.Sources = []auth.Source{{Subjects: []string{"all"}, Prefixes: prefixes(tc.prefix), Methods: []string{"trust"}}}
		a := newAuth(t, cfg)
		for want, addrs := range map[bool][]string{true: tc.yes, false: tc.no} {
			for _, addr := range addrs {
				id, _, err := a.Begin(t.Context(), auth.Request{AuthID: "joe", Methods: []string{"trust"}, Remote: from(addr)})
				if (id != nil) != want {
					t.Errorf("%s from %q: %+v, %v", tc.prefix, addr, id, err)
				}
			}
		}
	}
	v4in6 := auth.Source{Subjects: []string{"all"}, Prefixes: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}}
	if err := (&auth.Config{Sources: []auth.Source{v4in6}}).Validate(); err == nil {
		t.Error("a prefix that no address can match")
	}
}

// W43: nobody is trusted for an address that a proxy reports, loopback or not.
func TestTrustIsNotForProxied(t *testing.T) {
	cfg := config()
	cfg.Methods = []string{"trust", "ticket"}
	cfg.Sources = []auth.Source{
		{Subjects: []string{"all"}, Prefixes: prefixes("0.0.0.0/0", "::/0"), Methods: []string{"trust"}},
		{Subjects: []string{"all"}, Methods: []string{"ticket"}},
	}
	a := newAuth(t, cfg)
	for _, addr := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "192.0.2.1"} {
		for _, proxied := range []bool{false, true} {
			req := auth.Request{AuthID: "joe", Methods: []string{"trust"}, Remote: from(addr), Proxied: proxied}
			if id, _, err := a.Begin(t.Context(), req); (id != nil) == proxied {
				t.Errorf("from %s, proxied %v: %+v, %v", addr, proxied, id, err)
			}
			req.Methods = []string{"ticket"}
			begin(t, a, req)
			if d := a.Explain("joe", from(addr).Addr(), proxied)[0]; d.Allowed == proxied || d.Reason == "" {
				t.Errorf("from %s, proxied %v: explained as %+v", addr, proxied, d)
			}
		}
	}
}

// W56: a source names methods that there are, and one that names a method hurts
// no other.
func TestSourcesNameKnownMethods(t *testing.T) {
	for _, method := range []string{"oidc", "oidcrp", "oauth2", "cookie", "", "TLS"} {
		s := auth.Source{Subjects: []string{"all"}, Methods: []string{method}}
		if err := (&auth.Config{Sources: []auth.Source{s}}).Validate(); err == nil || !strings.Contains(err.Error(), "unknown method") {
			t.Errorf("%q: %v", method, err)
		}
	}
	for _, method := range auth.Methods() {
		cfg := config() // offers anonymous, ticket and wampcra
		cfg.Sources = []auth.Source{
			{Subjects: []string{"joe"}, Methods: []string{method}, Prefixes: prefixes("0.0.0.0/0")},
			{Subjects: []string{"all"}, Methods: []string{"ticket"}},
		}
		x := begin(t, newAuth(t, cfg), auth.Request{AuthID: "joe", Methods: []string{"ticket"}, Remote: from("192.0.2.1")})
		if _, err := x.Finish(t.Context(), "s3cret-ticket", nil); err != nil {
			t.Errorf("beside a source for %s: %v", method, err)
		}
	}
}

// W26: no two users have a salt in common, also when they have the password.
func TestSaltsDiffer(t *testing.T) {
	cfg := auth.Config{Methods: []string{"wampcra", "wamp-scram"}, Iterations: 1000, Key: make([]byte, auth.KeySize)}
	for n := range 10 {
		u := auth.User{Name: fmt.Sprint("user", n), Password: "the same"}
		if n%2 == 1 {
			verifier, err := auth.NewVerifier(cfg.Key, u.Name, "the same")
			if err != nil {
				t.Fatal(err)
			}
			u.Verifier, u.Password = verifier, ""
		}
		cfg.Users = append(cfg.Users, u)
	}
	a := newAuth(t, cfg)
	for _, method := range cfg.Methods {
		seen := make(map[any]string)
		for _, name := range []string{"nobody", "nobody1"} {
			cfg.Users = append(cfg.Users, auth.User{Name: name})
		}
		for _, u := range cfg.Users {
			req := scramRequest(u.Name)
			req.Methods = []string{method}
			salt := begin(t, a, req).Challenge["salt"]
			if other, ok := seen[salt]; ok && other != u.Name {
				t.Errorf("%s: %s and %s have the salt %v", method, u.Name, other, salt)
			}
			seen[salt] = u.Name
		}
	}
	one, err := auth.NewCredential("the same", auth.KDFPBKDF2)
	if err != nil {
		t.Fatal(err)
	}
	if two, err := auth.NewCredential("the same", auth.KDFPBKDF2); err != nil || string(one.Salt) == string(two.Salt) {
		t.Errorf("two credentials with one salt, %v", err)
	}
}

// W64: passwords can be made and kept whatever a realm offers.
func TestPasswordsNeedNoMethods(t *testing.T) {
	credential, err := auth.NewCredential("s3cret", auth.KDFArgon2id)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(make([]byte, auth.KeySize), "joe", "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	people := []auth.User{{Name: "joe", Verifier: verifier, Credential: credential}}
	newAuth(t, auth.Config{Methods: []string{}, Users: people})
	newAuth(t, auth.Config{Methods: []string{"anonymous"}, Users: people})
	a := newAuth(t, auth.Config{Methods: []string{"password"}, Users: people, Key: make([]byte, auth.KeySize)})
	if _, err := login(t, a, "password", "joe", "s3cret"); err != nil {
		t.Error(err)
	}
}

// W60: a token counts when its signature does, and never makes its bearer a user
// of the realm, whatever name the claims give.
func TestTokenIsNoUserOfTheRealm(t *testing.T) {
	i, other := newIssuer(t), newIssuer(t)
	cfg := jwtConfig(t, i)
	cfg.Issuers[0].AuthID = "preferred_username"
	a := newAuth(t, cfg)
	for name, want := range map[string]wamp.URI{"ann": "", "joe": wamp.ErrAuthenticationDenied, "gone": wamp.ErrAuthenticationDenied} {
		c := claims("preferred_username", name)
		if id, err := present(t.Context(), t, a, "", i.token(t, "ES256", nil, c)); uri(err) != want || id != nil && id.Principal != nil {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
		if id, err := present(t.Context(), t, a, "", other.token(t, "ES256", nil, c)); err == nil {
			t.Errorf("%s with another issuer's signature: %+v", name, id)
		}
	}
}

// W59: what proves an identity is compared in constant time. That cannot be
// measured here; the test looks at the functions that do it.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	want := map[string]string{ // function and how often it compares
		"wampcra.go": "begin 1", "scram.go": "echoed 2, proven 1", "credential.go": "opens 1", "explicit.go": "Opens 1",
		"../session/resume.go": "claim 1",
	}
	for file, list := range want {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(gotoken.NewFileSet(), file, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := 0
			ast.Inspect(fn, func(node ast.Node) bool {
				if s, ok := node.(*ast.SelectorExpr); ok && (s.Sel.Name == "ConstantTimeCompare" || s.Sel.Name == "Equal" && fmt.Sprint(s.X) == "hmac") {
					n++
				}
				return true
			})
			if n > 0 {
				got = append(got, fmt.Sprint(fn.Name.Name, " ", n))
			}
		}
		if strings.Join(got, ", ") != list {
			t.Errorf("%s: constant time in %q, want %q", file, got, list)
		}
	}
}
