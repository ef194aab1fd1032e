package core_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/netip"
	"testing"
	"testing/cryptotest"

	"bondy/core/auth"
	"bondy/core/coretest"
	"bondy/core/wamp"
)

// GOODBYE with wamp.close.logout is an orderly end however the client had logged in:
// nothing is left, and it may log in again (W57).
func TestLogout(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg := voucherRealm(1000)
	cfg.Auth.Methods = []string{
		auth.MethodAnonymous, auth.MethodTrust, auth.MethodPassword, auth.MethodTicket, auth.MethodWAMPCRA, auth.MethodCryptosign,
	}
	cfg.Auth.Users[0].Keys = []ed25519.PublicKey{public}
	cfg.Auth.Sources = []auth.Source{
		{Subjects: []string{auth.SubjectAll}, Methods: []string{auth.MethodTrust}, Prefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		{Subjects: []string{auth.SubjectAll}},
		{Subjects: []string{auth.SubjectAnonymous}},
	}
	r := coretest.Router(t, cfg)
	password := func(*wamp.Challenge) string { return "s3cret" }
	for name, tc := range map[string]struct {
		method string
		answer func(*wamp.Challenge) string
	}{
		"anonymous": {auth.MethodAnonymous, nil}, "trust": {auth.MethodTrust, nil},
		"password": {auth.MethodPassword, password}, "ticket": {auth.MethodTicket, password},
		"signed ticket": {auth.MethodTicket, func(*wamp.Challenge) string { return "voucher 1h" }},
		"wampcra":       {auth.MethodWAMPCRA, func(c *wamp.Challenge) string { return sign(t, c) }},
		"cryptosign": {auth.MethodCryptosign, func(c *wamp.Challenge) string {
			challenge, _ := c.Extra["challenge"].(string)
			message, err := hex.DecodeString(challenge)
			if err != nil {
				t.Fatal(err)
			}
			return hex.EncodeToString(append(ed25519.Sign(private, message), message...))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := coretest.Connect(t, r, wamp.MessagePack, 0)
			for range 2 {
				details := coretest.Resumable(wamp.Dict{"authmethods": []any{tc.method}})
				if tc.method != auth.MethodAnonymous {
					details["authid"] = "joe"
				}
				if tc.method == auth.MethodCryptosign {
					details["authextra"] = map[string]any{"pubkey": hex.EncodeToString(public)}
				}
				c.Send(&wamp.Hello{Realm: "realm1", Details: details})
				if tc.answer != nil {
					c.Send(&wamp.Authenticate{Signature: tc.answer(coretest.Expect[*wamp.Challenge](c))})
				}
				w := coretest.Expect[*wamp.Welcome](c)
				if w.Details["authmethod"] != tc.method {
					t.Errorf("logged in by %v", w.Details["authmethod"])
				}
				c.Send(&wamp.Goodbye{Reason: "wamp.close.logout"})
				if m := coretest.Expect[*wamp.Goodbye](c); m.Reason != wamp.CloseGoodbyeAndOut {
					t.Errorf("GOODBYE %s", m.Reason)
				}
			}
			c.Drop()
			if s := r.Stats(); s.Sessions != 0 || s.Detached != 0 {
				t.Errorf("%d sessions left, %d of them detached", s.Sessions, s.Detached)
			}
		})
	}
}

// sign answers a challenge of wampcra.
func sign(t *testing.T, c *wamp.Challenge) string {
	t.Helper()
	challenge, _ := c.Extra["challenge"].(string)
	salt, _ := c.Extra["salt"].(string)
	iterations, _ := c.Extra["iterations"].(int64)
	size, _ := c.Extra["keylen"].(int64)
	derived, err := pbkdf2.Key(sha256.New, "s3cret", []byte(salt), int(iterations), int(size))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(base64.StdEncoding.EncodeToString(derived)))
	mac.Write([]byte(challenge))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Session ids come from crypto/rand and nothing else: where that repeats itself, so
// do they (W63).
func TestSessionIDsComeFromCryptoRand(t *testing.T) {
	r := coretest.Router(t)
	ids := func(seed uint64) (list [3]wamp.ID) {
		t.Run("", func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, seed)
			for i := range list {
				c := coretest.Join(t, r)
				list[i] = c.ID
				c.Drop()
			}
		})
		return list
	}
	one := ids(1)
	if again := ids(1); again != one {
		t.Errorf("%v and %v of the same randomness", one, again)
	}
	if other := ids(2); other[0] == one[0] || other[1] == one[1] || other[2] == one[2] {
		t.Errorf("%v and %v of different randomness", one, other)
	}
	if one[0] == one[1] || one[1] == one[2] {
		t.Errorf("an id twice: %v", one)
	}
}
