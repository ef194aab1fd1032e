package auth_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"bondy/core/auth"
	"bondy/core/wamp"
)

// decoded reads JSON into what a codec makes of it.
func decoded(t testing.TB, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	return integers(v)
}

func integers(v any) any {
	switch v := v.(type) {
	case json.Number:
		n, err := v.Int64()
		if err != nil {
			return 0.5
		}
		return n
	case []any:
		for i := range v {
			v[i] = integers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = integers(v[k])
		}
	}
	return v
}

// Example 3 of section "Example Message Exchanges".
func TestTrustrootExample(t *testing.T) {
	text, err := os.ReadFile("testdata/trustroot.json")
	if err != nil {
		t.Fatal(err)
	}
	example, _ := decoded(t, text).(map[string]any)
	extra, _ := example["authextra"].(map[string]any)
	chain, _ := extra["certificates"].([]any)
	for i, want := range []string{
		"0xf5173a6111B2A6B3C20fceD53B2A8405EC142bF6", "0xf766Dc789CF04CD18aE75af2c5fAf2DA6650Ff57", "0xf766Dc789CF04CD18aE75af2c5fAf2DA6650Ff57",
	} {
		got, err := auth.ParseCertificate(chain[i])
		if err != nil || !strings.EqualFold(got, want) {
			t.Errorf("certificate %d is signed by %s, %v, want %s", i, got, err, want)
		}
	}
	a := newAuth(t, auth.Config{Methods: []string{auth.MethodCryptosign}, Trustroots: []auth.Trustroot{{
		Address: "0xf766Dc789CF04CD18aE75af2c5fAf2DA6650Ff57", ChainID: 1, Contract: "0xf766Dc789CF04CD18aE75af2c5fAf2DA6650Ff57",
		Realm: "0xA6e693CC4A2b4F1400391a728D26369D9b82ef96", Groups: []string{"device"},
	}}})
	x := begin(t, a, auth.Request{Methods: []string{auth.MethodCryptosign}, Extra: extra})
	_, err = x.Finish(t.Context(), strings.Repeat("ab", 64), nil)
	if uri(err) != wamp.ErrAuthenticationDenied || !strings.Contains(err.Error(), "wrong credential") {
		t.Errorf("with the chain of the example and another key's signature: %v", err)
	}
	// the example's AUTHENTICATE, whose channel follows from what it signed
	challenge, _ := example["challenge"].(map[string]any)
	signature, _ := example["signature"].(string)
	key, _ := hex.DecodeString(extra["pubkey"].(string))
	issued, _ := hex.DecodeString(challenge["challenge"].(string))
	channel, _ := hex.DecodeString(signature[128:])
	for i := range channel {
		channel[i] ^= issued[i]
	}
	if !auth.Signed(ed25519.PublicKey(key), issued, channel, signature) {
		t.Error("the signature of the example is refused")
	}
}

const (
	contract = "0x00000000000000000000000000000000000000c0"
	onRealm  = "0x00000000000000000000000000000000000000ea"
)

func certificate(kind string, message map[string]any) map[string]any {
	message["chainId"], message["verifyingContract"], message["meta"] = int64(1), contract, ""
	if message["validFrom"] == nil {
		message["validFrom"] = int64(100)
	}
	return map[string]any{
		"domain": map[string]any{"name": "WMP", "version": "1"}, "primaryType": "EIP712" + kind + "Certificate", "message": message,
	}
}

func authorityFor(issuer, subject auth.CertSigner, capabilities int64) map[string]any {
	return certificate("Authority", map[string]any{
		"issuer": issuer.Address(), "subject": subject.Address(), "realm": onRealm, "capabilities": capabilities,
	})
}

func TestTrustroot(t *testing.T) {
	root, middle, device, other := auth.CertSigner{Secret: 11}, auth.CertSigner{Secret: 12}, auth.CertSigner{Secret: 13}, auth.CertSigner{Secret: 14}
	key := seeded(1)
	trusted := auth.Trustroot{Address: root.Address(), ChainID: 1, Contract: contract, Realm: onRealm, Block: 1000, Groups: []string{"device", "sensor"}}
	cfg := auth.Config{Methods: []string{auth.MethodCryptosign}, Users: users(), Trustroots: []auth.Trustroot{trusted}}
	a := newAuth(t, cfg)
	delegate := func(who auth.CertSigner) map[string]any {
		return certificate("Delegate", map[string]any{
			"delegate": who.Address(), "csPubKey": hex.EncodeToString(public(key)), "bootedAt": int64(7), "validFrom": int64(300),
		})
	}
	type chain = []any
	good := func() chain {
		return chain{device.Sign(delegate(device)), middle.Sign(authorityFor(middle, device, 4)), root.Sign(authorityFor(root, middle, 6)), root.Sign(authorityFor(root, root, 63))}
	}
	later := func(c map[string]any, block int64) map[string]any {
		c["message"].(map[string]any)["validFrom"] = block
		return c
	}
	set := func(c map[string]any, name string, v any) map[string]any {
		c["message"].(map[string]any)[name] = v
		return c
	}
	with := func(n int, pair any) chain { c := good(); c[n] = pair; return c }
	for what, tc := range map[string]struct {
		chain chain
		want  bool
	}{
		"a good chain":             {good(), true},
		"a short one":              {chain{device.Sign(delegate(device)), root.Sign(authorityFor(root, device, 4)), root.Sign(authorityFor(root, root, 63))}, true},
		"no chain":                 {nil, false},
		"one certificate":          {good()[:1], false},
		"too many":                 {append(good(), good()...), false},
		"without the root":         {good()[:3], false},
		"out of order":             {chain{good()[0], good()[2], good()[1], good()[3]}, false},
		"another's delegate":       {with(0, other.Sign(delegate(device))), false},
		"a delegate of another":    {with(0, other.Sign(delegate(other))), false},
		"a root of another":        {with(3, other.Sign(authorityFor(root, root, 63))), false},
		"another root":             {with(3, other.Sign(authorityFor(other, other, 63))), false},
		"a root that is none":      {with(3, root.Sign(authorityFor(root, root, 62))), false},
		"a forged intermediate":    {with(2, other.Sign(authorityFor(root, middle, 6))), false},
		"more capable":             {with(1, middle.Sign(authorityFor(middle, device, 8))), false},
		"signed by no authority":   {with(2, root.Sign(authorityFor(root, middle, 4))), false},
		"not valid yet":            {with(0, device.Sign(later(delegate(device), 1001))), false},
		"older than its authority": {with(0, device.Sign(later(delegate(device), 99))), false},
		"another chain":            {with(1, middle.Sign(set(authorityFor(middle, device, 4), "chainId", int64(5)))), false},
		"another contract":         {with(1, middle.Sign(set(authorityFor(middle, device, 4), "verifyingContract", onRealm))), false},
		"another realm":            {with(1, middle.Sign(set(authorityFor(middle, device, 4), "realm", contract))), false},
		"another key":              {with(0, device.Sign(set(delegate(device), "csPubKey", strings.Repeat("11", 32)))), false},
		"no certificate":           {with(2, "x"), false},
		"no field":                 {with(2, root.Sign(set(authorityFor(root, middle, 6), "subject", nil))), false},
		"negative":                 {with(2, root.Sign(set(authorityFor(root, middle, 6), "capabilities", int64(-1)))), false},
	} {
		req := keyRequest("", key)
		req.Extra["trustroot"], req.Extra["certificates"] = root.Address(), tc.chain
		x := begin(t, a, req)
		id, err := x.Finish(t.Context(), signChallenge(t, key, x), nil)
		if (err == nil) != tc.want || err != nil && uri(err) != wamp.ErrAuthenticationDenied {
			t.Errorf("%s: %+v, %v", what, id, err)
		}
		if id != nil && (id.AuthID != device.Address() || id.AuthRole != "device" || !slices.Equal(id.Roles, trusted.Groups)) {
			t.Errorf("%s: %+v", what, id)
		}
		x = begin(t, a, req)
		if id, err := x.Finish(t.Context(), signChallenge(t, seeded(2), x), nil); err == nil {
			t.Errorf("%s: another key signed for %+v", what, id)
		}
	}
	req := keyRequest("joe", key)
	req.Extra["trustroot"], req.Extra["certificates"] = root.Address(), good()
	x := begin(t, a, req)
	if id, err := x.Finish(t.Context(), signChallenge(t, key, x), nil); err == nil {
		t.Errorf("a chain for another authid: %+v", id)
	}
	for want, change := range map[string]func(*auth.Trustroot){
		"trustroots[0].address":   func(r *auth.Trustroot) { r.Address = "0x12" },
		"trustroots[0].groups:":   func(r *auth.Trustroot) { r.Groups = nil },
		"trustroots[0].groups[0]": func(r *auth.Trustroot) { r.Groups = []string{"all"} },
	} {
		cfg.Trustroots = []auth.Trustroot{trusted}
		change(&cfg.Trustroots[0])
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func FuzzCertificate(f *testing.F) {
	if text, err := os.ReadFile("testdata/trustroot.json"); err == nil {
		example, _ := decoded(f, text).(map[string]any)
		extra, _ := example["authextra"].(map[string]any)
		chain, _ := extra["certificates"].([]any)
		for _, c := range chain {
			delete(c.([]any)[0].(map[string]any), "types")
			one, err := json.Marshal(c)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(one)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if who, err := auth.ParseCertificate(decoded(t, text)); err == nil && len(who) != 42 {
			t.Fatalf("signed by %q", who)
		}
	})
}

// FuzzExtras reads what clients say in HELLO and AUTHENTICATE.
func FuzzExtras(f *testing.F) {
	cfg := scramConfig(f)
	cfg.Methods = append(cfg.Methods, auth.MethodCryptosign)
	cfg.Trustroots = []auth.Trustroot{{Address: contract, ChainID: 1, Contract: contract, Realm: onRealm, Groups: []string{"device"}}}
	a := newAuth(f, cfg)
	f.Add("wamp-scram", []byte(`{"nonce":"egVDf3DMJh0=","channel_binding":null}`), "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", []byte(`{"nonce":"x","cbind_data":"AA=="}`))
	f.Add("cryptosign", []byte(`{"pubkey":"`+strings.Repeat("ab", 32)+`","challenge":"`+strings.Repeat("cd", 32)+`","trustroot":"`+contract+`","certificates":[[{},""],[{},""]]}`), strings.Repeat("ab", 96), []byte(`{}`))
	f.Fuzz(func(t *testing.T, method string, hello []byte, signature string, extra []byte) {
		first, _ := decoded(t, hello).(map[string]any)
		second, _ := decoded(t, extra).(map[string]any)
		id, x, err := a.Begin(t.Context(), auth.Request{AuthID: "sam", Methods: []string{method}, Extra: first})
		if x != nil {
			id, err = x.Finish(t.Context(), signature, second)
		}
		if id != nil || uri(err) == "" {
			t.Fatalf("%+v, %v", id, err)
		}
	})
}
