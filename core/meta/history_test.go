package meta_test

import (
	"testing"

	"bondy/core/broker"
	"bondy/core/coretest"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

func TestHistoryIsRead(t *testing.T) {
	const get = "wamp.subscription.get_events"
	cfg := managed()
	cfg.Access.Grants = append(cfg.Access.Grants[1:], rbac.Grant{
		Roles:       []string{rbac.RoleAnonymous},
		Permissions: []rbac.Permission{rbac.Call, rbac.Publish, rbac.Subscribe},
		Resources:   []rbac.Resource{{URI: "a.", Match: wamp.MatchPrefix}, {URI: "wamp.", Match: wamp.MatchPrefix}},
	}, rbac.Grant{
		Roles: []string{rbac.RoleAnonymous}, Permissions: []rbac.Permission{rbac.Publish}, Resources: []rbac.Resource{{URI: "b.c"}},
	})
	cfg.History = []broker.HistoryRule{{URI: "a.b"}, {URI: "b.c"}}
	r := coretest.Router(t, cfg)
	p, c := coretest.Join(t, r), coretest.JoinWith(t, r, wamp.JSON, coretest.Roles())
	var published []wamp.ID
	for i := range 5 {
		published = append(published, p.Publish("a.b", nil, i))
	}
	p.Publish("a.b", wamp.Dict{"eligible_authrole": []any{"nobody"}}, "hidden")
	of := value(t, c, "wamp.subscription.lookup", "a.b")

	read := func(kwargs map[string]any) (got []int64, next any, all []any) {
		t.Helper()
		all, more, failed := ask(t, c, get, kwargs, of)
		if failed != "" {
			t.Fatalf("%v: %s", kwargs, failed)
		}
		for _, e := range all {
			args, _ := e.(map[string]any)["args"].([]any)
			got = append(got, args[0].(int64))
		}
		return got, more["next"], all
	}
	_, _, all := read(nil)
	first, _ := all[0].(map[string]any)
	if id(t, first["publication"]) != published[0] || first["subscription"] != of || first["details"] == nil || first["kwargs"] != nil {
		t.Errorf("event %v", first)
	}
	at := func(i int) any { return all[i].(map[string]any)["timestamp"] }
	for _, tc := range []struct {
		kwargs map[string]any
		want   []int64
	}{
		{nil, []int64{0, 1, 2, 3, 4}},
		{map[string]any{"reverse": true}, []int64{4, 3, 2, 1, 0}},
		{map[string]any{"from_publication": published[3]}, []int64{3, 4}},
		{map[string]any{"after_publication": published[1], "before_publication": published[4]}, []int64{2, 3}},
		{map[string]any{"until_publication": published[1]}, []int64{0, 1}},
		{map[string]any{"from_time": at(3)}, []int64{3, 4}},
		{map[string]any{"after_time": at(0), "before_time": at(2)}, []int64{1}},
		{map[string]any{"until_time": at(0)}, []int64{0}},
		{map[string]any{"topic": "a.other"}, nil},
	} {
		got, next, _ := read(tc.kwargs)
		if len(got) != len(tc.want) || next != nil {
			t.Errorf("%v: %v, next %v, want %v", tc.kwargs, got, next, tc.want)
			continue
		}
		for i := range got {
			if got[i] != tc.want[i] {
				t.Errorf("%v: %v, want %v", tc.kwargs, got, tc.want)
			}
		}
	}
	got, next, _ := read(map[string]any{"limit": 2})
	if len(got) != 2 || next != int64(published[1]) {
		t.Errorf("first page %v, next %v, want 2 and %d", got, next, published[1])
	}
	for _, kwargs := range []map[string]any{
		{"limit": 0}, {"reverse": 1}, {"from_time": "yesterday"}, {"from_time": 1}, {"until_publication": "x"},
	} {
		refused(t, c, wamp.ErrInvalidArgument, get, kwargs, of)
	}
	refused(t, c, wamp.ErrInvalidURI, get, map[string]any{"topic": "no uri"}, of)
	refused(t, c, wamp.ErrNoSuchSubscription, get, nil, 987654321)
	// Who may not subscribe may not read.
	refused(t, c, wamp.ErrNotAuthorized, get, nil, value(t, c, "wamp.subscription.lookup", "b.c"))
}
