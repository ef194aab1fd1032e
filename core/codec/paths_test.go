package codec_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bondy/core/codec"
	"bondy/core/wamp"
)

// paths is a decoder with the quick path and one without, which must agree on
// every input.
type paths struct {
	s              wamp.Serializer
	quick, general *codec.Decoder
}

func newPaths(s wamp.Serializer, l codec.Limits) paths {
	return paths{s: s, quick: codec.NewDecoder(s, l), general: codec.NewGeneralDecoder(s, l)}
}

// agree demands the same message or the same error for b, and then the same
// bytes or the same error for the message in every serializer.
func (p paths) agree(t *testing.T, b []byte) {
	t.Helper()
	want, wantErr := p.general.Decode(b)
	got, err := p.quick.Decode(b)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Fatalf("%s: Decode(%q): %v, in general %v", p.s, b, err, wantErr)
	}
	if err != nil {
		return
	}
	if !equal(reflect.ValueOf(got), reflect.ValueOf(want)) {
		t.Fatalf("%s: Decode(%q) = %+v, in general %+v", p.s, b, got, want)
	}
	for _, to := range serializers {
		want, wantErr := codec.AppendGeneral([]byte("x"), to, want)
		got, err := codec.Append([]byte("x"), to, got)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || !bytes.Equal(got, want) {
			t.Fatalf("%s: Append(%q) = %q, %v, in general %q, %v", to, b, got, err, want, wantErr)
		}
	}
}

// asPayload is a CALL with the value as its arguments.
func asPayload(s wamp.Serializer, value []byte) []byte {
	switch s {
	case wamp.JSON:
		return append(append([]byte(`[48,1,{},"a",`), value...), ']')
	case wamp.MessagePack:
		return append([]byte("\x95\x30\x01\x80\xa1a"), value...)
	default:
		return append([]byte("\x85\x18\x30\x01\xa0\x61a"), value...)
	}
}

// inputs are messages and payloads of every kind, to be damaged.
func inputs(tb testing.TB, s wamp.Serializer) [][]byte {
	tb.Helper()
	var all [][]byte
	for _, m := range messages(tb, s) {
		all = append(all, encode(tb, s, m))
	}
	for _, v := range sample() {
		if b := appendValue(tb, s, []any{v, map[string]any{"key": v}}); len(b) < 200 {
			all = append(all, asPayload(s, b))
		}
	}
	var deep any = []any{}
	for range 20 {
		deep = []any{map[string]any{"k": deep}, int64(1)}
	}
	all = append(all, asPayload(s, appendValue(tb, s, deep)))
	for _, raw := range map[wamp.Serializer][]string{
		wamp.JSON: {
			` [ 48 , 1 , { } , "a" , [ 1 , { "k" : [ ] } ] , { } ] `, `[48, 1, {}, "a", [1.5e+3, -0, "\u00e9"], {"\"": null}]`,
			`[48,1,{},"a",[true,false,null,tru,` + "\t" + `nul]]`, `[36,9007199254740992,9007199254740993,{},[]]`,
		},
		wamp.MessagePack: {
			"\xdc\x00\x05\xcc\x30\xd2\x00\x00\x00\x01\xde\x00\x00\xd9\x01a\xdc\x00\x02\xc7\x01\x05a\xd4\x00\x00",
			"\x95\x30\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00\x80\xa1a\x92\xa3\xe2\x98\x83\xda\x00\x01a",
		},
		wamp.CBOR: {
			"\x9f\x18\x30\x01\xbf\xff\x7f\x61a\xff\x9f\xbf\x61k\x83\x01\xc1\x02\xf8\xff\xff\x9f\xff\xff\xff",
			"\x85\x18\x30\x01\xa0\x61a\x83\xd9\xd9\xf7\xa1\xd9\xd9\xf7\x61a\x01\xc2\x41\x01\xf9\x3c\x00",
		},
	}[s] {
		all = append(all, []byte(raw))
	}
	return all
}

// TestPathsAgree damages good messages in all ways.
func TestPathsAgree(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 20
	}
	for _, s := range serializers {
		t.Run(s.String(), func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, uint64(s)))
			limited := []paths{newPaths(s, codec.Limits{})}
			for n := range 8 {
				limited = append(limited, newPaths(s, codec.Limits{MaxDepth: n + 1}), newPaths(s, codec.Limits{MaxElements: n + 3}))
			}
			all := inputs(t, s)
			for _, in := range all {
				for _, p := range limited {
					p.agree(t, in)
				}
				for end := range in {
					limited[0].agree(t, in[:end])
				}
				for range rounds {
					limited[random.IntN(len(limited))].agree(t, damage(random, in, all))
				}
			}
		})
	}
}

// damage changes a few bytes, or puts a part of another input in.
func damage(random *rand.Rand, in []byte, others [][]byte) []byte {
	const telling = "\x00\x01\x1f \"\\,:[]{}019-.eEtfnu\x7f\x80\x81\x90\x91\x92\x9f\xa0\xa1\xa2\xbf\xc0\xc1\xc2\xca\xcb\xd4\xd9\xdc\xde\xdf\xe0\xf4\xf6\xf8\xfb\xff"
	b := bytes.Clone(in)
	for range 1 + random.IntN(2) {
		i := random.IntN(len(b) + 1)
		switch random.IntN(5) {
		case 0:
			b = slices.Insert(b, i, telling[random.IntN(len(telling))])
		case 1:
			b = slices.Delete(b, i, min(len(b), i+1+random.IntN(3)))
		case 2:
			other := others[random.IntN(len(others))]
			from := random.IntN(len(other))
			b = slices.Insert(b, i, other[from:min(len(other), from+1+random.IntN(12))]...)
		default:
			if i < len(b) {
				b[i] = telling[random.IntN(len(telling))]
			}
		}
	}
	return b
}

// FuzzPaths takes b for a message, and for the payload of one.
func FuzzPaths(f *testing.F) {
	for _, s := range serializers {
		for _, m := range messages(f, s) {
			f.Add(uint8(s-1), uint8(0), uint16(0), encode(f, s, m))
		}
	}
	f.Add(uint8(0), uint8(4), uint16(9), []byte(`[`+strings.Repeat("[", 70)))
	f.Fuzz(func(t *testing.T, serializer, depth uint8, elements uint16, b []byte) {
		s := wamp.Serializer(serializer%3 + 1)
		p := newPaths(s, codec.Limits{MaxDepth: int(depth), MaxElements: int(elements)})
		p.agree(t, b)
		p.agree(t, asPayload(s, b))
		p.agree(t, b)
	})
}

// TestAppendPathsAgree has what no decoder makes.
func TestAppendPathsAgree(t *testing.T) {
	for _, s := range serializers {
		for _, from := range serializers {
			list, dict := payload(t, from, []any{"x"}, nil), payload(t, from, nil, map[string]any{"k": int64(1)})
			for _, p := range []wamp.Payload{{}, {Serializer: from}, list, dict, {Serializer: from, Args: list.Args, Kwargs: dict.Kwargs}} {
				for _, uri := range []wamp.URI{"", "com.x", "a\"b\\", "sn\u00f6", "bad\xff", wamp.URI(strings.Repeat("u", 300))} {
					for _, id := range []wamp.ID{0, 1, 23, 24, 127, 128, 255, 256, 1 << 16, 1 << 32, wamp.MaxID, wamp.MaxID + 1} {
						testAppendPaths(t, s, hotWith(id, uri, p))
					}
				}
			}
		}
	}
	testAppendPaths(t, 9, hotWith(1, "a", wamp.Payload{}))
}

func hotWith(id wamp.ID, uri wamp.URI, p wamp.Payload) []wamp.Message {
	return []wamp.Message{
		&wamp.Publish{Request: id, Topic: uri, Payload: p},
		&wamp.Event{Subscription: 1, Publication: id, Payload: p},
		&wamp.Event{Subscription: 1, Publication: 2, Topic: uri, Payload: p},
		&wamp.Invocation{Request: 1, Registration: id, Procedure: uri, Payload: p},
		&wamp.Call{Request: id, Options: wamp.Dict{}, Procedure: uri, Payload: p},
		&wamp.Invocation{Request: id, Registration: 2, Payload: p},
		&wamp.Yield{Request: id, Payload: p},
		&wamp.Result{Request: id, Details: wamp.Dict{"progress": true}, Payload: p},
		&wamp.ErrorMessage{RequestType: wamp.TypeCall, Request: id, Error: uri, Payload: p},
	}
}

func testAppendPaths(t *testing.T, s wamp.Serializer, all []wamp.Message) {
	t.Helper()
	for _, m := range all {
		got, err := codec.Append([]byte("x"), s, m)
		want, wantErr := codec.AppendGeneral([]byte("x"), s, m)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || !bytes.Equal(got, want) {
			t.Fatalf("%s: Append(%+v) = %q, %v, in general %q, %v", s, m, got, err, want, wantErr)
		}
	}
}
