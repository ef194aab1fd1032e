package mgmt_test

import (
	"errors"
	"strings"
	"testing"

	"bondy/core/codec"
	"bondy/core/mgmt"
	"bondy/core/wamp"
)

func request(t testing.TB, args []any, kwargs map[string]any) *mgmt.Request {
	t.Helper()
	p, err := codec.NewPayload(wamp.CBOR, args, kwargs)
	if err != nil {
		t.Fatal(err)
	}
	return &mgmt.Request{Payload: p}
}

func TestArguments(t *testing.T) {
	r := request(t, []any{7, "a.b", nil, float64(1 << 40)}, map[string]any{
		"list": []any{"x", "y"}, "none": []any{}, "dict": map[string]any{"k": 1}, "yes": true, "n": 3,
		"time": "2026-01-02T03:04:05.006Z", "null": nil,
	})
	a := r.Args()
	for name, ok := range map[string]bool{
		"id":       a.At(0, "id").ID() == 7,
		"uri":      a.At(1, "uri").URI(wamp.MatchExact) == "a.b",
		"float id": a.At(3, "id").ID() == 1<<40,
		"null":     !a.Optional(2, "x").Set() && a.Optional(2, "x").String() == "" && !a.Key("null").Set(),
		"absent":   a.Optional(9, "x").ID() == 0 && a.Key("gone").Strings() == nil && a.Key("gone").Time().IsZero(),
		"strings":  len(a.Key("list").Strings()) == 2 && len(a.Key("list").List()) == 2,
		"empty":    a.Key("none").Strings() != nil,
		"dict":     a.Key("dict").Dict()["k"] == int64(1),
		"bool":     a.Key("yes").Bool(),
		"positive": a.Key("n").Positive() == 3,
		"time":     a.Key("time").Time().Year() == 2026,
	} {
		if !ok {
			t.Errorf("%s was read wrong", name)
		}
	}
	if err := a.Err(); err != nil {
		t.Error(err)
	}
}

func TestWrongArgumentsAreNamed(t *testing.T) {
	for want, read := range map[string]func(a *mgmt.Args){
		`argument 3, session, is missing`:                        func(a *mgmt.Args) { a.At(2, "session").ID() },
		`argument 2, session, is missing`:                        func(a *mgmt.Args) { a.At(1, "session").ID() },
		`argument 1, session, must be an id, an integer from 1`:  func(a *mgmt.Args) { a.At(0, "session").ID() },
		`argument 1, topic, must be a string, got -1`:            func(a *mgmt.Args) { a.At(0, "topic").URI(wamp.MatchExact) },
		`keyword argument "text" must be a list, got a string`:   func(a *mgmt.Args) { a.Key("text").List() },
		`keyword argument "text" must be a list of strings, got`: func(a *mgmt.Args) { a.Key("text").Strings() },
		`keyword argument "list"[1] must be a string, got`:       func(a *mgmt.Args) { a.Key("list").Strings() },
		`keyword argument "text" must be a dict, got a string`:   func(a *mgmt.Args) { a.Key("text").Dict() },
		`keyword argument "n" must be a boolean, got 0`:          func(a *mgmt.Args) { a.Key("n").Bool() },
		`keyword argument "n" must be a positive integer, got 0`: func(a *mgmt.Args) { a.Key("n").Positive() },
		`keyword argument "text" must be a timestamp`:            func(a *mgmt.Args) { a.Key("text").Time() },
		`keyword argument "after" must be an id`:                 func(a *mgmt.Args) { a.Page() },
		`keyword argument "n" is refused: because`: func(a *mgmt.Args) {
			a.Key("n").Check(nil)
			a.Key("n").Check(wamp.Violationf("because"))
			a.Key("text").Dict() // the first error stays
		},
	} {
		a := request(t, []any{-1, nil}, map[string]any{"text": "no time", "list": []any{"x", 1}, "n": 0, "after": 1.5}).Args()
		read(a)
		we, ok := errors.AsType[*wamp.Error](a.Err())
		if !ok || we.URI != wamp.ErrInvalidArgument || !strings.HasPrefix(we.Message, want) {
			t.Errorf("got %v, want %q", a.Err(), want)
		}
	}
}

func TestURIs(t *testing.T) {
	for _, tc := range []struct {
		uri   string
		match wamp.Match
		loose bool
		tight bool
	}{
		{"a.b", wamp.MatchExact, true, true},
		{"a.B", wamp.MatchExact, true, false},
		{"a..b", wamp.MatchExact, false, false},
		{"a..b", wamp.MatchWildcard, true, true},
		{"", wamp.MatchPrefix, true, true},
		{"", wamp.MatchExact, false, false},
	} {
		for strict, want := range map[bool]bool{false: tc.loose, true: tc.tight} {
			r := request(t, []any{tc.uri}, nil)
			r.StrictURIs = strict
			a := r.Args()
			a.At(0, "uri").URI(tc.match)
			we, _ := errors.AsType[*wamp.Error](a.Err())
			if (we == nil) != want || we != nil && we.URI != wamp.ErrInvalidURI {
				t.Errorf("%q, %s, strict %v: %v, want valid %v", tc.uri, tc.match, strict, a.Err(), want)
			}
		}
	}
}

func TestPages(t *testing.T) {
	ids := []wamp.ID{2, 3, 5, 7}
	for _, tc := range []struct {
		page  mgmt.Page
		first wamp.ID
		n     int
		next  wamp.ID
	}{
		{mgmt.Page{}, 2, 4, 0},
		{mgmt.Page{Limit: 2}, 2, 2, 3},
		{mgmt.Page{Limit: 2, After: 3}, 5, 2, 0},
		{mgmt.Page{Limit: 1, After: 4}, 5, 1, 5}, // 4 left meanwhile
		{mgmt.Page{Limit: 4}, 2, 4, 0},
		{mgmt.Page{After: 7}, 0, 0, 0},
	} {
		page, next := mgmt.Cut(tc.page, ids, func(id wamp.ID) wamp.ID { return id })
		if len(page) != tc.n || next != tc.next || tc.n > 0 && page[0] != tc.first {
			t.Errorf("%+v: %v, next %d", tc.page, page, next)
		}
	}
	if r := mgmt.Paged(ids, 0); r.Kwargs != nil {
		t.Errorf("the last page announces another: %v", r.Kwargs)
	}
}

func FuzzArgs(f *testing.F) {
	f.Add(byte(1), []byte(`[1,"a.b"]`), []byte(`{"limit":1,"after":2}`))
	f.Add(byte(2), []byte{0x92, 0xcb, 0x42, 0x40, 0, 0, 0, 0, 0, 0, 0xc0}, []byte{0x81, 0xa1, 'a', 0xff})
	f.Add(byte(3), []byte{0x81, 0xf9, 0x7e, 0}, []byte(nil))
	f.Fuzz(func(t *testing.T, s byte, args, kwargs []byte) {
		r := &mgmt.Request{Payload: wamp.Payload{Serializer: wamp.Serializer(s%3 + 1), Args: args, Kwargs: kwargs}}
		for _, read := range []func(mgmt.Arg){
			func(v mgmt.Arg) { v.ID() }, func(v mgmt.Arg) { v.Positive() }, func(v mgmt.Arg) { v.Bool() },
			func(v mgmt.Arg) { v.URI(wamp.MatchPrefix) }, func(v mgmt.Arg) { v.Strings() }, func(v mgmt.Arg) { v.List() },
			func(v mgmt.Arg) { v.Dict() }, func(v mgmt.Arg) { v.Time() },
		} {
			a := r.Args()
			read(a.At(0, "first"))
			read(a.Key("limit"))
			if p := a.Page(); p.Limit < 0 || p.After > wamp.MaxID {
				t.Errorf("page %+v", p)
			}
			if we, ok := errors.AsType[*wamp.Error](a.Err()); a.Err() != nil && (!ok || we.URI == wamp.ErrProtocolViolation) {
				t.Errorf("error %v", a.Err())
			}
		}
	})
}
