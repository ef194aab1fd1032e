package meta_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"weak"

	"bondy/core/coretest"
	"bondy/core/meta"
	"bondy/core/wamp"
)

func TestSessionsAreCountedAndListed(t *testing.T) {
	r := router(t)
	a, b := coretest.Join(t, r), coretest.JoinWith(t, r, wamp.JSON, coretest.Roles())
	if n := value(t, b, "wamp.session.count"); n != int64(2) {
		t.Errorf("count %v, want 2", n)
	}
	want := []wamp.ID{a.ID, b.ID}
	slices.Sort(want)
	if got := ids(t, value(t, a, "wamp.session.list")); !slices.Equal(got, want) {
		t.Errorf("list %v, want %v", got, want)
	}
	for _, tc := range []struct {
		roles []any
		want  int64
	}{{[]any{"anonymous"}, 2}, {[]any{"nobody", "anonymous"}, 2}, {[]any{"nobody"}, 0}, {[]any{}, 0}} {
		if n := value(t, a, "wamp.session.count", tc.roles); n != tc.want {
			t.Errorf("count of %v: %v, want %d", tc.roles, n, tc.want)
		}
		if l := ids(t, value(t, a, "wamp.session.list", tc.roles)); len(l) != int(tc.want) {
			t.Errorf("list of %v: %v, want %d", tc.roles, l, tc.want)
		}
	}
	b.Drop()
	if n := value(t, a, "wamp.session.count"); n != int64(1) {
		t.Errorf("count %v after one left, want 1", n)
	}
}

func TestListsComeInPages(t *testing.T) {
	r := router(t)
	c := coretest.Join(t, r)
	want := []wamp.ID{c.ID}
	for range 6 {
		want = append(want, coretest.Join(t, r).ID)
	}
	slices.Sort(want)
	var got []wamp.ID
	for page, kwargs := 0, map[string]any{"limit": 3}; ; page++ {
		args, more, failed := ask(t, c, "wamp.session.list", kwargs)
		if failed != "" || page > 3 {
			t.Fatalf("page %d: %s", page, failed)
		}
		got = append(got, ids(t, args[0])...)
		if more["next"] == nil {
			break
		}
		kwargs["after"] = more["next"]
	}
	if !slices.Equal(got, want) {
		t.Errorf("pages %v, want %v", got, want)
	}
	for _, limit := range []any{0, -1, "3", 1.5} {
		refused(t, c, wamp.ErrInvalidArgument, "wamp.session.list", map[string]any{"limit": limit})
	}
}

func TestSessionDetails(t *testing.T) {
	r := router(t)
	a, b := coretest.Join(t, r), coretest.Join(t, r)
	d, ok := value(t, a, "wamp.session.get", b.ID).(map[string]any)
	if !ok || id(t, d["session"]) != b.ID {
		t.Fatalf("details %v", d)
	}
	for _, key := range []string{"authid", "authrole", "authmethod", "authprovider"} {
		if s, ok := d[key].(string); !ok || s != b.Welcome[key] {
			t.Errorf("%s is %v, WELCOME said %v", key, d[key], b.Welcome[key])
		}
	}
	transport, _ := d["transport"].(map[string]any)
	if transport["type"] != "memory" || transport["serializer"] != "msgpack" || transport["secure"] != false {
		t.Errorf("transport %v", transport)
	}
	if transport["peername"] == nil {
		t.Errorf("who may kill sessions is not told the address: %v", transport)
	}
	refused(t, a, wamp.ErrNoSuchSession, "wamp.session.get", nil, 123456789)
	for _, args := range [][]any{nil, {"x"}, {nil}, {0}, {-1}, {1.5}, {true}} {
		refused(t, a, wamp.ErrInvalidArgument, "wamp.session.get", nil, args...)
	}

	plain := coretest.Router(t)
	c := coretest.Join(t, plain)
	d, _ = value(t, c, "wamp.session.get", float64(c.ID)).(map[string]any)
	if transport, _ := d["transport"].(map[string]any); transport == nil || transport["peername"] != nil {
		t.Errorf("anybody learns the address: %v", transport)
	}
}

func TestModifyDetails(t *testing.T) {
	r := router(t)
	a, b := coretest.Join(t, r), coretest.Join(t, r)
	const modify = "wamp.session.modify_details"
	done(t, a, modify, nil, b.ID, map[string]any{"site": "Berlin", "n": 1})
	done(t, a, modify, nil, b.ID, map[string]any{"n": nil, "floor": 2})
	d, _ := value(t, b, "wamp.session.get", b.ID).(map[string]any)
	if _, left := d["n"]; d["site"] != "Berlin" || d["floor"] != int64(2) || left {
		t.Errorf("details %v", d)
	}
	for _, key := range []string{"session", "authid", "authrole", "authmethod", "authprovider", "authextra", "transport", "x_authroles", "realm"} {
		refused(t, a, wamp.ErrInvalidArgument, modify, nil, b.ID, map[string]any{"x": 1, key: "root"})
	}
	refused(t, a, wamp.ErrInvalidArgument, modify, nil, b.ID, map[string]any{"x": strings.Repeat("x", 17<<10)})
	refused(t, a, wamp.ErrInvalidArgument, modify, nil, b.ID)
	refused(t, a, wamp.ErrInvalidArgument, modify, nil, b.ID, "x")
	refused(t, a, wamp.ErrNoSuchSession, modify, nil, 123456789, map[string]any{"x": 1})
	after, _ := value(t, b, "wamp.session.get", b.ID).(map[string]any)
	if len(after) != len(d) {
		t.Errorf("a refused change left %v", after)
	}
}

func TestJoinAndLeaveAreTold(t *testing.T) {
	r := router(t)
	w := coretest.Join(t, r)
	topics := watch(t, w, "wamp.session.on_join", "wamp.session.on_leave")
	s := coretest.JoinWith(t, r, wamp.CBOR, coretest.Roles())
	d, _ := events(t, w, topics, 1)[0].args[0].(map[string]any)
	if id(t, d["session"]) != s.ID || d["authid"] != s.Welcome["authid"] || d["authmethod"] != "anonymous" {
		t.Errorf("on_join %v", d)
	}
	if transport, _ := d["transport"].(map[string]any); transport["peername"] != nil {
		t.Errorf("on_join tells the address: %v", transport)
	}
	s.Nothing()
	s.Send(&wamp.Goodbye{Reason: wamp.CloseRealm})
	coretest.Expect[*wamp.Goodbye](s)
	e := events(t, w, topics, 1)[0]
	if e.topic != "wamp.session.on_leave" || len(e.args) != 3 ||
		id(t, e.args[0]) != s.ID || e.args[1] != s.Welcome["authid"] || e.args[2] != s.Welcome["authrole"] {
		t.Errorf("on_leave %v", e)
	}
}

func TestLeavingIsToldLast(t *testing.T) {
	r := router(t)
	w := coretest.Join(t, r)
	topics := watch(
		t, w, "com.example.will",
		"wamp.session.on_leave", "wamp.subscription.on_unsubscribe", "wamp.subscription.on_delete",
		"wamp.registration.on_unregister", "wamp.registration.on_delete",
	)
	s := coretest.Join(t, r)
	s.Subscribe("a.b", nil)
	s.Register("a.b", nil)
	done(t, s, "wamp.session.add_testament", nil, "com.example.will", []any{}, map[string]any{})
	s.Drop()
	var got []wamp.URI
	for _, e := range events(t, w, topics, 6) {
		got = append(got, e.topic)
	}
	want := []wamp.URI{
		"com.example.will", "wamp.subscription.on_unsubscribe", "wamp.subscription.on_delete",
		"wamp.registration.on_unregister", "wamp.registration.on_delete", "wamp.session.on_leave",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	w.Nothing()
}

func TestNothingIsKeptOfSessionsThatLeft(t *testing.T) {
	r := router(t)
	home, err := r.Realm("realm1")
	if err != nil {
		t.Fatal(err)
	}
	w := coretest.Join(t, r)
	watch(t, w, "wamp.session.on_join", "wamp.session.on_leave", "wamp.subscription.on_create")
	var left []weak.Pointer[meta.Session]
	for range 10 {
		c := coretest.Join(t, r)
		done(t, c, "wamp.session.modify_details", nil, c.ID, map[string]any{"site": "Berlin"})
		done(t, c, "wamp.session.add_testament", nil, "a.will", []any{1})
		c.Subscribe("a.b", nil)
		left = append(left, weak.Make(home.Session(c.ID)))
		c.Drop()
	}
	for i, p := range left {
		for n := 0; p.Value() != nil; n++ {
			if n == 10 {
				t.Fatalf("session %d is still in memory", i)
			}
			runtime.GC()
		}
	}
	if n := home.Count(); n != 1 {
		t.Errorf("%d sessions in the table, want 1", n)
	}
}
