package auth_test

import (
	"context"
	"strings"
	"testing"

	"bondy/core/auth"
	"bondy/core/wamp"
)

func login(t testing.TB, a *auth.Authenticator, method, authid, secret string) (*auth.Identity, error) {
	t.Helper()
	x := begin(t, a, auth.Request{AuthID: authid, Methods: []string{method}})
	return x.Finish(t.Context(), secret, nil)
}

func TestPassword(t *testing.T) {
	cfg := scramConfig(t)
	verifier, err := auth.ImportVerifier("Zm9yZWlnbiBzYWx0IQ==", 4096, salted(t, auth.KDFPBKDF2, "s3cret-old", []byte("Zm9yZWlnbiBzYWx0IQ=="), 4096, 0))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Methods = append(cfg.Methods, auth.MethodWAMPCRA)
	cfg.Users = append(cfg.Users, auth.User{Name: "old", Verifier: verifier})
	a := newAuth(t, cfg)
	for _, method := range []string{auth.MethodPassword, auth.MethodTicket} {
		for name, secret := range map[string]string{
			"joe": "s3cret-ticket", "sam": "s3cret-scram", "susan": "s3cret-argon2", "kim": "s3cret-kim", "old": "s3cret-old",
		} {
			if id, err := login(t, a, method, name, secret); err != nil || id.AuthID != name || id.AuthMethod != method {
				t.Errorf("%s by %s: %+v, %v", name, method, id, err)
			}
			if _, err := login(t, a, method, name, secret+"x"); uri(err) != wamp.ErrAuthenticationDenied {
				t.Errorf("%s by %s with a wrong password: %v", name, method, err)
			}
		}
		for _, name := range []string{"gone", "keyless", "nobody"} {
			if _, err := login(t, a, method, name, "s3cret-gone"); uri(err) != wamp.ErrAuthenticationDenied {
				t.Errorf("%s by %s: %v", name, method, err)
			}
		}
	}
	x := begin(t, a, auth.Request{AuthID: "old", Methods: []string{auth.MethodWAMPCRA}})
	if x.Challenge["iterations"] != int64(4096) || x.Challenge["salt"] != "Zm9yZWlnbiBzYWx0IQ==" {
		t.Errorf("an imported verifier is challenged with %v", x.Challenge)
	}
	if _, err := x.Finish(t.Context(), answer(t, "s3cret-old", x), nil); err != nil {
		t.Errorf("wampcra with an imported verifier: %v", err)
	}
	x = begin(t, a, auth.Request{AuthID: "sam", Methods: []string{auth.MethodWAMPCRA}})
	if _, err := x.Finish(t.Context(), answer(t, "s3cret-scram", x), nil); uri(err) != wamp.ErrAuthenticationDenied {
		t.Errorf("wampcra with a credential alone: %v", err)
	}
}

// A password may hold anything that can be typed, in whatever composition.
func TestPasswordsOfAnyScript(t *testing.T) {
	for _, tc := range []struct{ set, typed string }{
		{"correct horse: battery;staple <=>", "correct horse: battery;staple <=>"},
		{"\u00e5ngstr\u00f6m", "a\u030angstro\u0308m"},
		{"\U0001f40e\U0001f50b", "\U0001f40e\U0001f50b"},
		{"\u05d0abc\u0627", "\u05d0abc\u0627"}, // directions that SASLprep does not allow to mix
		{"a\u00a0b", "a b"},
		{"\u5bc6\u7801", "\u5bc6\u7801"},
	} {
		c, err := auth.NewCredential(auth.Secret(tc.set), auth.KDFPBKDF2)
		if err != nil {
			t.Errorf("%+q: %v", tc.set, err)
			continue
		}
		a := newAuth(t, auth.Config{Methods: []string{"password"}, Users: []auth.User{{Name: "u", Credential: c}}})
		if _, err := login(t, a, "password", "u", tc.typed); err != nil {
			t.Errorf("%+q typed as %+q: %v", tc.set, tc.typed, err)
		}
		if _, err := login(t, a, "password", "u", tc.typed+"\u0301"); err == nil {
			t.Errorf("%+q: another password is accepted", tc.set)
		}
	}
	for _, refused := range []string{"", "a\x00b", "a\xff"} {
		if _, err := auth.NewCredential(auth.Secret(refused), auth.KDFPBKDF2); err == nil {
			t.Errorf("%+q made a credential", refused)
		}
	}
}

func TestUpgrade(t *testing.T) {
	upgraded := make(map[string]*auth.Credential)
	cfg := scramConfig(t)
	cfg.Upgrade = func(_ context.Context, u auth.User, c *auth.Credential) { upgraded[u.Name] = c }
	verifier, err := auth.NewVerifier(make([]byte, auth.KeySize), "veri", "s3cret-veri")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Key = make([]byte, auth.KeySize)
	cfg.Users = append(
		cfg.Users,
		auth.User{Name: "veri", Verifier: verifier},
		auth.User{Name: "stays", Verifier: verifier, KDF: auth.KDFPBKDF2},
	)
	a := newAuth(t, cfg)
	for name, tc := range map[string]struct {
		method, secret string
		want           bool
	}{
		"veri":  {"password", "s3cret-veri", true},
		"susan": {"password", "s3cret-argon2", true}, // Argon2, but cheaper than today's
		"joe":   {"ticket", "s3cret-ticket", false},
		"peter": {"password", "wrong", false},
		"gone":  {"password", "s3cret-gone", false},
		"kim":   {"password", "s3cret-kim", false},
		"stays": {"password", "s3cret-veri", false},
	} {
		_, err := login(t, a, tc.method, name, tc.secret)
		c := upgraded[name]
		if (c != nil) != tc.want {
			t.Errorf("%s (%v): upgraded %v, want %v", name, err, c != nil, tc.want)
		}
		if c == nil {
			continue
		}
		delete(upgraded, name)
		if _, err := login(t, a, tc.method, name, tc.secret); err != nil || len(upgraded) > 0 {
			t.Errorf("%s once more: %v, %d upgrades", name, err, len(upgraded))
		}
		if err := c.Validate(); err != nil || c.KDF != auth.KDFArgon2id {
			t.Errorf("%s: %s, %v", name, c.KDF, err)
		}
		clear(upgraded)
		again := newAuth(t, auth.Config{Methods: []string{"password"}, Users: []auth.User{{Name: name, Credential: c}}, Upgrade: cfg.Upgrade})
		if _, err := login(t, again, "password", name, tc.secret); err != nil || len(upgraded) > 0 {
			t.Errorf("%s after the upgrade: %v, %d more", name, err, len(upgraded))
		}
	}
}

func TestCredentialText(t *testing.T) {
	fresh, err := auth.NewCredential("s3cret", auth.KDFArgon2id)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*auth.Credential{cheap(t, "s3cret", auth.KDFPBKDF2), cheap(t, "s3cret", auth.KDFArgon2id), fresh} {
		text, err := c.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var again auth.Credential
		if err := again.UnmarshalText(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if second, err := again.MarshalText(); err != nil || string(second) != string(text) {
			t.Errorf("%s became %s, %v", text, second, err)
		}
		if strings.Contains(c.String(), "$") {
			t.Errorf("it prints as %s", c)
		}
		for _, broken := range []string{
			"", "x", "scrypt" + string(text[len(c.KDF):]), string(text) + "A", string(text) + "$", string(text) + "$:", strings.Replace(string(text), "$", "$0", 1),
			strings.Replace(string(text), ":", ",9:", 1), strings.Repeat(string(text), 9),
			"argon2id13$1,99999999:" + string(text[strings.IndexByte(string(text), ':')+1:]),
		} {
			if again.UnmarshalText([]byte(broken)) == nil {
				t.Errorf("read %q", broken)
			}
		}
	}
}

func FuzzCredential(f *testing.F) {
	if fresh, err := auth.NewCredential("s3cret", auth.KDFArgon2id); err == nil {
		text, err := fresh.MarshalText()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, kdf := range []auth.KDF{auth.KDFPBKDF2, auth.KDFArgon2id} {
		text, err := cheap(f, "s3cret", kdf).MarshalText()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var c auth.Credential
		if c.UnmarshalText(text) != nil {
			return
		}
		if again, err := c.MarshalText(); err != nil || string(again) != string(text) {
			t.Fatalf("%q became %q, %v", text, again, err)
		}
	})
}

func FuzzVerifier(f *testing.F) {
	for _, iterations := range []int{4096, 65536} {
		v, err := auth.ImportVerifier("Zm9yZWlnbiBzYWx0IQ==", iterations, make([]byte, 32))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := (&auth.Config{Users: []auth.User{{Name: "u", Verifier: text}}}).Validate()
		if (err == nil) != (auth.ParseVerifier(text) == nil) && len(text) > 0 {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
