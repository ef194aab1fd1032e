package codec_test

import (
	"encoding/hex"
	"errors"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bondy/core/codec"
	"bondy/core/wamp"

	fxcbor "github.com/fxamacker/cbor/v2"
	"github.com/tinylib/msgp/msgp"
	"pgregory.net/rapid"
)

// sample has values of every type with their edges.
func sample() []any {
	list := []any{
		nil, true, false, "", "a", "\x00not base64!", "\u00e9\u2603\U0001F603\u2028\x7f", "\"\\/\b\f\n\r\t\x01",
		[]byte{},
		[]byte{0},
		[]byte("ab"), []byte("abc"),
		[]any{},
		map[string]any{},
		0.0, 1.0, -1.0, 0.1, 1e300, -1e-300, 1e21, 1e20, 1e-6, 9e-7, 5e-324, math.MaxFloat64, float64(1 << 53),
		uint64(math.MaxInt64) + 1, uint64(math.MaxUint64), int64(math.MinInt64), int64(math.MaxInt64),
	}
	for shift := range 63 {
		for _, n := range []int64{1<<shift - 1, 1 << shift, 1<<shift + 1} {
			list = append(list, n, -n)
		}
	}
	for _, n := range []int{15, 16, 23, 24, 31, 32, 255, 256, 65535, 65536} {
		list = append(list, strings.Repeat("x", n), []byte(strings.Repeat("y", n)))
		if n < 1000 {
			dict := map[string]any{}
			for i := range n {
				dict[strings.Repeat("k", i)] = int64(i)
			}
			list = append(list, slices.Repeat([]any{"v"}, n), dict)
		}
	}
	return append(list, append([]any(nil), list...), map[string]any{"all": append([]any(nil), list...)})
}

func appendValue(tb rapid.TB, s wamp.Serializer, v any) []byte {
	tb.Helper()
	b, err := codec.AppendValue(nil, s, v)
	if err != nil {
		tb.Fatalf("AppendValue(%s, %v): %v", s, v, err)
	}
	return b
}

func wantValue(tb rapid.TB, s wamp.Serializer, b []byte, want any) {
	tb.Helper()
	got, err := codec.DecodeValue(s, b)
	if err != nil {
		tb.Fatalf("DecodeValue(%s, %q): %v", s, b, err)
	}
	if !reflect.DeepEqual(got, want) {
		tb.Fatalf("DecodeValue(%s, %.99q) = %.99v (%T), want %.99v (%T)", s, b, got, got, want, want)
	}
}

func transcode(tb rapid.TB, to, from wamp.Serializer, b []byte) []byte {
	tb.Helper()
	out, err := codec.Transcode(nil, to, from, b)
	if err != nil {
		tb.Fatalf("Transcode(%s, %s, %.99q): %v", to, from, b, err)
	}
	return out
}

func TestTranscode(t *testing.T) {
	for _, v := range sample() {
		for _, from := range serializers {
			b := appendValue(t, from, v)
			wantValue(t, from, b, v)
			for _, to := range serializers {
				out := transcode(t, to, from, b)
				wantValue(t, to, out, v)
				if want := appendValue(t, to, v); len(out) != len(want) {
					t.Errorf("%s to %s: %.99q has %d bytes, encoded at once %d", from, to, out, len(out), len(want))
				}
			}
		}
	}
}

// TestOthersUnderstand compares with independent implementations.
func TestOthersUnderstand(t *testing.T) {
	for _, v := range sample() {
		var got any
		if err := fxcbor.Unmarshal(appendValue(t, wamp.CBOR, v), &got); err != nil {
			t.Errorf("CBOR of %.99v: %v", v, err)
		}
		b, err := fxcbor.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		wantValue(t, wamp.CBOR, b, v)
		if rest, err := msgp.Skip(appendValue(t, wamp.MessagePack, v)); err != nil || len(rest) > 0 {
			t.Errorf("MessagePack of %.99v: %v, %d bytes left", v, err, len(rest))
		}
		if b, err = msgp.AppendIntf(nil, v); err != nil {
			t.Fatal(err)
		}
		wantValue(t, wamp.MessagePack, b, v)
	}
}

func TestDecodeValueForms(t *testing.T) {
	const js, mp, cb = wamp.JSON, wamp.MessagePack, wamp.CBOR
	for _, c := range []struct {
		s    wamp.Serializer
		in   string
		want any
	}{
		{js, "-0", int64(0)},
		{js, "-0.0", math.Copysign(0, -1)},
		{js, "1E2", 100.0},
		{js, "1e-999", 0.0},
		{js, "18446744073709551616", 18446744073709551616.0},
		{js, "-9223372036854775808", int64(math.MinInt64)},
		{js, "-9223372036854775809", -9223372036854775809.0},
		{js, "00000000000000000001", errors.New("behind the end")},
		{js, ` "\u0000" `, []byte{}},
		{js, `"\u0000YQ=="`, []byte("a")},
		{js, `"\u0000\/\/\/\/"`, []byte{0xff, 0xff, 0xff}},
		{js, `"\u0000YQ"`, "\x00YQ"},
		{js, `"\u0000YQ==\n"`, "\x00YQ==\n"},
		{js, `"\u0001YQ=="`, "\x01YQ=="},
		{js, `"\ud83d\ude03\uD7FF\ue000\/\"\\"`, "\U0001F603\ud7ff\ue000/\"\\"},
		{js, `{"\u0000YQ==":1}`, map[string]any{"\x00YQ==": int64(1)}},
		{js, `{"a":1,"a":1}`, errors.New("stands twice")},
		{js, "1e999", errors.New("beyond the range")},
		{js, "[1", errors.New("unexpected end")},
		{mp, "\xca\x3f\x80\x00\x00", 1.0},
		{mp, "\xd0\x80", int64(-128)},
		{mp, "\xd1\x80\x00", int64(-32768)},
		{mp, "\xd3\x80\x00\x00\x00\x00\x00\x00\x00", int64(math.MinInt64)},
		{mp, "\xd3\x00\x00\x00\x00\x00\x00\x00\x05", int64(5)},
		{mp, "\xc5\x00\x01a", []byte("a")},
		{mp, "\xd6\xff\x00\x00\x00\x00", errors.New("extension type")},
		{mp, "\xc7\x00\x05", errors.New("extension type")},
		{cb, "\xf9\x3c\x00", 1.0},
		{cb, "\xf9\x00\x01", 5.960464477539063e-8},
		{cb, "\xf9\x7b\xff", 65504.0},
		{cb, "\xf9\xfc\x00", math.Inf(-1)},
		{cb, "\xfa\x47\xc3\x50\x00", 100000.0},
		{cb, "\xf7", nil},
		{cb, "\x3b\x7f\xff\xff\xff\xff\xff\xff\xff", int64(math.MinInt64)},
		{cb, "\x3b\x80\x00\x00\x00\x00\x00\x00\x00", errors.New("beyond 64 bits")},
		{cb, "\xc2\x4a\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff", uint64(math.MaxUint64)},
		{cb, "\xc3\x48\x7f\xff\xff\xff\xff\xff\xff\xff", int64(math.MinInt64)},
		{cb, "\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00", errors.New("beyond 64 bits")},
		{cb, "\xc2\x5f\x41\x01\x41\x00\xff", int64(256)},
		{cb, "\xc2\x61a", errors.New("a CBOR tag")},
		{cb, "\xc1\x1a\x51\x4b\x67\xb0", errors.New("a CBOR tag")},
		{cb, "\xf0", errors.New("a CBOR simple value")},
		{cb, "\xd9\xd9\xf7\x01", int64(1)},
		{cb, "\x5f\x41a\x40\x42bc\xff", []byte("abc")},
		{cb, "\x7f\xff", ""},
		{cb, "\x9f\xbf\x7f\x61a\x61b\xff\x80\xff\xff", []any{map[string]any{"ab": []any{}}}},
	} {
		if want, ok := c.want.(error); ok {
			_, err := codec.DecodeValue(c.s, []byte(c.in))
			wantError(t, c.in, err, wamp.ErrInvalidArgument, want.Error())
			continue
		}
		wantValue(t, c.s, []byte(c.in), c.want)
	}
}

func TestTranscodeRefuses(t *testing.T) {
	const js, mp, cb = wamp.JSON, wamp.MessagePack, wamp.CBOR
	for _, c := range []struct {
		to, from wamp.Serializer
		in, why  string
	}{
		{js, mp, "cb7ff8000000000000", "JSON has no number NaN"},
		{js, cb, "81f97c00", "JSON has no number +Inf"},
		{mp, cb, "3bffffffffffffffff", "at byte 0: an integer beyond 64 bits has no counterpart"},
		{js, cb, "8181c11a514b67b0", "at byte 2: a CBOR tag has no counterpart"},
		{mp, cb, "e0", "a CBOR simple value"},
		{js, mp, "d6ff00000000", "a MessagePack extension type"},
		{cb, mp, "91d60100000000", "at byte 1: a MessagePack extension type"},
		{js, mp, "810102", "key must be a string"},
		{mp, mp, "810102", "key must be a string"},
		{cb, cb, "a10102", "key must be a string"},
		{js, mp, "a1ff", "not valid UTF-8"},
		{js, mp, "", "unexpected end"},
		{js, mp, "0101", "1 bytes behind the end"},
		{mp, js, "5b312c", "unexpected end"},
		{mp, js, "3165393939", "beyond the range"},
		{js, js, "5b5d5d", "behind the end"},
		{cb, mp, strings.Repeat("91", 1000), "nested deeper than 128"},
		{9, js, "31", "unknown serializer 9"},
		{9, js, "5b315d", "unknown serializer 9"},
		{js, 0, "31", "unknown serializer 0"},
	} {
		in, err := hex.DecodeString(c.in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := codec.Transcode([]byte("kept"), c.to, c.from, in)
		wantError(t, c.in, err, wamp.ErrInvalidArgument, c.why)
		if string(got) != "kept" {
			t.Errorf("%s: dst is %q", c.in, got)
		}
	}
}

func TestAppendValueTypes(t *testing.T) {
	for _, c := range []struct{ in, want any }{
		{int(-1), int64(-1)},
		{int8(-8), int64(-8)},
		{int16(-16), int64(-16)},
		{int32(-32), int64(-32)},
		{uint(1), int64(1)},
		{uint8(8), int64(8)},
		{uint16(16), int64(16)},
		{uint32(32), int64(32)},
		{uint64(64), int64(64)},
		{wamp.ID(5), int64(5)},
		{float32(0.5), 0.5},
		{wamp.URI("a.b"), "a.b"},
		{[]string{"a", "b"}, []any{"a", "b"}},
		{[]wamp.ID{1, 2}, []any{int64(1), int64(2)}},
		{wamp.Dict{"a": []any(nil)}, map[string]any{"a": []any{}}},
		{wamp.Dict(nil), map[string]any{}},
	} {
		for _, s := range serializers {
			wantValue(t, s, appendValue(t, s, c.in), c.want)
		}
	}
	for _, v := range []any{struct{}{}, new(int), []int{1}, map[int]any{}, make(chan int), "\xff", map[string]any{"\xff": 1}, complex(1, 1)} {
		for _, s := range serializers {
			_, err := codec.AppendValue(nil, s, []any{v})
			wantError(t, reflect.TypeOf(v).String(), err, wamp.ErrInvalidArgument, "")
		}
	}
}

func TestPayloadArguments(t *testing.T) {
	for _, s := range serializers {
		args, kwargs := []any{int64(1), []byte("b")}, map[string]any{"k": nil}
		p := payload(t, s, args, kwargs)
		gotArgs, err := codec.DecodeArgs(p)
		if err != nil || !reflect.DeepEqual(gotArgs, args) {
			t.Errorf("%s: args %v, %v", s, gotArgs, err)
		}
		gotKwargs, err := codec.DecodeKwargs(p)
		if err != nil || !maps.Equal(gotKwargs, kwargs) {
			t.Errorf("%s: kwargs %v, %v", s, gotKwargs, err)
		}
		if p = payload(t, s, nil, nil); !p.Empty() {
			t.Errorf("%s: payload of nothing is %+v", s, p)
		}
		if p = payload(t, s, []any{}, map[string]any{}); p.Args == nil || p.Kwargs == nil {
			t.Errorf("%s: empty arguments are absent: %+v", s, p)
		}
		gotArgs, err = codec.DecodeArgs(wamp.Payload{Serializer: s})
		if gotArgs != nil || err != nil {
			t.Errorf("%s: absent args are %v, %v", s, gotArgs, err)
		}
		p = payload(t, s, args, kwargs)
		_, err = codec.DecodeArgs(wamp.Payload{Serializer: s, Args: p.Kwargs})
		wantError(t, "dict as args", err, wamp.ErrInvalidArgument, "must be a list, got a dict")
		_, err = codec.DecodeKwargs(wamp.Payload{Serializer: s, Kwargs: p.Args})
		wantError(t, "list as kwargs", err, wamp.ErrInvalidArgument, "must be a dict, got a list")
		_, err = codec.NewPayload(s, []any{struct{}{}}, nil)
		wantError(t, "struct", err, wamp.ErrInvalidArgument, "a struct {} cannot be encoded")
	}
}

// value draws what every serializer can hold: a string that JSON would take
// for binary data is not among it.
func value() *rapid.Generator[any] {
	str := rapid.String().Filter(func(s string) bool { return !strings.HasPrefix(s, "\x00") })
	scalar := rapid.OneOf(
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64().AsAny(),
		rapid.Uint64Range(math.MaxInt64+1, math.MaxUint64).AsAny(), rapid.Float64().AsAny(),
		str.AsAny(), rapid.SliceOfN(rapid.Byte(), 0, 40).AsAny(),
	)
	deeper := func(member *rapid.Generator[any]) *rapid.Generator[any] {
		return rapid.OneOf(scalar, rapid.SliceOfN(member, 0, 20).AsAny(), rapid.MapOfN(str, member, 0, 20).AsAny())
	}
	return deeper(deeper(deeper(scalar)))
}

func TestTranscodeAroundTheCircle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := value().Draw(t, "value")
		way := rapid.Permutation(serializers).Draw(t, "way")
		b := appendValue(t, way[0], v)
		for i, from := range way {
			to := way[(i+1)%len(way)]
			b = transcode(t, to, from, b)
			wantValue(t, to, b, v)
		}
	})
}
