package core_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/cryptotest"

	"bondy/core"
	"bondy/core/audit"
	"bondy/core/auth"
	"bondy/core/coretest"
	"bondy/core/meta"
	"bondy/core/realm"
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
		auth.MethodAnonymous, auth.MethodTrust, auth.MethodPassword, auth.MethodTicket, auth.MethodWAMPCRA, auth.MethodSCRAM,
		auth.MethodCryptosign, auth.MethodJWT,
	}
	cfg.Auth.Issuers = []auth.Issuer{{Issuer: "id", Audience: "bondy", Secret: issuerSecret, Algorithms: []string{"HS256"}, Groups: []string{"user"}}}
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
		"wamp-scram":    {auth.MethodSCRAM, func(c *wamp.Challenge) string { return prove(t, c) }},
		"jwt":           {auth.MethodJWT, func(*wamp.Challenge) string { return bearer() }},
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
				details := coretest.Resumable(wamp.Dict{
					"authmethods": []any{tc.method}, "authextra": map[string]any{"pubkey": hex.EncodeToString(public), "nonce": scramNonce},
				})
				if tc.method != auth.MethodAnonymous && tc.method != auth.MethodJWT {
					details["authid"] = "joe"
				}
				c.Send(&wamp.Hello{Realm: "realm1", Details: details})
				if tc.answer != nil {
					challenge := coretest.Expect[*wamp.Challenge](c)
					c.Send(&wamp.Authenticate{Signature: tc.answer(challenge), Extra: wamp.Dict{"nonce": challenge.Extra["nonce"]}})
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

// register are vouchers whose revocation is noted, and ends the sessions of them.
type register struct {
	vouchers

	revoked func(authrealm wamp.URI, ticket string) error
}

func (r *register) Revoke(authrealm wamp.URI, ticket string) (bool, error) {
	return true, r.revoked(authrealm, ticket)
}

// notes are what was recorded of what users changed of their own.
type notes struct {
	mu   sync.Mutex
	list []audit.Event
}

func (n *notes) Record(e audit.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e.Kind == audit.Account {
		n.list = append(n.list, e)
	}
}

func (n *notes) all() []audit.Event {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.list
}

// Leaving with wamp.close.logout revokes the signed ticket by which the client came;
// leaving in any other way, or after another login, revokes nothing.
func TestLogoutRevokesTheTicket(t *testing.T) {
	var in *realm.Realm
	var revoked []string
	book := &register{revoked: func(authrealm wamp.URI, ticket string) error {
		revoked = append(revoked, string(authrealm)+" "+ticket)
		in.Dismiss(func(s *meta.Session) *wamp.Error {
			if s.Principal.Ticket == ticket {
				return wamp.Errorf("com.example.revoked", "the ticket was revoked")
			}
			return nil
		})
		return nil
	}}
	var log notes
	cfg := voucherRealm(1000)
	cfg.Auth.Tickets = book
	r, err := core.New(core.Config{Realms: []realm.Config{cfg}, Log: slog.New(slog.DiscardHandler), Audit: &log})
	if err != nil {
		t.Fatal(err)
	}
	in = home(t, r)
	join := func(ticket string) *coretest.Client {
		c := redeem(t, r, "joe", ticket, coretest.Resumable(nil))
		coretest.Expect[*wamp.Welcome](c)
		return c
	}
	leave := func(c *coretest.Client, reason wamp.URI) {
		t.Helper()
		c.Send(&wamp.Goodbye{Reason: reason})
		if m := coretest.Expect[*wamp.Goodbye](c); m.Reason != wamp.CloseGoodbyeAndOut {
			t.Errorf("GOODBYE %s", m.Reason)
		}
	}
	leave(join("voucher 1h"), wamp.CloseRealm)
	leave(join("s3cret"), "wamp.close.logout")
	join("voucher 1h").Drop()
	if len(revoked) > 0 {
		t.Errorf("revoked: %v", revoked)
	}
	other, password := join("voucher 1h"), join("s3cret")
	c := join("voucher 1h")
	leave(c, "wamp.close.logout")
	if !slices.Equal(revoked, []string{"realm1 17"}) {
		t.Errorf("revoked: %v", revoked)
	}
	gone(t, other, "com.example.revoked")
	alive(t, password)
	c.Drop()
	if e := log.all(); len(e) != 1 || e[0].Action != "wamp.close.logout" || e[0].Object != "ticket 17" ||
		e[0].AuthID != "joe" || e[0].Outcome != audit.OK || !slices.Equal(e[0].Changes, []string{"ticket 17 deleted"}) {
		t.Errorf("recorded: %+v", e)
	}
	book.revoked = func(wamp.URI, string) error { return errors.New("disk full") }
	leave(join("voucher 1h"), "wamp.close.logout") // what is not revoked expires
	if e := log.all(); len(e) != 2 || e[1].Outcome != audit.Failed || e[1].Reason != "disk full" || e[1].Changes != nil {
		t.Errorf("recorded: %+v", e)
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
