package client_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"testing"

	"bondy/core/wamp"
	"bondy/transport/client"
	"bondy/transport/client/clienttest"
)

// challenge plays a router that challenges once and gives what comes back to
// check.
func challenge(method string, extra wamp.Dict, check func(hello wamp.Dict, signature string) bool) func(*clienttest.Peer) {
	return func(p *clienttest.Peer) {
		hello := clienttest.Expect[*wamp.Hello](p).Details
		p.Send(&wamp.Challenge{AuthMethod: method, Extra: extra})
		m, ok := p.Recv().(*wamp.Authenticate)
		if !ok {
			return // the client refused
		}
		if !check(hello, m.Signature) {
			p.Send(&wamp.Abort{Reason: wamp.ErrAuthenticationFailed})
			return
		}
		p.Send(&wamp.Welcome{Session: 1})
		p.Goodbye()
	}
}

func sign(key []byte, text string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestAuthentication(t *testing.T) {
	const nonce = `{"nonce":"LHRTC9zeOIrt_9U3","session":3251278072152162}`
	derived, err := pbkdf2.Key(sha256.New, "s3cret", []byte("salt"), 100, 32)
	if err != nil {
		t.Fatal(err)
	}
	salted := []byte(base64.StdEncoding.EncodeToString(derived))
	public, key, _ := ed25519.GenerateKey(nil)
	message := sha256.Sum256([]byte("challenge"))
	verify := func(hello wamp.Dict, signature string) bool {
		extra, _ := hello.Dict("authextra")
		raw, err := hex.DecodeString(signature)
		return err == nil && len(raw) == 96 && extra["pubkey"] == hex.EncodeToString(public) &&
			[32]byte(raw[64:]) == message && ed25519.Verify(public, message[:], raw[:64])
	}
	is := func(want string) func(wamp.Dict, string) bool {
		return func(hello wamp.Dict, got string) bool { return hello["authid"] == "joe" && got == want }
	}
	cra := client.CRA("joe", "s3cret")
	saltedExtra := wamp.Dict{"challenge": nonce, "salt": "salt", "iterations": int64(100), "keylen": int64(32)}
	tests := map[string]struct {
		script func(*clienttest.Peer)
		auth   []client.Authenticator
		uri    wamp.URI
	}{
		"ticket":        {challenge("ticket", nil, is("t1cket")), []client.Authenticator{client.Ticket("joe", "t1cket")}, ""},
		"wrong ticket":  {challenge("ticket", nil, is("t1cket")), []client.Authenticator{client.Ticket("joe", "x")}, wamp.ErrAuthenticationFailed},
		"password":      {challenge("password", nil, is("pw")), []client.Authenticator{client.Password("joe", "pw")}, ""},
		"cra":           {challenge("wampcra", wamp.Dict{"challenge": nonce}, is(sign([]byte("s3cret"), nonce))), []client.Authenticator{cra}, ""},
		"cra salted":    {challenge("wampcra", saltedExtra, is(sign(salted, nonce))), []client.Authenticator{cra}, ""},
		"cra greedy":    {challenge("wampcra", wamp.Dict{"challenge": nonce, "salt": "s", "iterations": int64(1) << 40}, is("")), []client.Authenticator{cra}, wamp.ErrProtocolViolation},
		"cra empty":     {challenge("wampcra", nil, is("")), []client.Authenticator{cra}, wamp.ErrProtocolViolation},
		"second method": {challenge("wampcra", wamp.Dict{"challenge": nonce}, is(sign([]byte("s3cret"), nonce))), []client.Authenticator{client.Ticket("joe", "t"), cra}, ""},
		"not offered":   {challenge("ticket", nil, is("")), []client.Authenticator{cra}, wamp.ErrProtocolViolation},
		"cryptosign":    {challenge("cryptosign", wamp.Dict{"challenge": hex.EncodeToString(message[:]), "channel_binding": nil}, verify), []client.Authenticator{client.Cryptosign("", key)}, ""},
		"binding":       {challenge("cryptosign", wamp.Dict{"challenge": hex.EncodeToString(message[:]), "channel_binding": "tls-unique"}, verify), []client.Authenticator{client.Cryptosign("", key)}, wamp.ErrFeatureNotSupported},
		"short":         {challenge("cryptosign", wamp.Dict{"challenge": "ab"}, verify), []client.Authenticator{client.Cryptosign("", key)}, wamp.ErrProtocolViolation},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := clienttest.Start(t, nil, test.script)
			for _, url := range []string{r.WebSocket, r.RawSocket} {
				s, err := client.Dial(t.Context(), url, client.Config{Realm: "realm1", Auth: test.auth})
				var uri wamp.URI
				if we, ok := errors.AsType[*wamp.Error](err); ok {
					uri = we.URI
				}
				if uri != test.uri || (err == nil) != (test.uri == "") {
					t.Errorf("Dial = %v, want %q", err, test.uri)
				}
				if s != nil {
					_ = s.Close(t.Context())
				}
			}
		})
	}
}

// The vectors are those of section "Cryptosign-based Authentication".
func TestCryptosignVectors(t *testing.T) {
	for _, v := range [][3]string{
		{
			"4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510",
			"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
			"b32675b221f08593213737bef8240e7c15228b07028e19595294678c90d11c0cae80a357331bfc5cc9fb71081464e6e75013517c2cf067ad566a6b7b728e5d03",
		},
		{
			"d511fe78e23934b3dadb52fcd022974b80bd92bccc7c5cf404e46cc0a8a2f5cd",
			"b26c1f87c13fc1da14997f1b5a71995dff8fbe0a62fae8473c7bdbd05bfb607d",
			"d4209ad10d5aff6bfbc009d7e924795de138a63515efc7afc6b01b7fe5201372190374886a70207b042294af5bd64ce725cd8dceb344e6d11c09d1aaaf4d660f",
		},
	} {
		seed, _ := hex.DecodeString(v[0])
		a := client.Cryptosign("", ed25519.NewKeyFromSeed(seed))
		got, err := a.Answer(wamp.Dict{"challenge": v[1]})
		if want := v[2] + v[1]; err != nil || got != want {
			t.Errorf("Answer = %s, %v, want %s", got, err, want)
		}
	}
}
