package auth_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bondy/core/auth"
	"bondy/core/wamp"
)

// forged is the form of an answer, which costs the client nothing.
func forged(x *auth.Exchange) (signature string, extra wamp.Dict) {
	switch x.Method {
	case auth.MethodWAMPCRA, auth.MethodSCRAM:
		return "gir1mSx+deCDUV7wRM5SGIn/+R/ClqLZuH4m7FJeBVI=", wamp.Dict{"nonce": x.Challenge["nonce"]}
	case auth.MethodCryptosign:
		return strings.Repeat("ab", 64), nil
	default:
		return "wrong", nil
	}
}

// attempts is how often TestFailuresTakeTheSameTime fails to log in. With 2,000,
// which take two minutes, it is strict; with fewer chance has more of a part.
var attempts = flag.Int("attempts", 200, "failed logins per method and user")

// A wrong secret, an unknown and a disabled user take the same time: medians
// of 2,000 attempts, taken in turns, differ by less than 5 percent.
func TestFailuresTakeTheSameTime(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("measures time")
	}
	verifier, err := auth.NewVerifier(make([]byte, auth.KeySize), "x", "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	carol := seeded(1)
	credential := cheap(t, "s3cret", auth.KDFArgon2id)
	for kind, set := range map[string]func(*auth.User){
		"password":   func(u *auth.User) { u.Password = "s3cret" },
		"verifier":   func(u *auth.User) { u.Verifier = verifier },
		"credential": func(u *auth.User) { u.Credential = credential },
	} {
		cfg := auth.Config{
			Key: make([]byte, auth.KeySize), Iterations: 1000, Guard: nil,
			Methods: []string{"ticket", "password", "wampcra", "wamp-scram", "cryptosign", "trust"},
			Sources: []auth.Source{
				{Subjects: []string{"user"}},
				{Subjects: []string{"all"}, Prefixes: prefixes("127.0.0.0/8"), Methods: []string{"trust"}},
			},
		}
		for i := range 20 {
			u := auth.User{Name: fmt.Sprint("user", i), Groups: []string{"user"}, Disabled: i%2 == 1}
			u.Keys = append(u.Keys, public(seeded(byte(i))))
			set(&u)
			cfg.Users = append(cfg.Users, u)
		}
		a := newAuth(t, cfg)
		attempt := func(method, name string) time.Duration {
			req := keyRequest(name, carol)
			req.Methods, req.Remote = []string{method}, from("127.0.0.1")
			req.Extra["nonce"] = clientNonce
			start := time.Now()
			_, x, err := a.Begin(t.Context(), req)
			if err == nil {
				signature, extra := forged(x)
				_, err = x.Finish(t.Context(), signature, extra)
			}
			took := time.Since(start)
			if _, ok := errors.AsType[*wamp.Error](err); !ok || errors.Is(err, context.Canceled) {
				t.Fatalf("%s as %s: %v", method, name, err)
			}
			return took
		}
		for _, method := range cfg.Methods {
			names := []string{"user0", "nobody", "user1"}
			if method == "trust" {
				names = []string{"nobody", "user1"} // with the name alone, user0 is in
			}
			sameTime(t, kind, attempt, method, names)
		}
	}
}

// sameTime fails the test if failures by a method take longer for one name than
// for another.
func sameTime(t *testing.T, kind string, attempt func(method, name string) time.Duration, method string, names []string) {
	t.Helper()
	most := 0.15
	if *attempts >= 2000 {
		most = 0.05
	}
	worst := 0.0
	for range 5 { // the machine has other things to do
		if worst = spread(attempt, method, names, *attempts); worst < most {
			break
		}
	}
	t.Logf("%s, %s: medians within %.1f %%", kind, method, 100*worst)
	if worst >= most {
		t.Errorf("%s, %s: medians differ by %.1f %%, want less than %.0f", kind, method, 100*worst, 100*most)
	}
}

// So do logins by what others vouch for: tokens, certificates and procedures.
func TestForeignFailuresTakeTheSameTime(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("measures time")
	}
	i, stranger := newIssuer(t), newIssuer(t)
	cfg := jwtConfig(t, i)
	cfg.Methods, cfg.CertName = []string{"jwt", "tls"}, auth.CertCommonName
	cfg.Users = []auth.User{
		{Name: "user0", Password: "s3cret", Groups: []string{"user"}},
		{Name: "user1", Password: "s3cret", Groups: []string{"user"}, Disabled: true},
	}
	named := newAuth(t, cfg)
	ca, pool := authority(t)
	server := issue(t, &x509.Certificate{}, nil)
	states := make(map[string]*tls.ConnectionState)
	for name, cn := range map[string]string{"user0": "user9", "nobody": "nobody", "user1": "user1"} {
		client := issue(t, &x509.Certificate{
			Subject: pkix.Name{CommonName: cn}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}, ca)
		states[name], _ = handshake(t, tls.VersionTLS13, &server, &client, pool)
	}
	forgedToken := i.token(t, "ES256", stranger.keys["ES256"], claims())
	dynamic := newAuth(t, dynamicConfig(func(_ context.Context, args []any) (any, error) {
		if details, _ := args[2].(map[string]any); args[1] == "user0" && details["ticket"] == nil {
			return map[string]any{"role": "user", "secret": "s3cret", "pubkey": strings.Repeat("ab", 32)}, nil
		}
		return nil, wamp.Errorf("com.example.error.no", "not you")
	}))
	attempt := func(a *auth.Authenticator) func(method, name string) time.Duration {
		return func(method, name string) time.Duration {
			req := keyRequest(name, seeded(1))
			req.Methods, req.Remote, req.TLS = []string{method}, from("127.0.0.1"), states[name]
			req.Extra["nonce"] = clientNonce
			start := time.Now()
			_, x, err := a.Begin(t.Context(), req)
			if err == nil {
				signature, extra := forged(x)
				if method == "jwt" {
					signature = forgedToken
				}
				_, err = x.Finish(t.Context(), signature, extra)
			}
			took := time.Since(start)
			if uri(err) != wamp.ErrAuthenticationDenied {
				t.Fatalf("%s as %s: %v", method, name, err)
			}
			return took
		}
	}
	for _, method := range cfg.Methods {
		sameTime(t, "foreign", attempt(named), method, []string{"user0", "nobody", "user1"})
	}
	for _, method := range []string{"ticket", "password", "wampcra", "wamp-scram", "cryptosign"} {
		sameTime(t, "dynamic", attempt(dynamic), method, []string{"user0", "nobody", "user1"})
	}
}

// spread is the greatest median over the least one, less one.
func spread(attempt func(method, name string) time.Duration, method string, names []string, n int) float64 {
	took := make([][]time.Duration, len(names))
	for i := range n {
		for j := range names {
			k := (i + j) % len(names)
			took[k] = append(took[k], attempt(method, names[k]))
		}
	}
	var medians []float64
	for _, all := range took {
		slices.Sort(all)
		medians = append(medians, float64(all[len(all)/2]))
	}
	return slices.Max(medians)/slices.Min(medians) - 1
}
