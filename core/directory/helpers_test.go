package directory_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/id"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

type rawMessage = json.RawMessage

func clock() *id.Clock { return id.NewClock(1) }

// fails makes a change as the operator that must be refused with a URI, and
// leaves everything as it was. It returns the text.
func fails(t testing.TB, d *directory.Directory, want wamp.URI, change func(tx *directory.Tx) error) string {
	t.Helper()
	return failsAs(t, d, directory.Actor{}, want, change)
}

func failsAs(t testing.TB, d *directory.Directory, actor directory.Actor, want wamp.URI, change func(tx *directory.Tx) error) string {
	t.Helper()
	before := d.Snapshot()
	err := d.Update(actor, change)
	we, ok := errors.AsType[*wamp.Error](err)
	switch {
	case !ok || we.URI != want:
		t.Errorf("got %v, want %s", err, want)
		return ""
	case d.Snapshot() != before:
		t.Error("a refused change changed something")
	}
	return we.Message
}

// view is a realm as it is now.
func view(t testing.TB, d *directory.Directory, uri wamp.URI) *directory.View {
	t.Helper()
	v, err := d.View(uri)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// allowed tells whether somebody may call a procedure.
func allowed(t testing.TB, v *directory.View, who rbac.Subject, uri wamp.URI) bool {
	t.Helper()
	a, err := rbac.New(rbac.Config{Directory: v})
	if err != nil {
		t.Fatal(err)
	}
	return a.Rights(who).Decide(rbac.Call, uri, wamp.MatchExact)
}

func user(name string) rbac.Subject { return rbac.Subject{User: name} }

// call is the right to call what begins with a URI.
func call(uri wamp.URI) (rbac.Resource, rbac.PermissionSet) {
	return rbac.Resource{URI: uri, Match: wamp.MatchPrefix}, rbac.Set(rbac.Call)
}

func groupRole(name string) rbac.Role { return rbac.Role{Kind: rbac.RoleGroup, Name: name} }
func userRole(name string) rbac.Role  { return rbac.Role{Kind: rbac.RoleUser, Name: name} }

// both checks something on a directory and on one that is opened anew.
func both(t *testing.T, log *directorytest.Log, d *directory.Directory, check func(t *testing.T, d *directory.Directory)) {
	t.Helper()
	t.Run("now", func(t *testing.T) { check(t, d) })
	t.Run("reopened", func(t *testing.T) { check(t, directorytest.Open(t, log)) })
}

func contains(text, part string) bool { return strings.Contains(text, part) }
