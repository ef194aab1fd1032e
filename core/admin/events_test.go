package admin_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"bondy/core"
	"bondy/core/admin"
	"bondy/core/codec"
	"bondy/core/coretest"
	"bondy/core/directory"
	"bondy/core/meta"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// open makes a router with realms whose anonymous clients hear all events of the
// management, and may call what grants says, with the procedures of a rig.
func open(t *testing.T, r *rig, grants ...rbac.Grant) *core.Router {
	t.Helper()
	var configs []realm.Config
	for _, uri := range []wamp.URI{"bondy", "realm1"} {
		cfg := coretest.Realm(uri)
		cfg.Access.Grants = append(cfg.Access.Grants, rbac.Grant{
			Roles: []string{rbac.RoleAnonymous}, Permissions: []rbac.Permission{rbac.Subscribe},
			Resources: []rbac.Resource{{URI: "bondy.", Match: wamp.MatchPrefix}},
		})
		cfg.Access.Grants = append(cfg.Access.Grants, grants...)
		configs = append(configs, cfg)
	}
	router := coretest.Router(t, configs...)
	for _, cfg := range configs {
		found, err := router.Realm(cfg.URI)
		if err != nil {
			t.Fatal(err)
		}
		found.Procedures.Share(&r.table)
	}
	r.dir.Observe(eventsOf(router).Observe)
	return router
}

func eventsOf(router *core.Router) *admin.Events {
	return admin.NewEvents(func(uri wamp.URI) *meta.Events {
		if found, err := router.Realm(uri); err == nil {
			return found.Events
		}
		return nil
	}, new(peer.Counters))
}

// watch joins a realm and subscribes to all events of the management.
func watch(t *testing.T, router *core.Router, uri wamp.URI) *coretest.Client {
	t.Helper()
	c := coretest.Connect(t, router, wamp.MessagePack, 0)
	c.Hello(uri, coretest.Roles())
	c.Subscribe("bondy.", wamp.Dict{"match": "prefix"})
	return c
}

// told is the next event: its topic, its arguments and its keyword arguments.
func told(t *testing.T, c *coretest.Client) (topic string, args list, kwargs dict) {
	t.Helper()
	e, ok := c.Receive().(*wamp.Event)
	if !ok {
		t.Fatal("no event")
	}
	args, err := codec.DecodeArgs(e.Payload)
	if err == nil {
		kwargs, err = codec.DecodeKwargs(e.Payload)
	}
	if err != nil {
		t.Fatal(err)
	}
	topic, _ = e.Details["topic"].(string)
	return topic, args, kwargs
}

// TestEventsOfAllChanges is W36: every kind of change is told, after it was made,
// in order, with one envelope.
func TestEventsOfAllChanges(t *testing.T) {
	r := newRig(t)
	router := open(t, r)
	here, master := watch(t, router, "realm1"), watch(t, router, "bondy")
	boss := r.as("realm1", "boss")
	for _, step := range []struct {
		procedure wamp.URI
		args      list
		want      []string // topic and arguments
	}{
		{"bondy.group.add", list{dict{"name": "g"}}, []string{"group.added realm1 g"}},
		{"bondy.group.update", list{"g", dict{"meta": dict{"a": 1}}}, []string{"group.updated realm1 g"}},
		{"bondy.user.add", list{dict{"username": "joe", "password": "first secret"}}, []string{"user.added joe"}},
		{"bondy.user.add", list{dict{"username": "ann", "groups": list{"g"}}}, []string{"user.added ann"}},
		{"bondy.user.update", list{"joe", dict{"meta": dict{"a": 1}, "enabled": false}}, []string{"user.updated realm1 joe", "ticket.revoked_all realm1 joe"}},
		{"bondy.user.enable", list{"joe"}, []string{"user.updated realm1 joe"}},
		{"bondy.user.change_password", list{"joe", "second secret"}, []string{"user.updated realm1 joe", "user.credentials_changed realm1 joe", "ticket.revoked_all realm1 joe"}},
		{"bondy.user.update", list{"joe", dict{"authorized_keys": list{key1}}}, []string{"user.updated realm1 joe", "user.credentials_changed realm1 joe", "ticket.revoked_all realm1 joe"}},
		{"bondy.source.add", list{dict{"id": "s", "usernames": "all", "cidr": "10.0.0.0/8"}}, []string{"source.added realm1 s"}},
		{"bondy.source.add", list{dict{"id": "s", "usernames": "all", "cidr": "11.0.0.0/8"}}, []string{"source.updated realm1 s"}},
		{"bondy.source.delete", list{"s"}, []string{"source.deleted realm1 s"}},
		{
			"bondy.grant.create",
			list{dict{"roles": "g", "permissions": list{"wamp.call"}, "resources": list{dict{"uri": "a"}, dict{"uri": "b"}}}},
			[]string{"grant.created realm1 group/g", "grant.created realm1 group/g"},
		},
		{"bondy.grant.create", list{dict{"roles": "g", "permissions": list{"wamp.publish"}, "uri": "a"}}, []string{"grant.updated realm1 group/g"}},
		{"bondy.grant.revoke", list{dict{"roles": "g", "permissions": list{"wamp.call"}, "uri": "b"}}, []string{"grant.revoked realm1 group/g"}},
		{"bondy.key.rotate", list{}, []string{"key.rotated realm1 "}},
		{"bondy.key.rotate", list{}, []string{"key.rotated realm1 "}},
		{"bondy.ticket.revoke_all", list{"joe"}, []string{"ticket.revoked_all realm1 joe"}},
		{"bondy.group.delete", list{"g"}, []string{"user.updated realm1 ann", "group.deleted realm1 g"}},
		{"bondy.user.delete", list{"joe"}, []string{"user.deleted realm1 joe"}},
	} {
		before := time.Now().Add(-time.Second)
		r.doAs(boss, step.procedure, step.args...)
		for _, want := range step.want {
			topic, args, kwargs := told(t, here)
			words := append([]string{strings.TrimPrefix(topic, "bondy.")}, stringsOf(args)...)
			if got := strings.Join(words, " "); got != want {
				t.Errorf("%s: told %q, want %q", step.procedure, got, want)
			}
			at, err := time.Parse(time.RFC3339, kwargs["time"].(string))
			if err != nil || at.Before(before) || kwargs["id"] == "" {
				t.Errorf("%s: %v", step.procedure, kwargs)
			}
			has(t, kwargs, dict{"realm": "realm1", "actor": dict{"realm": "realm1", "authid": "boss", "session": int64(42)}})
			if strings.HasPrefix(want, "ticket.revoked_all") {
				has(t, kwargs, dict{"kind": "ticket", "name": "joe", "verb": "deleted"})
			}
			keys := []string{}
			for key := range kwargs {
				keys = append(keys, key)
			}
			slices.Sort(keys)
			equal(t, keys, []string{"actor", "fields", "id", "kind", "name", "realm", "time", "verb"})
		}
	}
	// Realms are told of where they are managed.
	r.do("bondy.realm.create", dict{"uri": "com.a"})
	r.do("bondy.realm.update", "com.a", dict{"description": "x"})
	r.do("bondy.realm.delete", "com.a")
	for _, want := range []string{"bondy.realm.created", "bondy.realm.updated", "bondy.realm.deleted"} {
		topic, args, kwargs := told(t, master)
		equal(t, topic, want)
		equal(t, args, list{"com.a"})
		has(t, kwargs, dict{"kind": "realm", "name": "com.a", "actor": dict{"realm": nil, "authid": nil, "session": nil}})
	}
	// What was refused, or is not on the disk, is not told of, and what nobody
	// watches costs nothing.
	r.log.Fail(errors.New("disk full"))
	if _, err := r.try(boss, "bondy.group.add", nil, dict{"name": "lost"}); err == nil {
		t.Error("a full disk took a group")
	}
	r.log.Fail(nil)
	r.refused(boss, directory.ErrUnknownGroup, "bondy.group.delete", "g")
	r.do("bondy.user.add", "realm2", dict{"username": "joe"})
	r.doAs(boss, "bondy.group.add", dict{"name": "last"})
	if topic, args, _ := told(t, here); topic != "bondy.group.added" || args[1] != "last" {
		t.Errorf("told %s %v", topic, args)
	}
}

// TestEventsOfTheNode: what the node itself does is told in the master realm, with the
// envelope of all changes.
func TestEventsOfTheNode(t *testing.T) {
	router := open(t, newRig(t))
	master := watch(t, router, "bondy")
	eventsOf(router).Node("n1", "reloaded")
	topic, args, kwargs := told(t, master)
	equal(t, topic, "bondy.node.reloaded")
	equal(t, len(args), 0)
	has(t, kwargs, dict{
		"realm": "bondy", "kind": "node", "name": "n1", "verb": "reloaded", "fields": list{},
		"actor": dict{"realm": nil, "authid": nil, "session": nil},
	})
}

func stringsOf(args list) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i], _ = a.(string)
	}
	return out
}

// TestAliasesNeedTheRightOfTheProcedure is W22: another name of a procedure is
// authorized as the procedure, and a right on the other name is none.
func TestAliasesNeedTheRightOfTheProcedure(t *testing.T) {
	r := newRig(t)
	for grant, want := range map[rbac.Resource]wamp.URI{
		{URI: "com.", Match: wamp.MatchPrefix}:         wamp.ErrNotAuthorized,
		{URI: "com.leapsight.bondy.user.list"}:         "",
		{URI: "bondy.security.list_users"}:             wamp.ErrNotAuthorized,
		{URI: "bondy.user.list"}:                       "",
		{URI: "bondy.user.", Match: wamp.MatchPrefix}:  "",
		{URI: "bondy.group.", Match: wamp.MatchPrefix}: wamp.ErrNotAuthorized,
	} {
		router := open(t, r, rbac.Grant{Roles: []string{rbac.RoleAnonymous}, Permissions: []rbac.Permission{rbac.Call}, Resources: []rbac.Resource{grant}})
		c := coretest.Join(t, router)
		for _, name := range []wamp.URI{
			"bondy.user.list", "com.bondy.user.list", "com.leapsight.bondy.user.list", "bondy.security.list_users",
			"com.bondy.security.list_users", "com.leapsight.bondy.security.list_users",
		} {
			c.Send(&wamp.Call{Request: c.Next(), Procedure: name})
			var got wamp.URI
			if e, ok := c.Receive().(*wamp.ErrorMessage); ok {
				got = e.Error
			}
			if got != want {
				t.Errorf("with a grant on %v, %s is answered by %q, want %q", grant, name, got, want)
			}
		}
	}
}
