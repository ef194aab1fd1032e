package mgmt_test

import (
	"errors"
	"testing"

	"bondy/core/mgmt"
	"bondy/core/wamp"
)

// Errors of the table have what clients of the predecessor read of them.
func TestErrorsAreExplained(t *testing.T) {
	inside := errors.New("disk full")
	for name, tc := range map[string]struct {
		fail error
		uri  wamp.URI
		code string
		more wamp.Dict
	}{
		"ours":      {wamp.Errorf("bondy.error.already_exists", "there is one"), "bondy.error.already_exists", "already_exists", nil},
		"wamp":      {wamp.Errorf(wamp.ErrNoSuchRealm, "there is one"), wamp.ErrNoSuchRealm, "wamp.error.no_such_realm", nil},
		"argument":  {wamp.Errorf(wamp.ErrInvalidArgument, "there is one"), wamp.ErrInvalidArgument, "invalid_argument", nil},
		"violation": {wamp.Violationf("there is one"), wamp.ErrInvalidArgument, "invalid_argument", nil},
		"more":      {&wamp.Error{URI: "bondy.error.x", Message: "there is one", Kwargs: wamp.Dict{"key": "a"}}, "bondy.error.x", "x", wamp.Dict{"key": "a"}},
		"internal":  {inside, "", "", nil},
		"success":   {nil, "", "", nil},
	} {
		var table mgmt.Table
		table.Add("bondy.x", func(*mgmt.Request) (mgmt.Result, error) { return mgmt.Result{}, tc.fail })
		_, err := table.Call(&mgmt.Request{Procedure: "bondy.x"})
		we, ok := errors.AsType[*wamp.Error](err)
		if tc.uri == "" {
			if err != tc.fail { //nolint:errorlint // it must be the same
				t.Errorf("%s: %v became %v", name, tc.fail, err)
			}
			continue
		}
		const text = "there is one"
		if !ok || we.URI != tc.uri || we.Message != text || we.Kwargs["code"] != tc.code || we.Kwargs["message"] != text ||
			we.Kwargs["description"] != text || len(we.Kwargs) != 3+len(tc.more) {
			t.Errorf("%s: %+v", name, we)
		}
		for key, v := range tc.more {
			if we.Kwargs[key] != v {
				t.Errorf("%s: %s is %v", name, key, we.Kwargs[key])
			}
		}
	}
	var none mgmt.Table
	_, err := none.Call(&mgmt.Request{Procedure: "bondy.x"})
	if we, _ := errors.AsType[*wamp.Error](err); we == nil || we.Kwargs["code"] != string(wamp.ErrNoSuchProcedure) {
		t.Errorf("got %+v", err)
	}
}

// An error about a member of an object names it, and has its value where that is
// neither long nor secret.
func TestErrorsNameMembers(t *testing.T) {
	r := request(t, []any{map[string]any{"a": map[string]any{"n": 7, "s": "secret"}}}, nil)
	for key, tc := range map[string]struct {
		read  func(o mgmt.Object)
		value any
	}{
		"a.n": {func(o mgmt.Object) { o.Key("n").List() }, int64(7)},
		"a.s": {func(o mgmt.Object) { o.Key("s").List() }, nil},
		"a.m": {func(o mgmt.Object) { o.Need("m") }, nil},
	} {
		a := r.Args()
		tc.read(a.At(0, "user").Object("a").Key("a").Object("n", "s", "m"))
		we, _ := errors.AsType[*wamp.Error](a.Err())
		if we == nil || we.Kwargs["key"] != key || we.Kwargs["value"] != tc.value {
			t.Errorf("%s: %+v", key, we)
		}
	}
}

// TestErrorsOfOthersNameMembers: what other parts of the router find wrong with a member
// begins with its path.
func TestErrorsOfOthersNameMembers(t *testing.T) {
	for text, want := range map[string]any{
		"meta: longer than 16384 bytes":      "meta",
		"grants[3]: permissions[0]: unknown": "grants[3].permissions[0]",
		"roles: want at least one: really":   "roles",
		"there is no user: add it":           nil,
		`"a:b": is there`:                    nil,
		"nothing":                            nil,
	} {
		for uri, named := range map[wamp.URI]bool{mgmt.ErrInvalidValue: true, wamp.ErrInvalidURI: true, wamp.ErrNotAuthorized: false} {
			we, _ := errors.AsType[*wamp.Error](mgmt.Explained(wamp.Errorf(uri, "%s", text)))
			if got := we.Kwargs["key"]; got != want && named || got != nil && !named {
				t.Errorf("%s: %q has the key %v", uri, text, got)
			}
		}
	}
	we, _ := errors.AsType[*wamp.Error](mgmt.Explained(&wamp.Error{URI: mgmt.ErrInvalidValue, Message: "a: b", Kwargs: wamp.Dict{"key": "x"}}))
	if we.Kwargs["key"] != "x" {
		t.Errorf("a key became %v", we.Kwargs["key"])
	}
}
