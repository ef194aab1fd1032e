package codec_test

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"bondy/core/codec"
	"bondy/core/wamp"

	fxcbor "github.com/fxamacker/cbor/v2"
	"github.com/tinylib/msgp/msgp"
)

func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{
		`[48, 1, {"a": [1.5e3, -0, null, true, "\u00e9\ud83d\ude03"]}, "a.b", ["\u0000YQ=="], {"k": {}}]`,
		`[35,0,{}]`, `[8,48,1,{},"x",[[[]]]]`, `[5,"\\\"",{"a":{"b":false}}]`,
	} {
		f.Add([]byte(s))
	}
	fuzzDecode(f, wamp.JSON)
}

func FuzzDecodeMessagePack(f *testing.F) {
	f.Add([]byte("\xdd\x00\x00\x00\x04\xd1\x00\x46\xcd\x00\x01\x80\x91\xd6\xff\x00\x00\x00\x00"))
	f.Add([]byte("\x94\x05\xd9\x01a\x81\xa1b\xca\x3f\x80\x00\x00"))
	fuzzDecode(f, wamp.MessagePack)
}

func FuzzDecodeCBOR(f *testing.F) {
	f.Add([]byte("\x9f\x18\x30\x01\xbf\x7f\x61a\xff\x20\xff\x7f\x60\x61a\xff\x9f\xf9\x3c\x00\xc2\x41\x01\xd9\xd9\xf7\xf7\xff\xff"))
	f.Add([]byte("\x84\x18\x46\x01\xa0\x83\xc1\x01\xe0\x5f\x41a\xff"))
	fuzzDecode(f, wamp.CBOR)
}

// fuzzDecode demands of whatever decodes that it encodes to a message that
// decodes to the same, in every serializer that can hold it.
func fuzzDecode(f *testing.F, s wamp.Serializer) {
	f.Helper()
	for _, m := range messages(f, s) {
		f.Add(encode(f, s, m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := codec.NewDecoder(s, codec.Limits{}).Decode(b)
		if err != nil {
			wantError(t, "Decode", err, wamp.ErrProtocolViolation, "")
			return
		}
		again, err := codec.Append(nil, s, m)
		if err != nil {
			if s == wamp.JSON || !strings.Contains(err.Error(), "NaN") {
				t.Fatalf("encode %+v: %v", m, err)
			}
			return
		}
		same, err := codec.NewDecoder(s, codec.Limits{}).Decode(again)
		if err != nil {
			t.Fatalf("decode %q: %v", again, err)
		}
		if !equal(reflect.ValueOf(m), reflect.ValueOf(same)) {
			t.Fatalf("%+v became %+v", m, same)
		}
		for _, to := range serializers {
			fuzzOther(t, to, m)
		}
	})
}

// fuzzOther demands that m, once it is in another serializer, stays the same
// there.
func fuzzOther(t *testing.T, to wamp.Serializer, m wamp.Message) {
	t.Helper()
	b, err := codec.Append(nil, to, m)
	if err != nil {
		wantError(t, "Append", err, wamp.ErrInvalidArgument, "")
		return
	}
	d := codec.NewDecoder(to, codec.Limits{})
	first, err := d.Decode(b)
	if to == wamp.JSON && bytes.Contains(b, []byte(`"\u0000`)) {
		return // a text that JSON takes for binary data, perhaps as a URI
	}
	if err != nil {
		t.Fatalf("%s: decode %q of %+v: %v", to, b, m, err)
	}
	if again := encode(t, to, first); string(again) != string(b) {
		t.Fatalf("%s: %q became %q", to, b, again)
	}
}

// equal is reflect.DeepEqual but for NaN.
func equal(a, b reflect.Value) bool {
	a, b = target(a), target(b)
	if !a.IsValid() || !b.IsValid() || a.Type() != b.Type() {
		return a.IsValid() == b.IsValid()
	}
	switch a.Kind() {
	case reflect.Float64:
		return a.Float() == b.Float() || math.IsNaN(a.Float()) && math.IsNaN(b.Float())
	case reflect.Struct:
		for i := range a.NumField() {
			if !equal(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice:
		if a.Len() != b.Len() || a.IsNil() != b.IsNil() {
			return false
		}
		for i := range a.Len() {
			if !equal(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		if a.Len() != b.Len() {
			return false
		}
		for _, k := range a.MapKeys() {
			if !b.MapIndex(k).IsValid() || !equal(a.MapIndex(k), b.MapIndex(k)) {
				return false
			}
		}
		return true
	default:
		return reflect.DeepEqual(a.Interface(), b.Interface())
	}
}

func target(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return v
}

// FuzzTranscode compares what is accepted with independent implementations and
// demands that a conversion keeps the value.
func FuzzTranscode(f *testing.F) {
	for _, v := range sample() {
		for _, s := range serializers {
			if b := appendValue(f, s, v); len(b) < 300 {
				f.Add(uint8(s), b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, serializer uint8, b []byte) {
		from := wamp.Serializer(serializer%3 + 1)
		_, err := codec.Transcode(nil, from, from, b)
		checkVerdict(t, from, b, err)
		v, err := codec.DecodeValue(from, b)
		if err != nil {
			return
		}
		for _, to := range serializers {
			out, err := codec.Transcode(nil, to, from, b)
			if err != nil {
				wantError(t, "Transcode", err, wamp.ErrInvalidArgument, "JSON has no number")
				continue
			}
			got, err := codec.DecodeValue(to, out)
			if err != nil && !strings.Contains(err.Error(), "stands twice") {
				t.Fatalf("%s: %q from %q: %v", to, out, b, err)
			}
			if to != wamp.JSON && !equal(reflect.ValueOf(&got), reflect.ValueOf(&v)) {
				t.Fatalf("%s: %#v became %#v", to, v, got)
			}
		}
	})
}

// checkVerdict compares with another implementation whether b is well-formed,
// where the rules are the same.
func checkVerdict(t *testing.T, s wamp.Serializer, b []byte, err error) {
	t.Helper()
	if err != nil {
		wantError(t, "Transcode", err, wamp.ErrInvalidArgument, "")
	}
	switch {
	case s == wamp.JSON:
		// encoding/json lets lone surrogates and invalid UTF-8 pass.
		if valid := json.Valid(b); err == nil != valid && (err == nil || !strings.Contains(err.Error(), "nested") &&
			!strings.Contains(err.Error(), "escape") && utf8.Valid(b)) {
			t.Fatalf("%q: %v, but json.Valid is %v", b, err, valid)
		}
	case err != nil: // both are more tolerant
	case s == wamp.MessagePack:
		if rest, skipErr := msgp.Skip(b); skipErr != nil || len(rest) > 0 {
			t.Fatalf("%q accepted, but msgp says %v", b, skipErr)
		}
	default:
		mode, modeErr := fxcbor.DecOptions{MaxNestedLevels: 65535}.DecMode()
		if modeErr != nil {
			t.Fatal(modeErr)
		}
		if formErr := mode.Wellformed(b); formErr != nil {
			t.Fatalf("%q accepted, but cbor says %v", b, formErr)
		}
	}
}
