package auth_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/auth"
	"bondy/core/wamp"
)

// caller answers for a procedure.
type caller func(ctx context.Context, args []any) (any, error)

func (c caller) Call(ctx context.Context, procedure wamp.URI, args []any) (any, error) {
	if procedure != "com.example.authenticate" {
		return nil, wamp.Errorf(wamp.ErrNoSuchProcedure, "%s", procedure)
	}
	return c(ctx, args)
}

func dynamicConfig(c caller) auth.Config {
	cfg := auth.Config{
		Methods: []string{"ticket", "password", "wampcra", "wamp-scram", "cryptosign"},
		Users:   users(), Iterations: 1000, Caller: c, Dynamic: make(map[string]wamp.URI),
	}
	for _, m := range cfg.Methods {
		cfg.Dynamic[m] = "com.example.authenticate"
	}
	return cfg
}

func TestDynamicTicket(t *testing.T) {
	var got []any
	a := newAuth(t, dynamicConfig(func(_ context.Context, args []any) (any, error) {
		got = args
		details, _ := args[2].(map[string]any)
		switch details["ticket"] {
		case "role":
			return "guest", nil
		case "dict":
			return map[string]any{"role": "guest", "extra": map[string]any{"badge": int64(7)}}, nil
		case "all":
			return "all", nil
		case "number":
			return int64(7), nil
		case "nothing":
			return nil, nil
		case "no role":
			return map[string]any{"extra": nil}, nil
		}
		return nil, wamp.Errorf("com.example.error.no", "not you")
	}))
	for ticket, want := range map[string]bool{"role": true, "dict": true, "all": false, "number": false, "nothing": false, "no role": false, "x": false} {
		for _, method := range []string{"ticket", "password"} {
			x := begin(t, a, auth.Request{
				Realm: "realm1", Session: 7, AuthID: "ann", Methods: []string{method},
				Remote: from("192.0.2.1"), Extra: wamp.Dict{"a": "b"},
			})
			id, err := x.Finish(t.Context(), ticket, nil)
			if (id != nil) != want || !want && uri(err) != wamp.ErrAuthenticationDenied {
				t.Errorf("%s by %s: %+v, %v", ticket, method, id, err)
			}
			if id != nil && (id.AuthID != "ann" || id.AuthRole != "guest" || id.AuthProvider != "dynamic" || id.AuthMethod != method ||
				len(id.Roles) != 1 || (id.Extra["badge"] == int64(7)) != (ticket == "dict")) {
				t.Errorf("%s by %s: %+v", ticket, method, id)
			}
			details, _ := got[2].(map[string]any)
			extra, _ := details["authextra"].(map[string]any)
			if got[0] != "realm1" || got[1] != "ann" || details["authmethod"] != method || details["session"] != int64(7) ||
				details["remote"] != "192.0.2.1:4711" || extra["a"] != "b" {
				t.Errorf("called with %v", got)
			}
		}
	}
	x := begin(t, a, auth.Request{AuthID: "ann", Roles: []string{"admin"}, Methods: []string{"ticket"}})
	if _, err := x.Finish(t.Context(), "role", nil); uri(err) != wamp.ErrNoSuchRole {
		t.Errorf("another role than the procedure gives: %v", err)
	}
}

func TestDynamicSecrets(t *testing.T) {
	key := seeded(5)
	text, err := cheap(t, "s3cret", auth.KDFArgon2id).MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	salt := "c2FsdHNhbHRzYWx0c2FsdA=="
	derived := base64.StdEncoding.EncodeToString(salted(t, auth.KDFPBKDF2, "s3cret", []byte(salt), 1000, 0))
	answers := map[string]any{
		"plain":  map[string]any{"role": "user", "secret": "s3cret"},
		"salted": map[string]any{"role": "user", "secret": derived, "salt": salt, "iterations": int64(1000)},
		"argon":  map[string]any{"role": "user", "credential": string(text)},
		"keys":   map[string]any{"role": "user", "pubkey": []any{hex.EncodeToString(public(key))}},
		"key":    map[string]any{"role": "user", "pubkey": hex.EncodeToString(public(key))},
		"none":   map[string]any{"role": "user"},
		"broken": map[string]any{"role": "user", "secret": "no base64", "salt": salt, "iterations": int64(1000)},
	}
	a := newAuth(t, dynamicConfig(func(_ context.Context, args []any) (any, error) {
		name, _ := args[1].(string)
		if result, ok := answers[name]; ok {
			return result, nil
		}
		return nil, errors.New("who?")
	}))
	works := map[string]string{
		"plain": "wampcra wamp-scram", "salted": "wampcra wamp-scram", "argon": "wamp-scram", "keys": "cryptosign", "key": "cryptosign",
	}
	for _, method := range []string{"wampcra", "wamp-scram", "cryptosign"} {
		for _, name := range []string{"plain", "salted", "argon", "keys", "key", "none", "broken", "joe", "nobody"} {
			for _, secret := range []string{"s3cret", "wrong"} {
				req := auth.Request{AuthID: name, Methods: []string{method}, Extra: wamp.Dict{"nonce": clientNonce, "pubkey": hex.EncodeToString(public(key))}}
				x := begin(t, a, req)
				var signature string
				var extra wamp.Dict
				switch method {
				case "wampcra":
					signature = answer(t, secret, x)
					if text, _ := x.Challenge["challenge"].(string); !strings.Contains(text, `"authrole":"default"`) {
						t.Errorf("%s: the challenge is %s", name, text)
					}
				case "wamp-scram":
					signature, extra, _ = scramAnswer(t, name, secret, x.Challenge, "", nil)
				case "cryptosign":
					signer := key
					if secret == "wrong" {
						signer = seeded(6)
					}
					signature = signChallenge(t, signer, x)
				}
				id, err := x.Finish(t.Context(), signature, extra)
				want := secret == "s3cret" && strings.Contains(works[name]+" ", method+" ")
				if (id != nil) != want || !want && uri(err) != wamp.ErrAuthenticationDenied {
					t.Errorf("%s by %s with %s: %+v, %v", name, method, secret, id, err)
				}
				if id != nil && (id.AuthRole != "user" || id.AuthProvider != "dynamic" || len(id.Roles) != 1) {
					t.Errorf("%s by %s: %+v", name, method, id)
				}
			}
		}
	}
	answers["plain"] = map[string]any{"role": "user", "secret": "changed"}
	x := begin(t, a, auth.Request{AuthID: "plain", Methods: []string{"wampcra"}})
	if _, err := x.Finish(t.Context(), answer(t, "changed", x), nil); err != nil {
		t.Errorf("a new secret: %v", err)
	}
}

// A procedure that does not answer refuses after some seconds, and not more
// than so many are asked at once.
func TestDynamicIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuth(t, dynamicConfig(func(ctx context.Context, _ []any) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}))
		start := time.Now()
		x := begin(t, a, auth.Request{AuthID: "ann", Methods: []string{"ticket"}})
		if _, err := x.Finish(t.Context(), "x", nil); uri(err) != wamp.ErrAuthenticationDenied || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		done := make(chan error, 128)
		for range cap(done) {
			x := begin(t, a, auth.Request{AuthID: "ann", Methods: []string{"ticket"}})
			go func() {
				_, err := x.Finish(t.Context(), "x", nil)
				done <- err
			}()
		}
		synctest.Wait()
		x = begin(t, a, auth.Request{AuthID: "ann", Methods: []string{"ticket"}})
		if _, err := x.Finish(t.Context(), "x", nil); uri(err) != wamp.ErrUnavailable {
			t.Errorf("one more than can be asked: %v", err)
		}
		for range cap(done) {
			<-done
		}
	})
}

func TestDynamicIsValidated(t *testing.T) {
	for want, change := range map[string]func(*auth.Config){
		"dynamic.ticket":    func(c *auth.Config) { c.Dynamic["ticket"] = "not a uri" },
		"dynamic.cryptosi":  func(c *auth.Config) { c.Caller = nil },
		"dynamic.anonymous": func(c *auth.Config) { c.Dynamic["anonymous"] = "com.example.x" },
	} {
		cfg := dynamicConfig(func(context.Context, []any) (any, error) { return nil, nil })
		change(&cfg)
		if _, err := auth.New(cfg); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`"guest"`))
	f.Add([]byte(`{"role":"user","secret":"c2FsdA==","salt":"c2FsdHNhbHQ=","extra":{"a":1},"pubkey":["00"],"credential":"pbkdf2$4096:AA==$AA==:AA=="}`))
	f.Fuzz(func(_ *testing.T, text []byte) {
		var v any
		if json.Unmarshal(text, &v) == nil {
			_ = auth.ParseAnswer(v)
		}
	})
}
