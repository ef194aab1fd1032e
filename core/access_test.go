package core_test

import (
	"testing"

	"bondy/core"
	"bondy/core/auth"
	"bondy/core/coretest"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// grant gives roles permissions on one resource.
func grant(uri wamp.URI, m wamp.Match, roles []string, ps ...rbac.Permission) rbac.Grant {
	return rbac.Grant{Roles: roles, Permissions: ps, Resources: []rbac.Resource{{URI: uri, Match: m}}}
}

// allow are the permissions to do things.
func allow() []rbac.Permission {
	return []rbac.Permission{rbac.Call, rbac.Register, rbac.Subscribe, rbac.Publish}
}

// secured is a realm with these grants, where anonymous clients and joe, who is in
// group user, log in.
func secured(grants ...rbac.Grant) realm.Config {
	cfg := coretest.Realm("realm1")
	cfg.Auth.Methods = []string{auth.MethodAnonymous, auth.MethodTicket}
	cfg.Auth.Users = []auth.User{{Name: "joe", Password: "s3cret", Groups: []string{"user", "staff"}}}
	cfg.Access.Grants = grants
	return cfg
}

// revocable announces that the client understands what is revoked.
func revocable() wamp.Dict {
	d := coretest.Roles()
	roles := d["roles"].(map[string]any)
	roles["subscriber"] = map[string]any{"features": map[string]any{"subscription_revocation": true}}
	roles["callee"].(map[string]any)["features"].(map[string]any)["registration_revocation"] = true
	return d
}

// joe logs joe in, narrowed to roles if there are any.
func joe(t *testing.T, r *core.Router, roles ...any) *coretest.Client {
	t.Helper()
	c := coretest.Connect(t, r, wamp.MessagePack, 0)
	d := revocable()
	d["authmethods"], d["authid"] = []any{"ticket"}, "joe"
	if len(roles) > 0 {
		d["_authroles"] = roles
	}
	c.Send(&wamp.Hello{Realm: "realm1", Details: d})
	coretest.Expect[*wamp.Challenge](c)
	c.Send(&wamp.Authenticate{Signature: "s3cret"})
	w := coretest.Expect[*wamp.Welcome](c)
	c.ID, c.Welcome = w.Session, w.Details
	return c
}

// apply changes the realm's grants and users.
func apply(t testing.TB, r *core.Router, cfg realm.Config) {
	t.Helper()
	if err := r.Apply([]realm.Config{cfg}); err != nil {
		t.Fatal(err)
	}
}

// denied calls something and wants an error.
func denied(t *testing.T, c *coretest.Client, procedure, reason wamp.URI) {
	t.Helper()
	c.Call(procedure, nil)
	c.ExpectError(reason)
}

// W4: a session that asked for one of its roles has the grants of that one.
func TestNarrowedSession(t *testing.T) {
	r := coretest.Router(t, secured(
		grant("com.user", wamp.MatchExact, []string{"user"}, allow()...),
		grant("com.staff", wamp.MatchExact, []string{"staff"}, allow()...),
		grant("com.joe", wamp.MatchExact, []string{"joe"}, allow()...),
	))
	all := []wamp.URI{"com.user", "com.staff", "com.joe"}
	for _, tc := range []struct {
		roles []any
		may   map[wamp.URI]bool
	}{
		{nil, map[wamp.URI]bool{"com.user": true, "com.staff": true, "com.joe": true}},
		{[]any{"user"}, map[wamp.URI]bool{"com.user": true}},
		{[]any{"joe"}, map[wamp.URI]bool{"com.joe": true}},
		{[]any{"joe", "staff"}, map[wamp.URI]bool{"com.joe": true, "com.staff": true}},
	} {
		c := joe(t, r, tc.roles...)
		for _, u := range all {
			if tc.may[u] {
				denied(t, c, u, wamp.ErrNoSuchProcedure)
			} else {
				denied(t, c, u, wamp.ErrNotAuthorized)
			}
		}
	}
}

// W3: what sessions hold follows the grants, and so does what they ask for.
func TestStandingSubscriptionRevoked(t *testing.T) {
	wide := secured(
		grant("com.", wamp.MatchPrefix, []string{"user"}, allow()...),
		grant("org.", wamp.MatchPrefix, []string{"all"}, allow()...),
	)
	r := coretest.Router(t, wide)
	c, p := joe(t, r), coretest.Join(t, r)
	lost := c.Subscribe("com.news", nil)
	pattern := c.Subscribe("com.", wamp.Dict{"match": "prefix"})
	kept := c.Subscribe("org.news", nil)
	silent := coretest.Join(t, r) // did not announce revocation
	silent.Subscribe("org.news", nil)

	narrow := secured(grant("com.news", wamp.MatchExact, []string{"user"}, rbac.Publish), wide.Access.Grants[1])
	apply(t, r, narrow)
	gone := map[wamp.ID]bool{}
	for range 2 {
		m := coretest.Expect[*wamp.Unsubscribed](c)
		if m.Request != 0 || m.Details["reason"] != string(wamp.ErrNotAuthorized) {
			t.Errorf("%+v", m)
		}
		id, _ := m.Details["subscription"].(int64)
		gone[wamp.ID(id)] = true
	}
	if !gone[lost] || !gone[pattern] {
		t.Errorf("revoked %v, want %d and %d", gone, lost, pattern)
	}
	c.Send(&wamp.Subscribe{Request: c.Next(), Topic: "com.news"})
	c.ExpectError(wamp.ErrNotAuthorized)
	p.Publish("org.news", nil)
	if e := coretest.Expect[*wamp.Event](c); e.Subscription != kept {
		t.Errorf("event on %d, want %d", e.Subscription, kept)
	}
	coretest.Expect[*wamp.Event](silent)
	apply(t, r, secured())
	if m := coretest.Expect[*wamp.Unsubscribed](c); m.Details["subscription"] != int64(kept) {
		t.Errorf("%+v", m)
	}
	silent.Nothing()
	if n := r.Stats().Subscriptions; n != 0 {
		t.Errorf("%d subscriptions left", n)
	}
}

func TestStandingRegistrationRevoked(t *testing.T) {
	wide := secured(grant("com.", wamp.MatchPrefix, []string{"user"}, allow()...), grant("com.", wamp.MatchPrefix, []string{"anonymous"}, rbac.Call))
	r := coretest.Router(t, wide)
	c, caller := joe(t, r), coretest.Join(t, r)
	lost := c.Register("com.add", nil)
	kept := c.Register("com.sub", nil)
	pending := caller.Call("com.add", nil)
	inv := coretest.Expect[*wamp.Invocation](c)
	apply(t, r, secured(grant("com.sub", wamp.MatchExact, []string{"staff"}, rbac.Register), wide.Access.Grants[1]))
	if m := coretest.Expect[*wamp.Unregistered](c); m.Request != 0 || m.Details["registration"] != int64(lost) || m.Details["reason"] != string(wamp.ErrNotAuthorized) {
		t.Errorf("%+v", m)
	}
	c.Send(&wamp.Yield{Request: inv.Request}) // what it has already it may answer
	if m := coretest.Expect[*wamp.Result](caller); m.Request != pending {
		t.Errorf("result of %d", m.Request)
	}
	denied(t, caller, "com.add", wamp.ErrNoSuchProcedure)
	caller.Call("com.sub", nil)
	if m := coretest.Expect[*wamp.Invocation](c); m.Registration != kept {
		t.Errorf("invocation of %d", m.Registration)
	}
}

// W3, W5: a session ends that is not what it was.
func TestSessionEndsWithWhatItWas(t *testing.T) {
	cfg := secured(grant("com.", wamp.MatchPrefix, []string{"all"}, allow()...))
	user := cfg.Auth.Users[0]
	for name, tc := range map[string]struct {
		roles  []any
		change func(*auth.User)
		reason wamp.URI // none if the session stays
	}{
		"a role is gone":              {nil, func(u *auth.User) { u.Groups = u.Groups[:1] }, ""},
		"the role asked for is gone":  {[]any{"staff"}, func(u *auth.User) { u.Groups = u.Groups[:1] }, wamp.ErrNoSuchRole},
		"one of those asked for":      {[]any{"user", "staff"}, func(u *auth.User) { u.Groups = u.Groups[:1] }, wamp.ErrNoSuchRole},
		"the role asked for is there": {[]any{"user"}, func(u *auth.User) { u.Groups = u.Groups[:1] }, ""},
		"the user is disabled":        {nil, func(u *auth.User) { u.Disabled = true }, wamp.ErrNoSuchPrincipal},
		"the user is gone":            {[]any{"user"}, func(u *auth.User) { u.Name = "peter" }, wamp.ErrNoSuchPrincipal},
	} {
		t.Run(name, func(t *testing.T) {
			r := coretest.Router(t, cfg)
			c := joe(t, r, tc.roles...)
			next := cfg
			changed := user
			tc.change(&changed)
			next.Auth.Users = []auth.User{changed}
			apply(t, r, next)
			if tc.reason != "" {
				gone(t, c, tc.reason)
				return
			}
			c.Subscribe("com.x", nil)
		})
	}
}

// W24: who wants to be told of clients that do not ask for it needs a grant.
func TestDisclosureNeedsPermission(t *testing.T) {
	tell := func(ps ...rbac.Permission) rbac.Grant {
		return grant("com.told.", wamp.MatchPrefix, []string{"anonymous"}, ps...)
	}
	base := grant("", wamp.MatchPrefix, []string{"anonymous"}, allow()...)
	full := secured(base, tell(rbac.DiscloseCaller, rbac.DisclosePublisher, rbac.DiscloseSessionInfo))
	callee, publisher := secured(base, tell(rbac.DiscloseCaller)), secured(base, tell(rbac.DisclosePublisher))
	open := secured()
	open.Auth.SecurityDisabled, open.Access.SecurityDisabled = true, true
	open.Auth.Users = nil
	for _, tc := range []struct {
		name     string
		cfg      realm.Config
		register bool
		option   string
		uri      wamp.URI
		ok       bool
	}{
		{"nothing", secured(base), true, "disclose_caller", "com.told.x", false},
		{"nothing", secured(base), true, "_disclose_session_info", "com.told.x", false},
		{"nothing", secured(base), false, "x_disclose_session_info", "com.told.x", false},
		{"everything", full, true, "disclose_caller", "com.told.x", true},
		{"everything", full, true, "x_disclose_session_info", "com.told.x", true},
		{"everything", full, false, "_disclose_session_info", "com.told.x", true},
		{"everything elsewhere", full, true, "disclose_caller", "com.x", false},
		{"everything elsewhere", full, false, "_disclose_session_info", "com.x", false},
		{"callers", callee, true, "disclose_caller", "com.told.x", true},
		{"callers", callee, true, "_disclose_session_info", "com.told.x", false},
		{"publishers", publisher, false, "_disclose_session_info", "com.told.x", false},
		{"no security", open, true, "disclose_caller", "com.told.x", true},
		{"no security", open, false, "_disclose_session_info", "com.told.x", true},
	} {
		c := coretest.Join(t, coretest.Router(t, tc.cfg))
		options := wamp.Dict{tc.option: true}
		if tc.register {
			c.Send(&wamp.Register{Request: c.Next(), Procedure: tc.uri, Options: options})
		} else {
			c.Send(&wamp.Subscribe{Request: c.Next(), Topic: tc.uri, Options: options})
		}
		switch m := c.Receive().(type) {
		case *wamp.ErrorMessage:
			if tc.ok || m.Error != wamp.ErrOptionNotAllowed {
				t.Errorf("%s: %s on %s: %s", tc.name, tc.option, tc.uri, m.Error)
			}
		default:
			if !tc.ok {
				t.Errorf("%s: %s on %s: %s", tc.name, tc.option, tc.uri, m.Type())
			}
		}
	}
	// and without the option nobody is told
	r := coretest.Router(t, secured(base))
	a, b := coretest.Join(t, r), coretest.Join(t, r)
	a.Register("com.x", nil)
	a.Subscribe("com.x", nil)
	b.Call("com.x", nil)
	b.Publish("com.x", nil)
	if d := coretest.Expect[*wamp.Invocation](a).Details; len(d) != 0 {
		t.Errorf("INVOCATION has %v", d)
	}
	if d := coretest.Expect[*wamp.Event](a).Details; len(d) != 0 {
		t.Errorf("EVENT has %v", d)
	}
}

func TestDisclosingRegistrationRevoked(t *testing.T) {
	base := grant("", wamp.MatchPrefix, []string{"user"}, allow()...)
	r := coretest.Router(t, secured(base, grant("", wamp.MatchPrefix, []string{"user"}, rbac.DiscloseCaller, rbac.DisclosePublisher, rbac.DiscloseSessionInfo)))
	c := joe(t, r)
	c.Register("com.plain", nil)
	c.Subscribe("com.plain", nil)
	told := c.Register("com.told", wamp.Dict{"disclose_caller": true})
	informed := c.Subscribe("com.told", wamp.Dict{"_disclose_session_info": true})
	apply(t, r, secured(base))
	if m := coretest.Expect[*wamp.Unsubscribed](c); m.Details["subscription"] != int64(informed) {
		t.Errorf("%+v", m)
	}
	if m := coretest.Expect[*wamp.Unregistered](c); m.Details["registration"] != int64(told) {
		t.Errorf("%+v", m)
	}
	c.Nothing()
}

// W22, W24: the router's names are its own, under each of their aliases, and
// no others are.
func TestReservedNames(t *testing.T) {
	cfg := coretest.Realm("realm1")
	cfg.Access.SecurityDisabled, cfg.Auth.SecurityDisabled = true, true // whatever the grants
	c := coretest.Join(t, coretest.Router(t, cfg))
	for _, u := range []wamp.URI{"bondy.x", "wamp.x", "com.bondy.x", "com.leapsight.bondy.x", "bondy", "com.bondy"} {
		c.Send(&wamp.Register{Request: c.Next(), Procedure: u})
		c.ExpectError(wamp.ErrNotAuthorized)
		c.Send(&wamp.Publish{Request: c.Next(), Topic: u, Options: wamp.Dict{"acknowledge": true}})
		c.ExpectError(wamp.ErrNotAuthorized)
		denied(t, c, u, wamp.ErrNoSuchProcedure)
	}
	for _, u := range []wamp.URI{"bondyfoo.x", "wampum.x", "com.bondyfoo.x", "com.leapsight.x"} {
		c.Register(u, nil)
		c.Publish(u, nil)
	}
	c.Register("com.", wamp.Dict{"match": "prefix"}) // which covers aliases
	denied(t, c, "com.bondy.x", wamp.ErrNoSuchProcedure)
	if a, b := c.Subscribe("com.leapsight.bondy.user.added", nil), c.Subscribe("bondy.user.added", nil); a != b {
		t.Error("an alias of a topic is another topic")
	}
}

// W22: an alias on CALL is decided on as what it is.
func TestAliasesOnCall(t *testing.T) {
	r := coretest.Router(t, secured(
		grant("com.", wamp.MatchPrefix, []string{"anonymous"}, allow()...),
		grant("bondy.", wamp.MatchPrefix, []string{"user"}, rbac.Call),
	))
	anonymous, user := coretest.Join(t, r), joe(t, r)
	for _, u := range []wamp.URI{"bondy.realm.nothing", "com.bondy.realm.nothing", "com.leapsight.bondy.realm.nothing"} {
		denied(t, anonymous, u, wamp.ErrNotAuthorized)
		denied(t, user, u, wamp.ErrNoSuchProcedure)
	}
}
