package codec_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"

	"bondy/core/codec"
	"bondy/core/wamp"
)

// alike is a CALL with a list of members that are all the same but for some that
// are another, and of a text.
func alike(s wamp.Serializer, same, other []byte) []byte {
	members := [][]byte{same, same, other, same, same, other, other, same, other, same, same, same, same, same}
	text := strings.Repeat("t", 200)
	var list []byte
	switch s {
	case wamp.JSON:
		list = append(append([]byte("["), bytes.Join(members, []byte(","))...), `,"`+text+`"]`...)
	case wamp.MessagePack:
		list = binary.BigEndian.AppendUint16([]byte("\xdc"), uint16(len(members)+1))
		list = append(append(list, bytes.Join(members, nil)...), "\xd9\xc8"+text...)
	default:
		list = binary.BigEndian.AppendUint16([]byte("\x99"), uint16(len(members)+1))
		list = append(append(list, bytes.Join(members, nil)...), "\x78\xc8"+text...)
	}
	return asPayload(s, list)
}

// members are lists and dicts with values of all kinds.
func members(tb testing.TB, s wamp.Serializer) [][]byte {
	tb.Helper()
	all := [][]byte{}
	for _, v := range []any{
		[]any{},
		[]any{int64(1), int64(10)},
		map[string]any{"": ""},
		[]any{[]any{[]any{}, int64(1)}, map[string]any{}},
		map[string]any{"number": int64(1000), "sensor": "temperature", "values": []any{21.5, 22.25, int64(-3), true, nil}},
		map[string]any{"a": int64(-1000), "b": uint64(1 << 63), "c": 1e300, "d": false, "e": "\u00e9t\u00e9", "f": strings.Repeat("x", 40)},
		map[string]any{"binary": []byte("\x00\xff\x80"), "long": strings.Repeat("long", 70), "key": map[string]any{"key": "v"}},
		[]any{int64(0), int64(-1), int64(127), int64(128), int64(-32), int64(-33), int64(65536), 0.5, "text", "\"\\\n"},
		[]any{strings.Repeat("too long for a model", 40)},
	} {
		all = append(all, appendValue(tb, s, v))
	}
	for _, raw := range map[wamp.Serializer][]string{
		wamp.JSON: {
			`{ "a" : 1.5e+10 , "b":[ -0, 0.10E-7 ,true ] }`, "[\n  10,\n  \"a\"\n]", `{"a":false,"b":0,"c":-1,"d":10}`,
			`[10,-10,1.0,"#!x"]`, `["a list that is long enough for this: 10,",100000,",7"]`,
		},
		wamp.MessagePack: {"\xdf\x00\x00\x00\x01\xd9\x01a\xda\x00\x01b", "\x92\xd4\x00\x00\xca\x00\x00\x00\x00", "\xdc\x00\x01\xc4\x01\x80"},
		wamp.CBOR:        {"\xb8\x01\x61a\x78\x01b", "\x9f\x01\xff", "\x82\xc1\x01\xf9\x3c\x00", "\x83\x17\x0f\x10", "\x81\x58\x01\x80"},
	}[s] {
		all = append(all, []byte(raw))
	}
	return all
}

// wrong is almost one of the members.
func wrong(s wamp.Serializer) (all [][]byte) {
	for _, raw := range map[wamp.Serializer][]string{
		wamp.JSON: {
			`[00,-10,1.0,"#!x"]`, `[10,-00,1.0,"#!x"]`, `[1:,-10,1.0,"#!x"]`, `[1 ,-10,1.0,"#!x"]`, `[10,-10,1.p,"#!x"]`,
			`[10,-10,1.,"#!x"]`, `[10,-10,1.0,"#"x"]`, `[10,-10,1.0,"#\x"]`, "[10,-10,1.0,\"#\x1fx\"]", "[10,-10,1.0,\"#\x80x\"]",
			`["a list that is long enough for this: 10,",7"]`, `{"a":false,"b":0,"c":-1,10:"d"}`, `{"a":falsf,"b":0,"c":-1,"d":10}`,
		},
		wamp.MessagePack: {"\x81\xa1\xff\x01", "\x81\x01\x01", "\x93\x01\x02\xc1", "\x81\xc0\xa0"},
		wamp.CBOR:        {"\xa1\x61\xff\x01", "\xa1\x01\x01", "\x83\x17\x0f\x18", "\xa1\x40\x60"},
	}[s] {
		all = append(all, []byte(raw))
	}
	return all
}

// TestAlike has lists of members of the same shape, and what differs from it a
// little, right or wrong.
func TestAlike(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 20
	}
	for _, s := range serializers {
		t.Run(s.String(), func(t *testing.T) {
			random := rand.New(rand.NewPCG(2, uint64(s)))
			p := newPaths(s, codec.Limits{})
			all := members(t, s)
			for _, same := range all {
				for _, other := range append(wrong(s), all...) {
					b := alike(s, same, other)
					p.agree(t, b)
					n := elementsOf(s, b)
					newPaths(s, codec.Limits{MaxElements: n}).agree(t, b)
					newPaths(s, codec.Limits{MaxElements: n - 1}).agree(t, b)
				}
				for range rounds {
					p.agree(t, alike(s, same, damage(random, same, all)))
					p.agree(t, damage(random, alike(s, same, same), all))
				}
				whole := alike(s, same, same)
				for n := range 20 {
					newPaths(s, codec.Limits{MaxDepth: n + 1}).agree(t, whole)
					newPaths(s, codec.Limits{MaxElements: 10 * n}).agree(t, whole)
				}
				for range rounds {
					p.agree(t, whole[:random.IntN(len(whole))])
				}
			}
		})
	}
}

// elementsOf is the least MaxElements for b, if it is a message.
func elementsOf(s wamp.Serializer, b []byte) int {
	return 1 + sort.Search(500, func(n int) bool {
		_, err := codec.NewGeneralDecoder(s, codec.Limits{MaxElements: n + 1}).Decode(b)
		return err == nil
	})
}

// FuzzAlike takes its input for two members of a list.
func FuzzAlike(f *testing.F) {
	for _, s := range serializers {
		for _, b := range members(f, s) {
			f.Add(uint8(s-1), b, b)
		}
	}
	f.Fuzz(func(t *testing.T, serializer uint8, same, other []byte) {
		s := wamp.Serializer(serializer%3 + 1)
		newPaths(s, codec.Limits{}).agree(t, alike(s, same, other))
	})
}
