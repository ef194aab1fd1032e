package admin_test

import (
	"context"
	"errors"
	"testing"

	"bondy/core/admin"
	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/meta"
	"bondy/core/mgmt"
	"bondy/core/rbac"
	"bondy/core/ticket"
	"bondy/core/wamp"
)

// allowed is a session of a user of realm1 who may do what is said and nothing else.
func (r *rig) allowed(authid, method string, grants ...rbac.Grant) caller {
	r.t.Helper()
	for i := range grants {
		grants[i].Roles = []string{rbac.RoleAll}
	}
	a, err := rbac.New(rbac.Config{Grants: grants})
	if err != nil {
		r.t.Fatal(err)
	}
	return caller{"realm1", r.session("realm1", authid, method), a.Rights(rbac.Subject{Groups: []string{rbac.RoleAll}})}
}

func issuing(scope wamp.URI) rbac.Grant {
	return rbac.Grant{Permissions: []rbac.Permission{rbac.Issue}, Resources: []rbac.Resource{{URI: "bondy.ticket.scope." + scope}}}
}

func TestTicketProcedures(t *testing.T) {
	r := newRig(t)
	r.do("bondy.user.add", "realm1", dict{"username": "joe", "password": "first secret"})
	r.do("bondy.user.add", "realm1", dict{"username": "ann", "password": "first secret"})
	joe := r.allowed("joe", auth.MethodWAMPCRA, issuing("local"))
	res, err := r.try(joe, "bondy.ticket.issue", dict{"expiry_time_secs": 60, "device_id": "phone"})
	if err != nil {
		t.Fatal(err)
	}
	issued := res.Args[0].(dict)
	text, id := issued["ticket"].(string), issued["id"].(string)
	if issued["expires_at"].(int64)-issued["issued_at"].(int64) > 60 {
		t.Errorf("issued %v", issued)
	}
	has(t, issued["scope"], dict{"realm": "realm1", "client_id": nil, "device_id": "phone"})
	shown := dict{"id": id, "authid": "joe", "authrealm": "realm1", "authmethod": "wampcra", "scope": issued["scope"]}
	has(t, r.do("bondy.ticket.verify", "realm1", text), shown) // W35
	has(t, r.do("bondy.ticket.get", "realm1", id), shown)
	has(t, r.do("bondy.ticket.list", "realm1").(list)[0], shown)
	if m := r.do("bondy.ticket.get", "realm1", id).(dict); m["ticket"] != nil {
		t.Error("the ticket itself is shown")
	}
	r.refused(caller{}, "bondy.error.invalid_value", "bondy.ticket.verify", "realm2", text)
	r.refused(caller{}, "bondy.error.invalid_value", "bondy.ticket.verify", "realm1", text+"x")

	// The operator issues for whom it names, a session for its user alone.
	other := r.do("bondy.ticket.issue", "realm1", "ann").(dict)
	has(t, r.do("bondy.ticket.get", "realm1", other["id"]), dict{"authid": "ann"})
	r.refused(r.as("realm1", "joe"), wamp.ErrNotAuthorized, "bondy.ticket.issue", "ann")
	r.refused(r.as("realm1", "joe"), wamp.ErrNotAuthorized, "bondy.ticket.issue", "realm1", "ann")
	r.refused(r.as("bondy", "boss"), wamp.ErrNotAuthorized, "bondy.ticket.issue", "realm1", "ann")
	r.refused(r.as("realm1", "nobody"), wamp.ErrNoSuchPrincipal, "bondy.ticket.issue")
	r.refused(r.allowed("joe", auth.MethodWAMPCRA, issuing("sso")), wamp.ErrNotAuthorized, "bondy.ticket.issue")
	r.refused(r.allowed("joe", auth.MethodTicket+"x", issuing("local")), wamp.ErrNotAuthorized, "bondy.ticket.issue")
	if _, err := r.try(joe, "bondy.ticket.issue", dict{"expiry": 60}); wamp.AsError(err).URI != wamp.ErrInvalidArgument {
		t.Errorf("an unknown option: %v", err)
	}

	beside := r.doAs(joe, "bondy.ticket.issue").(dict)
	r.do("bondy.ticket.revoke", "realm1", id)
	r.refused(caller{}, "bondy.error.invalid_value", "bondy.ticket.verify", "realm1", text) // W13
	r.do("bondy.ticket.verify", "realm1", beside["ticket"])                                 // W16: that one alone
	r.refused(caller{}, directory.ErrNotFound, "bondy.ticket.revoke", "realm1", id)
	r.refused(caller{}, directory.ErrNotFound, "bondy.ticket.get", "realm1", id)
	second := r.doAs(joe, "bondy.ticket.issue").(dict)
	third := r.doAs(joe, "bondy.ticket.issue").(dict)
	r.refused(joe, directory.ErrNotFound, "bondy.ticket.revoke_own", other["id"])
	r.doAs(joe, "bondy.ticket.revoke_own", second["id"])
	r.refused(caller{}, "bondy.error.invalid_value", "bondy.ticket.verify", "realm1", second["ticket"])
	r.do("bondy.ticket.verify", "realm1", third["ticket"])
	r.doAs(joe, "bondy.ticket.revoke_own")
	r.refused(caller{}, "bondy.error.invalid_value", "bondy.ticket.verify", "realm1", third["ticket"])
	r.do("bondy.ticket.verify", "realm1", other["ticket"])
	r.do("bondy.ticket.revoke_all", "realm1")
	equal(t, r.do("bondy.ticket.list", "realm1"), list{})
	for _, e := range r.events.list {
		for _, secret := range []string{text, second["ticket"].(string)} {
			if contains(e.Object+e.Reason, secret) {
				t.Errorf("a ticket is in %+v", e)
			}
		}
	}
}

// A ticket asked for just before the user got another password, by a session that
// ended for it, is as worthless as those before: it is not kept.
func TestNoTicketForWhoWasDismissedMeanwhile(t *testing.T) {
	r := newRig(t)
	r.do("bondy.user.add", "realm1", dict{"username": "joe", "password": "first secret"})
	joe := r.allowed("joe", auth.MethodWAMPCRA, issuing("local"))
	_, err := r.table.Call(&mgmt.Request{
		Procedure: "bondy.ticket.issue", Realm: "realm1", Caller: joe.peer, Rights: joe.rights,
		Guard: func(change func() error) error {
			r.do("bondy.user.change_password", "realm1", "joe", "other secret")
			joe.peer.About.(*meta.Session).VoidTestaments() // as the realm does that ends it
			return change()
		},
	})
	if wamp.AsError(err).URI != wamp.ErrNotAuthorized {
		t.Errorf("issued: %v", err)
	}
	equal(t, r.do("bondy.ticket.list", "realm1"), list{})
}

// TestTicketsOfSSOUsers are of the realm that keeps the credentials; who manages
// another does not revoke them all.
func TestTicketsOfSSOUsers(t *testing.T) {
	r := newRig(t)
	r.do("bondy.realm.create", dict{"uri": "sso", "is_sso_realm": true})
	r.do("bondy.realm.create", dict{"uri": "app", "sso_realm_uri": "sso"})
	r.do("bondy.user.add", "app", dict{"username": "joe", "sso_realm_uri": "sso", "password": "first secret"})
	wide := r.do("bondy.ticket.issue", "app", "joe").(dict)
	res, err := r.try(caller{}, "bondy.ticket.issue", dict{"allow_sso": false}, "app", "joe")
	if err != nil {
		t.Fatal(err)
	}
	narrow := res.Args[0].(dict)
	r.do("bondy.ticket.verify", "sso", wide["ticket"])
	r.do("bondy.ticket.verify", "app", narrow["ticket"])
	boss := r.as("app", "boss")
	r.refused(boss, wamp.ErrNotAuthorized, "bondy.ticket.revoke_all", "joe")
	list1, err := r.try(boss, "bondy.ticket.list", dict{"authid": "joe"})
	if err != nil || len(list1.Args[0].(list)) != 1 {
		t.Errorf("the boss of app sees %v, %v", list1.Args, err)
	}
	r.do("bondy.ticket.revoke_all", "app", "joe")
	r.refused(caller{}, "bondy.error.invalid_value", "bondy.ticket.verify", "app", wide["ticket"])
}

// TestKeyProcedures is W27: keys have states, and are public.
func TestKeyProcedures(t *testing.T) {
	r := newRig(t)
	equal(t, r.do("bondy.key.list", "realm1"), list{})
	r.do("bondy.user.add", "realm1", dict{"username": "joe"})
	issued := r.do("bondy.ticket.issue", "realm1", "joe").(dict) // draws the first ones
	first := r.do("bondy.key.list", "realm1").(list)
	if len(first) != 2 {
		t.Fatalf("the first keys are %v", first)
	}
	states := func() string {
		out := ""
		for _, want := range []string{"active", "next", "retired"} {
			for _, k := range r.do("bondy.key.list", "realm1").(list) {
				if k := k.(dict); k["state"] == want {
					out += want + " "
					if k["algorithm"] != "ES256" || k["created"] == nil || (k["retired"] != nil) != (want == "retired") {
						t.Errorf("%v", k)
					}
				}
			}
		}
		return out
	}
	equal(t, states(), "active next ")
	r.do("bondy.ticket.issue", "realm1", "joe") // W28: not again
	equal(t, r.do("bondy.key.list", "realm1"), first)
	r.do("bondy.key.rotate", "realm1")
	equal(t, states(), "active next retired ")
	r.do("bondy.ticket.verify", "realm1", issued["ticket"])
	keys := r.do("bondy.key.jwks", "realm1").(dict)["keys"].(list)
	if len(keys) != 3 || keys[0].(dict)["kty"] != "EC" || keys[0].(dict)["d"] != nil {
		t.Errorf("public are %v", keys)
	}
	equal(t, r.do("bondy.realm.get", "realm1").(dict)["public_keys"], any(keys))
	r.refused(caller{}, wamp.ErrNoSuchRealm, "bondy.key.list", "none")
}

// TestTicketPolicy: a realm says which tickets there are.
func TestTicketPolicy(t *testing.T) {
	r := newRig(t)
	r.do("bondy.user.add", "realm1", dict{"username": "joe", "password": "first secret"})
	r.do("bondy.realm.update", "realm1", dict{"tickets": dict{"max_lifetime": "1h", "methods": list{"wampcra"}, "max_per_user": 2}})
	issue := func(c caller, args ...any) dict {
		t.Helper()
		res, err := r.try(c, "bondy.ticket.issue", dict{"expiry_time_secs": 7200}, args...)
		if err != nil {
			t.Fatal(err)
		}
		return res.Args[0].(dict)
	}
	for range 3 {
		i := issue(r.as("realm1", "joe"))
		if life := i["expires_at"].(int64) - i["issued_at"].(int64); life > 3600 || life < 3590 {
			t.Errorf("a ticket for %d s, want at most an hour", life)
		}
	}
	if got := r.do("bondy.ticket.list", "realm1").(list); len(got) != 2 {
		t.Errorf("%d tickets, want 2", len(got))
	}
	r.do("bondy.user.add", "realm1", dict{"username": "ann"})
	r.refused(r.allowed("ann", auth.MethodSCRAM, issuing("local")), wamp.ErrNotAuthorized, "bondy.ticket.issue")
	own := issue(caller{}, "realm1", "joe") // the operator logs in by nothing
	has(t, r.do("bondy.ticket.get", "realm1", own["id"]), dict{"issued_by": "operator", "authmethod": "operator", "authid": "joe"})
	r.refused(caller{}, directory.ErrInvalidValue, "bondy.realm.update", "realm1", dict{"tickets": dict{"max_per_user": -1}})
}

// TestWideTicketAskedFor: who asks for an SSO ticket gets one or an error, who says
// nothing the widest that there is.
func TestWideTicketAskedFor(t *testing.T) {
	r := newRig(t)
	r.do("bondy.user.add", "realm1", dict{"username": "joe"})
	has(t, r.do("bondy.ticket.issue", "realm1", "joe").(dict)["scope"], dict{"realm": "realm1"})
	_, err := r.try(caller{}, "bondy.ticket.issue", dict{"allow_sso": true}, "realm1", "joe")
	if we := wamp.AsError(err); err == nil || we.URI != ticket.ErrInvalidRequest || !contains(we.Message, "allow_sso") {
		t.Errorf("an SSO ticket without SSO realm: %v", err)
	}
}

// TestOtherRealmsProcedures: what is for the master realm alone says so.
func TestOtherRealmsProcedures(t *testing.T) {
	r := newRig(t)
	we := r.refused(r.as("realm1", "boss"), wamp.ErrNotAuthorized, "bondy.realm.list")
	equal(t, we.Message, `bondy.realm.list is for sessions of the realm "bondy": this one is of "realm1"`)
	we = r.refused(r.as("realm1", "boss"), wamp.ErrNotAuthorized, "bondy.user.list", "realm2")
	equal(t, we.Message, `sessions of the realm "realm1" manage that realm alone: "realm2" is managed from the realm "bondy"`)
}

// TestDocumentsWaitForGate: passwords of documents are hashed when there is room.
func TestDocumentsWaitForGate(t *testing.T) {
	r := newRig(t)
	ctx, end := context.WithCancel(t.Context())
	end()
	gate := auth.NewGate(1)
	if err := gate.Enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	var table mgmt.Table
	admin.Register(&table, admin.Config{Directory: r.dir, Gate: gate, Context: ctx})
	r.table = table
	doc := dict{"uri": "a.b", "users": list{dict{"username": "joe", "password": "first secret"}}}
	if _, err := r.try(caller{}, "bondy.realm.apply", nil, list{doc}); !errors.Is(err, context.Canceled) {
		t.Errorf("apply with a full gate: %v", err)
	}
	if _, err := r.try(caller{}, "bondy.realm.create", nil, doc); !errors.Is(err, context.Canceled) {
		t.Errorf("create with a full gate: %v", err)
	}
	doc["users"] = list{dict{"username": "joe"}}
	r.do("bondy.realm.create", doc)
}
