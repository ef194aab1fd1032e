package auth_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
	"golang.org/x/crypto/argon2"

	"bondy/core/auth"
	"bondy/core/wamp"
)

const clientNonce = "egVDf3DMJh0egVDf3DMJ"

// cheap is a credential that costs little.
func cheap(t testing.TB, password string, kdf auth.KDF) *auth.Credential {
	t.Helper()
	c := &auth.Credential{KDF: kdf, Iterations: 4096, Salt: []byte("0123456789abcdef")}
	if kdf == auth.KDFArgon2id {
		c.Iterations, c.Memory = 1, 64
	}
	stored := sha256.Sum256(mac(salted(t, c.KDF, password, c.Salt, c.Iterations, c.Memory), "Client Key"))
	c.StoredKey, c.ServerKey = stored[:], mac(salted(t, c.KDF, password, c.Salt, c.Iterations, c.Memory), "Server Key")
	return c
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func salted(t testing.TB, kdf auth.KDF, password string, salt []byte, iterations, memory int) []byte {
	t.Helper()
	if kdf == auth.KDFArgon2id {
		return argon2.IDKey([]byte(password), salt, uint32(iterations), uint32(memory), 1, 32)
	}
	key, err := pbkdf2.Key(sha256.New, password, salt, iterations, 32)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// scramAnswer is what a client sends, and the verifier that it then expects.
func scramAnswer(t testing.TB, authid, password string, challenge wamp.Dict, binding string, data []byte) (signature string, extra wamp.Dict, verifier string) {
	t.Helper()
	text := func(key string) string { s, _ := challenge[key].(string); return s }
	salt, err := base64.StdEncoding.DecodeString(text("salt"))
	if err != nil {
		t.Fatal(err)
	}
	iterations, _ := challenge["iterations"].(int64)
	memory, _ := challenge["memory"].(int64)
	root := salted(t, auth.KDF(text("kdf")), password, salt, int(iterations), int(memory))
	extra = wamp.Dict{"nonce": text("nonce"), "channel_binding": nil, "cbind_data": nil}
	flag := "n,,"
	if binding != "" {
		flag = "p=" + binding + ",,"
		extra["channel_binding"], extra["cbind_data"] = binding, base64.StdEncoding.EncodeToString(data)
	}
	message := "n=" + strings.NewReplacer("=", "=3D", ",", "=2C").Replace(authid) + ",r=" + clientNonce +
		",r=" + text("nonce") + ",s=" + text("salt") + ",i=" + strconv.Itoa(int(iterations)) +
		",c=" + base64.StdEncoding.EncodeToString(append([]byte(flag), data...)) + ",r=" + text("nonce")
	client := mac(root, "Client Key")
	stored := sha256.Sum256(client)
	for i, b := range mac(stored[:], message) {
		client[i] ^= b
	}
	return base64.StdEncoding.EncodeToString(client), extra,
		base64.StdEncoding.EncodeToString(mac(mac(root, "Server Key"), message))
}

func scramRequest(authid string) auth.Request {
	return auth.Request{AuthID: authid, Methods: []string{auth.MethodSCRAM}, Extra: wamp.Dict{"nonce": clientNonce, "channel_binding": nil}}
}

func scramConfig(t testing.TB) auth.Config {
	t.Helper()
	cfg := config()
	cfg.Methods = []string{auth.MethodSCRAM, auth.MethodPassword, auth.MethodTicket}
	cfg.Users = append(cfg.Users,
		auth.User{Name: "sam", Credential: cheap(t, "s3cret-scram", auth.KDFPBKDF2), Groups: []string{"user"}},
		auth.User{Name: "susan", Credential: cheap(t, "s3cret-argon2", auth.KDFArgon2id), Groups: []string{"user"}},
		auth.User{Name: "kim", Password: "s3cret-kim", KDF: auth.KDFArgon2id, Groups: []string{"user"}},
		auth.User{Name: "a,b=c", Password: "s3cret-abc"},
	)
	return cfg
}

func TestSCRAM(t *testing.T) {
	a := newAuth(t, scramConfig(t))
	for _, tc := range []struct {
		authid, secret, kdf string
		err                 wamp.URI
	}{
		{"joe", "s3cret-ticket", "pbkdf2", ""},
		{"sam", "s3cret-scram", "pbkdf2", ""},
		{"susan", "s3cret-argon2", "argon2id13", ""},
		{"kim", "s3cret-kim", "argon2id13", ""},
		{"a,b=c", "s3cret-abc", "pbkdf2", ""},
		{"joe", "wrong", "pbkdf2", wamp.ErrAuthenticationDenied},
		{"susan", "wrong", "argon2id13", wamp.ErrAuthenticationDenied},
		{"gone", "s3cret-gone", "pbkdf2", wamp.ErrAuthenticationDenied},
		{"nobody", "", "", wamp.ErrAuthenticationDenied},
		{"keyless", "", "", wamp.ErrAuthenticationDenied},
	} {
		x := begin(t, a, scramRequest(tc.authid))
		if x.Challenge["kdf"] != tc.kdf && tc.kdf != "" || (x.Challenge["memory"] == nil) != (x.Challenge["kdf"] == "pbkdf2") {
			t.Errorf("%s: challenge %v", tc.authid, x.Challenge)
		}
		if nonce, _ := x.Challenge["nonce"].(string); !strings.HasPrefix(nonce, clientNonce) || len(nonce) < len(clientNonce)+16 {
			t.Errorf("%s: nonce %q", tc.authid, nonce)
		}
		signature, extra, verifier := scramAnswer(t, tc.authid, tc.secret, x.Challenge, "", nil)
		id, err := x.Finish(t.Context(), signature, extra)
		if uri(err) != tc.err || (err == nil) != (tc.err == "") {
			t.Errorf("%s with %q: %v", tc.authid, tc.secret, err)
			continue
		}
		if id != nil && (id.AuthID != tc.authid || id.AuthMethod != "wamp-scram" || id.Extra["verifier"] != verifier) {
			t.Errorf("%s: %+v, want the verifier %s", tc.authid, id, verifier)
		}
	}
}

// A client that others wrote logs in, and accepts our signature.
func TestSCRAMWithForeignClient(t *testing.T) {
	cfg := scramConfig(t)
	cfg.Iterations = 4096 // the client refuses less
	secret := "p\u00e4ss\u00a0w\u00f6rd"
	credential, err := auth.NewCredential(auth.Secret(secret), auth.KDFPBKDF2)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Users = append(cfg.Users, auth.User{Name: "zoe", Credential: credential})
	a := newAuth(t, cfg)
	for name, secret := range map[string]string{"sam": "s3cret-scram", "a,b=c": "s3cret-abc", "zoe": secret} {
		client, err := scram.SHA256.NewClient(name, secret, "")
		if err != nil {
			t.Fatal(err)
		}
		talk := client.NewConversation()
		first, err := talk.Step("")
		if err != nil {
			t.Fatal(err)
		}
		_, nonce, _ := strings.Cut(first, ",r=")
		req := scramRequest(name)
		req.Extra["nonce"] = nonce
		x := begin(t, a, req)
		final, err := talk.Step(fmt.Sprintf("r=%s,s=%s,i=%d", x.Challenge["nonce"], x.Challenge["salt"], x.Challenge["iterations"]))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, proof, _ := strings.Cut(final, ",p=")
		id, err := x.Finish(t.Context(), proof, wamp.Dict{"nonce": x.Challenge["nonce"]})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := talk.Step(fmt.Sprint("v=", id.Extra["verifier"])); err != nil || !talk.Valid() {
			t.Errorf("%s: the client does not accept our signature: %v", name, err)
		}
	}
}

// RFC 7677, section 3.
func TestSCRAMVector(t *testing.T) {
	const message = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	decode := func(s string) []byte {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	root := salted(t, auth.KDFPBKDF2, "pencil", decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096, 0)
	stored := sha256.Sum256(mac(root, "Client Key"))
	c := &auth.Credential{KDF: auth.KDFPBKDF2, Iterations: 4096, StoredKey: stored[:], ServerKey: mac(root, "Server Key")}
	proof := decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
	if !c.Proven(proof, message) {
		t.Error("the proof of the vector is refused")
	}
	if c.Proven(proof, message+"x") {
		t.Error("the proof holds for another message")
	}
	if got := mac(c.ServerKey, message); !bytes.Equal(got, decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")) {
		t.Errorf("server signature %x", got)
	}
}

func TestSCRAMRefuses(t *testing.T) {
	a := newAuth(t, scramConfig(t))
	for name, extra := range map[string]wamp.Dict{
		"no nonce":             {},
		"a number as nonce":    {"nonce": int64(7)},
		"a short nonce":        {"nonce": "AAAA"},
		"a long nonce":         {"nonce": strings.Repeat("AAAA", 100)},
		"no base64":            {"nonce": "n=admin,r=AAAAAAAA"},
		"loose base64":         {"nonce": "egVDf3DMJh1="},
		"broken lines":         {"nonce": "egVDf3DM\nJh0="},
		"an unknown binding":   {"nonce": clientNonce, "channel_binding": "carrier-pigeon"},
		"a binding as number":  {"nonce": clientNonce, "channel_binding": int64(1)},
		"binding without TLS":  {"nonce": clientNonce, "channel_binding": "tls-unique"},
		"exporter without TLS": {"nonce": clientNonce, "channel_binding": "tls-exporter"},
	} {
		req := scramRequest("sam")
		req.Extra = extra
		if _, x, err := a.Begin(t.Context(), req); x != nil || uri(err) != wamp.ErrAuthenticationDenied {
			t.Errorf("%s: %v, %v", name, x, err)
		}
	}
	for name, change := range map[string]func(signature *string, extra wamp.Dict){
		"another nonce":           func(_ *string, d wamp.Dict) { d["nonce"] = fmt.Sprint(d["nonce"], "AAAA") },
		"no nonce":                func(_ *string, d wamp.Dict) { delete(d, "nonce") },
		"a binding":               func(_ *string, d wamp.Dict) { d["channel_binding"], d["cbind_data"] = "tls-unique", "AAAA" },
		"data without binding":    func(_ *string, d wamp.Dict) { d["cbind_data"] = "AAAA" },
		"a short proof":           func(s *string, _ wamp.Dict) { *s = "AAAA" },
		"no proof":                func(s *string, _ wamp.Dict) { *s = "" },
		"a proof that is no text": func(s *string, _ wamp.Dict) { *s = "\xff" },
	} {
		x := begin(t, a, scramRequest("sam"))
		signature, extra, _ := scramAnswer(t, "sam", "s3cret-scram", x.Challenge, "", nil)
		change(&signature, extra)
		if id, err := x.Finish(t.Context(), signature, extra); id != nil || uri(err) != wamp.ErrAuthenticationDenied {
			t.Errorf("%s: %v, %v", name, id, err)
		}
	}
}

// What a name without user is challenged with does not change, also when
// other users come and go, and is what some user has.
func TestSCRAMHidesUnknownNames(t *testing.T) {
	cfg := scramConfig(t)
	cfg.Key = make([]byte, auth.KeySize)
	before := newAuth(t, cfg)
	for i := range 30 {
		cfg.Users = append(cfg.Users, auth.User{Name: fmt.Sprintf("keys%d", i), Groups: []string{"user"}})
	}
	after := newAuth(t, cfg)
	kdfs := make(map[any]bool)
	for i := range 50 {
		req := scramRequest(fmt.Sprintf("nobody%d", i))
		x, y := begin(t, before, req).Challenge, begin(t, after, req).Challenge
		for _, k := range []string{"salt", "kdf", "iterations", "memory"} {
			if x[k] != y[k] {
				t.Errorf("%s: %s was %v and is %v", req.AuthID, k, x[k], y[k])
			}
		}
		kdfs[x["kdf"]] = true
	}
	if len(kdfs) != 2 {
		t.Errorf("unknown names have %v, users have both", kdfs)
	}
}
