package mgmt_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bondy/core/mgmt"
	"bondy/core/wamp"
)

func TestObjects(t *testing.T) {
	user := map[string]any{
		"name": "joe", "groups": []any{"a"}, "one": "b", "off": nil,
		"opts": map[string]any{"n": 1}, "on": []any{map[string]any{"uri": "x"}, "y"},
	}
	r := request(t, []any{"first", user}, nil)
	for want, read := range map[string]func(o mgmt.Object){
		"": func(o mgmt.Object) {
			if o.Need("name").String() != "joe" || !slices.Equal(o.Key("groups").Texts(), []string{"a"}) || !slices.Equal(o.Key("one").Texts(), []string{"b"}) ||
				o.Key("none").Texts() != nil || o.Has("none") || !o.Has("off") || o.Key("off").Set() ||
				o.Key("opts").Object("n").Key("n").Positive() != 1 || len(o.Key("on").Members()) != 2 {
				t.Error("something was read wrong")
			}
		},
		"bondy.error.missing_required_value: off is missing":                 func(o mgmt.Object) { o.Need("off") },
		"bondy.error.missing_required_value: none is missing":                func(o mgmt.Object) { o.Need("none") },
		"bondy.error.invalid_datatype: name must be a boolean, got a string": func(o mgmt.Object) { o.Key("name").Bool() },
		"bondy.error.invalid_datatype: opts.n must be a dict, got 1":         func(o mgmt.Object) { o.Key("opts").Object("n").Key("n").Dict() },
		"bondy.error.invalid_datatype: on[1] must be a dict, got a string":   func(o mgmt.Object) { o.Key("on").Members()[1].Dict() },
		"bondy.error.missing_required_value: on[0].match is missing":         func(o mgmt.Object) { o.Key("on").Members()[0].Object("uri", "match").Need("match") },
		"bondy.error.invalid_value: opts.n is unknown: there are m, o":       func(o mgmt.Object) { o.Key("opts").Object("m", "o") },
		"bondy.error.invalid_value: name is bad":                             func(o mgmt.Object) { o.Key("name").Refuse("is %s", "bad"); o.Need("none") },
	} {
		a := r.Args()
		a.Drop(1)
		read(a.At(0, "user").Object("name", "groups", "one", "off", "opts", "on", "none"))
		got := ""
		if err := a.Err(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestDrop(t *testing.T) {
	a := request(t, []any{"realm", "joe"}, nil).Args()
	a.Drop(1)
	if a.Len() != 1 || a.At(0, "name").String() != "joe" {
		t.Errorf("%d arguments are left, the first is %q", a.Len(), a.At(0, "name").String())
	}
	a.Drop(7)
	a.At(0, "name")
	if a.Len() != 0 || a.Err() == nil || !strings.Contains(a.Err().Error(), "argument 3, name, is missing") {
		t.Errorf("%d arguments are left, %v", a.Len(), a.Err())
	}
}

func TestLists(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e"}
	show := func(s string) (string, any) {
		if s == "c" {
			return s, nil
		}
		return s, s
	}
	for _, tc := range []struct {
		kwargs map[string]any
		want   string
		next   any
	}{
		{nil, "[a b d e]", nil},
		{map[string]any{"limit": 2}, "[a b]", "b"},
		{map[string]any{"limit": 2, "after": "b"}, "[d e]", nil},
		{map[string]any{"limit": 4}, "[a b d e]", nil},
		{map[string]any{"after": "cc"}, "[d e]", nil},
		{map[string]any{"after": "e"}, "[]", nil},
	} {
		a := request(t, nil, tc.kwargs).Args()
		res := mgmt.Listed(a.Cursor(), slices.Values(names), show)
		if got := shownList(res.Args[0]); got != tc.want || res.Kwargs["next"] != tc.next {
			t.Errorf("%v: %s, next %v", tc.kwargs, got, res.Kwargs["next"])
		}
	}
	all := make([]string, mgmt.MaxVisited+2) // of which the last one alone is wanted
	for i := range all {
		all[i] = fmt.Sprintf("%06d", i)
	}
	last := func(s string) (string, any) {
		if s == all[len(all)-1] {
			return s, s
		}
		return s, nil
	}
	first := mgmt.Listed(request(t, nil, nil).Args().Cursor(), slices.Values(all), last)
	if next := first.Kwargs["next"]; next != all[mgmt.MaxVisited-1] || shownList(first.Args[0]) != "[]" {
		t.Errorf("the first page is %s, the next begins after %v", shownList(first.Args[0]), next)
	}
	second := mgmt.Listed(request(t, nil, map[string]any{"after": first.Kwargs["next"]}).Args().Cursor(), slices.Values(all), last)
	if second.Kwargs != nil || shownList(second.Args[0]) != "["+all[len(all)-1]+"]" {
		t.Errorf("the second page is %s, %v", shownList(second.Args[0]), second.Kwargs)
	}
	many := make([]string, mgmt.MaxListed+1)
	for i := range many {
		many[i] = string(rune('a'+i/1000)) + string(rune(0x100+i))
	}
	res := mgmt.Listed(request(t, nil, nil).Args().Cursor(), slices.Values(many), show)
	if list, _ := res.Args[0].([]any); len(list) != mgmt.MaxListed || res.Kwargs["next"] != many[mgmt.MaxListed-1] {
		t.Errorf("a list of %d, next %v", len(list), res.Kwargs["next"])
	}
}

func shownList(v any) string {
	list, _ := v.([]any)
	words := make([]string, len(list))
	for i, m := range list {
		words[i], _ = m.(string)
	}
	return "[" + strings.Join(words, " ") + "]"
}

// TestAliases resolves the other names of procedures, also of a shared table.
func TestAliases(t *testing.T) {
	var own, shared mgmt.Table
	answer := func(word string) mgmt.Handler {
		return func(r *mgmt.Request) (mgmt.Result, error) { return mgmt.Value(word + " " + string(r.Procedure)), nil }
	}
	own.Add("bondy.own", answer("own"))
	own.Alias("bondy.old.own", "bondy.own")
	shared.Add("bondy.own", answer("hidden"))
	shared.Add("bondy.shared", answer("shared"))
	shared.Alias("bondy.old.shared", "bondy.shared")
	own.Share(&shared)
	for name, want := range map[wamp.URI]string{
		"bondy.own": "own bondy.own", "bondy.old.own": "own bondy.own", "com.bondy.old.own": "own bondy.own",
		"bondy.shared": "shared bondy.shared", "com.leapsight.bondy.old.shared": "shared bondy.shared", "com.bondy.shared": "shared bondy.shared",
	} {
		res, err := own.Call(&mgmt.Request{Procedure: name})
		if err != nil || res.Args[0] != want {
			t.Errorf("%s is answered by %v, %v", name, res.Args, err)
		}
	}
	_, err := own.Call(&mgmt.Request{Procedure: "bondy.none"})
	if we, ok := errors.AsType[*wamp.Error](err); !ok || we.URI != wamp.ErrNoSuchProcedure {
		t.Errorf("got %v", err)
	}
}
