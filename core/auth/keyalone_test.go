package auth_test

import (
	"bufio"
	"crypto/ed25519"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"bondy/core/auth"
	"bondy/core/wamp"
)

func seeded(b byte) ed25519.PrivateKey {
	s := make([]byte, ed25519.SeedSize)
	s[0] = b
	return ed25519.NewKeyFromSeed(s)
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func keyRequest(name string, k ed25519.PrivateKey) auth.Request {
	return auth.Request{
		AuthID: name, Methods: []string{auth.MethodCryptosign},
		Extra: wamp.Dict{"pubkey": hex.EncodeToString(public(k))},
	}
}

func signChallenge(t testing.TB, k ed25519.PrivateKey, x *auth.Exchange) string {
	t.Helper()
	text, _ := x.Challenge["challenge"].(string)
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(append(ed25519.Sign(k, b), b...))
}

func TestKeyAlone(t *testing.T) {
	one, shared, gone, both := seeded(1), seeded(2), seeded(3), seeded(4)
	keys := func(ks ...ed25519.PrivateKey) (out []ed25519.PublicKey) {
		for _, k := range ks {
			out = append(out, public(k))
		}
		return out
	}
	a := newAuth(t, auth.Config{Methods: []string{auth.MethodCryptosign}, Users: []auth.User{
		{Name: "carol", Keys: keys(one, shared), Groups: []string{"user"}},
		{Name: "dave", Keys: keys(shared)},
		{Name: "gone", Keys: keys(gone, both), Disabled: true},
		{Name: "erin", Keys: keys(both)},
	}})
	for _, tc := range []struct {
		what string
		name string
		key  ed25519.PrivateKey
		want string
	}{
		{"one user has it", "", one, "carol"},
		{"two users have it", "", shared, ""},
		{"two users have it and one is named", "dave", shared, "dave"},
		{"a disabled user has it", "", gone, ""},
		{"a disabled user and another one have it", "", both, "erin"},
		{"nobody has it", "", seeded(9), ""},
	} {
		x := begin(t, a, keyRequest(tc.name, tc.key))
		if len(x.Challenge) != 2 {
			t.Errorf("%s: challenge %v", tc.what, x.Challenge)
		}
		id, err := x.Finish(t.Context(), signChallenge(t, tc.key, x), nil)
		if (id != nil) != (tc.want != "") || id != nil && id.AuthID != tc.want || id == nil && uri(err) != wamp.ErrAuthenticationDenied {
			t.Errorf("%s: %+v, %v, want %q", tc.what, id, err, tc.want)
		}
		if x := begin(t, a, keyRequest(tc.name, tc.key)); tc.want != "" {
			if id, err := x.Finish(t.Context(), signChallenge(t, seeded(8), x), nil); err == nil {
				t.Errorf("%s: another key signed for %+v", tc.what, id)
			}
		}
	}
}

func TestRouterSigns(t *testing.T) {
	router, client := seeded(7), seeded(1)
	cfg := auth.Config{Methods: []string{auth.MethodCryptosign}, RouterKey: router}
	a := newAuth(t, cfg)
	asked := strings.Repeat("5a", 32)
	req := keyRequest("carol", client)
	req.Extra["challenge"] = asked
	x := begin(t, a, req)
	if x.Challenge["pubkey"] != hex.EncodeToString(public(router)) {
		t.Errorf("challenge %v", x.Challenge)
	}
	b, _ := hex.DecodeString(asked)
	if text, _ := x.Challenge["signature"].(string); len(text) != 192 || !auth.Signed(public(router), b, nil, text) {
		t.Errorf("signature %q", x.Challenge["signature"])
	}
	for _, bad := range []any{"zz", "5a", int64(1)} {
		req.Extra["challenge"] = bad
		if _, _, err := a.Begin(t.Context(), req); uri(err) != wamp.ErrAuthenticationDenied {
			t.Errorf("challenge %v: %v", bad, err)
		}
	}
	cfg.RouterKey = router[:8]
	if _, err := auth.New(cfg); err == nil {
		t.Error("a short router key")
	}
}

// Section "Test Vectors" of cryptosign, a line each: channel, key, challenge,
// signature.
func TestCryptosignVectors(t *testing.T) {
	f, err := os.Open("testdata/cryptosign.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	decode := func(s string) []byte {
		b, err := hex.DecodeString(strings.TrimPrefix(s, "-"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		v := strings.Fields(lines.Text())
		var channel []byte
		if v[0] != "-" {
			channel = decode(v[0])
		}
		key := public(ed25519.NewKeyFromSeed(decode(v[1])))
		if !auth.Signed(key, decode(v[2]), channel, v[3]) {
			t.Errorf("refused: %v", v)
		}
		if auth.Signed(key, decode(v[1]), channel, v[3]) {
			t.Errorf("accepted for another challenge: %v", v)
		}
	}
	if n != 6 {
		t.Errorf("%d vectors, want 6", n)
	}
}
