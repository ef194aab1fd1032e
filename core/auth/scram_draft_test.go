package auth_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"bondy/core/auth"
	"bondy/core/wamp"
)

// draftAnswer is what clients of Crossbar.io's draft send, and the signature that
// they then expect.
func draftAnswer(t testing.TB, authid, password string, challenge wamp.Dict) (signature, server string) {
	t.Helper()
	salt, err := base64.StdEncoding.DecodeString(challenge["salt"].(string))
	if err != nil {
		t.Fatal(err)
	}
	kdf, memory := auth.KDFPBKDF2, int64(0)
	if challenge["kdf"] == "argon2id-13" {
		kdf, memory = auth.KDFArgon2id, challenge["memory"].(int64)
	}
	root := salted(t, kdf, password, salt, int(challenge["iterations"].(int64)), int(memory))
	if kdf == auth.KDFArgon2id {
		root = []byte(base64.RawStdEncoding.EncodeToString(root))
	}
	message := fmt.Sprintf("n=%s,r=%s,r=%s,s=%s,i=%d,c=,r=%s", authid, clientNonce,
		challenge["nonce"], challenge["salt"], challenge["iterations"], challenge["nonce"])
	client := mac(root, "Client Key")
	stored := sha256.Sum256(client)
	for i, b := range mac(stored[:], message) {
		client[i] ^= b
	}
	return base64.StdEncoding.EncodeToString(client), base64.StdEncoding.EncodeToString(mac(mac(root, "Server Key"), message))
}

func draftRequest(authid string) auth.Request {
	return auth.Request{AuthID: authid, Methods: []string{"scram"}, Extra: wamp.Dict{"nonce": clientNonce}}
}

func TestSCRAMDraft(t *testing.T) {
	cfg := scramConfig(t)
	fresh, err := auth.NewCredential("s3cret-fresh", auth.KDFArgon2id)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Users = append(cfg.Users,
		auth.User{Name: "fresh", Credential: fresh, Groups: []string{"user"}},
		auth.User{Name: "off", Credential: fresh, Disabled: true},
	)
	a := newAuth(t, cfg)
	for _, tc := range []struct{ authid, secret, kdf, refused string }{
		{"fresh", "s3cret-fresh", "argon2id-13", ""},
		{"kim", "s3cret-kim", "argon2id-13", ""},
		{"sam", "s3cret-scram", "pbkdf2", ""},
		{"joe", "s3cret-ticket", "pbkdf2", ""},
		{"fresh", "wrong", "argon2id-13", "wrong credential"},
		{"off", "s3cret-fresh", "argon2id-13", "disabled user"},
		{"susan", "s3cret-argon2", "argon2id-13", "wrong credential"}, // the second pair of keys is missing
		{"nobody", "", "", "unknown user"},
	} {
		x := begin(t, a, draftRequest(tc.authid))
		if _, ok := x.Challenge["memory"]; x.Method != "scram" || ok != (x.Challenge["kdf"] == "argon2id-13") || tc.kdf != "" && x.Challenge["kdf"] != tc.kdf {
			t.Errorf("%s: challenge %s %v", tc.authid, x.Method, x.Challenge)
		}
		proof, server := draftAnswer(t, tc.authid, tc.secret, x.Challenge)
		id, err := x.Finish(t.Context(), proof, nil)
		if tc.refused != "" {
			if id != nil || uri(err) != wamp.ErrAuthenticationDenied || !strings.Contains(err.Error(), tc.refused) {
				t.Errorf("%s with %q: %+v, %v, want %q", tc.authid, tc.secret, id, err, tc.refused)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.authid, err)
			continue
		}
		if id.AuthMethod != auth.MethodSCRAM || id.Alias != "scram" || id.Extra["scram_server_signature"] != server {
			t.Errorf("%s: %+v, want the signature %s", tc.authid, id, server)
		}
	}
}

// A proof of one form is none in the other.
func TestSCRAMFormsDoNotMix(t *testing.T) {
	cfg := scramConfig(t)
	a := newAuth(t, cfg)
	x := begin(t, a, draftRequest("kim"))
	x.Challenge["kdf"] = string(auth.KDFArgon2id)
	proof, extra, _ := scramAnswer(t, "kim", "s3cret-kim", x.Challenge, "", nil)
	if id, err := x.Finish(t.Context(), proof, extra); id != nil || uri(err) != wamp.ErrAuthenticationDenied {
		t.Errorf("a proof of wamp-scram for scram: %+v, %v", id, err)
	}
	x = begin(t, a, scramRequest("sam"))
	proof, _ = draftAnswer(t, "sam", "s3cret-scram", x.Challenge)
	if id, err := x.Finish(t.Context(), proof, wamp.Dict{"nonce": x.Challenge["nonce"]}); id != nil || uri(err) != wamp.ErrAuthenticationDenied {
		t.Errorf("a proof of scram for wamp-scram: %+v, %v", id, err)
	}
}

// The draft binds to no channel, and is on offer where wamp-scram is.
func TestSCRAMDraftRefuses(t *testing.T) {
	req := draftRequest("kim")
	req.Extra["channel_binding"] = "tls-exporter"
	server := issue(t, &x509.Certificate{}, nil)
	req.TLS, _ = handshake(t, tls.VersionTLS13, &server, nil, nil)
	if _, x, err := newAuth(t, scramConfig(t)).Begin(t.Context(), req); x != nil || uri(err) != wamp.ErrAuthenticationDenied {
		t.Errorf("with a channel binding: %v, %v", x, err)
	}
	cfg := config()
	cfg.Methods = []string{auth.MethodTicket}
	if _, x, err := newAuth(t, cfg).Begin(t.Context(), draftRequest("joe")); x != nil || uri(err) != wamp.ErrNoMatchingAuthMethod {
		t.Errorf("in a realm without wamp-scram: %v, %v", x, err)
	}
}

// Guesses by the draft count like any others.
func TestSCRAMDraftIsGuarded(t *testing.T) {
	cfg := scramConfig(t)
	cfg.Guard = auth.NewGuard()
	a := newAuth(t, cfg)
	for range 100 {
		_, x, err := a.Begin(t.Context(), draftRequest("kim"))
		if uri(err) == auth.ErrTooManyRequests {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.Finish(t.Context(), base64.StdEncoding.EncodeToString(make([]byte, sha256.Size)), nil); uri(err) != wamp.ErrAuthenticationDenied {
			t.Fatal(err)
		}
	}
	t.Error("100 guesses were not slowed down")
}
