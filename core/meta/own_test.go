package meta_test

import (
	"slices"
	"testing"

	"bondy/core/coretest"
	"bondy/core/wamp"
)

func TestSessionSelf(t *testing.T) {
	r := router(t)
	c := coretest.Join(t, r)
	done(t, c, "wamp.session.modify_details", nil, c.ID, map[string]any{"site": "Berlin"})
	d, _ := value(t, c, "bondy.session.self").(map[string]any)
	if id(t, d["session"]) != c.ID || d["realm"] != "realm1" || d["site"] != "Berlin" {
		t.Errorf("%v", d)
	}
	for _, key := range []string{"authid", "authrole", "authmethod", "authprovider"} {
		if d[key] != c.Welcome[key] {
			t.Errorf("%s is %v, WELCOME said %v", key, d[key], c.Welcome[key])
		}
	}
	if roles, _ := d["x_authroles"].([]any); len(roles) != 1 || roles[0] != "anonymous" {
		t.Errorf("roles %v", d["x_authroles"])
	}
	if transport, _ := d["transport"].(map[string]any); transport["peername"] == nil {
		t.Errorf("the client is not told its own address: %v", transport)
	}
}

// Lists of sessions come filtered and in pages (W54).
func TestSessionList(t *testing.T) {
	r := router(t)
	c := coretest.Join(t, r)
	want := []wamp.ID{c.ID}
	for range 4 {
		want = append(want, coretest.Join(t, r).ID)
	}
	slices.Sort(want)
	list := func(kwargs map[string]any, args ...any) (got []wamp.ID, next any) {
		t.Helper()
		result, more, failed := ask(t, c, "bondy.session.list", kwargs, args...)
		if failed != "" {
			t.Fatalf("%v: %s %v", kwargs, failed, result)
		}
		for _, d := range result[0].([]any) {
			got = append(got, id(t, d.(map[string]any)["session"]))
		}
		return got, more["next"]
	}
	var all []wamp.ID
	for next := any(nil); len(all) < len(want); {
		page, after := list(map[string]any{"limit": 2, "after": next}, "realm1")
		if len(page) > 2 {
			t.Errorf("a page of %d, want 2", len(page))
		}
		all, next = append(all, page...), after
		if next == nil {
			break
		}
	}
	if !slices.Equal(all, want) {
		t.Errorf("pages %v, want %v", all, want)
	}
	for _, tc := range []struct {
		filter map[string]any
		want   []wamp.ID
	}{
		{nil, want},
		{map[string]any{"authrole": "anonymous"}, want},
		{map[string]any{"authrole": "nobody"}, nil},
		{map[string]any{"authid": c.Welcome["authid"]}, []wamp.ID{c.ID}},
		{map[string]any{"authid": "nobody"}, nil},
	} {
		if got, _ := list(tc.filter); !slices.Equal(got, tc.want) {
			t.Errorf("%v: %v, want %v", tc.filter, got, tc.want)
		}
	}
	refused(t, c, wamp.ErrInvalidArgument, "bondy.session.list", map[string]any{"authid": 1})
	refused(t, c, wamp.ErrNotAuthorized, "bondy.session.list", nil, "another")
}
