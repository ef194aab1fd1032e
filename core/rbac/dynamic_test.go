package rbac_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/rbac"
	"bondy/core/wamp"
)

// oracle is a procedure that answers always the same.
type oracle struct {
	result any
	err    error
	hang   bool
	asked  []string
}

func (o *oracle) Call(ctx context.Context, procedure wamp.URI, args []any) (any, error) {
	o.asked = append(o.asked, fmt.Sprint(procedure, args))
	if o.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return o.result, o.err
}

func dynamic(t testing.TB, ttl time.Duration) *rbac.Dynamic {
	t.Helper()
	a, err := rbac.New(rbac.Config{Dynamic: rbac.Dynamic{Procedure: "com.decide", TTL: ttl}})
	if err != nil {
		t.Fatal(err)
	}
	return a.Dynamic()
}

func who() map[string]any { return map[string]any{"authid": "joe"} }

func TestDynamicAnswers(t *testing.T) {
	d := dynamic(t, 0)
	for _, tc := range []struct {
		result any
		want   rbac.Answer
		err    string
	}{
		{true, rbac.Answer{Allow: true}, ""},
		{false, rbac.Answer{}, ""},
		{map[string]any{"allow": true}, rbac.Answer{Allow: true}, ""},
		{map[string]any{"allow": true, "disclose": true, "cache": false}, rbac.Answer{Allow: true, Disclose: true}, ""},
		{map[string]any{}, rbac.Answer{}, ""},
		{nil, rbac.Answer{}, "want a bool or a dict"},
		{"true", rbac.Answer{}, "want a bool or a dict"},
		{int64(1), rbac.Answer{}, "want a bool or a dict"},
		{[]any{true}, rbac.Answer{}, "want a bool or a dict"},
		{map[string]any{"allow": "yes"}, rbac.Answer{}, "allow"},
		{map[string]any{"allow": true, "disclose": int64(1)}, rbac.Answer{}, "disclose"},
		{map[string]any{"allow": true, "cache": "no"}, rbac.Answer{}, "cache"},
		{errors.New("gone"), rbac.Answer{}, "gone"},
	} {
		o := &oracle{result: tc.result}
		if err, ok := tc.result.(error); ok {
			o.err = err
		}
		got, err := d.Ask(t.Context(), o, new(rbac.Answers), who, rbac.Subscribe, "com.x.", prefix)
		if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%v: %+v, %v", tc.result, got, err)
		}
		if want := "com.decide[map[authid:joe] com.x. subscribe map[match:prefix]]"; len(o.asked) != 1 || o.asked[0] != want {
			t.Errorf("asked %q, want %q", o.asked, want)
		}
	}
}

func TestDynamicIsNotAskedAboutEverything(t *testing.T) {
	d := dynamic(t, 0)
	o := &oracle{result: true}
	for _, tc := range []struct {
		p     rbac.Permission
		uri   wamp.URI
		match wamp.Match
		asks  bool
	}{
		{rbac.Call, "com.x", exact, true},
		{rbac.Register, "com..", wildcard, true},
		{rbac.Subscribe, "", prefix, true},
		{rbac.Call, "com.decide", exact, true},
		{rbac.Call, "bondy.ping", exact, true},
		{rbac.Call, "bondy.realm.create", exact, false},
		{rbac.Call, "com.leapsight.bondy.realm.create", exact, false},
		{rbac.Call, "wamp.session.kill_all", exact, false},
		{rbac.Subscribe, "bondy.", prefix, false},
		{rbac.Register, "com.decide", exact, false}, // or whoever comes first decides
		{rbac.Register, "com.", prefix, false},
		{rbac.Register, ".decide", wildcard, false},
		{rbac.Issue, "com.x", exact, false},
		{rbac.DiscloseCaller, "com.x", exact, false},
	} {
		if got := d.Asks(tc.p, tc.uri, tc.match); got != tc.asks {
			t.Errorf("Asks(%s %s %q) = %t", tc.p, tc.match, tc.uri, got)
		}
		got, err := d.Ask(t.Context(), o, nil, who, tc.p, tc.uri, tc.match)
		if err != nil || got.Allow != tc.asks {
			t.Errorf("Ask(%s %s %q) = %+v, %v", tc.p, tc.match, tc.uri, got, err)
		}
	}
}

func TestDynamicAnswersAreCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dynamic(t, time.Minute)
		var kept rbac.Answers
		o := &oracle{result: true}
		ask := func(d *rbac.Dynamic, p rbac.Permission, uri wamp.URI, m wamp.Match, calls int) {
			t.Helper()
			before := len(o.asked)
			if got, err := d.Ask(t.Context(), o, &kept, who, p, uri, m); err != nil || !got.Allow {
				t.Errorf("%+v, %v", got, err)
			}
			if got := len(o.asked) - before; got != calls {
				t.Errorf("%s %s %q: %d calls, want %d", p, m, uri, got, calls)
			}
		}
		ask(d, rbac.Call, "com.x", exact, 1)
		ask(d, rbac.Call, "com.x", exact, 0)
		ask(d, rbac.Publish, "com.x", exact, 1)
		ask(d, rbac.Subscribe, "com.x", exact, 1)
		ask(d, rbac.Subscribe, "com.x", prefix, 1)
		time.Sleep(time.Minute - time.Second)
		ask(d, rbac.Call, "com.x", exact, 0)
		time.Sleep(2 * time.Second)
		ask(d, rbac.Call, "com.x", exact, 1)
		ask(dynamic(t, time.Minute), rbac.Call, "com.x", exact, 1) // the realm has another one
		ask(d, rbac.Call, "com.x", exact, 1)
		ask(d, rbac.Call, "com.x."+uncachedTail, exact, 1)
		ask(d, rbac.Call, "com.x."+uncachedTail, exact, 1)
		for i := range 1000 { // more than are kept
			ask(d, rbac.Call, wamp.URI(fmt.Sprintf("com.n%d", i)), exact, 1)
		}
		ask(d, rbac.Call, "com.n999", exact, 0)
		ask(d, rbac.Call, "com.x", exact, 1)
		o.result = map[string]any{"allow": true, "cache": false}
		ask(d, rbac.Call, "com.y", exact, 1)
		ask(d, rbac.Call, "com.y", exact, 1)
		ask(dynamic(t, 0), rbac.Call, "com.z", exact, 1)
		ask(dynamic(t, 0), rbac.Call, "com.z", exact, 1)
	})
}

func TestDynamicHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		got, err := dynamic(t, time.Minute).Ask(t.Context(), &oracle{hang: true, result: true}, nil, who, rbac.Call, "com.x", exact)
		if got.Allow || err == nil || time.Since(start) != 5*time.Second {
			t.Errorf("%+v, %v after %v", got, err, time.Since(start))
		}
	})
}

func TestDynamicIsValidated(t *testing.T) {
	for _, d := range []rbac.Dynamic{{Procedure: "a..b"}, {Procedure: "com.x", TTL: -1}} {
		if _, err := rbac.New(rbac.Config{Dynamic: d}); err == nil || !strings.HasPrefix(err.Error(), "dynamic.") {
			t.Errorf("%+v: %v", d, err)
		}
	}
	a := newAuthorizer(t)
	if a.Dynamic() != nil {
		t.Error("a realm without a dynamic authorizer has one")
	}
	if _, err := a.Set(rbac.Config{SecurityDisabled: true, Dynamic: rbac.Dynamic{Procedure: "com.x"}}); err != nil || a.Dynamic() != nil {
		t.Errorf("a realm without security has a dynamic authorizer, %v", err)
	}
}
