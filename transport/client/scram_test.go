package client_test

import (
	"maps"
	"strings"
	"testing"

	"bondy/core/auth"
	"bondy/core/wamp"
	"bondy/transport/client"
	"bondy/transport/client/clienttest"
)

// The client logs in at the router's own side of wamp-scram, whatever derives the
// keys, and refuses a router that does not know the password.
func TestSCRAM(t *testing.T) {
	const password = "p\u00e4ss\u00a0word \ufb01"
	var users []auth.User
	for name, kdf := range map[string]auth.KDF{"joe": auth.KDFPBKDF2, "a,b=c": auth.KDFArgon2id} {
		c, err := auth.NewCredential(password, kdf)
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, auth.User{Name: name, Credential: c, Groups: []string{"staff"}})
	}
	a, err := auth.New(auth.Config{Methods: []string{auth.MethodSCRAM}, Users: users})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		authid, password, want string
		extra                  wamp.Dict // of WELCOME in place of the proof
		unasked                bool
		change                 wamp.Dict // of CHALLENGE
	}{
		"pbkdf2":         {authid: "joe", password: password},
		"argon2id13":     {authid: "a,b=c", password: password},
		"wrong password": {authid: "joe", password: "wrong one", want: "authentication_denied"},
		"no proof":       {authid: "joe", password: password, extra: wamp.Dict{}, want: "did not prove"},
		"another proof":  {authid: "joe", password: password, extra: wamp.Dict{"verifier": "AAAA"}, want: "did not prove"},
		"no challenge":   {authid: "joe", password: password, unasked: true, want: "did not prove"},
		"one iteration":  {authid: "joe", password: password, change: wamp.Dict{"iterations": int64(1)}, want: "1 iterations"},
		"a terabyte":     {authid: "joe", password: password, change: wamp.Dict{"kdf": "argon2id13", "iterations": int64(1), "memory": int64(1 << 30)}, want: "KiB"},
		"other nonce":    {authid: "joe", password: password, change: wamp.Dict{"nonce": "AAAA"}, want: "nonce"},
	} {
		r := clienttest.Start(t, nil, func(p *clienttest.Peer) {
			d := clienttest.Expect[*wamp.Hello](p).Details
			authid, _ := d.String("authid")
			methods, _ := d.Strings("authmethods")
			extra, _ := d.Dict("authextra")
			proof := wamp.Dict{}
			if !tc.unasked {
				_, x, err := a.Begin(t.Context(), auth.Request{AuthID: authid, Methods: methods, Extra: extra})
				if err != nil {
					p.Errorf("%v", err)
					return
				}
				maps.Copy(x.Challenge, tc.change)
				p.Send(&wamp.Challenge{AuthMethod: x.Method, Extra: x.Challenge})
				if tc.change != nil {
					clienttest.Expect[*wamp.Abort](p)
					return
				}
				m := clienttest.Expect[*wamp.Authenticate](p)
				id, err := x.Finish(t.Context(), m.Signature, m.Extra)
				if err != nil {
					p.Send(&wamp.Abort{Reason: wamp.AsError(err).URI})
					return
				}
				proof = id.Extra
			}
			if tc.extra != nil {
				proof = tc.extra
			}
			p.Send(&wamp.Welcome{Session: 1, Details: wamp.Dict{"authextra": map[string]any(proof)}})
			if tc.want != "" {
				clienttest.Expect[*wamp.Abort](p)
				return
			}
			p.Goodbye()
		})
		s, err := client.Dial(t.Context(), r.RawSocket, client.Config{Realm: "realm1", Serializer: wamp.JSON, Auth: []client.Authenticator{client.SCRAM(tc.authid, tc.password)}})
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
		if err == nil {
			_ = s.Close(t.Context())
		}
	}
}
