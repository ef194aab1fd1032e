package codec_test

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"bondy/core/codec"
	"bondy/core/wamp"
)

type refusal struct{ name, in, why string }

func testRefused(t *testing.T, s wamp.Serializer, cases []refusal) {
	t.Helper()
	d := codec.NewDecoder(s, codec.Limits{})
	for _, c := range cases {
		m, err := d.Decode([]byte(c.in))
		if m != nil {
			t.Errorf("%s: decoded to %+v", c.name, m)
		}
		wantError(t, c.name, err, wamp.ErrProtocolViolation, c.why)
	}
	if _, err := d.Decode(encode(t, s, &wamp.Unsubscribe{Request: 1, Subscription: 2})); err != nil {
		t.Errorf("after the refusals: %v", err)
	}
}

func TestRefusedJSON(t *testing.T) {
	testRefused(t, wamp.JSON, []refusal{
		{"empty", ``, "at byte 0: unexpected end"},
		{"white space", "  \n", "unexpected end"},
		{"byte order mark", "\ufeff[34,1,2]", "unexpected character"},
		{"not a list", `{"a":1}`, "must be a list, got a dict"},
		{"scalar", `34`, "must be a list, got a number"},
		{"empty list", `[]`, "type at byte 2: is missing"},
		{"type null", `[null,1]`, "type at byte 1: must be the code of a message, got null"},
		{"type string", `["34",1,2]`, "got a string"},
		{"type negative", `[-34,1,2]`, "got -34"},
		{"type unknown", `[7,1,2]`, "got 7"},
		{"type zero", `[0,1,2]`, "got 0"},
		{"type huge", `[99999999999999999999999,1,2]`, "got a float"},
		{"type 256+34", `[290,1,2]`, "got 290"},
		{"type float", `[34.0,1,2]`, "got a float"},
		{"type boolean", `[true,1,2]`, "got a boolean"},
		{"trailing bytes", `[34,1,2]]`, "1 bytes behind the end"},
		{"second message", `[34,1,2] [34,1,2]`, "behind the end"},
		{"missing element", `[34,1]`, "UNSUBSCRIBE: SUBSCRIBED.Subscription at byte 6: is missing"},
		{"surplus element", `[34,1,2,3]`, "UNSUBSCRIBE at byte 8: more elements"},
		{"surplus after payload", `[48,1,{},"a",[],{},1]`, "more elements"},
		{"surplus dict", `[49,1,{},{}]`, "more elements"},
		{"id zero", `[34,0,2]`, "UNSUBSCRIBE: Request at byte 4: must be an integer from 1 to 2^53, got 0"},
		{"id negative", `[34,-1,2]`, "got -1"},
		{"id too large", `[34,9007199254740993,2]`, "got 9007199254740993"},
		{"id 2^64", `[34,18446744073709551616,2]`, "got a float"},
		{"id float", `[34,1.0,2]`, "got a float"},
		{"id exponent", `[34,1e0,2]`, "got a float"},
		{"id string", `[34,"1",2]`, "got a string"},
		{"id boolean", `[34,true,2]`, "got a boolean"},
		{"id null", `[34,null,2]`, "got null"},
		{"options list", `[48,1,[],"a"]`, "CALL: Options at byte 6: must be a dict, got a list"},
		{"options null", `[48,1,null,"a"]`, "must be a dict, got null"},
		{"options twice", `[48,1,{"a":1,"a":2},"a"]`, `key "a" stands twice`},
		{"options twice escaped", `[48,1,{"a":1,"\u0061":2},"a"]`, `stands twice`},
		{"options twice inside", `[48,1,{"x":{"a":1,"a":2}},"a"]`, `stands twice`},
		{"URI number", `[48,1,{},7]`, "Procedure at byte 9: must be a string, got 7"},
		{"URI binary", `[48,1,{},"\u0000YQ=="]`, "got binary"},
		{"signature null", `[5,null,{}]`, "AUTHENTICATE: Signature at byte 3: must be a string"},
		{"args dict", `[48,1,{},"a",{}]`, "CALL: Arguments at byte 13: must be a list, got a dict"},
		{"args null", `[48,1,{},"a",null]`, "must be a list, got null"},
		{"kwargs list", `[48,1,{},"a",[],[]]`, "CALL: ArgumentsKw at byte 16: must be a dict, got a list"},
		{"error of RESULT", `[8,50,1,{},"a"]`, "ERROR: REQUEST.Type at byte 3: must be the code of a request, got 50"},
		{"error of text", `[8,"48",1,{},"a"]`, "REQUEST.Type"},
		{"error of huge", `[8,304,1,{},"a"]`, "got 304"},
		{"unclosed", `[48,1,{},"a",[1,2`, "Arguments at byte 17: unexpected end"},
		{"comma at the end", `[34,1,2,]`, "more elements"},
		{"comma in args", `[48,1,{},"a",[1,]]`, "unexpected character ']'"},
		{"no comma", `[34 1,2]`, "expected ',' or ']', got '1'"},
		{"no colon", `[48,1,{"a" 1},"a"]`, "expected ':'"},
		{"comma in dict", `[48,1,{"a":1,},"a"]`, "unexpected character '}'"},
		{"wrong bracket", `[48,1,{},"a",[1}]`, "expected ',' or ']', got '}'"},
		{"key not a string", `[48,1,{},"a",[],{1:2}]`, "key must be a string, got a number"},
		{"leading zero", `[48,1,{},"a",[01]]`, "expected ',' or ']', got '1'"},
		{"plus", `[48,1,{},"a",[+1]]`, "unexpected character"},
		{"no digits", `[48,1,{},"a",[-]]`, "expected a digit"},
		{"no fraction", `[48,1,{},"a",[1.]]`, "expected a digit"},
		{"no exponent", `[48,1,{},"a",[1e+]]`, "expected a digit"},
		{"NaN", `[48,1,{},"a",[NaN]]`, "unexpected character 'N'"},
		{"literal", `[48,1,{},"a",[nul]]`, "expected null"},
		{"float out of range", `[48,1,{"a":1e999},"a"]`, "beyond the range"},
		{"single quotes", `[48,1,{},'a']`, "unexpected character"},
		{"comment", `[34,1,/* */2]`, "unexpected character"},
		{"unterminated string", `[48,1,{},"a`, "unterminated string"},
		{"unterminated escape", `[48,1,{},"a\`, "not a valid escape"},
		{"control character", "[48,1,{},\"a\nb\"]", "control character '\\n'"},
		{"control character late", "[48,1,{},\"01234567890123456789\x1f\"]", "control character"},
		{"bad escape", `[48,1,{},"a",["\x"]]`, "at byte 15: not a valid escape"},
		{"bad hex", `[48,1,{},"a",["\u12g4"]]`, "not a valid escape"},
		{"lone surrogate", `[48,1,{},"a",["\ud83d"]]`, "not a valid escape"},
		{"surrogate and text", `[48,1,{},"a",["\ud83dabcdef"]]`, "not a valid escape"},
		{"surrogates reversed", `[48,1,{},"a",["\ude03\ud83d"]]`, "not a valid escape"},
		{"invalid UTF-8", "[48,1,{},\"a\",[\"\xc3\x28\"]]", "not valid UTF-8"},
		{"encoded surrogate", "[48,1,{},\"a\",[\"\xed\xa0\x80\"]]", "not valid UTF-8"},
		{"invalid UTF-8 key", "[48,1,{},\"a\",[],{\"\xff\":1}]", "not valid UTF-8"},
		{"deep", strings.Repeat("[", 10000), "message: type at byte 1: must be the code"},
		{"deep args", `[48,1,{},"a",` + strings.Repeat("[", 10000), "nested deeper than 128"},
		{"deep options", `[48,1,` + strings.Repeat(`{"a":`, 10000), "nested deeper than 128"},
	})
}

// TestRefusedMessagePack and TestRefusedCBOR put the interesting part into
// [UNSUBSCRIBE, ...], [CALL, 1, {}, "a", ...] or [CALL, 1, ...].
func TestRefusedMessagePack(t *testing.T) {
	const call = "\x95\x30\x01\x80\xa1a"
	testRefused(t, wamp.MessagePack, []refusal{
		{"empty", "", "at byte 0: unexpected end"},
		{"not a list", "\x80", "must be a list, got a dict"},
		{"empty list", "\x90", "is missing"},
		{"nil", "\xc0", "must be a list, got null"},
		{"trailing bytes", "\x93\x22\x01\x02\x00", "1 bytes behind the end"},
		{"type as string", "\x93\xa2\x33\x34\x01\x02", "got a string"},
		{"type negative", "\x93\xff\x01\x02", "got -1"},
		{"type 2^64-1", "\x93\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02", "got an integer"},
		{"id float", "\x93\x22\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\x02", "got a float"},
		{"id 2^53+1", "\x93\x22\xcf\x00\x20\x00\x00\x00\x00\x00\x01\x02", "got 9007199254740993"},
		{"id int64 negative", "\x93\x22\xd3\xff\xff\xff\xff\xff\xff\xff\xff\x02", "got -1"},
		{"URI binary", "\x94\x30\x01\x80\xc4\x01a", "must be a string, got binary"},
		{"URI not UTF-8", "\x94\x30\x01\x80\xa1\xff", "not valid UTF-8"},
		{"URI cut", "\x94\x30\x01\x80\xa5a", "unexpected end: 5 bytes needed, 1 left"},
		{"never used byte", call + "\x91\xc1", "0xc1 starts no value"},
		{"array32 of 2^32-1", call + "\xdd\xff\xff\xff\xff", "4294967295 members announced, 0 bytes left"},
		{"map32 of 2^31", call + "\x91\xdf\x80\x00\x00\x00aaaa", "2147483648 members announced"},
		{"map without values", call + "\x91\x82\xa1a", "2 members announced, 2 bytes left"},
		{"str32 of 2^31", call + "\x91\xdb\x80\x00\x00\x00", "unexpected end"},
		{"bin32 of 2^32-1", call + "\x91\xc6\xff\xff\xff\xff", "unexpected end"},
		{"ext32 of 2^32-1", call + "\x91\xc9\xff\xff\xff\xff\x01", "unexpected end"},
		{"message of 2^32-1", "\xdd\xff\xff\xff\xff\x30", "members announced"},
		{"integer key", "\x96\x30\x01\x80\xa1a\x90\x81\x01\x02", "key must be a string, got an integer"},
		{"binary key", "\x96\x30\x01\x80\xa1a\x90\x81\xc4\x01a\x02", "key must be a string, got binary"},
		{"integer key deep", call + "\x91\x81\x01\x02", "key must be a string"},
		{"options twice", "\x94\x30\x01\x82\xa1a\x01\xa1a\x01\xa1a", "stands twice"},
		{"deep", call + strings.Repeat("\x91", 10000), "nested deeper than 128"},
		{"surplus", "\x94\x22\x01\x02\x03", "more elements"},
		{"cut", "\x93\x22\x01", "3 members announced, 2 bytes left"},
	})
}

func TestRefusedCBOR(t *testing.T) {
	const call = "\x85\x18\x30\x01\xa0\x61a"
	testRefused(t, wamp.CBOR, []refusal{
		{"empty", "", "at byte 0: unexpected end"},
		{"not a list", "\xa0", "must be a list, got a dict"},
		{"empty list", "\x80", "is missing"},
		{"trailing bytes", "\x83\x18\x22\x01\x02\x00", "1 bytes behind the end"},
		{"type negative", "\x83\x20\x01\x02", "got -1"},
		{"id float", "\x83\x18\x22\xf9\x3e\x00\x02", "got a float"},
		{"id zero", "\x83\x18\x22\x00\x02", "got 0"},
		{"id undefined", "\x83\x18\x22\xf7\x02", "got null"},
		{"id tagged", "\x83\x18\x22\xc1\x01\x02", "a CBOR tag has no counterpart"},
		{"id simple value", "\x83\x18\x22\xe0\x02", "a CBOR simple value has no counterpart"},
		{"URI binary", "\x84\x18\x30\x01\xa0\x41a", "must be a string, got binary"},
		{"URI not UTF-8", "\x84\x18\x30\x01\xa0\x61\xff", "not valid UTF-8"},
		{"args tagged", call + "\xd8\x64\x80", "must be a list, got a CBOR tag"},
		{"list of 2^64-1", call + "\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "unexpected end"},
		{"list of 2^63", call + "\x9b\x80\x00\x00\x00\x00\x00\x00\x00", "members announced"},
		{"dict of 2^63", call + "\x81\xbb\x80\x00\x00\x00\x00\x00\x00\x00", "members announced"},
		{"text of 2^64-1", call + "\x81\x7b\xff\xff\xff\xff\xff\xff\xff\xff", "unexpected end"},
		{"text of 2^31", call + "\x81\x7a\x80\x00\x00\x00", "unexpected end"},
		{"bytes of 2^32-1", call + "\x81\x5a\xff\xff\xff\xff", "unexpected end"},
		{"reserved 28", call + "\x81\x1c", "0x1c starts no value"},
		{"indefinite integer", call + "\x81\x1f", "0x1f starts no value"},
		{"indefinite tag", call + "\x81\xdf\x00", "0xdf starts no value"},
		{"break", call + "\x81\xff", "end mark"},
		{"break as dict value", call + "\x81\xbf\x61a\xff", "end mark"},
		{"unclosed list", call + "\x81\x9f\x01", "unexpected end"},
		{"chunk of bytes in text", call + "\x81\x7f\x41a\xff", "chunk of another type"},
		{"chunk of chunks", call + "\x81\x7f\x7f\x61a\xff\xff", "chunk of another type"},
		{"chunks split a rune", call + "\x81\x7f\x61\xc3\x61\xa9\xff", "not valid UTF-8"},
		{"unclosed text", call + "\x81\x7f\x61a", "unexpected end"},
		{"simple value in two bytes", call + "\x81\xf8\x18", "simple value 24 in two bytes"},
		{"integer key", call + "\x81\xa1\x01\x02", "key must be a string, got an integer"},
		{"tagged key", call + "\x81\xa1\xc1\x61a\x02", "key must be a string"},
		{"options twice", "\x84\x18\x30\x01\xa2\x61a\x01\x61a\x01\x61a", "stands twice"},
		{"tag of nothing", call + "\x81\xc1", "unexpected end"},
		{"deep", call + strings.Repeat("\x81", 10000), "nested deeper than 128"},
		{"deep indefinite", call + strings.Repeat("\x9f", 10000), "nested deeper than 128"},
		{"deep tags", call + strings.Repeat("\xc1", 10000), "unexpected end"},
		{"surplus", "\x84\x18\x22\x01\x02\x03", "more elements"},
		{"surplus indefinite", "\x9f\x18\x22\x01\x02\x03\xff", "more elements"},
	})
}

func TestAcceptedForms(t *testing.T) {
	want := encode(t, wamp.JSON, &wamp.Call{
		Request: 1, Options: wamp.Dict{"a": int64(-1)}, Procedure: "a",
		Payload: wamp.Payload{Serializer: wamp.JSON, Args: []byte(`["b"]`)},
	})
	for name, c := range map[string]struct {
		s  wamp.Serializer
		in string
	}{
		"white space":    {wamp.JSON, " [\t48 ,\n1 , { \"a\" : -1 } ,\r\"\\u0061\",[\"b\"]] "},
		"shortest":       {wamp.MessagePack, "\x95\x30\x01\x81\xa1a\xff\xa1a\x91\xa1b"},
		"long forms":     {wamp.MessagePack, "\xdd\x00\x00\x00\x05\xd3\x00\x00\x00\x00\x00\x00\x00\x30\xcf\x00\x00\x00\x00\x00\x00\x00\x01\xdf\x00\x00\x00\x01\xdb\x00\x00\x00\x01a\xd2\xff\xff\xff\xff\xda\x00\x01a\xdc\x00\x01\xd9\x01b"},
		"CBOR shortest":  {wamp.CBOR, "\x85\x18\x30\x01\xa1\x61a\x20\x61a\x81\x61b"},
		"CBOR long":      {wamp.CBOR, "\x9a\x00\x00\x00\x05\x19\x00\x30\x1b\x00\x00\x00\x00\x00\x00\x00\x01\xb9\x00\x01\x78\x01a\x3a\x00\x00\x00\x00\x7a\x00\x00\x00\x01a\x98\x01\x79\x00\x01b"},
		"indefinite":     {wamp.CBOR, "\x9f\x18\x30\x01\xbf\x7f\x61a\xff\x20\xff\x7f\x60\x61a\xff\x9f\x61b\xff\xff"},
		"self-described": {wamp.CBOR, "\xd9\xd9\xf7\x85\x18\x30\xc2\x41\x01\xa1\x61a\xc3\x40\x61a\x81\x61b"},
	} {
		m, err := codec.NewDecoder(c.s, codec.Limits{}).Decode([]byte(c.in))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := encode(t, wamp.JSON, m); !bytes.Equal(got, want) {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestForeignValuesPassAsBytes(t *testing.T) {
	for name, in := range map[string]string{
		"NaN": "81f97e00", "tagged": "81c11a514b67b0", "simple value": "81e0", "simple value 255": "81f8ff",
		"below -2^63": "813bffffffffffffffff", "big number": "81c249010000000000000000", "undefined": "81f7",
	} {
		args, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		b := encode(t, wamp.CBOR, &wamp.Yield{Request: 1, Payload: wamp.Payload{Serializer: wamp.CBOR, Args: args}})
		m, err := codec.NewDecoder(wamp.CBOR, codec.Limits{}).Decode(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := m.(*wamp.Yield).Args; !bytes.Equal(got, args) {
			t.Errorf("%s: got %x", name, got)
		}
	}
}

func TestLimits(t *testing.T) {
	nested := func(n int) []byte {
		return []byte(`[70,1,{},` + strings.Repeat("[", n) + strings.Repeat("]", n) + `]`)
	}
	many := func(n int) []byte { return []byte(`[70,1,{},[` + strings.Repeat("1,", n-1) + `1]]`) }
	for _, c := range []struct {
		name   string
		limits codec.Limits
		in     []byte
		why    string
	}{
		{"default depth", codec.Limits{}, nested(127), ""},
		{"default depth exceeded", codec.Limits{}, nested(128), "nested deeper than 128"},
		{"depth", codec.Limits{MaxDepth: 4}, nested(3), ""},
		{"depth exceeded", codec.Limits{MaxDepth: 4}, nested(4), "nested deeper than 4"},
		{"depth is capped", codec.Limits{MaxDepth: 1000}, nested(128), "nested deeper than 128"},
		{"elements", codec.Limits{MaxElements: 15}, many(10), ""},
		{"elements exceeded", codec.Limits{MaxElements: 14}, many(10), "more values"},
		{"default elements exceeded", codec.Limits{}, many(1 << 20), "more values"},
	} {
		_, err := codec.NewDecoder(wamp.JSON, c.limits).Decode(c.in)
		if c.why != "" {
			wantError(t, c.name, err, wamp.ErrProtocolViolation, c.why)
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestAnnouncedSizesDoNotAllocate(t *testing.T) {
	d := codec.NewDecoder(wamp.MessagePack, codec.Limits{})
	for name, in := range map[string]string{
		"nested lists":    "\x95\x30\x01\x80\xa1a" + strings.Repeat("\xdd\x00\x01\x00\x00", 1000) + strings.Repeat("a", 1<<17),
		"nested options":  "\x94\x30\x01" + strings.Repeat("\xdf\x00\x00\x80\x00\xa1a", 1000) + strings.Repeat("a", 1<<17),
		"lists in option": "\x94\x30\x01\x81\xa1a" + strings.Repeat("\xdd\x00\x01\x00\x00", 1000) + strings.Repeat("a", 1<<17),
	} {
		b := []byte(in)
		if n := testing.AllocsPerRun(1, func() { _, _ = d.Decode(b) }); n > 1000 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// What encoders of JavaScript make of undefined and of large integers is taken
// for what it means.
func TestAcceptedFromJavaScript(t *testing.T) {
	for _, tc := range []struct {
		name string
		s    wamp.Serializer
		in   string
		want wamp.Message
	}{
		{"undefined option", wamp.MessagePack, "\x94\x20\x01\x81\xa5match\xd4\x00\x00\xa1a", &wamp.Subscribe{Request: 1, Options: wamp.Dict{"match": nil}, Topic: "a"}},
		{"extension in options", wamp.MessagePack, "\x94\x20\x01\x81\xa1x\xd4\x05\x07\xa1a", &wamp.Subscribe{Request: 1, Options: wamp.Dict{"x": nil}, Topic: "a"}},
		{"undefined option", wamp.CBOR, "\x84\x18\x20\x01\xa1\x65match\xf7\x61a", &wamp.Subscribe{Request: 1, Options: wamp.Dict{"match": nil}, Topic: "a"}},
		{"tagged option", wamp.CBOR, "\x84\x18\x20\x01\xa1\x61x\xc1\x01\x61a", &wamp.Subscribe{Request: 1, Options: wamp.Dict{"x": int64(1)}, Topic: "a"}},
		{"id as a float", wamp.MessagePack, "\x93\x22\x02\xcb\x43\x0e\x58\x59\xf4\xca\xe5\xe8", &wamp.Unsubscribe{Request: 2, Subscription: 1067674085448893}},
		{"id as a float", wamp.CBOR, "\x83\x18\x22\x02\xfb\x43\x0e\x58\x59\xf4\xca\xe5\xe8", &wamp.Unsubscribe{Request: 2, Subscription: 1067674085448893}},
	} {
		m, err := codec.NewDecoder(tc.s, codec.Limits{}).Decode([]byte(tc.in))
		if err != nil || !reflect.DeepEqual(m, tc.want) {
			t.Errorf("%s in %s: got %+v, %v, want %+v", tc.name, tc.s, m, err, tc.want)
		}
	}
	typed := wamp.Payload{Serializer: wamp.CBOR, Args: []byte("\x81\xd8\x40\x42\x01\x02")}
	if a, err := codec.DecodeArgs(typed); err != nil || !reflect.DeepEqual(a, []any{[]byte{1, 2}}) {
		t.Errorf("typed array: got %v, %v", a, err)
	}
}
