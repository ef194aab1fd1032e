package meta_test

import (
	"strings"
	"testing"

	"bondy/core/coretest"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

const (
	addTestament = "wamp.session.add_testament"
	flush        = "wamp.session.flush_testaments"
)

func TestTestamentsArePublishedInOrder(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, w, s *coretest.Client){
		"connection lost": func(_ *testing.T, _, s *coretest.Client) { s.Drop() },
		"goodbye": func(_ *testing.T, _, s *coretest.Client) {
			s.Send(&wamp.Goodbye{Reason: wamp.CloseRealm})
			coretest.Expect[*wamp.Goodbye](s)
		},
		"killed": func(t *testing.T, w, s *coretest.Client) {
			t.Helper()
			done(t, w, "wamp.session.kill", nil, s.ID)
		},
		"violation": func(_ *testing.T, _, s *coretest.Client) { s.Send(&wamp.Welcome{Session: 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			r := router(t)
			w, killer, s := coretest.Join(t, r), coretest.Join(t, r), coretest.JoinWith(t, r, wamp.JSON, coretest.Roles())
			w.Subscribe("a.will", nil)
			done(t, s, addTestament, nil, "a.will", []any{"destroyed", 1}, map[string]any{"n": 1})
			done(t, s, addTestament, map[string]any{"scope": "detached"}, "a.will", []any{"detached"}, map[string]any{})
			done(t, s, addTestament, map[string]any{"scope": "destroyed"}, "a.will")
			w.Nothing()
			end(t, killer, s)
			for i, want := range []string{"detached", "destroyed", ""} {
				e := coretest.Expect[*wamp.Event](w)
				args := list(t, e.Payload)
				if want == "" && len(args) == 0 {
					continue
				}
				if len(args) == 0 || args[0] != want {
					t.Errorf("event %d has %v, want %s", i, args, want)
				}
				if kwargs := dict(t, e.Payload); want == "destroyed" && kwargs["n"] != int64(1) {
					t.Errorf("keyword arguments %v", kwargs)
				}
			}
			killer.Drop()
			w.Nothing()
		})
	}
}

func TestTestamentOptions(t *testing.T) {
	r := router(t)
	w, v, s := coretest.Join(t, r), coretest.Join(t, r), coretest.Join(t, r)
	w.Subscribe("a.will", nil)
	v.Subscribe("a.will", nil)
	done(t, s, addTestament, map[string]any{"publish_options": map[string]any{
		"exclude": []any{v.ID}, "disclose_me": true, "acknowledge": true,
	}}, "a.will", []any{}, map[string]any{})
	s.Drop()
	if e := coretest.Expect[*wamp.Event](w); e.Details["publisher"] != int64(s.ID) {
		t.Errorf("details %v, want publisher %d", e.Details, s.ID)
	}
	v.Nothing()
}

func TestFlushedTestamentsAreGone(t *testing.T) {
	r := router(t)
	for scope, kwargs := range map[string]map[string]any{
		"destroyed": nil, "detached": {"scope": "detached"},
	} {
		w, s := coretest.Join(t, r), coretest.Join(t, r)
		w.Subscribe("a.will", nil)
		done(t, s, addTestament, map[string]any{"scope": "detached"}, "a.will", []any{"detached"})
		done(t, s, addTestament, nil, "a.will", []any{"destroyed"})
		done(t, s, flush, kwargs)
		s.Drop()
		if a := list(t, coretest.Expect[*wamp.Event](w).Payload); a[0] == scope {
			t.Errorf("%s was published after it was flushed", scope)
		}
		w.Nothing()
		w.Drop()
	}
}

func TestRefusedTestaments(t *testing.T) {
	cfg := managed()
	cfg.Access.Grants[0].Resources = []rbac.Resource{{URI: "a.", Match: wamp.MatchPrefix}, {URI: "wamp.", Match: wamp.MatchPrefix}}
	r := coretest.Router(t, cfg)
	w, s := coretest.Join(t, r), coretest.Join(t, r)
	w.Subscribe("a.", wamp.Dict{"match": "prefix"})
	for _, tc := range []struct {
		want   wamp.URI
		kwargs map[string]any
		args   []any
	}{
		{wamp.ErrInvalidArgument, nil, nil},
		{wamp.ErrInvalidArgument, nil, []any{1, []any{}, map[string]any{}}},
		{wamp.ErrInvalidArgument, nil, []any{"a.b", "text", map[string]any{}}},
		{wamp.ErrInvalidArgument, nil, []any{"a.b", []any{}, []any{}}},
		{wamp.ErrInvalidArgument, map[string]any{"scope": "eternal"}, []any{"a.b", []any{}, map[string]any{}}},
		{wamp.ErrInvalidArgument, map[string]any{"scope": 1}, []any{"a.b", []any{}, map[string]any{}}},
		{wamp.ErrInvalidArgument, map[string]any{"publish_options": 1}, []any{"a.b", []any{}, map[string]any{}}},
		{wamp.ErrInvalidArgument, map[string]any{"publish_options": map[string]any{"exclude": 1}}, []any{"a.b"}},
		{wamp.ErrInvalidURI, nil, []any{"not a uri#", []any{}, map[string]any{}}},
		{wamp.ErrNotAuthorized, nil, []any{"wamp.session.on_join", []any{}, map[string]any{}}},
		{wamp.ErrNotAuthorized, nil, []any{"bondy.x", []any{}, map[string]any{}}},
		{wamp.ErrNotAuthorized, nil, []any{"b.c", []any{}, map[string]any{}}},
	} {
		refused(t, s, tc.want, addTestament, tc.kwargs, tc.args...)
	}
	refused(t, s, wamp.ErrInvalidArgument, flush, map[string]any{"scope": "eternal"})
	s.Drop()
	w.Nothing()
}

func TestTestamentsAreBounded(t *testing.T) {
	r := router(t)
	s := coretest.Join(t, r)
	n := 0
	for ; n < 1000; n++ {
		_, _, failed := ask(t, s, addTestament, nil, "a.will", []any{n})
		if failed == wamp.ErrUnavailable {
			break
		}
		if failed != "" {
			t.Fatal(failed)
		}
	}
	if n != 100 {
		t.Errorf("%d testaments taken, want 100", n)
	}
	done(t, s, flush, nil)
	large := []any{strings.Repeat("x", 40<<10)}
	done(t, s, addTestament, nil, "a.will", large)
	refused(t, s, wamp.ErrUnavailable, addTestament, map[string]any{"scope": "detached"}, "a.will", large)
	refused(t, s, wamp.ErrUnavailable, addTestament, nil, "a.will", []any{}, map[string]any{"x": large[0]})
	done(t, s, flush, nil)
	done(t, s, addTestament, nil, "a.will", large)
}
