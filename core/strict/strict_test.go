package strict_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"bondy/core/strict"
	"bondy/core/unit"
	"bondy/core/wamp"
)

type inner struct {
	Name string `json:"name"`
}

type sample struct {
	inner
	Text    strict.Field[string]          `json:"text,omitzero"`
	Number  strict.Field[int]             `json:"number,omitzero"`
	List    strict.Field[[]inner]         `json:"list,omitzero"`
	Raw     strict.Field[json.RawMessage] `json:"raw,omitzero"`
	Map     map[string][]string           `json:"map,omitempty"`
	Size    unit.Size                     `json:"size,omitempty"`
	Timeout unit.Duration                 `json:"timeout,omitempty"`
	Large   uint64                        `json:"large,omitempty"`
	On      bool                          `json:"on,omitempty"`
}

func TestDecode(t *testing.T) {
	var got sample
	err := strict.Decoder{}.Decode([]byte(`{"name": "n", "text": "a", "number": null, "list": [{"name": "x"}], "raw": {"b": 1, "a": 12345678901234567890},
		"map": {"k": ["v"]}, "size": 512, "timeout": "90s", "large": 18446744073709551615, "on": true}`), &got)
	if err != nil {
		t.Fatal(err)
	}
	want := sample{
		inner: inner{Name: "n"}, Text: strict.Some("a"), Number: strict.Null[int](), List: strict.Some([]inner{{"x"}}),
		Raw: strict.Some(json.RawMessage(`{"a":12345678901234567890,"b":1}`)), Map: map[string][]string{"k": {"v"}},
		Size: 512, Timeout: unit.Duration(90e9), Large: 1<<64 - 1, On: true,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	text, err := json.Marshal(got)
	if want := `{"name":"n","text":"a","number":null,"list":[{"name":"x"}],"raw":{"a":12345678901234567890,"b":1},"map":{"k":["v"]},"size":"512B","timeout":"1m30s","large":18446744073709551615,"on":true}`; err != nil || string(text) != want {
		t.Errorf("got  %s, %v\nwant %s", text, err, want)
	}
}

func TestDecodeErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "line 1: the JSON ends too early"},
		{"{\n\"name\": tru}", "line 2: invalid character '}' in literal true (expecting 'e')"},
		{"{\"name\": \"a\"}\n[]", "line 2: more follows the first JSON value"},
		{"[]", "line 1: want an object, got a list"},
		{`{"naem": 1}`, `line 1: naem: unknown key; did you mean "name"?`},
		{`{"old": 1}`, "line 1: old: went away"},
		{`{"name": "a", "name": "b"}`, "line 1: name: is there twice"},
		{`{"map": {"a": [], "a": []}}`, "line 1: map.a: is there twice"},
		{"{\"list\": [{},\n{\"name\": 1}]}", "line 2: list[1].name: want a string, got a number"},
		{`{"list": [null]}`, "line 1: list[0]: must not be null"},
		{`{"number": 1.5}`, "line 1: number: 1.5 is not a whole number in range"},
		{`{"large": -1}`, "line 1: large: -1 is not a whole number in range"},
		{`{"size": "1 MB"}`, `line 1: size: invalid size "1 MB": want a whole number and a unit, such as "64MiB" (B, KiB, MiB, GiB)`},
		{`{"on": "true"}`, "line 1: on: want true or false, got a string"},
		{strings.Repeat("[", 100) + strings.Repeat("]", 100), "line 1: nested deeper than 64 levels"},
		{"{\"x\": 1,\n\"y\": 2}", "line 1: x: unknown key\nline 2: y: unknown key"},
	} {
		err := strict.Decoder{Explain: map[string]string{"old": "went away"}}.Decode([]byte(tt.text), &sample{})
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s\ngot  %v\nwant %s", tt.text, err, tt.want)
		}
		if we, ok := errors.AsType[*wamp.Error](err); !ok || we.URI != strict.ErrInvalidValue {
			t.Errorf("%s: a peer would see %v", tt.text, we)
		}
	}
}

func TestDecodeTellsUnknown(t *testing.T) {
	var told []string
	d := strict.Decoder{Unknown: func(line int, path string) { told = append(told, fmt.Sprint(line, " ", path)) }}
	if err := d.Decode([]byte("{\"name\": \"a\",\n\"list\": [{\"x\": {}}]}"), &sample{}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"2 list[0].x"}; !reflect.DeepEqual(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestErrorsAreBounded(t *testing.T) {
	err := strict.Decoder{}.Decode([]byte(`{"list": [`+strings.Repeat("1,", 1000)+`1]}`), &sample{})
	if n := strings.Count(fmt.Sprint(err), "\n") + 1; n != 50 {
		t.Errorf("%d errors at once", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"name": "n", "list": [{"name": "x"}], "raw": [1, {}], "size": "1KiB", "map": {"": []}}`))
	f.Add([]byte(`{"raw": null, "number": 7, "timeout": "1h"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var v, again sample
		if (strict.Decoder{}).Decode(text, &v) != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("%q is taken for JSON", text)
		}
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := (strict.Decoder{}).Decode(out, &again); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if twice, _ := json.Marshal(again); string(twice) != string(out) {
			t.Errorf("%s becomes %s", out, twice)
		}
	})
}

func ExampleDecoder() {
	var v struct {
		Name string            `json:"name"`
		Port strict.Field[int] `json:"port"`
	}
	err := strict.Decoder{}.Decode([]byte(`{"name": "core", "prot": 80}`), &v)
	fmt.Println(err)
	// Output: line 1: prot: unknown key; did you mean "port"?
}
