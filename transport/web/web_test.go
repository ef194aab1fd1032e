package web_test

import (
	"bytes"
	"errors"
	"testing"

	"bondy/core/wamp"
	"bondy/transport/web"
)

func TestChoose(t *testing.T) {
	for _, x := range []struct {
		names []string
		want  web.Subprotocol
	}{
		{[]string{"wamp.2.json"}, web.Subprotocol{Serializer: wamp.JSON}},
		{[]string{"bogus", "wamp.9.json", "wamp.2.cbor", "wamp.2.json"}, web.Subprotocol{Serializer: wamp.CBOR}},
		{[]string{"wamp.2.msgpack.batched"}, web.Subprotocol{Serializer: wamp.MessagePack, Batched: true}},
		{[]string{"wamp.2.json.batched"}, web.Subprotocol{Serializer: wamp.JSON, Batched: true}},
	} {
		if got, err := web.Choose(x.names); err != nil || got != x.want {
			t.Errorf("Choose(%q) = %+v, %v; want %+v", x.names, got, err, x.want)
		}
	}
	for _, names := range [][]string{nil, {""}, {"wamp.2."}, {"wamp.2.xml"}, {"wamp.2.json.batched.batched"}, {"WAMP.2.JSON"}} {
		if _, err := web.Choose(names); !errors.Is(err, web.ErrSubprotocol) {
			t.Errorf("Choose(%q) = %v, want ErrSubprotocol", names, err)
		}
	}
}

// FuzzSplit takes bytes from a client apart: what comes out, put together
// again, is what was taken.
func FuzzSplit(f *testing.F) {
	f.Add(uint8(0), []byte("[1]"))
	f.Add(uint8(3), []byte("[1]\x1e[2]\x1e"))
	f.Add(uint8(3), []byte("[1]\x1e[2"))
	f.Add(uint8(4), []byte("\x00\x00\x00\x01a\x00\x00\x00\x02bc"))
	f.Add(uint8(5), []byte("\x00\x00\x00\x00\xff\xff\xff\xff"))
	names := []string{
		"wamp.2.json", "wamp.2.msgpack", "wamp.2.cbor",
		"wamp.2.json.batched", "wamp.2.msgpack.batched", "wamp.2.cbor.batched",
	}
	f.Fuzz(func(t *testing.T, kind uint8, in []byte) {
		sub, err := web.Choose([]string{names[int(kind)%len(names)]})
		if err != nil {
			t.Fatal(err)
		}
		var again []byte
		for rest := in; len(rest) > 0; {
			msg, next, ok := sub.Split(rest)
			if !ok {
				again = append(again, rest...)
				break
			}
			again, rest = sub.Append(again, msg), next
		}
		if !bytes.Equal(again, in) {
			t.Errorf("%s: %q became %q", sub.Name(), in, again)
		}
	})
}
