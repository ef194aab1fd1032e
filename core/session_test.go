package core_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/auth"
	"bondy/core/coretest"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
)

func TestWelcome(t *testing.T) {
	r := coretest.Router(t)
	a, b := coretest.Join(t, r), coretest.Join(t, r)
	if a.ID == b.ID || !a.ID.Valid() || !b.ID.Valid() {
		t.Errorf("session ids %d and %d", a.ID, b.ID)
	}
	for _, key := range []string{"authid", "authrole", "authmethod", "authprovider", "agent", "realm"} {
		if s, _ := a.Welcome[key].(string); s == "" {
			t.Errorf("WELCOME.Details has no %s: %v", key, a.Welcome)
		}
	}
	for _, role := range []string{"broker", "dealer"} {
		d, _ := a.Welcome.Dict("roles")
		if _, ok := d[role].(map[string]any); !ok {
			t.Errorf("role %s not announced: %v", role, d)
		}
	}
}

func TestRefusedHello(t *testing.T) {
	closed := coretest.Realm("closed")
	closed.RefuseConnections = true
	r := coretest.Router(t, coretest.Realm("realm1"), closed)
	for name, tc := range map[string]struct {
		m    wamp.Message
		want wamp.URI
	}{
		"unknown realm":         {&wamp.Hello{Realm: "nowhere", Details: coretest.Roles()}, wamp.ErrNoSuchRealm},
		"closed realm":          {&wamp.Hello{Realm: "closed", Details: coretest.Roles()}, wamp.ErrNoSuchRealm},
		"bad realm":             {&wamp.Hello{Realm: "a..b", Details: coretest.Roles()}, wamp.ErrInvalidURI},
		"no roles":              {&wamp.Hello{Realm: "realm1"}, wamp.ErrProtocolViolation},
		"unknown roles only":    {&wamp.Hello{Realm: "realm1", Details: wamp.Dict{"roles": map[string]any{"cook": map[string]any{}}}}, wamp.ErrProtocolViolation},
		"roles of a wrong type": {&wamp.Hello{Realm: "realm1", Details: wamp.Dict{"roles": []any{"caller"}}}, wamp.ErrProtocolViolation},
		"methods of a wrong type": {&wamp.Hello{Realm: "realm1", Details: wamp.Dict{
			"roles": coretest.Roles()["roles"], "authmethods": map[string]any{},
		}}, wamp.ErrProtocolViolation},
		"no matching method": {&wamp.Hello{Realm: "realm1", Details: wamp.Dict{
			"roles": coretest.Roles()["roles"], "authmethods": []any{"telepathy"},
		}}, wamp.ErrNoMatchingAuthMethod},
		"another message":               {&wamp.Subscribe{Request: 1, Topic: "a.b"}, wamp.ErrProtocolViolation},
		"goodbye":                       {&wamp.Goodbye{Reason: "a.b"}, wamp.ErrProtocolViolation},
		"authenticate without hello":    {&wamp.Authenticate{Signature: "x"}, wamp.ErrProtocolViolation},
		"message of the router's, 1":    {&wamp.Welcome{Session: 1}, wamp.ErrProtocolViolation},
		"message of the router's, 2":    {&wamp.Challenge{AuthMethod: "ticket"}, wamp.ErrProtocolViolation},
		"error before the session":      {&wamp.ErrorMessage{RequestType: wamp.TypeCall, Request: 1, Error: "a.b"}, wamp.ErrProtocolViolation},
		"invocation before the session": {&wamp.Invocation{Request: 1, Registration: 1}, wamp.ErrProtocolViolation},
	} {
		t.Run(name, func(t *testing.T) {
			c := coretest.Connect(t, r, wamp.JSON, 0)
			c.Send(tc.m)
			c.ExpectAbort(tc.want)
			<-c.Closed()
		})
	}
}

func TestViolationsAbort(t *testing.T) {
	r := coretest.Router(t)
	for name, m := range map[string]wamp.Message{
		"second HELLO":                &wamp.Hello{Realm: "realm1", Details: coretest.Roles()},
		"WELCOME":                     &wamp.Welcome{Session: 1},
		"AUTHENTICATE":                &wamp.Authenticate{Signature: "x"},
		"EVENT":                       &wamp.Event{Subscription: 1, Publication: 1},
		"RESULT":                      &wamp.Result{Request: 1},
		"INTERRUPT":                   &wamp.Interrupt{Request: 1},
		"gap in request ids":          &wamp.Subscribe{Request: 2, Topic: "a.b"},
		"ERROR about a CALL":          &wamp.ErrorMessage{RequestType: wamp.TypeCall, Request: 1, Error: "a.b"},
		"YIELD never asked for":       &wamp.Yield{Request: 1},
		"ERROR never asked for":       &wamp.ErrorMessage{RequestType: wamp.TypeInvocation, Request: 4711, Error: "a.b"},
		"boolean given as an integer": &wamp.Publish{Request: 1, Topic: "a.b", Options: wamp.Dict{"acknowledge": int64(1)}},
		"unknown cancel mode":         &wamp.Cancel{Request: 1, Options: wamp.Dict{"mode": "explode"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := coretest.Join(t, r)
			c.Send(m)
			c.ExpectAbort(wamp.ErrProtocolViolation)
			<-c.Closed()
		})
	}
	t.Run("undecodable", func(t *testing.T) {
		c := coretest.Join(t, r)
		c.Put([]byte{0x94, 0x20, 0x01, 0xc1, 0x80})
		c.ExpectAbort(wamp.ErrProtocolViolation)
	})
	t.Run("role not announced", func(t *testing.T) {
		only := wamp.Dict{"roles": map[string]any{"subscriber": map[string]any{}}}
		for _, m := range []wamp.Message{
			&wamp.Publish{Request: 1, Topic: "a.b"}, &wamp.Call{Request: 1, Procedure: "a.b"},
			&wamp.Register{Request: 1, Procedure: "a.b"}, &wamp.Yield{Request: 1}, &wamp.Cancel{Request: 1},
		} {
			c := coretest.JoinWith(t, r, wamp.CBOR, only)
			c.Subscribe("a.b", nil)
			c.Send(m)
			c.ExpectAbort(wamp.ErrProtocolViolation)
		}
	})
}

func TestRefusedRequestsKeepTheSession(t *testing.T) {
	r := coretest.Router(t)
	c := coretest.Join(t, r)
	for _, tc := range []struct {
		m    wamp.Message
		want wamp.URI
	}{
		{&wamp.Subscribe{Request: 1, Topic: "a..b"}, wamp.ErrInvalidURI},
		{&wamp.Register{Request: 2, Procedure: "a b"}, wamp.ErrInvalidURI},
		{&wamp.Call{Request: 3, Procedure: ""}, wamp.ErrInvalidURI},
		{&wamp.Subscribe{Request: 4, Topic: "a.b", Options: wamp.Dict{"match": "regex"}}, wamp.ErrInvalidArgument},
		{&wamp.Register{Request: 5, Procedure: "a.b", Options: wamp.Dict{"invoke": "loudest"}}, wamp.ErrInvalidArgument},
		{&wamp.Register{Request: 6, Procedure: "wamp.session.count"}, wamp.ErrNotAuthorized},
		{&wamp.Publish{Request: 7, Topic: "wamp.x", Options: wamp.Dict{"acknowledge": true}}, wamp.ErrNotAuthorized},
		{&wamp.Call{Request: 8, Procedure: "bondy.realm.create"}, wamp.ErrNotAuthorized},
		{&wamp.Unsubscribe{Request: 9, Subscription: 4711}, wamp.ErrNoSuchSubscription},
		{&wamp.Unregister{Request: 10, Registration: 4711}, wamp.ErrNoSuchRegistration},
	} {
		c.Send(tc.m)
		c.ExpectError(tc.want)
	}
	c.Send(&wamp.Publish{Request: 11, Topic: "a..b"}) // silent without acknowledge
	c.Send(&wamp.Subscribe{Request: 12, Topic: "wampum.x", Options: wamp.Dict{"no_such_option": []any{}}})
	coretest.Expect[*wamp.Subscribed](c)
}

func TestPrefixRegistrationDoesNotCatchReservedProcedures(t *testing.T) {
	r := coretest.Router(t)
	callee, caller := coretest.Join(t, r), coretest.Join(t, r)
	callee.Register("", wamp.Dict{"match": "prefix"})
	caller.Call("wamp.session.nothing", nil)
	caller.ExpectError(wamp.ErrNoSuchProcedure)
	callee.Nothing()
}

func TestGoodbyeAndANewSessionOnTheSameConnection(t *testing.T) {
	r := coretest.Router(t)
	c, other := coretest.Join(t, r), coretest.Join(t, r)
	first := c.ID
	c.Subscribe("a.b", nil)
	c.Register("a.b", nil)
	c.Send(&wamp.Goodbye{Reason: wamp.CloseRealm})
	if bye := coretest.Expect[*wamp.Goodbye](c); bye.Reason != wamp.CloseGoodbyeAndOut {
		t.Errorf("goodbye %+v", bye)
	}
	c.Hello("realm1", coretest.Roles())
	if c.ID == first {
		t.Error("the same session id again")
	}
	other.Publish("a.b", nil)
	other.Call("a.b", nil)
	other.ExpectError(wamp.ErrNoSuchProcedure)
	c.Subscribe("a.c", nil)
	c.Nothing()
	c.Send(&wamp.Abort{Reason: wamp.CloseNormal})
	if m := c.Receive(); m != nil {
		t.Errorf("ABORT was answered with %+v", m)
	}
}

func TestHelloAndChallengeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := coretest.Realm("realm1")
		cfg.Auth.Methods = []string{auth.MethodTicket}
		cfg.Auth.Users = []auth.User{{Name: "joe", Password: "s3cret", Groups: []string{"user"}}}
		r := coretest.Router(t, cfg)
		start := time.Now()
		c := coretest.Connect(t, r, wamp.JSON, 0)
		c.ExpectAbort(wamp.ErrTimeout)
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("no HELLO: cut after %v", d)
		}
		start = time.Now()
		c = coretest.Connect(t, r, wamp.JSON, 0)
		c.Send(hello("ticket", "joe"))
		coretest.Expect[*wamp.Challenge](c)
		c.ExpectAbort(wamp.ErrTimeout)
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("no AUTHENTICATE: cut after %v", d)
		}
		c = coretest.Connect(t, r, wamp.JSON, 0)
		c.Send(hello("ticket", "joe"))
		coretest.Expect[*wamp.Challenge](c)
		c.Send(&wamp.Subscribe{Request: 1, Topic: "a.b"})
		c.ExpectAbort(wamp.ErrProtocolViolation)
	})
}

func hello(method, authid string) *wamp.Hello {
	d := coretest.Roles()
	d["authmethods"], d["authid"] = []any{method}, authid
	return &wamp.Hello{Realm: "realm1", Details: d}
}

func TestTicketAndGrants(t *testing.T) {
	cfg := realm.Config{
		URI: "realm1",
		Auth: auth.Config{
			Methods: []string{auth.MethodTicket, auth.MethodWAMPCRA},
			Users:   []auth.User{{Name: "joe", Password: "s3cret", Groups: []string{"user"}}},
		},
		Access: rbac.Config{Grants: []rbac.Grant{{
			Roles: []string{"user"}, Permissions: []rbac.Permission{rbac.Subscribe},
			Resources: []rbac.Resource{{URI: "open.", Match: wamp.MatchPrefix}},
		}}},
		Queue: coretest.Realm("x").Queue,
	}
	r := coretest.Router(t, cfg)
	c := coretest.Connect(t, r, wamp.JSON, 0)
	c.Send(hello("ticket", "joe"))
	coretest.Expect[*wamp.Challenge](c)
	c.Send(&wamp.Authenticate{Signature: "wrong"})
	c.ExpectAbort(wamp.ErrAuthenticationDenied)

	c = coretest.Connect(t, r, wamp.JSON, 0)
	c.Send(hello("ticket", "joe"))
	coretest.Expect[*wamp.Challenge](c)
	c.Send(&wamp.Authenticate{Signature: "s3cret"})
	w := coretest.Expect[*wamp.Welcome](c)
	if w.Details["authid"] != "joe" || w.Details["authrole"] != "user" || w.Details["authmethod"] != "ticket" {
		t.Errorf("details %v", w.Details)
	}
	c.Subscribe("open.x", nil)
	c.Send(&wamp.Subscribe{Request: c.Next(), Topic: "closed.x"})
	c.ExpectError(wamp.ErrNotAuthorized)
	c.Send(&wamp.Subscribe{Request: c.Next(), Topic: "ope", Options: wamp.Dict{"match": "prefix"}})
	c.ExpectError(wamp.ErrNotAuthorized)

	// a change acts on the open session
	cfg.Access.Grants[0].Resources[0].URI = "closed."
	if err := r.Apply([]realm.Config{cfg}); err != nil {
		t.Fatal(err)
	}
	c.Subscribe("closed.x", nil)
	c.Send(&wamp.Subscribe{Request: c.Next(), Topic: "open.y"})
	c.ExpectError(wamp.ErrNotAuthorized)
}

func TestWAMPCRA(t *testing.T) {
	cfg := coretest.Realm("realm1")
	cfg.Auth.Methods = []string{auth.MethodWAMPCRA}
	cfg.Auth.Users = []auth.User{{Name: "peter", Password: "s3cret", Groups: []string{"user"}}}
	r := coretest.Router(t, cfg)
	c := coretest.Connect(t, r, wamp.CBOR, 0)
	c.Send(hello("wampcra", "peter"))
	ch := coretest.Expect[*wamp.Challenge](c)
	challenge, _ := ch.Extra["challenge"].(string)
	mac := hmac.New(sha256.New, []byte("not the key"))
	mac.Write([]byte(challenge))
	c.Send(&wamp.Authenticate{Signature: base64.StdEncoding.EncodeToString(mac.Sum(nil))})
	c.ExpectAbort(wamp.ErrAuthenticationDenied)
}

func TestShutdownSaysGoodbyeAndCutsAfterTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := coretest.Router(t)
		polite, rude, silent := coretest.Join(t, r), coretest.Join(t, r), coretest.Connect(t, r, wamp.JSON, 0)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		done := make(chan struct{})
		go func() {
			r.Shutdown(ctx)
			close(done)
		}()
		if bye := coretest.Expect[*wamp.Goodbye](polite); bye.Reason != wamp.CloseSystemShutdown {
			t.Errorf("goodbye %+v", bye)
		}
		polite.Send(&wamp.Subscribe{Request: 1, Topic: "a.b"}) // ignored
		polite.Send(&wamp.Goodbye{Reason: wamp.CloseGoodbyeAndOut})
		<-polite.Closed()
		polite.Nothing()
		coretest.Expect[*wamp.Goodbye](rude)
		start := time.Now()
		<-done
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("shutdown took %v, want the grace of 5 s", d)
		}
		<-rude.Closed()
		<-silent.Closed()
		if late := coretest.Connect(t, r, wamp.JSON, 0); late.Receive() != nil {
			t.Error("served after shutdown")
		}
	})
}

func TestRemovedRealmSaysGoodbye(t *testing.T) {
	r := coretest.Router(t, coretest.Realm("realm1"), coretest.Realm("realm2"))
	c := coretest.Join(t, r)
	if err := r.Apply([]realm.Config{coretest.Realm("realm2")}); err != nil {
		t.Fatal(err)
	}
	if bye := coretest.Expect[*wamp.Goodbye](c); bye.Reason != wamp.CloseRealm {
		t.Errorf("goodbye %+v", bye)
	}
	if err := r.Apply([]realm.Config{coretest.Realm("realm2"), coretest.Realm("realm2")}); err == nil {
		t.Error("a realm defined twice was accepted")
	}
}

func TestShutdownCutsSessionsOfRemovedRealms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := coretest.Router(t)
		c := coretest.Join(t, r)
		if err := r.Apply(nil); err != nil {
			t.Fatal(err)
		}
		coretest.Expect[*wamp.Goodbye](c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		r.Shutdown(ctx)
		if d := time.Since(start); d != time.Second {
			t.Errorf("shutdown took %v, want the grace of 1 s", d)
		}
		<-c.Closed()
	})
}

func TestRealmsAreIsolated(t *testing.T) {
	r := coretest.Router(t, coretest.Realm("realm1"), coretest.Realm("realm2"))
	a := coretest.Join(t, r)
	b := coretest.Connect(t, r, wamp.JSON, 0)
	b.Hello("realm2", coretest.Roles())
	a.Subscribe("a.b", nil)
	a.Register("a.b", nil)
	b.Publish("a.b", nil)
	b.Call("a.b", nil)
	b.ExpectError(wamp.ErrNoSuchProcedure)
	b.Register("a.b", nil)
	a.Nothing()
}

func TestLimitsPerSession(t *testing.T) {
	cfg := coretest.Realm("realm1")
	cfg.MaxSubscriptions, cfg.MaxRegistrations, cfg.MaxCalls = 2, 2, 2
	r := coretest.Router(t, cfg)
	c := coretest.Join(t, r)
	for i, topic := range []wamp.URI{"a.a", "a.b", "a.c"} {
		c.Send(&wamp.Subscribe{Request: c.Next(), Topic: topic})
		c.Send(&wamp.Register{Request: c.Next(), Procedure: topic})
		if i < 2 {
			coretest.Expect[*wamp.Subscribed](c)
			coretest.Expect[*wamp.Registered](c)
		} else {
			c.ExpectError(wamp.ErrUnavailable)
			c.ExpectError(wamp.ErrUnavailable)
		}
	}
	for range 2 {
		c.Call("a.a", nil)
		coretest.Expect[*wamp.Invocation](c)
	}
	c.Call("a.a", nil)
	c.ExpectError(wamp.ErrUnavailable)
}
