package codec_test

import (
	"bytes"
	"errors"
	"maps"
	"math"
	"reflect"
	"strings"
	"testing"

	"bondy/core/codec"
	"bondy/core/wamp"
)

var serializers = []wamp.Serializer{wamp.JSON, wamp.MessagePack, wamp.CBOR}

// messages has every message, with and without its optional parts; payloads
// are in s.
func messages(tb testing.TB, s wamp.Serializer) []wamp.Message {
	tb.Helper()
	options := wamp.Dict{
		"acknowledge": true, "timeout": int64(1500), "nothing": nil, "weight": 0.5,
		"_big": uint64(math.MaxUint64), "_key": []byte{0, 255}, "_empty": map[string]any{},
		"exclude": []any{int64(1), int64(-7)}, "roles": map[string]any{"caller": map[string]any{"features": []any{}}},
		"text": "quote \" backslash \\ control \x00\x1f\n snow \u2603 \U0001F603",
	}
	full := payload(tb, s, []any{int64(1), "two", nil, []byte{3}}, map[string]any{"k": map[string]any{"n": 1.5}})
	list := payload(tb, s, []any{"x"}, nil)
	none := wamp.Payload{Serializer: s}
	return []wamp.Message{
		&wamp.Hello{Realm: "realm1", Details: options},
		&wamp.Welcome{Session: 9129137332, Details: options},
		&wamp.Abort{Details: wamp.Dict{"message": "no"}, Reason: "wamp.error.no_such_realm", Payload: none},
		&wamp.Abort{Reason: "wamp.error.no_such_realm", Payload: full},
		&wamp.Challenge{AuthMethod: "wampcra", Extra: wamp.Dict{"challenge": "{}"}},
		&wamp.Authenticate{Signature: "", Extra: nil},
		&wamp.Goodbye{Reason: wamp.CloseRealm},
		&wamp.ErrorMessage{RequestType: wamp.TypeInvocation, Request: 7, Error: "com.x.error", Payload: full},
		&wamp.ErrorMessage{RequestType: wamp.TypeSubscribe, Request: 7, Details: options, Error: "com.x.error", Payload: none},
		&wamp.Publish{Request: 1, Options: options, Topic: "com.x", Payload: full},
		&wamp.Publish{Request: wamp.MaxID, Topic: "com.x", Payload: none},
		&wamp.Published{Request: 1, Publication: wamp.MaxID},
		&wamp.Subscribe{Request: 1, Options: wamp.Dict{"match": "prefix"}, Topic: ""},
		&wamp.Subscribed{Request: 1, Subscription: 2},
		&wamp.Unsubscribe{Request: 1, Subscription: 2},
		&wamp.Unsubscribed{Request: 1},
		&wamp.Unsubscribed{Details: wamp.Dict{"subscription": int64(5)}},
		&wamp.Event{Subscription: 1, Publication: 2, Details: options, Payload: list},
		&wamp.Call{Request: 1, Procedure: "com.x", Payload: list},
		&wamp.Call{Request: 70000, Options: options, Procedure: "com.x", Payload: full},
		&wamp.Cancel{Request: 1, Options: wamp.Dict{"mode": "kill"}},
		&wamp.Result{Request: 1, Details: wamp.Dict{"progress": true}, Payload: full},
		&wamp.Register{Request: 1, Procedure: "com.x"},
		&wamp.Registered{Request: 1, Registration: 2},
		&wamp.Unregister{Request: 1, Registration: 2},
		&wamp.Unregistered{Request: 1},
		&wamp.Unregistered{Details: wamp.Dict{"registration": int64(5), "reason": "x"}},
		&wamp.Invocation{Request: 1, Registration: 2, Payload: full},
		&wamp.Interrupt{Request: 1, Options: wamp.Dict{"mode": "killnowait"}},
		&wamp.Yield{Request: 1, Payload: list},
	}
}

func payload(tb testing.TB, s wamp.Serializer, args []any, kwargs map[string]any) wamp.Payload {
	tb.Helper()
	p, err := codec.NewPayload(s, args, kwargs)
	if err != nil {
		tb.Fatalf("NewPayload(%s): %v", s, err)
	}
	return p
}

func encode(tb testing.TB, s wamp.Serializer, m wamp.Message) []byte {
	tb.Helper()
	b, err := codec.Append(nil, s, m)
	if err != nil {
		tb.Fatalf("Append(%s, %+v): %v", s, m, err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	for _, s := range serializers {
		d := codec.NewDecoder(s, codec.Limits{})
		for _, m := range messages(t, s) {
			b := encode(t, s, m)
			got, err := d.Decode(b)
			if err != nil {
				t.Errorf("%s: Decode(%q): %v", s, b, err)
				continue
			}
			if !reflect.DeepEqual(got, m) {
				t.Errorf("%s: Decode(Append(%+v)) = %+v", s, m, got)
			}
			if again := encode(t, s, got); !bytes.Equal(again, b) {
				t.Errorf("%s: encoded again %q, want %q", s, again, b)
			}
		}
	}
}

func TestPayloadFollowsTheReceiver(t *testing.T) {
	for _, from := range serializers {
		for _, to := range serializers {
			d := codec.NewDecoder(to, codec.Limits{})
			want := messages(t, to)
			for i, m := range messages(t, from) {
				b := encode(t, to, m)
				got, err := d.Decode(b)
				if err != nil {
					t.Errorf("%s to %s: Decode(%q): %v", from, to, b, err)
				} else if !reflect.DeepEqual(got, want[i]) {
					t.Errorf("%s to %s: got %+v, want %+v", from, to, got, want[i])
				}
			}
		}
	}
}

func TestAppendWire(t *testing.T) {
	call := &wamp.Call{Request: 5, Procedure: "com.x", Payload: payload(t, wamp.JSON, nil, map[string]any{"b": 1.0, "a": []byte("hi")})}
	for s, want := range map[wamp.Serializer]string{
		wamp.JSON:        `[48,5,{},"com.x",[],{"a":"\u0000aGk=","b":1.0}]`,
		wamp.MessagePack: "\x96\x30\x05\x80\xa5com.x\x90\x82\xa1a\xc4\x02hi\xa1b\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00",
		wamp.CBOR:        "\x86\x18\x30\x05\xa0\x65com.x\x80\xa2\x61a\x42hi\x61b\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00",
	} {
		if got := encode(t, s, call); string(got) != want {
			t.Errorf("%s: got %q, want %q", s, got, want)
		}
	}
	if got := encode(t, wamp.JSON, &wamp.Unsubscribed{}); string(got) != `[35,0,{}]` {
		t.Errorf("revocation without details: %s", got)
	}
}

// The URI of an EVENT or INVOCATION stands in the details as if it had been put
// there.
func TestAppendTellsTheURI(t *testing.T) {
	for _, s := range serializers {
		list := payload(t, s, []any{"x"}, nil)
		for _, uri := range []wamp.URI{"com.x", "a\"b\\", "sn\u00f6"} {
			for _, rest := range []wamp.Dict{nil, {"retained": true}, {"progress": true, "trustlevel": int64(3)}} {
				topic, procedure := wamp.Dict{"topic": string(uri)}, wamp.Dict{"procedure": string(uri)}
				maps.Copy(topic, rest)
				maps.Copy(procedure, rest)
				for _, tc := range []struct{ m, want wamp.Message }{
					{&wamp.Event{Subscription: 1, Publication: 2, Topic: uri, Details: rest, Payload: list}, &wamp.Event{Subscription: 1, Publication: 2, Details: topic, Payload: list}},
					{&wamp.Invocation{Request: 1, Registration: 2, Procedure: uri, Details: rest, Payload: list}, &wamp.Invocation{Request: 1, Registration: 2, Details: procedure, Payload: list}},
				} {
					got, err := codec.NewDecoder(s, codec.Limits{}).Decode(encode(t, s, tc.m))
					if err != nil || !reflect.DeepEqual(got, tc.want) {
						t.Errorf("%s: Decode(Append(%+v)) = %+v, %v", s, tc.m, got, err)
					}
					dst := make([]byte, 0, 256)
					if n := testing.AllocsPerRun(100, func() { _, _ = codec.Append(dst, s, tc.m) }); n != 0 && rest == nil && uri == "com.x" {
						t.Errorf("%s: encoding %+v allocates %v times", s, tc.m, n)
					}
				}
			}
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	nan := payload(t, wamp.CBOR, []any{math.NaN()}, nil)
	cycle := map[string]any{}
	cycle["self"] = cycle
	for name, m := range map[string]wamp.Message{
		"id 0":            &wamp.Published{Publication: 1},
		"id too large":    &wamp.Published{Request: 1, Publication: wamp.MaxID + 1},
		"NaN in payload":  &wamp.Call{Request: 1, Procedure: "a", Payload: nan},
		"NaN in options":  &wamp.Cancel{Request: 1, Options: wamp.Dict{"x": math.Inf(1)}},
		"URI not UTF-8":   &wamp.Subscribe{Request: 1, Topic: "a\xff"},
		"unknown type":    &wamp.Cancel{Request: 1, Options: wamp.Dict{"x": struct{}{}}},
		"cyclic details":  &wamp.Welcome{Session: 1, Details: cycle},
		"payload unknown": &wamp.Yield{Request: 1, Payload: wamp.Payload{Args: []byte("[]")}},
		"payload broken":  &wamp.Yield{Request: 1, Payload: wamp.Payload{Serializer: wamp.CBOR, Args: []byte{0x82, 0x01}}},
	} {
		dst := []byte("kept")
		got, err := codec.Append(dst, wamp.JSON, m)
		wantError(t, name, err, wamp.ErrInvalidArgument, "")
		if string(got) != "kept" {
			t.Errorf("%s: dst is %q", name, got)
		}
	}
	_, err := codec.Append(nil, 9, &wamp.Yield{Request: 1})
	wantError(t, "unknown serializer", err, wamp.ErrInvalidArgument, "unknown serializer 9")
}

func wantError(tb testing.TB, name string, err error, uri wamp.URI, why string) {
	tb.Helper()
	we, ok := errors.AsType[*wamp.Error](err)
	switch {
	case !ok:
		tb.Errorf("%s: error %v, want a *wamp.Error", name, err)
	case we.URI != uri || !strings.Contains(we.Message, why):
		tb.Errorf("%s: error %q, want %s with %q", name, we, uri, why)
	}
}

func TestDecodeAliasesOnlyThePayload(t *testing.T) {
	b := []byte(`[48,1,{"mode":"kill","x":"\u00e9"},"com.x", [1, 2] ,{"a":[]} ]`)
	d := codec.NewDecoder(wamp.JSON, codec.Limits{})
	m, err := d.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	call := m.(*wamp.Call)
	if string(call.Args) != "[1, 2]" || string(call.Kwargs) != `{"a":[]}` {
		t.Errorf("payload %q %q", call.Args, call.Kwargs)
	}
	if cap(call.Args) != len(call.Args) || &call.Args[0] != &b[bytes.Index(b, []byte("[1"))] {
		t.Error("Args is not the input's bytes, cut to its length")
	}
	clear(b)
	if call.Procedure != "com.x" || call.Options["mode"] != "kill" || call.Options["x"] != "\u00e9" {
		t.Errorf("the envelope changed with its buffer: %+v", call)
	}
	if call.Args[0] != 0 {
		t.Error("Args was copied")
	}
	if _, err := d.Decode([]byte(`[34,1,2]`)); err != nil {
		t.Fatal(err)
	}
	if !call.Empty() {
		t.Error("the decoder still refers to the buffer of an earlier message")
	}
}

func TestDecoderRelease(t *testing.T) {
	d := codec.NewDecoder(wamp.JSON, codec.Limits{})
	for range 2 {
		if _, err := d.Decode([]byte(`[48,1,{},"com.x"]`)); err != nil {
			t.Fatal(err)
		}
		d.Release()
	}
	if size := reflect.TypeOf(*d).Size(); size > 320 {
		t.Errorf("an idle decoder has %d bytes", size)
	}
}

func TestURICacheIsBounded(t *testing.T) {
	d := codec.NewDecoder(wamp.JSON, codec.Limits{})
	for i := range 1000 {
		uri := wamp.URI(strings.Repeat("a", i+1))
		b := encode(t, wamp.JSON, &wamp.Subscribe{Request: 1, Topic: uri})
		m, err := d.Decode(b)
		if err != nil || m.(*wamp.Subscribe).Topic != uri {
			t.Fatalf("URI %d: %+v, %v", i, m, err)
		}
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	for _, s := range serializers {
		p := payload(t, s, []any{int64(1), "some text", 2.5, true}, map[string]any{"key": []any{"a", nil}})
		for _, m := range []wamp.Message{
			&wamp.Publish{Request: 1, Topic: "com.example.topic", Payload: p},
			&wamp.Event{Subscription: 1, Publication: 2, Payload: p},
			&wamp.Call{Request: 1, Procedure: "com.example.procedure", Payload: p},
			&wamp.Result{Request: 1, Payload: p},
			&wamp.Invocation{Request: 1, Registration: 2, Payload: p},
			&wamp.Yield{Request: 1, Payload: p},
			&wamp.Cancel{Request: 1},
			&wamp.ErrorMessage{RequestType: wamp.TypeCall, Request: 1, Error: "com.example.error", Payload: p},
		} {
			b := encode(t, s, m)
			d := codec.NewDecoder(s, codec.Limits{})
			dst := make([]byte, 0, 1024)
			if n := testing.AllocsPerRun(100, func() {
				if _, err := d.Decode(b); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%s: decoding %s allocates %v times", s, m.Type(), n)
			}
			if n := testing.AllocsPerRun(100, func() {
				if _, err := codec.Append(dst, s, m); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%s: encoding %s allocates %v times", s, m.Type(), n)
			}
		}
	}
}
