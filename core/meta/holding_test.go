package meta_test

import (
	"slices"
	"testing"
	"time"

	"bondy/core/coretest"
	"bondy/core/wamp"
)

// api is one of the two sides of the Meta API that are alike.
type api struct {
	kind, members, remove, onAdd, onRemove string
	unknown                                wamp.URI
	hold                                   func(*coretest.Client, wamp.URI, wamp.Dict) wamp.ID
	drop                                   func(*coretest.Client, wamp.ID)
	revoked                                func(*coretest.Client) wamp.Dict
}

func (a api) uri(name string) wamp.URI { return wamp.URI("wamp." + a.kind + "." + name) }

func apis() []api {
	return []api{{
		kind: "subscription", members: "subscribers", remove: "remove_subscriber",
		onAdd: "on_subscribe", onRemove: "on_unsubscribe", unknown: wamp.ErrNoSuchSubscription,
		hold: (*coretest.Client).Subscribe,
		drop: func(c *coretest.Client, id wamp.ID) {
			c.Send(&wamp.Unsubscribe{Request: c.Next(), Subscription: id})
			coretest.Expect[*wamp.Unsubscribed](c)
		},
		revoked: func(c *coretest.Client) wamp.Dict { return coretest.Expect[*wamp.Unsubscribed](c).Details },
	}, {
		kind: "registration", members: "callees", remove: "remove_callee",
		onAdd: "on_register", onRemove: "on_unregister", unknown: wamp.ErrNoSuchRegistration,
		hold: func(c *coretest.Client, uri wamp.URI, options wamp.Dict) wamp.ID {
			if options == nil {
				options = wamp.Dict{}
			}
			options["invoke"] = "roundrobin"
			return c.Register(uri, options)
		},
		drop: func(c *coretest.Client, id wamp.ID) {
			c.Send(&wamp.Unregister{Request: c.Next(), Registration: id})
			coretest.Expect[*wamp.Unregistered](c)
		},
		revoked: func(c *coretest.Client) wamp.Dict { return coretest.Expect[*wamp.Unregistered](c).Details },
	}}
}

func TestWhatIsHeldCanBeFound(t *testing.T) {
	for _, a := range apis() {
		t.Run(a.kind, func(t *testing.T) {
			r := router(t)
			s, o := coretest.Join(t, r), coretest.Join(t, r)
			exact := a.hold(s, "a.b", nil)
			a.hold(o, "a.b", nil)
			prefix := a.hold(s, "a.", wamp.Dict{"match": "prefix"})
			wildcard := a.hold(o, "a..c", wamp.Dict{"match": "wildcard"})

			all, _ := value(t, s, a.uri("list")).(map[string]any)
			for match, want := range map[string]wamp.ID{"exact": exact, "prefix": prefix, "wildcard": wildcard} {
				if got := ids(t, all[match]); !slices.Equal(got, []wamp.ID{want}) {
					t.Errorf("list of %s: %v, want %d", match, got, want)
				}
			}
			first, more, _ := ask(t, s, a.uri("list"), map[string]any{"limit": 2})
			rest, end, _ := ask(t, s, a.uri("list"), map[string]any{"limit": 2, "after": more["next"]})
			var paged []wamp.ID
			for _, page := range [][]any{first, rest} {
				for _, l := range page[0].(map[string]any) {
					paged = append(paged, ids(t, l)...)
				}
			}
			if len(paged) != 3 || end["next"] != nil {
				t.Errorf("pages hold %v, then %v", paged, end)
			}

			for _, tc := range []struct {
				args []any
				want any
			}{
				{[]any{"a.b"}, int64(exact)},
				{[]any{"a.b", map[string]any{"match": "exact"}}, int64(exact)},
				{[]any{"a.", map[string]any{"match": "prefix"}}, int64(prefix)},
				{[]any{"a..c", map[string]any{"match": "wildcard"}}, int64(wildcard)},
				{[]any{"a.b", map[string]any{"match": "prefix"}}, nil},
				{[]any{"a.b.c"}, nil},
			} {
				if got := value(t, s, a.uri("lookup"), tc.args...); got != tc.want {
					t.Errorf("lookup%v = %v, want %v", tc.args, got, tc.want)
				}
			}
			refused(t, s, wamp.ErrInvalidArgument, a.uri("lookup"), nil, "a.b", map[string]any{"match": "regex"})
			refused(t, s, wamp.ErrInvalidArgument, a.uri("lookup"), nil, "a.b", map[string]any{"match": 1})
			refused(t, s, wamp.ErrInvalidURI, a.uri("lookup"), nil, "a..b")
			refused(t, s, wamp.ErrInvalidArgument, a.uri("match"), nil)

			d, _ := value(t, s, a.uri("get"), prefix).(map[string]any)
			if id(t, d["id"]) != prefix || d["uri"] != "a." || d["match"] != "prefix" {
				t.Errorf("get: %v", d)
			}
			if a.kind == "registration" && d["invoke"] != "roundrobin" {
				t.Errorf("invoke %v", d["invoke"])
			}
			created, _ := d["created"].(string)
			if at, err := time.Parse(time.RFC3339Nano, created); err != nil || time.Since(at) > time.Minute {
				t.Errorf("created %q: %v", created, err)
			}

			want := []wamp.ID{s.ID, o.ID}
			slices.Sort(want)
			if got := ids(t, value(t, s, a.uri("list_"+a.members), exact)); !slices.Equal(got, want) {
				t.Errorf("members %v, want %v", got, want)
			}
			if n := value(t, s, a.uri("count_"+a.members), exact); n != int64(2) {
				t.Errorf("%v members, want 2", n)
			}
			for _, name := range []string{"get", "list_" + a.members, "count_" + a.members} {
				refused(t, s, a.unknown, a.uri(name), nil, 987654321)
				refused(t, s, wamp.ErrInvalidArgument, a.uri(name), nil)
			}
		})
	}
}

func TestMatch(t *testing.T) {
	r := router(t)
	s := coretest.Join(t, r)
	best, other := s.Register("a.b", nil), s.Register("a.", wamp.Dict{"match": "prefix"})
	for uri, want := range map[string]any{"a.b": int64(best), "a.c": int64(other), "b": nil} {
		if got := value(t, s, "wamp.registration.match", uri); got != want {
			t.Errorf("registration for %s: %v, want %v", uri, got, want)
		}
	}
	exact, prefix := s.Subscribe("a.b", nil), s.Subscribe("a.", wamp.Dict{"match": "prefix"})
	if got := ids(t, value(t, s, "wamp.subscription.match", "a.b")); len(got) != 2 || !slices.Contains(got, exact) || !slices.Contains(got, prefix) {
		t.Errorf("subscriptions %v, want %d and %d", got, exact, prefix)
	}
	if got := value(t, s, "wamp.subscription.match", "b"); got != nil {
		t.Errorf("subscriptions %v, want null", got)
	}
}

func TestHoldingIsToldInOrder(t *testing.T) {
	for _, a := range apis() {
		t.Run(a.kind, func(t *testing.T) {
			r := router(t)
			w, s, o := coretest.Join(t, r), coretest.Join(t, r), coretest.Join(t, r)
			topics := watch(t, w, a.uri("on_create"), a.uri(a.onAdd), a.uri(a.onRemove), a.uri("on_delete"))
			held := a.hold(s, "a.b", nil)
			a.hold(o, "a.b", nil)
			a.drop(s, held)
			o.Drop()
			for i, e := range events(t, w, topics, 6) {
				want := []struct {
					topic   string
					session wamp.ID
				}{
					{"on_create", s.ID},
					{a.onAdd, s.ID},
					{a.onAdd, o.ID},
					{a.onRemove, s.ID},
					{a.onRemove, o.ID},
					{"on_delete", o.ID},
				}[i]
				if e.topic != a.uri(want.topic) || len(e.args) != 2 || id(t, e.args[0]) != want.session {
					t.Fatalf("event %d is %v, want %v", i, e, want)
				}
				if d, ok := e.args[1].(map[string]any); ok {
					if id(t, d["id"]) != held || d["uri"] != "a.b" || d["match"] != "exact" || d["created"] == "" {
						t.Errorf("on_create %v", d)
					}
				} else if id(t, e.args[1]) != held {
					t.Errorf("event %d is about %v, want %d", i, e.args[1], held)
				}
			}
			w.Nothing()
		})
	}
}

func TestRevocation(t *testing.T) {
	for _, a := range apis() {
		t.Run(a.kind, func(t *testing.T) {
			r := router(t)
			w, k := coretest.Join(t, r), coretest.JoinWith(t, r, wamp.MessagePack, wamp.Dict{"roles": map[string]any{
				"subscriber": map[string]any{"features": map[string]any{"subscription_revocation": true}},
				"callee":     map[string]any{"features": map[string]any{"registration_revocation": true}},
				"caller":     map[string]any{},
			}})
			held := a.hold(k, "a.b", nil)
			topics := watch(t, w, a.uri(a.onRemove))
			refused(t, k, a.unknown, a.uri(a.remove), nil, 987654321, k.ID)
			refused(t, k, wamp.ErrNoSuchSession, a.uri(a.remove), nil, held, w.ID)
			refused(t, k, wamp.ErrInvalidArgument, a.uri(a.remove), nil, held)
			refused(t, k, wamp.ErrInvalidURI, a.uri(a.remove), nil, held, k.ID, "no uri")
			admin := coretest.Join(t, r)
			done(t, admin, a.uri(a.remove), nil, held, k.ID, "com.example.moved")
			if d := a.revoked(k); id(t, d[a.kind]) != held || d["reason"] != "com.example.moved" {
				t.Errorf("revoked with %v", d)
			}
			if e := events(t, w, topics, 1)[0]; id(t, e.args[0]) != k.ID || id(t, e.args[1]) != held {
				t.Errorf("told %v", e)
			}
			refused(t, w, a.unknown, a.uri("get"), nil, held)
		})
	}
}
