package core_test

import (
	"maps"
	"slices"
	"testing"

	"bondy/core/auth"
	"bondy/core/coretest"
	"bondy/core/wamp"
)

func TestSessionInfo(t *testing.T) {
	r := coretest.Router(t)
	for _, prefix := range []string{"_", "x_"} {
		asked, other, p := coretest.Join(t, r), coretest.Join(t, r), coretest.Join(t, r)
		ask := wamp.Dict{prefix + "disclose_session_info": true, prefix + "prefer_local": true}
		asked.Subscribe("com.news", ask)
		asked.Subscribe("com.", wamp.Dict{"match": "prefix", prefix + "disclose_session_info": true})
		other.Subscribe("com.news", nil)
		asked.Register("com.echo", ask)
		p.Publish("com.news", nil, "x")
		p.Call("com.echo", nil)
		want := map[string]any{
			"session": int64(p.ID), "authid": p.Welcome["authid"], "authrole": "anonymous",
			"authmethod": "anonymous", "authprovider": p.Welcome["authprovider"],
		}
		check := func(d wamp.Dict) {
			t.Helper()
			info, _ := d[prefix+"session_info"].(map[string]any)
			if roles, _ := info[prefix+"authroles"].([]any); len(roles) != 1 || roles[0] != "anonymous" {
				t.Errorf("details %v", d)
			}
			delete(info, prefix+"authroles")
			if !maps.Equal(info, want) {
				t.Errorf("session info %v, want %v", info, want)
			}
		}
		for range 2 {
			check(coretest.Expect[*wamp.Event](asked).Details)
		}
		check(coretest.Expect[*wamp.Invocation](asked).Details)
		if e := coretest.Expect[*wamp.Event](other); len(e.Details) != 0 {
			t.Errorf("details %v for who did not ask", e.Details)
		}
		asked.Drop()
	}
}

func TestSessionInfoNeedsDisclosure(t *testing.T) {
	cfg := coretest.Realm("realm1")
	cfg.NoDisclosure = true
	c := coretest.Join(t, coretest.Router(t, cfg))
	for _, option := range []string{"_disclose_session_info", "x_disclose_session_info"} {
		c.Send(&wamp.Subscribe{Request: c.Next(), Topic: "com.news", Options: wamp.Dict{option: true}})
		c.ExpectError(wamp.ErrDiscloseMeDisallowed)
	}
}

func TestAuthRoles(t *testing.T) {
	cfg := coretest.Realm("realm1")
	cfg.Auth.Methods = []string{auth.MethodTicket}
	cfg.Auth.Users = []auth.User{{Name: "joe", Password: "s3cret", Groups: []string{"user", "staff", "ops"}}}
	r := coretest.Router(t, cfg)
	join := func(wish wamp.Dict) *coretest.Client {
		c := coretest.Connect(t, r, wamp.JSON, 0)
		m := hello("ticket", "joe")
		maps.Copy(m.Details, wish)
		c.Send(m)
		coretest.Expect[*wamp.Challenge](c)
		c.Send(&wamp.Authenticate{Signature: "s3cret"})
		return c
	}
	for _, tc := range []struct {
		wish  wamp.Dict
		role  string
		roles []any
	}{
		{nil, "user", []any{"joe", "user", "staff", "ops"}},
		{wamp.Dict{"authrole": "ops"}, "ops", []any{"ops"}},
		{wamp.Dict{"authrole": "ops, staff"}, "ops", []any{"ops", "staff"}},
		{wamp.Dict{"authrole": nil, "_authroles": nil}, "user", []any{"joe", "user", "staff", "ops"}},
		{wamp.Dict{"authrole": "all"}, "user", []any{"joe", "user", "staff", "ops"}},
		{wamp.Dict{"authrole": "", "_authroles": []any{"default"}}, "user", []any{"joe", "user", "staff", "ops"}},
		{wamp.Dict{"authrole": "nobody", "_authroles": []any{"staff"}}, "staff", []any{"staff"}},
		{wamp.Dict{"x_authroles": []any{"staff", "ops"}}, "staff", []any{"staff", "ops"}},
	} {
		d := coretest.Expect[*wamp.Welcome](join(tc.wish)).Details
		for _, key := range []string{"_authroles", "x_authroles"} {
			if got, _ := d[key].([]any); !slices.Equal(got, tc.roles) || d["authrole"] != tc.role {
				t.Errorf("%v: %s %v, %s %v", tc.wish, "authrole", d["authrole"], key, got)
			}
		}
	}
	join(wamp.Dict{"_authroles": []any{"staff", "root"}}).ExpectAbort(wamp.ErrNoSuchRole)
	join(wamp.Dict{"authrole": "staff,root"}).ExpectAbort(wamp.ErrNoSuchRole)
	c := coretest.Connect(t, r, wamp.JSON, 0)
	m := hello("ticket", "joe")
	m.Details["x_authroles"] = "ops"
	c.Send(m)
	c.ExpectAbort(wamp.ErrProtocolViolation)
}
