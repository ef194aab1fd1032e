package directory_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/rbac"
	"bondy/core/strict"
	"bondy/core/wamp"
)

// The group of the administrators stays, by whatever way somebody deletes it; another
// realm may have one of that name.
func TestAdministratorsStay(t *testing.T) {
	d := directorytest.Open(t, new(directorytest.Log))
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(
			tx.CreateRealm(directory.Master, directory.Properties{}), tx.AddGroup(directory.Master, directory.Administrators, nil, nil),
			tx.AddGroup(directory.Master, "others", nil, nil),
			tx.CreateRealm("r", directory.Properties{}), tx.AddGroup("r", directory.Administrators, nil, nil),
		)
	})
	fails(t, d, directory.ErrReservedName, func(tx *directory.Tx) error {
		return tx.DeleteGroup(directory.MasterAlias, directory.Administrators)
	})
	directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.DeleteGroup("r", directory.Administrators) })
	doc := directory.Document{URI: directory.Master, Groups: strict.Some([]directory.GroupDocument{})}
	if _, err := d.ApplyDocuments(directory.Actor{}, []directory.Document{doc}, directory.ApplyOptions{Prune: true}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{directory.Administrators: true, "others": false} {
		if _, got := view(t, d, directory.Master).FindGroup(name); got != want {
			t.Errorf("after pruning, group %q is there: %v", name, got)
		}
	}
}

// TestMasterRealmIsClosed: nobody administers a node without saying who it is, and
// not everybody does who can log in.
func TestMasterRealmIsClosed(t *testing.T) {
	d := directorytest.Open(t, new(directorytest.Log))
	open := []string{auth.MethodWAMPCRA, auth.MethodAnonymous}
	fails(t, d, directory.ErrInconsistency, func(tx *directory.Tx) error {
		return tx.CreateRealm(directory.Master, directory.Properties{AuthMethods: open})
	})
	directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.CreateRealm(directory.Master, directory.Properties{}) })
	if got := view(t, d, directory.Master).Effective().AuthMethods; len(got) == 0 || slices.Contains(got, auth.MethodAnonymous) {
		t.Errorf("the default methods are %v", got)
	}
	fails(t, d, directory.ErrInconsistency, func(tx *directory.Tx) error {
		return tx.UpdateRealm(directory.Master, func(p *directory.Properties) error {
			p.AuthMethods = open
			return nil
		})
	})
	for _, tc := range []struct {
		role     string
		resource rbac.Resource
		closed   bool
	}{
		{"anonymous", rbac.Resource{URI: "com.example"}, false},
		{"anonymous", rbac.Resource{URI: "bondy.", Match: wamp.MatchPrefix}, true},
		{"all", rbac.Resource{URI: "bondy.user.add"}, true},
		{"all", rbac.Resource{URI: "com.leapsight.bondy.user.add"}, true},
		{"all", rbac.Resource{URI: "bondy.user.self"}, false},
		{"all", rbac.Resource{URI: "wamp.session.kill"}, true},
		{"all", rbac.Resource{URI: "wamp.session.count"}, false},
		{"all", rbac.Resource{URI: "bondy", Match: wamp.MatchPrefix}, true},
		{"all", rbac.Resource{URI: "bondy.user.", Match: wamp.MatchPrefix}, true},
		{"all", rbac.Resource{URI: "bondy..add", Match: wamp.MatchWildcard}, true},
		{"all", rbac.Resource{Match: wamp.MatchPrefix}, false}, // which is all but management
	} {
		grant := func(tx *directory.Tx) error {
			return tx.Grant(directory.Master, groupRole(tc.role), tc.resource, rbac.Set(rbac.Call))
		}
		if !tc.closed {
			directorytest.Do(t, d, grant)
			continue
		}
		fails(t, d, directory.ErrInconsistency, grant)
	}
	directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.CreateRealm("r", directory.Properties{AuthMethods: open}) })
	resource, ps := call("bondy.")
	directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.Grant("r", groupRole("all"), resource, ps) })
}

// TestBlame: what is wrong with one key of a document is told of that one.
func TestBlame(t *testing.T) {
	d := directorytest.Open(t, new(directorytest.Log))
	for text, want := range map[string]string{
		`{"uri":"com.t1","authmethods":["tls"],"tls":{"authid":"cn"},"dynamic":{"foo":"x.y"}}`: "com.t1: dynamic.foo: ",
		`{"uri":"com.t1","tls":{"authid":"cn"},"trustroots":[{"address":"zz"}]}`:               "com.t1: trustroots[0]",
		`{"uri":"com.t1","tls":{"authid":"cx"}}`:                                               "com.t1: tls.authid: ",
		`{"uri":"com.t1","max_detached_sessions":0}`:                                           "com.t1: max_detached_sessions: ",
		`{"uri":"com.t1","users":[{"username":"joe","password":"short"}]}`:                     "com.t1: users[0]: password: ",
		`{"uri":"com.t1","tickets":{"max_lifetime":"721h"}}`:                                   "com.t1: tickets.max_lifetime: ",
		`{"uri":"com.t1","tickets":{"methods":["jwt"]}}`:                                       "com.t1: tickets.methods[0]: ",
	} {
		docs, err := directory.ParseDocuments([]byte(text))
		if err == nil {
			_, err = d.PlanDocuments(directory.Actor{}, docs, directory.ApplyOptions{})
		}
		if err == nil || !contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestPlanNamesKeys: a plan names what differs by the keys of documents.
func TestPlanNamesKeys(t *testing.T) {
	d := directorytest.Open(t, new(directorytest.Log))
	apply := func(members string) []directory.Change {
		t.Helper()
		return applyDocs(t, d, `{"uri": "com.t1"`+members+`}`, false)
	}
	apply("")
	const members = `, "tls": {"authid": "cn"}, "dynamic": {"ticket": "x.y"}, "history": [{"uri": "x.z"}], "uri_strictness": "strict", "max_sessions": 3,
		"tickets": {"max_lifetime": "1h", "methods": []}`
	changes := apply(members)
	want := []string{"uri_strictness", "max_sessions", "history", "tls", "dynamic", "tickets"}
	if len(changes) != 1 || !slices.Equal(changes[0].Fields, want) {
		t.Errorf("%+v, want the fields %v", changes, want)
	}
	if changes := apply(members); len(changes) != 0 {
		t.Errorf("the same again changes %+v", changes)
	}
	if p := view(t, d, "com.t1").Realm().Tickets; p.MaxLifetime != time.Hour || p.Methods == nil {
		t.Errorf("the policy is %+v", p)
	}
}
