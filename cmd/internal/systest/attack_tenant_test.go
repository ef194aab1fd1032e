package systest_test

import (
	"context"
	"testing"

	"bondy/core/wamp"
	"bondy/transport/client"
)

// trusted logs in by the method trust.
type trusted struct{ user string }

func (a trusted) Method() string                 { return "trust" }
func (a trusted) AuthID() string                 { return a.user }
func (trusted) Extra() wamp.Dict                 { return nil }
func (trusted) Answer(wamp.Dict) (string, error) { return "", nil }

// TestTrustOpensNoOtherRealm has the administrator of a realm do all it can to be
// somebody whose credentials an SSO realm keeps: it can put that user into its realm
// and be let in there as that user from its own address, but never elsewhere.
func TestTrustOpensNoOtherRealm(t *testing.T) {
	d := newDomain(t, "")
	may := []any{
		grant("staff", "bondy.", append([]string{"bondy.issue"}, everyMessage...)...), grant("staff", "", everyMessage...),
	}
	shared := []any{dict{"username": "joe", "sso_realm_uri": "sso", "groups": []any{"staff"}}}
	d.apply(
		application("sso", people("joe"), dict{"is_sso_realm": true, "grants": may}),
		application("victim", shared, dict{"sso_realm_uri": "sso", "grants": may}),
		application("mallory", people("mallory"), dict{
			"sso_realm_uri": "sso", "grants": may, "authmethods": texts(append([]string{"trust"}, allMethods...)),
		}),
	)
	own, mallory := d.join("victim", as("joe")), d.join("mallory", as("mallory"))
	issued := d.issue(own)
	try := func(want, procedure wamp.URI, args ...any) {
		t.Helper()
		if _, err := ask(t.Context(), mallory, procedure, nil, args...); uri(err) != want {
			t.Errorf("%s%v = %v, want %q", procedure, args, err, want)
		}
	}
	try("", "bondy.user.add", shared[0])
	try(wamp.ErrNotAuthorized, "bondy.user.change_password", "joe", "mallorys-secret")
	try(wamp.ErrNotAuthorized, "bondy.user.update", "joe", dict{"authorized_keys": []any{publicOf("mallory")}})
	try(wamp.ErrNotAuthorized, "bondy.user.add_alias", "joe", "mallorys-alias")
	try(wamp.ErrNotAuthorized, "bondy.ticket.revoke_all", "joe")
	try("", "bondy.source.add", dict{"usernames": "joe", "authmethods": []any{"trust", "ticket"}, "cidr": "127.0.0.0/8"})
	drawn := d.issue(d.join("mallory", trusted{"joe"}))
	d.join("mallory", client.Ticket("joe", drawn))
	for _, realm := range []wamp.URI{"victim", "sso"} {
		d.denied(wamp.ErrAuthenticationDenied, realm, client.Ticket("joe", drawn))
	}
	d.stays("the user's own session", own)
	d.join("victim", client.Ticket("joe", issued))
}

// issue draws a ticket of the widest scope.
func (d *domain) issue(c *client.Session) string {
	d.t.Helper()
	v, err := ask(d.t.Context(), c, "bondy.ticket.issue", nil)
	if err != nil {
		d.t.Fatal(err)
	}
	return v.(dict)["ticket"].(string)
}

// TestStolenPasswordIsWorthNothingOnceChanged has a thief draw a ticket while the
// password is good: with the next password that ends, too, as it does for who is
// disabled and enabled again.
func TestStolenPasswordIsWorthNothingOnceChanged(t *testing.T) {
	d := newDomain(t, "")
	d.apply(application("app", people("joe", "ann"), nil))
	others := d.issue(d.join("app", as("ann")))
	for what, change := range map[string]func(){
		"another password": func() {
			d.do("bondy.user.change_password", "app", "joe", "another-secret")
			d.do("bondy.user.change_password", "app", "joe", secretOf("joe"))
		},
		"another key": func() { d.do("bondy.user.update", "app", "joe", dict{"authorized_keys": []any{publicOf(t.Name())}}) },
		"disabled": func() {
			d.do("bondy.user.disable", "app", "joe")
			d.do("bondy.user.enable", "app", "joe")
		},
	} {
		drawn := d.issue(d.join("app", as("joe")))
		in := d.join("app", client.Ticket("joe", drawn))
		change()
		<-in.Done()
		t.Log(what)
		d.denied(wamp.ErrAuthenticationDenied, "app", client.Ticket("joe", drawn))
		d.do("bondy.user.update", "app", "joe", dict{"authorized_keys": []any{}})
	}
	d.join("app", client.Ticket("ann", others))
}

// TestNobodyDecidesForTheRouterByABroadGrant has an ordinary user, who may register
// anything, try to be the one whom the router asks who clients are and what they
// may do: while who should be asked is away, nobody is.
func TestNobodyDecidesForTheRouterByABroadGrant(t *testing.T) {
	d := newDomain(t, "")
	d.apply(application("app", append(people("mallory"), dict{"username": "service", "password": secretOf("service"), "groups": []any{"services"}}), dict{
		"groups":     []any{dict{"name": "staff"}, dict{"name": "services"}, dict{"name": "bosses"}},
		"dynamic":    dict{"ticket": "com.example.login"},
		"authorizer": "com.example.may",
		"grants": []any{
			grant("staff", "", everyMessage...), grant("services", "com.example.", everyMessage...), grant("bosses", "bondy.", everyMessage...),
		},
	}))
	mallory := d.join("app", as("mallory"))
	decide := func(_ context.Context, inv *client.Invocation) (*client.Result, error) {
		if inv.Procedure == "com.example.may" {
			return &client.Result{Args: []any{true}}, nil
		}
		return &client.Result{Args: []any{"bosses"}}, nil
	}
	for _, p := range []struct {
		uri   wamp.URI
		match wamp.Match
		want  wamp.URI
	}{
		{"com.example.login", wamp.MatchExact, wamp.ErrNotAuthorized},
		{"com.example.may", wamp.MatchExact, wamp.ErrNotAuthorized},
		{"", wamp.MatchPrefix, wamp.ErrNotAuthorized},
		{"com.ex", wamp.MatchPrefix, wamp.ErrNotAuthorized},
		{"..login", wamp.MatchWildcard, wamp.ErrNotAuthorized},
		{"com.example.", wamp.MatchWildcard, wamp.ErrNotAuthorized},
		{"com.example.other", wamp.MatchExact, ""},
		{"com.example.login.", wamp.MatchPrefix, ""},
		{"...", wamp.MatchWildcard, ""},
	} {
		if _, err := mallory.Register(t.Context(), p.uri, decide, client.RegisterOptions{Match: p.match}); uri(err) != p.want {
			t.Errorf("register %s %q = %v, want %q", p.match, p.uri, err, p.want)
		}
	}
	d.denied(wamp.ErrAuthenticationDenied, "app", client.Ticket("anybody", "anything"))
	service := d.join("app", as("service"))
	register(t, service, "com.example.login", decide)
	boss := d.join("app", client.Ticket("anybody", "anything"))
	if _, err := ask(t.Context(), boss, "bondy.user.list", nil); err != nil {
		t.Errorf("who was let in by the service: %v", err)
	}
}
