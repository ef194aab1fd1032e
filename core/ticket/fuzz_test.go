package ticket_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"bondy/core/ticket"
)

func FuzzTicket(f *testing.F) {
	w := newWorld(f)
	good := w.issue(f, w.request(three, "ann"))
	u, _ := w.users[three].User("ann")
	f.Add(good.Ticket)
	f.Add(good.Ticket[:len(good.Ticket)-4])
	f.Add("eyJ0eXAiOiJib25keS10aWNrZXQrand0In0.e30.AA")
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := w.Verify(three, u, text)
		if err == nil && (got.ID != good.ID || !w.Is(text)) {
			t.Fatalf("%q is accepted", text)
		}
	})
}

// FuzzClaims signs what the fuzzer makes up with the key of the realm: without a
// record that says the same it is worth nothing.
func FuzzClaims(f *testing.F) {
	w := newWorld(f)
	good := w.issue(f, w.request(three, "ann"))
	u, _ := w.users[three].User("ann")
	var signer jose.Signer
	for _, k := range w.memory.Ring(three) {
		if k.State != ticket.Active {
			continue
		}
		raw := k.Sealed[len(k.Sealed)-32:]
		private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
		if err != nil {
			f.Fatal(err)
		}
		options := (&jose.SignerOptions{}).WithType("bondy-ticket+jwt").WithHeader("kid", k.ID)
		if signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, options); err != nil {
			f.Fatal(err)
		}
	}
	body, err := base64.RawURLEncoding.DecodeString(strings.Split(good.Ticket, ".")[1])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{"iss":"com.example.three","exp":1e99,"aud":{},"scope":null,"inc":"0"}`))
	f.Add([]byte(`{"iss":"com.example.three","exp":9999999999,"nbf":1,"iat":1,"jti":"` + good.ID + `","aud":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		jws, err := signer.Sign(body)
		if err != nil {
			t.Fatal(err)
		}
		text, err := jws.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.Verify(three, u, text)
		if err == nil && (got.ID != good.ID || !got.Expires.Equal(good.ExpiresAt.Add(ticket.Leeway))) {
			t.Fatalf("%s is accepted", body)
		}
	})
}

func FuzzScope(f *testing.F) {
	f.Add([]byte(`{"realm":null,"client_id":"c","device_id":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s, again ticket.Scope
		if json.Unmarshal(text, &s) != nil {
			return
		}
		b, err := json.Marshal(s)
		if err != nil || json.Unmarshal(b, &again) != nil || again != s {
			t.Fatalf("%q: %+v became %+v by %s", text, s, again, b)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	i := w.issue(b, w.request(three, "ann"))
	u, _ := w.users[three].User("ann")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Verify(three, u, i.Ticket); err != nil {
			b.Fatal(err)
		}
	}
}
