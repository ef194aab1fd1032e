package auth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/auth"
	"bondy/core/wamp"
)

// suspects are logins that must all look the same from outside.
func suspects() map[string]auth.Request {
	return map[string]auth.Request{
		"wrong secret":  {AuthID: "joe"},
		"unknown":       {AuthID: "nobody"},
		"disabled":      {AuthID: "gone"},
		"no password":   {AuthID: "keyless"},
		"wrong role":    {AuthID: "joe", Roles: []string{"admin"}},
		"unknown, role": {AuthID: "nobody", Roles: []string{"admin"}},
	}
}

// wrong finishes an exchange with an answer that is right in its form alone.
func wrong(t testing.TB, x *auth.Exchange, name string) (*auth.Identity, error) {
	t.Helper()
	signature, extra := "wrong", wamp.Dict(nil)
	switch x.Method {
	case auth.MethodWAMPCRA:
		signature = answer(t, "wrong", x)
	case auth.MethodSCRAM:
		signature, extra, _ = scramAnswer(t, name, "wrong", x.Challenge, "", nil)
	case auth.MethodCryptosign:
		signature = signChallenge(t, seeded(9), x)
	}
	return x.Finish(t.Context(), signature, extra)
}

func TestRefusalsAreUniform(t *testing.T) {
	for method, size := range map[string]int{"ticket": 0, "password": 0, "wampcra": 4, "wamp-scram": 5, "cryptosign": 2} {
		cfg := config()
		cfg.Methods = []string{method}
		a := newAuth(t, cfg)
		var first *wamp.Error
		for name, req := range suspects() {
			req.Methods, req.Extra = cfg.Methods, keyRequest("", seeded(1)).Extra
			req.Extra["nonce"] = clientNonce
			x := begin(t, a, req)
			again := begin(t, a, req)
			if len(x.Challenge) != size {
				t.Errorf("%s, %s: challenge %v", method, name, x.Challenge)
			}
			if x.Challenge["salt"] != again.Challenge["salt"] || x.Challenge["iterations"] != again.Challenge["iterations"] {
				t.Errorf("%s, %s: parameters change: %v, %v", method, name, x.Challenge, again.Challenge)
			}
			_, err := wrong(t, x, req.AuthID)
			we, ok := errors.AsType[*wamp.Error](err)
			if !ok {
				t.Fatalf("%s, %s: %v", method, name, err)
			}
			if first == nil {
				first = we
			}
			if !reflect.DeepEqual(we, first) || we.URI != wamp.ErrAuthenticationDenied {
				t.Errorf("%s, %s: %v, elsewhere %v", method, name, we, first)
			}
			if err.Error() == we.Error() {
				t.Errorf("%s, %s: the log learns no cause from %q", method, name, err)
			}
		}
	}
}

// A challenge of wampcra says nothing of the user: but for nonce, timestamp and
// what the client itself said, all are alike.
func TestChallengeTellsNothingOfTheUser(t *testing.T) {
	cfg := config()
	empty := cfg
	empty.Users = nil
	for _, a := range []*auth.Authenticator{newAuth(t, cfg), newAuth(t, empty)} {
		for _, name := range []string{"joe", "peter", "loner", "gone", "keyless", "nobody"} {
			for role, want := range map[string]string{"": "default", "user": "user", "admin": "admin"} {
				x := begin(t, a, auth.Request{AuthID: name, Roles: []string{role}, Methods: []string{"wampcra"}, Session: 7})
				said := make(map[string]any)
				text, _ := x.Challenge["challenge"].(string)
				if err := json.Unmarshal([]byte(text), &said); err != nil {
					t.Fatal(err)
				}
				delete(said, "nonce")
				delete(said, "timestamp")
				if want := map[string]any{
					"authid": name, "authrole": want, "authmethod": "wampcra", "authprovider": "static", "session": 7.0,
				}; !maps.Equal(said, want) {
					t.Errorf("%s, role %q: %v, want %v", name, role, said, want)
				}
			}
		}
	}
}

// Every login that could be right by its form costs a derivation the first
// time and none after that, whether or not there is such a user.
func TestDerivationIsUniform(t *testing.T) {
	for name, req := range suspects() {
		synctest.Test(t, func(t *testing.T) {
			cfg := config()
			cfg.Gate = auth.NewGate(1)
			a := newAuth(t, cfg)
			req.Methods = []string{"wampcra"}
			full := func() (time.Duration, error) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				x := begin(t, a, req)
				signature := answer(t, "wrong", x)
				if err := cfg.Gate.Enter(ctx); err != nil {
					t.Fatal(err)
				}
				defer cfg.Gate.Leave()
				start := time.Now()
				_, err := x.Finish(ctx, signature, nil)
				return time.Since(start), err
			}
			if d, err := full(); !errors.Is(err, context.DeadlineExceeded) || d != time.Minute || uri(err) != "" {
				t.Errorf("%s, first login at a full gate: %v after %v, want to wait for the deadline", name, err, d)
			}
			x := begin(t, a, req)
			if _, err := x.Finish(t.Context(), answer(t, "wrong", x), nil); uri(err) != wamp.ErrAuthenticationDenied {
				t.Errorf("%s: %v", name, err)
			}
			if d, err := full(); d != 0 || uri(err) != wamp.ErrAuthenticationDenied {
				t.Errorf("%s, later login at a full gate: %v after %v, want no wait", name, err, d)
			}
		})
	}
}

func TestMalformedSignatureCostsNothing(t *testing.T) {
	cfg := config()
	cfg.Gate = auth.NewGate(1)
	a := newAuth(t, cfg)
	if err := cfg.Gate.Enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer cfg.Gate.Leave()
	for _, signature := range []string{"", "bm90aGluZw==", string(make([]byte, 1<<20))} {
		for _, authid := range []string{"joe", "nobody"} {
			x := begin(t, a, auth.Request{AuthID: authid, Methods: []string{"wampcra"}})
			if _, err := x.Finish(t.Context(), signature, nil); uri(err) != wamp.ErrAuthenticationDenied {
				t.Errorf("%s with %d bytes: %v", authid, len(signature), err)
			}
		}
	}
}

// A flood of names does not grow the memory of derived keys without end, and a
// user still gets in.
func TestFloodOfNames(t *testing.T) {
	const remembered = 4096
	flood := remembered + 500
	if raceEnabled {
		flood = 200 // derivations are slow then, and the race is in the first ones
	}
	cfg := config()
	cfg.Gate = auth.NewGate(2)
	a := newAuth(t, cfg)
	login := func(ctx context.Context, name string) error {
		x := begin(t, a, auth.Request{AuthID: name, Methods: []string{"wampcra"}}) //nolint:contextcheck // challenges need none
		_, err := x.Finish(ctx, "gir1mSx+deCDUV7wRM5SGIn/+R/ClqLZuH4m7FJeBVI=", nil)
		return err
	}
	names := make(chan string)
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for name := range names {
				if err := login(t.Context(), name); uri(err) != wamp.ErrAuthenticationDenied {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	for i := range flood {
		names <- fmt.Sprintf("nobody%d", i)
	}
	close(names)
	clients.Wait()
	x := begin(t, a, auth.Request{AuthID: "joe", Methods: []string{"wampcra"}})
	if _, err := x.Finish(t.Context(), answer(t, "s3cret-ticket", x), nil); err != nil {
		t.Error(err)
	}

	// At a full gate only names whose key is remembered get an answer.
	for range 2 {
		if err := cfg.Gate.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer cfg.Gate.Leave()
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	known := 0
	for i := range flood {
		if err := login(ended, fmt.Sprintf("nobody%d", i)); uri(err) != "" {
			known++
		}
	}
	if want := min(flood, remembered-1); known != want {
		t.Errorf("%d of %d names are remembered, want %d", known, flood, want)
	}
}

// The same key gives the same salts, so that nodes and starts may agree.
func TestKeyRulesSalts(t *testing.T) {
	salt := func(key []byte) any {
		cfg := config()
		cfg.Key = key
		return begin(t, newAuth(t, cfg), auth.Request{AuthID: "joe", Methods: []string{"wampcra"}}).Challenge["salt"]
	}
	key := make([]byte, auth.KeySize)
	if a, b := salt(key), salt(key); a != b {
		t.Errorf("salts %v and %v under one key", a, b)
	}
	if a, b := salt(nil), salt(nil); a == b {
		t.Errorf("salt %v twice under drawn keys", a)
	}
}
