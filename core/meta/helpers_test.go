package meta_test

import (
	"testing"

	"bondy/core"
	"bondy/core/codec"
	"bondy/core/coretest"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// managed is a realm where anonymous clients have the whole Meta API.
func managed() realm.Config {
	cfg := coretest.Realm("realm1")
	cfg.Access.Grants = append(cfg.Access.Grants, rbac.Grant{
		Roles: []string{rbac.RoleAnonymous}, Permissions: []rbac.Permission{rbac.Call},
		Resources: []rbac.Resource{
			{URI: "wamp.session.kill", Match: wamp.MatchPrefix},
			{URI: "wamp.session.modify_details"},
			{URI: "bondy.session.list"},
			{URI: "wamp.registration.remove_callee"},
			{URI: "wamp.subscription.remove_subscriber"},
		},
	})
	return cfg
}

func router(t testing.TB) *core.Router {
	t.Helper()
	return coretest.Router(t, managed())
}

// ask calls a procedure and returns its result, or the URI of the error.
func ask(t testing.TB, c *coretest.Client, procedure wamp.URI, kwargs map[string]any, args ...any) ([]any, map[string]any, wamp.URI) {
	t.Helper()
	p, err := codec.NewPayload(c.Serializer(), args, kwargs)
	if err != nil {
		t.Fatal(err)
	}
	id := c.Next()
	c.Send(&wamp.Call{Request: id, Procedure: procedure, Payload: p})
	for {
		switch m := c.Receive().(type) {
		case *wamp.Event:
			t.Fatalf("%s: EVENT %d before the answer", procedure, m.Subscription)
		case *wamp.Result:
			return list(t, m.Payload), dict(t, m.Payload), ""
		case *wamp.ErrorMessage:
			if m.Request != id || m.RequestType != wamp.TypeCall {
				t.Fatalf("%s: ERROR for %s %d", procedure, m.RequestType, m.Request)
			}
			return list(t, m.Payload), nil, m.Error
		default:
			t.Fatalf("%s: got %+v", procedure, m)
		}
	}
}

// value is the one positional result of a call.
func value(t testing.TB, c *coretest.Client, procedure wamp.URI, args ...any) any {
	t.Helper()
	got, _, failed := ask(t, c, procedure, nil, args...)
	if failed != "" || len(got) != 1 {
		t.Fatalf("%s%v = %v %s, want one value", procedure, args, got, failed)
	}
	return got[0]
}

// refused calls a procedure and demands an error.
func refused(t testing.TB, c *coretest.Client, want wamp.URI, procedure wamp.URI, kwargs map[string]any, args ...any) {
	t.Helper()
	got, _, failed := ask(t, c, procedure, kwargs, args...)
	if failed != want {
		t.Errorf("%s%v %v = %v %s, want %s", procedure, args, kwargs, got, failed, want)
	}
}

// done calls a procedure that answers nothing.
func done(t testing.TB, c *coretest.Client, procedure wamp.URI, kwargs map[string]any, args ...any) {
	t.Helper()
	if got, _, failed := ask(t, c, procedure, kwargs, args...); failed != "" || len(got) > 0 {
		t.Fatalf("%s%v = %v %s, want nothing", procedure, args, got, failed)
	}
}

func list(t testing.TB, p wamp.Payload) []any {
	t.Helper()
	l, err := codec.DecodeArgs(p)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func dict(t testing.TB, p wamp.Payload) map[string]any {
	t.Helper()
	d, err := codec.DecodeKwargs(p)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// ids converts a list of ids.
func ids(t testing.TB, v any) []wamp.ID {
	t.Helper()
	l, ok := v.([]any)
	if !ok {
		t.Fatalf("got %T %v, want a list of ids", v, v)
	}
	out := make([]wamp.ID, len(l))
	for i, m := range l {
		out[i] = id(t, m)
	}
	return out
}

func id(t testing.TB, v any) wamp.ID {
	t.Helper()
	n, ok := v.(int64)
	if !ok {
		t.Fatalf("got %T %v, want an id", v, v)
	}
	return wamp.ID(n)
}

// events receives n events and returns, for each, its topic by subscription
// and its arguments.
func events(t testing.TB, c *coretest.Client, topics map[wamp.ID]wamp.URI, n int) []told {
	t.Helper()
	out := make([]told, n)
	for i := range out {
		e := coretest.Expect[*wamp.Event](c)
		out[i] = told{topics[e.Subscription], list(t, e.Payload)}
	}
	return out
}

type told struct {
	topic wamp.URI
	args  []any
}

// watch subscribes to topics of the Meta API and discards the events that this
// itself causes.
func watch(t testing.TB, c *coretest.Client, topics ...wamp.URI) map[wamp.ID]wamp.URI {
	t.Helper()
	by := make(map[wamp.ID]wamp.URI)
	request := make(map[wamp.ID]wamp.URI)
	for _, topic := range topics {
		n := c.Next()
		request[n] = topic
		c.Send(&wamp.Subscribe{Request: n, Topic: topic})
	}
	last := c.Call("wamp.session.count", nil)
	for {
		switch m := c.Receive().(type) {
		case *wamp.Event:
		case *wamp.Subscribed:
			by[m.Subscription] = request[m.Request]
		case *wamp.Result:
			if m.Request != last {
				t.Fatalf("RESULT %d, want %d", m.Request, last)
			}
			return by
		default:
			t.Fatalf("got %+v", m)
		}
	}
}
