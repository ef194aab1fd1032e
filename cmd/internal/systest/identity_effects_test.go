package systest_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"maps"
	"strings"
	"testing"
	"time"

	"bondy/core/wamp"
	"bondy/transport/client"
)

// allMethods are those that need nothing but users.
var allMethods = []string{"anonymous", "cryptosign", "password", "ticket", "wampcra", "wamp-scram"}

// secretOf is a user's password.
func secretOf(user string) string { return user + "-secret" }

// as logs in with a user's password.
func as(user string) client.Authenticator { return client.CRA(user, secretOf(user)) }

// people are users in the group staff.
func people(names ...string) []any {
	out := make([]any, len(names))
	for i, n := range names {
		out[i] = dict{"username": n, "password": secretOf(n), "groups": []any{"staff"}}
	}
	return out
}

// application is a realm where staff may do everything below com.example., with
// what more says.
func application(uri string, users []any, more dict) dict {
	doc := dict{
		"uri": uri, "authmethods": texts(allMethods), "groups": []any{dict{"name": "staff"}}, "users": users,
		"grants": []any{
			grant("staff", "com.example.", everyMessage...), grant("all", "bondy.user.self", "wamp.call"),
			grant("staff", "bondy.ticket.issue", "wamp.call"), grant("staff", "bondy.ticket.scope.", "bondy.issue"),
		},
	}
	maps.Copy(doc, more)
	return doc
}

// apply makes realms what documents say.
func (d *domain) apply(documents ...any) {
	d.t.Helper()
	d.do("bondy.realm.apply", documents)
}

// TestRevokedRightsAct takes from a user, in every way there is, what it may do:
// calls are refused, what it has subscribed to and registered is revoked.
func TestRevokedRightsAct(t *testing.T) {
	d := newDomain(t, "")
	d.apply(application("app", people("joe", "ann"), dict{"groups": []any{
		dict{"name": "staff"}, dict{"name": "crew", "groups": []any{"staff"}},
	}}))
	d.do("bondy.user.add", "app", dict{"username": "kim", "password": secretOf("kim"), "groups": []any{"crew"}})
	joe, ann, kim := d.join("app", as("joe")), d.join("app", as("ann")), d.join("app", as("kim"))
	register(t, ann, "com.example.time", echo)
	all := grant("staff", "com.example.", everyMessage...)
	for _, way := range []struct {
		name       string
		who        *client.Session
		take, give func()
	}{
		{
			"grant revoked", joe,
			func() { d.do("bondy.grant.revoke", "app", all) },
			func() { d.do("bondy.grant.create", "app", all) },
		},
		{
			"out of the group", joe,
			func() { d.do("bondy.user.remove_group", "app", "joe", "staff") },
			func() { d.do("bondy.user.add_group", "app", "joe", "staff") },
		},
		{
			"groups replaced", joe,
			func() { d.do("bondy.user.update", "app", "joe", dict{"groups": []any{}}) },
			func() { d.do("bondy.user.update", "app", "joe", dict{"groups": []any{"staff"}}) },
		},
		{
			"group out of its group", kim,
			func() { d.do("bondy.group.remove_group", "app", "crew", "staff") },
			func() { d.do("bondy.group.add_group", "app", "crew", "staff") },
		},
		{
			"group deleted", kim,
			func() { d.do("bondy.group.delete", "app", "crew") },
			func() {
				d.do("bondy.group.add", "app", dict{"name": "crew", "groups": []any{"staff"}})
				if err := call(t.Context(), kim, "com.example.time", patience); uri(err) != wamp.ErrNotAuthorized {
					t.Errorf("member of a group that was made again: %v", err)
				}
				d.do("bondy.user.add_group", "app", "kim", "crew")
			},
		},
	} {
		t.Run(way.name, func(t *testing.T) {
			if err := call(t.Context(), way.who, "com.example.time", patience); err != nil {
				t.Fatal(err)
			}
			sub := subscribe(t, way.who, "com.example.news", wamp.MatchPrefix, func(*client.Event) {})
			reg, err := way.who.Register(t.Context(), "com.example.mine", echo, client.RegisterOptions{})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			way.take()
			for _, err := range []error{
				call(t.Context(), way.who, "com.example.time", patience),
				second(way.who.Publish(t.Context(), "com.example.news", nil, nil, client.PublishOptions{Acknowledge: true})),
			} {
				if uri(err) != wamp.ErrNotAuthorized {
					t.Errorf("got %v, want %s", err, wamp.ErrNotAuthorized)
				}
			}
			d.soon("subscription revoked", began, sub.Done())
			d.soon("registration revoked", began, reg.Done())
			d.stays(way.name, way.who)
			way.give()
			if way.name == "grant revoked" { // it took what ann offers as well
				register(t, ann, "com.example.time", echo)
			}
			if err := call(t.Context(), way.who, "com.example.time", patience); err != nil {
				t.Errorf("with the right given back: %v", err)
			}
		})
	}
}

// keyOf is a user's key to log in with.
func keyOf(user string) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, user)
	return ed25519.NewKeyFromSeed(seed)
}

func publicOf(user string) string {
	return hex.EncodeToString(keyOf(user).Public().(ed25519.PublicKey))
}

// TestChangedUserEndsSessions changes users: their sessions end, with the reason,
// and nobody else's.
func TestChangedUserEndsSessions(t *testing.T) {
	d := newDomain(t, "")
	d.apply(application("app", people("joe", "ann"), nil))
	ann := d.join("app", as("ann"))
	for _, c := range []struct {
		name   string
		reason wamp.URI
		change func()
		login  wamp.URI // what becomes of a login as before
	}{
		{
			"another password", "bondy.user.credentials_changed",
			func() { d.do("bondy.user.change_password", "app", "joe", "another-secret") }, wamp.ErrAuthenticationDenied,
		},
		{
			"another password by update", "bondy.user.credentials_changed",
			func() { d.do("bondy.user.update", "app", "joe", dict{"password": "third-secret"}) }, wamp.ErrAuthenticationDenied,
		},
		{
			"another key", "bondy.user.credentials_changed",
			func() { d.do("bondy.user.update", "app", "joe", dict{"authorized_keys": []any{publicOf("joe")}}) }, "",
		},
		{"disabled", "bondy.user.disabled", func() { d.do("bondy.user.disable", "app", "joe") }, wamp.ErrAuthenticationDenied},
		{"deleted", "bondy.user.deleted", func() { d.do("bondy.user.delete", "app", "joe") }, wamp.ErrAuthenticationDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			joe, other := d.join("app", as("joe")), d.join("app", as("joe"))
			d.ends(c.name, c.reason, c.change, joe, other)
			d.stays(c.name, ann)
			if c.login != "" {
				d.denied(c.login, "app", as("joe"))
				d.doWith("bondy.user.delete", dict{"force": true}, "app", d.present("app", "joe"))
				d.do("bondy.user.add", "app", people("joe")[0])
			}
		})
	}
	d.do("bondy.user.update", "app", "joe", dict{"authorized_keys": []any{publicOf("joe")}})
	byKey := d.join("app", client.Cryptosign("joe", keyOf("joe")))
	d.ends("key taken away", "bondy.user.credentials_changed", func() {
		d.do("bondy.user.update", "app", "joe", dict{"authorized_keys": []any{}})
	}, byKey)
	d.denied(wamp.ErrAuthenticationDenied, "app", client.Cryptosign("joe", keyOf("joe")))
}

// present sees to it that there is a user of that name, whom it returns.
func (d *domain) present(realm, user string) string {
	d.t.Helper()
	if _, err := ask(d.t.Context(), d.admin, "bondy.user.get", nil, realm, user); err != nil {
		d.do("bondy.user.add", realm, people(user)[0])
	}
	return user
}

// TestOwnPasswordKeepsOwnSession changes a password by the session whose user it
// is: that session stays, the user's others end.
func TestOwnPasswordKeepsOwnSession(t *testing.T) {
	d := newDomain(t, "")
	d.apply(application("app", people("joe"), nil))
	mine, other := d.join("app", as("joe")), d.join("app", as("joe"))
	if _, err := ask(t.Context(), mine, "bondy.user.self.change_password", nil, "wrong-secret", "another-secret"); err == nil {
		t.Error("the password was changed without the old one")
	}
	d.ends("own password", "bondy.user.credentials_changed", func() {
		if _, err := ask(t.Context(), mine, "bondy.user.self.change_password", nil, secretOf("joe"), "another-secret"); err != nil {
			t.Error(err)
		}
	}, other)
	d.stays("own password", mine)
	d.denied(wamp.ErrAuthenticationDenied, "app", as("joe"))
	d.join("app", client.CRA("joe", "another-secret"))
}

// TestSignOnEndsEverywhere disables, changes and deletes a user of an SSO realm:
// its sessions end in all realms that use it, and nobody's of the same name.
func TestSignOnEndsEverywhere(t *testing.T) {
	d := newDomain(t, "")
	shared := []any{dict{"username": "joe", "sso_realm_uri": "sso", "groups": []any{"staff"}}}
	d.apply(
		application("sso", people("joe"), dict{"is_sso_realm": true}),
		application("app1", shared, dict{"sso_realm_uri": "sso"}), application("app2", shared, dict{"sso_realm_uri": "sso"}),
		application("app3", people("joe"), dict{"sso_realm_uri": "sso"}), application("app4", people("joe"), nil),
	)
	strangers := []*client.Session{d.join("app3", as("joe")), d.join("app4", as("joe"))}
	sessions := func() []*client.Session {
		return []*client.Session{d.join("app1", as("joe")), d.join("app2", as("joe")), d.join("sso", as("joe"))}
	}
	d.ends("disabled", "bondy.user.disabled", func() { d.do("bondy.user.disable", "sso", "joe") }, sessions()...)
	for _, realm := range []wamp.URI{"app1", "app2", "sso"} {
		d.denied(wamp.ErrAuthenticationDenied, realm, as("joe"))
	}
	d.do("bondy.user.enable", "sso", "joe")
	d.ends("another password", "bondy.user.credentials_changed", func() {
		d.do("bondy.user.change_password", "sso", "joe", "another-secret")
	}, sessions()...)
	for _, realm := range []wamp.URI{"app1", "app2", "sso"} {
		d.denied(wamp.ErrAuthenticationDenied, realm, as("joe"))
	}
	d.do("bondy.user.change_password", "app1", "joe", secretOf("joe")) // which is that of the SSO realm

	both := []*client.Session{d.join("app1", as("joe")), d.join("app2", as("joe"))}
	d.ends("disabled in one realm", "bondy.user.disabled", func() { d.do("bondy.user.disable", "app1", "joe") }, both[0])
	d.stays("disabled in another realm", both[1])
	d.denied(wamp.ErrAuthenticationDenied, "app1", as("joe"))
	d.do("bondy.user.enable", "app1", "joe")

	d.ends("deleted", "bondy.user.deleted", func() { d.doWith("bondy.user.delete", dict{"force": true}, "sso", "joe") }, sessions()...)
	d.do("bondy.user.add", "sso", people("joe")[0])
	d.denied(wamp.ErrAuthenticationDenied, "app1", as("joe")) // this is somebody else
	for _, c := range strangers {
		d.stays("a user of the same name", c)
	}
}

// TestRevokedTicketEndsSession revokes tickets by id, by user and by deletion of
// the user: the sessions of those who logged in with them end.
func TestRevokedTicketEndsSession(t *testing.T) {
	d := newDomain(t, "")
	d.apply(application("app", people("joe", "ann"), nil))
	joe, ann := d.join("app", as("joe")), d.join("app", as("ann"))
	issue := func(c *client.Session) dict {
		v, err := ask(t.Context(), c, "bondy.ticket.issue", nil)
		if err != nil {
			t.Fatal(err)
		}
		return v.(dict)
	}
	with := func(user string, ticket dict) client.Authenticator {
		return client.Ticket(user, ticket["ticket"].(string))
	}
	one, two, others := issue(joe), issue(joe), issue(ann)
	first, second, hers := d.join("app", with("joe", one)), d.join("app", with("joe", two)), d.join("app", with("ann", others))
	d.ends("ticket revoked", "bondy.ticket.revoked", func() { d.do("bondy.ticket.revoke", "app", one["id"]) }, first)
	d.denied(wamp.ErrAuthenticationDenied, "app", with("joe", one))
	d.stays("another ticket", second)
	d.ends("all of a user", "bondy.ticket.revoked", func() { d.do("bondy.ticket.revoke_all", "app", "joe") }, second)
	d.denied(wamp.ErrAuthenticationDenied, "app", with("joe", two))
	d.stays("the password", joe)
	d.stays("another user's ticket", hers)
	d.ends("all of the realm", "bondy.ticket.revoked", func() { d.do("bondy.ticket.revoke_all", "app", "") }, hers)
	later := issue(joe)
	session := d.join("app", with("joe", later))
	d.ends("user deleted", "bondy.user.deleted", func() { d.do("bondy.user.delete", "app", "joe") }, session, joe)
	d.do("bondy.user.add", "app", people("joe")[0])
	d.denied(wamp.ErrAuthenticationDenied, "app", with("joe", later))
}

// TestSecuritySwitchedOn has a realm without security get it: who was let in
// without ends, and anonymous clients have what they were granted.
func TestSecuritySwitchedOn(t *testing.T) {
	d := newDomain(t, "")
	d.apply(application("app", people("joe"), dict{"security_enabled": false}))
	c := d.join("app", nil)
	register(t, c, "com.example.anything", echo)
	d.ends("security on", wamp.CloseKilled, func() { d.do("bondy.realm.security.enable", "app") }, c)
	c = d.join("app", nil)
	if err := call(t.Context(), c, "com.example.anything", patience); uri(err) != wamp.ErrNotAuthorized {
		t.Errorf("call = %v, want %s", err, wamp.ErrNotAuthorized)
	}
	d.do("bondy.realm.security.disable", "app")
	d.stays("security off", c)
}

// TestPrototypeActsOnHeirs changes a prototype: sessions and logins of a realm that
// inherits from it follow, but where the realm has its own word.
func TestPrototypeActsOnHeirs(t *testing.T) {
	d := newDomain(t, "")
	proto := application("proto", nil, dict{"is_prototype": true, "authmethods": texts([]string{"wampcra"})})
	d.apply(proto, dict{"uri": "heir", "prototype_uri": "proto", "users": people("joe")},
		dict{"uri": "own", "prototype_uri": "proto", "users": people("joe"), "groups": []any{dict{"name": "staff"}}, "authmethods": texts([]string{"wampcra"})})
	heir, own := d.join("heir", as("joe")), d.join("own", as("joe"))
	sub := subscribe(t, heir, "com.example.news", wamp.MatchExact, func(*client.Event) {})
	if err := call(t.Context(), own, "com.example.none", patience); uri(err) != wamp.ErrNotAuthorized {
		t.Errorf("a group that hides the prototype's has its grants: %v", err)
	}
	began := time.Now()
	d.do("bondy.grant.revoke", "proto", grant("staff", "com.example.", everyMessage...))
	d.soon("subscription revoked", began, sub.Done())
	if err := call(t.Context(), heir, "com.example.none", patience); uri(err) != wamp.ErrNotAuthorized {
		t.Errorf("call = %v, want %s", err, wamp.ErrNotAuthorized)
	}
	d.do("bondy.grant.create", "proto", grant("staff", "com.example.", everyMessage...))
	if err := call(t.Context(), heir, "com.example.none", patience); uri(err) != wamp.ErrNoSuchProcedure {
		t.Errorf("call = %v, want %s", err, wamp.ErrNoSuchProcedure)
	}
	d.do("bondy.realm.update", "proto", dict{"authmethods": texts([]string{"cryptosign"})})
	d.denied(wamp.ErrNoMatchingAuthMethod, "heir", as("joe"))
	d.join("own", as("joe"))
}

// TestSourceActsAtLogin adds a source that denies: it keeps out who comes, and
// leaves alone who is in, for whom the user can be disabled or a grant revoked.
func TestSourceActsAtLogin(t *testing.T) {
	d := newDomain(t, "")
	d.apply(application("app", people("joe", "ann"), nil))
	joe := d.join("app", as("joe"))
	d.do("bondy.source.add", "app", dict{"usernames": []any{"all"}, "action": "allow"})
	v := d.do("bondy.source.add", "app", dict{"usernames": []any{"joe"}, "cidr": "127.0.0.0/8", "action": "deny"})
	d.denied(wamp.ErrNoMatchingAuthMethod, "app", as("joe"))
	d.join("app", as("ann"))
	d.stays("source", joe)
	id, _ := v.(dict)["id"].(string)
	d.do("bondy.source.delete", "app", id)
	d.join("app", as("joe"))
}

// TestDeletedRealmIsGone deletes a realm with sessions, and restarts the node.
func TestDeletedRealmIsGone(t *testing.T) {
	d := newDomain(t, "")
	d.apply(application("app", people("joe"), nil))
	joe, nobody := d.join("app", as("joe")), d.join("app", nil)
	if _, err := ask(t.Context(), d.admin, "bondy.realm.delete", nil, "app"); err == nil {
		t.Error("a realm with users was deleted without force")
	}
	d.ends("realm deleted", wamp.CloseRealm, func() { d.doWith("bondy.realm.delete", dict{"force": true}, "app") }, joe, nobody)
	d.denied(wamp.ErrNoSuchRealm, "app", as("joe"))
	d.stop()
	d.start("")
	d.denied(wamp.ErrNoSuchRealm, "app", as("joe"))
}

// TestUnknownRealmStaysUnknown has clients ask for realms that there are not: none
// is made.
func TestUnknownRealmStaysUnknown(t *testing.T) {
	d := newDomain(t, "")
	before := len(d.do("bondy.realm.list").([]any))
	for _, realm := range []wamp.URI{"none", "com.leapsight.bondy.none", "bondy.none", wamp.URI(strings.Repeat("x", 200))} {
		for _, login := range []client.Authenticator{nil, as("joe"), client.Cryptosign("joe", keyOf("joe"))} {
			d.denied(wamp.ErrNoSuchRealm, realm, login)
		}
	}
	if n := len(d.do("bondy.realm.list").([]any)); n != before {
		t.Errorf("there are %d realms, before there were %d", n, before)
	}
}
