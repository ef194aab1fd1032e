package meta_test

import (
	"slices"
	"testing"

	"bondy/core/coretest"
	"bondy/core/wamp"
)

// killed demands GOODBYE, and nothing after it.
func killed(t *testing.T, c *coretest.Client, reason wamp.URI, message any) {
	t.Helper()
	m := coretest.Expect[*wamp.Goodbye](c)
	if m.Reason != reason || m.Details["message"] != message {
		t.Errorf("GOODBYE %s %v, want %s %v", m.Reason, m.Details, reason, message)
	}
	if m := c.Receive(); m != nil {
		t.Errorf("%s after GOODBYE", m.Type())
	}
}

func TestKill(t *testing.T) {
	r := router(t)
	a, v, w := coretest.Join(t, r), coretest.Join(t, r), coretest.Join(t, r)
	v.Register("a.b", nil)
	topics := watch(t, w, "wamp.session.on_leave")
	done(t, a, "wamp.session.kill", nil, v.ID)
	killed(t, v, wamp.CloseKilled, nil)
	if e := events(t, w, topics, 1)[0]; id(t, e.args[0]) != v.ID {
		t.Errorf("on_leave %v", e.args)
	}
	refused(t, a, wamp.ErrNoSuchProcedure, "a.b", nil)
	refused(t, a, wamp.ErrNoSuchSession, "wamp.session.get", nil, v.ID)
	refused(t, a, wamp.ErrNoSuchSession, "wamp.session.kill", nil, v.ID)
	refused(t, a, wamp.ErrNoSuchSession, "wamp.session.kill", nil, a.ID)
	for _, reason := range []any{"not a uri#", ""} {
		refused(t, a, wamp.ErrInvalidURI, "wamp.session.kill", map[string]any{"reason": reason}, w.ID)
	}
	refused(t, a, wamp.ErrInvalidArgument, "wamp.session.kill", map[string]any{"message": 1}, w.ID)
	if n := value(t, w, "wamp.session.count"); n != int64(2) {
		t.Errorf("%v sessions, want 2", n)
	}
	done(t, a, "wamp.session.kill", map[string]any{"reason": "com.example.because", "message": "go away"}, w.ID)
	killed(t, w, "com.example.because", "go away")
}

func TestKillByAuthID(t *testing.T) {
	r := router(t)
	a, v, w := coretest.Join(t, r), coretest.Join(t, r), coretest.Join(t, r)
	const kill = "wamp.session.kill_by_authid"
	for _, spared := range []any{"nobody", a.Welcome["authid"]} {
		if got := ids(t, value(t, a, kill, spared)); len(got) != 0 {
			t.Errorf("of %v: killed %v", spared, got)
		}
	}
	if got := ids(t, value(t, a, kill, v.Welcome["authid"])); !slices.Equal(got, []wamp.ID{v.ID}) {
		t.Errorf("killed %v, want %d", got, v.ID)
	}
	killed(t, v, wamp.CloseKilled, nil)
	refused(t, a, wamp.ErrInvalidArgument, kill, nil)
	refused(t, a, wamp.ErrInvalidURI, kill, map[string]any{"reason": "no uri"}, w.Welcome["authid"])
	value(t, w, "wamp.session.count")
}

func TestKillMany(t *testing.T) {
	r := router(t)
	for procedure, args := range map[wamp.URI][]any{
		"wamp.session.kill_by_authrole": {"anonymous"}, "wamp.session.kill_all": nil,
	} {
		t.Run(string(procedure), func(t *testing.T) {
			a, v, w := coretest.Join(t, r), coretest.Join(t, r), coretest.Join(t, r)
			defer a.Drop()
			refused(t, a, wamp.ErrInvalidURI, procedure, map[string]any{"reason": "no uri"}, args...)
			if got, _, failed := ask(t, a, procedure, map[string]any{"reason": "com.example.all"}, args...); failed != "" || got[0] != int64(2) {
				t.Errorf("killed %v %s, want 2", got, failed)
			}
			killed(t, v, "com.example.all", nil)
			killed(t, w, "com.example.all", nil)
			v.Drop()
			w.Drop()
			if n := value(t, a, "wamp.session.count"); n != int64(1) {
				t.Errorf("%v sessions left, want 1", n)
			}
		})
	}
	a := coretest.Join(t, r)
	if n := value(t, a, "wamp.session.kill_by_authrole", "nobody"); n != int64(0) {
		t.Errorf("%v killed of nobody's role", n)
	}
	refused(t, a, wamp.ErrInvalidArgument, "wamp.session.kill_by_authrole", nil)
}

func TestKillAllIsSilent(t *testing.T) {
	r := router(t)
	a, v := coretest.Join(t, r), coretest.Join(t, r)
	done(t, v, "wamp.session.add_testament", nil, "com.example.will", []any{}, map[string]any{})
	watch(t, a, "wamp.session.on_leave", "com.example.will")
	value(t, a, "wamp.session.kill_all")
	v.Drop()
	if n := value(t, a, "wamp.session.count"); n != int64(1) {
		t.Errorf("%v sessions left, want 1", n)
	}
	a.Nothing()
}

func TestKillingIsManagement(t *testing.T) {
	r := coretest.Router(t)
	a, v := coretest.Join(t, r), coretest.Join(t, r)
	for _, procedure := range []wamp.URI{
		"wamp.session.kill", "wamp.session.kill_by_authid", "wamp.session.kill_by_authrole", "wamp.session.kill_all",
		"wamp.session.modify_details", "wamp.registration.remove_callee", "wamp.subscription.remove_subscriber",
	} {
		refused(t, a, wamp.ErrNotAuthorized, procedure, nil, v.ID)
	}
	refused(t, a, wamp.ErrNoSuchProcedure, "wamp.session.nothing", nil)
	v.Nothing()
}
