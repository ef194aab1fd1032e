package codec_test

import (
	"bytes"
	"testing"

	"bondy/core/codec"
	"bondy/core/wamp"
)

// benchMessages are a CALL and an EVENT with one binary or text argument.
func benchMessages(b *testing.B, run func(b *testing.B, s wamp.Serializer, m wamp.Message)) {
	b.Helper()
	for _, s := range serializers {
		for _, size := range []struct {
			name string
			n    int
		}{{"64B", 64}, {"64KiB", 64 << 10}} {
			p := payload(b, s, []any{string(bytes.Repeat([]byte("a"), size.n))}, nil)
			call := &wamp.Call{Request: 123456, Procedure: "com.example.procedure", Payload: p}
			event := &wamp.Event{Subscription: 1 << 50, Publication: 1<<52 + 1, Payload: p}
			for _, m := range []wamp.Message{call, event} {
				b.Run(s.String()+"/"+m.Type().String()+"/"+size.name, func(b *testing.B) {
					b.ReportAllocs()
					run(b, s, m)
				})
			}
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	benchMessages(b, func(b *testing.B, s wamp.Serializer, m wamp.Message) {
		b.Helper()
		in := encode(b, s, m)
		d := codec.NewDecoder(s, codec.Limits{})
		b.SetBytes(int64(len(in)))
		for b.Loop() {
			if _, err := d.Decode(in); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	benchMessages(b, func(b *testing.B, s wamp.Serializer, m wamp.Message) {
		b.Helper()
		dst := encode(b, s, m)
		b.SetBytes(int64(len(dst)))
		for b.Loop() {
			if _, err := codec.Append(dst[:0], s, m); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkDecodeStructured has a payload of many small values.
func BenchmarkDecodeStructured(b *testing.B) {
	for _, s := range serializers {
		b.Run(s.String(), func(b *testing.B) {
			in := structured(b, s)
			d := codec.NewDecoder(s, codec.Limits{})
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				if _, err := d.Decode(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func structured(b *testing.B, s wamp.Serializer) []byte {
	b.Helper()
	var rows []any
	for i := range 1000 {
		rows = append(rows, map[string]any{"id": int64(i), "name": "sensor", "on": true, "values": []any{1.25, -7.5, int64(i * 1000)}})
	}
	return encode(b, s, &wamp.Call{Request: 1, Procedure: "com.example", Payload: payload(b, s, rows, nil)})
}

func BenchmarkTranscodeStructured(b *testing.B) {
	for _, from := range serializers {
		for _, to := range serializers {
			if from == to {
				continue
			}
			b.Run(from.String()+"-"+to.String(), func(b *testing.B) {
				d := codec.NewDecoder(from, codec.Limits{})
				m, err := d.Decode(structured(b, from))
				if err != nil {
					b.Fatal(err)
				}
				args := m.(*wamp.Call).Args
				var dst []byte
				b.ReportAllocs()
				b.SetBytes(int64(len(args)))
				for b.Loop() {
					if dst, err = codec.Transcode(dst[:0], to, from, args); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
