package session_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"bondy/core"
	"bondy/core/audit"
	"bondy/core/audit/audittest"
	"bondy/core/auth"
	"bondy/core/coretest"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// trail is an audit log in memory.
type trail struct{ audittest.Trail }

func (tr *trail) one(t *testing.T) audit.Event {
	t.Helper()
	events := tr.Take()
	if len(events) != 1 {
		t.Fatalf("recorded %+v, want one event", events)
	}
	return events[0]
}

func audited(t *testing.T, cfg realm.Config) (*core.Router, *trail) {
	t.Helper()
	tr := &trail{}
	r, err := core.New(core.Config{Realms: []realm.Config{cfg}, Log: slog.New(slog.DiscardHandler), Audit: tr})
	if err != nil {
		t.Fatal(err)
	}
	return r, tr
}

const rightPassword, wrongPassword = "open-sesame", "open-barley"

func auditedRealm() realm.Config {
	cfg := coretest.Lasting("realm1", 10)
	cfg.Auth.Methods = []string{auth.MethodAnonymous, auth.MethodTicket}
	cfg.Auth.Users = []auth.User{{Name: "joe", Password: rightPassword, Groups: []string{"user"}}}
	return cfg
}

func asJoe() wamp.Dict {
	d := coretest.Roles()
	d["authid"], d["authmethods"], d["agent"] = "joe", []any{auth.MethodTicket}, "lamp-7"
	return d
}

func TestLoginsAndLogoutsAreRecorded(t *testing.T) {
	r, tr := audited(t, auditedRealm())
	c, w := login(t, r, rightPassword, asJoe())
	c.Send(&wamp.Subscribe{Request: 1, Topic: "com.example"}) // joe has no grant: the answer comes after the record
	coretest.Expect[*wamp.ErrorMessage](c)
	events := tr.Take()
	if len(events) != 2 {
		t.Fatalf("%+v", events)
	}
	in, denied := events[0], events[1]
	if in.Kind != audit.Login || in.Outcome != audit.OK || in.Realm != "realm1" || in.AuthID != "joe" ||
		in.AuthMethod != auth.MethodTicket || in.Session != w.Session || in.Agent != "lamp-7" {
		t.Errorf("%+v", in)
	}
	if denied.Kind != audit.Denial || denied.Outcome != audit.Refused || denied.AuthID != "joe" || denied.Session != w.Session ||
		denied.Action != "wamp.subscribe" || denied.Object != "com.example" || !strings.Contains(denied.Reason, "exact") {
		t.Errorf("%+v", denied)
	}
	c.Send(&wamp.Goodbye{Reason: wamp.CloseRealm})
	coretest.Expect[*wamp.Goodbye](c)
	c.Drop()
	if out := tr.one(t); out.Kind != audit.Logout || out.AuthID != "joe" || out.Session != w.Session {
		t.Errorf("%+v", out)
	}
}

// TestResumedSessionIsOneLogin wants each connection to be told of, and one end.
func TestResumedSessionIsOneLogin(t *testing.T) {
	r, tr := audited(t, auditedRealm())
	c, w := login(t, r, rightPassword, coretest.Resumable(asJoe()))
	c.Drop()
	again, back := login(t, r, rightPassword, back(w, asJoe()))
	if back.Session != w.Session {
		t.Fatalf("%v", back.Details)
	}
	again.Send(&wamp.Goodbye{Reason: wamp.CloseRealm})
	coretest.Expect[*wamp.Goodbye](again)
	again.Drop()
	var kinds []audit.Kind
	for _, e := range tr.Take() {
		if kinds = append(kinds, e.Kind); e.Session != w.Session {
			t.Errorf("%+v is of another session", e)
		}
	}
	if fmt.Sprint(kinds) != "[login login logout]" {
		t.Errorf("%v", kinds)
	}
}

func TestRefusalsAreRecorded(t *testing.T) {
	r, tr := audited(t, auditedRealm())
	refuse := func(details wamp.Dict, ticket string) audit.Event {
		t.Helper()
		c := coretest.Connect(t, r, wamp.MessagePack, 0)
		c.Send(&wamp.Hello{Realm: "realm1", Details: details})
		if ticket != "" {
			coretest.Expect[*wamp.Challenge](c)
			c.Send(&wamp.Authenticate{Signature: ticket})
		}
		coretest.Expect[*wamp.Abort](c)
		return tr.one(t)
	}
	e := refuse(asJoe(), wrongPassword)
	if e.Kind != audit.Refusal || e.Outcome != audit.Refused || e.AuthID != "joe" || e.AuthMethod != auth.MethodTicket || e.Session != 0 ||
		e.Action != string(wamp.ErrAuthenticationDenied) || e.Reason != "wrong credential" || e.Agent != "lamp-7" {
		t.Errorf("%+v", e)
	}
	stranger := asJoe()
	stranger["authmethods"] = []any{"telepathy"}
	if e := refuse(stranger, ""); e.Action != string(wamp.ErrNoMatchingAuthMethod) || e.Reason == "" || strings.Contains(e.Reason, e.Action) {
		t.Errorf("%+v", e)
	}
	// Who breaks the protocol, or goes, was not refused.
	c := coretest.Connect(t, r, wamp.MessagePack, 0)
	c.Send(&wamp.Hello{Realm: "realm1", Details: asJoe()})
	coretest.Expect[*wamp.Challenge](c)
	c.Send(&wamp.Hello{Realm: "realm1"})
	coretest.Expect[*wamp.Abort](c)
	gone := coretest.Connect(t, r, wamp.MessagePack, 0)
	gone.Send(&wamp.Hello{Realm: "realm1", Details: asJoe()})
	coretest.Expect[*wamp.Challenge](gone)
	gone.Drop()
	if events := tr.Take(); len(events) > 0 {
		t.Errorf("%+v", events)
	}
}

// TestAuditLogHasNoSecrets looks for what the clients proved themselves with.
func TestAuditLogHasNoSecrets(t *testing.T) {
	cfg := auditedRealm()
	cfg.Auth.Methods = []string{auth.MethodTicket, auth.MethodPassword, auth.MethodWAMPCRA, auth.MethodSCRAM, auth.MethodCryptosign}
	r, tr := audited(t, cfg)
	for _, method := range cfg.Auth.Methods {
		for _, secret := range []string{rightPassword, wrongPassword} {
			c := coretest.Connect(t, r, wamp.MessagePack, 0)
			d := asJoe()
			d["authmethods"] = []any{method}
			d["authextra"] = map[string]any{"nonce": secret, "pubkey": secret}
			c.Send(&wamp.Hello{Realm: "realm1", Details: d})
			c.Send(&wamp.Authenticate{Signature: secret, Extra: wamp.Dict{"nonce": secret, "proof": secret}})
			for c.Receive().Type() == wamp.TypeChallenge {
				continue // then comes WELCOME or ABORT
			}
			c.Drop()
		}
	}
	events := tr.Take()
	if len(events) < 2*len(cfg.Auth.Methods) {
		t.Fatalf("%+v", events)
	}
	if text := fmt.Sprintf("%+v", events); strings.Contains(text, rightPassword) || strings.Contains(text, wrongPassword) {
		t.Error(text)
	}
}
