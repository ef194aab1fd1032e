package codec_test

import (
	"bytes"
	"testing"

	"bondy/core/codec"
	"bondy/core/wamp"
)

// hotMessages are the messages of the hot path with payload p.
func hotMessages(p wamp.Payload) []wamp.Message {
	return []wamp.Message{
		&wamp.Publish{Request: 123456, Topic: "com.example.sensors.temperature", Payload: p},
		&wamp.Event{Subscription: 1 << 50, Publication: 1<<52 + 1, Payload: p},
		&wamp.Call{Request: 123456, Procedure: "com.example.procedure", Payload: p},
		&wamp.Invocation{Request: 123456, Registration: 1 << 50, Payload: p},
		&wamp.Yield{Request: 123456, Payload: p},
		&wamp.Result{Request: 123456, Payload: p},
		&wamp.ErrorMessage{RequestType: wamp.TypeInvocation, Request: 123456, Error: "com.example.error", Payload: p},
	}
}

// benchMessages runs the messages of the hot path with a small payload, and one
// with a text of 64 KiB.
func benchMessages(b *testing.B, run func(b *testing.B, s wamp.Serializer, m wamp.Message)) {
	b.Helper()
	for _, s := range serializers {
		for _, size := range []struct {
			name string
			args []any
		}{
			{"small", []any{int64(42), "a sensor's reading", 21.5}},
			{"64KiB", []any{string(bytes.Repeat([]byte("a"), 64<<10))}},
		} {
			messages := hotMessages(payload(b, s, size.args, nil))
			if size.name != "small" {
				messages = messages[:1]
			}
			for _, m := range messages {
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
		benchDecode(b, s, encode(b, s, m))
	})
}

// BenchmarkDecodeStructured has a payload of many small values.
func BenchmarkDecodeStructured(b *testing.B) {
	for _, s := range serializers {
		b.Run(s.String(), func(b *testing.B) {
			benchDecode(b, s, encode(b, s, &wamp.Call{Request: 1, Procedure: "com.example", Payload: structured(b, s)}))
		})
	}
}

func benchDecode(b *testing.B, s wamp.Serializer, in []byte) {
	b.Helper()
	d := codec.NewDecoder(s, codec.Limits{})
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if _, err := d.Decode(in); err != nil {
			b.Fatal(err)
		}
	}
}

// structured has 64 KiB of rows, nested four deep.
func structured(b *testing.B, s wamp.Serializer) wamp.Payload {
	b.Helper()
	var rows []any
	for size := 0; size < 64<<10; {
		i := int64(len(rows))
		row := map[string]any{
			"id": i, "name": "sensor", "on": i%3 == 0, "values": []any{1.25, -7.5, i * 1000},
			"place": map[string]any{"floor": i % 7, "room": "kitchen"},
		}
		rows = append(rows, row)
		size += len(appendValue(b, s, row))
	}
	return payload(b, s, []any{rows}, nil)
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

func BenchmarkTranscodeStructured(b *testing.B) {
	for _, from := range serializers {
		for _, to := range serializers {
			if from == to {
				continue
			}
			b.Run(from.String()+"-"+to.String(), func(b *testing.B) {
				args := structured(b, from).Args
				var dst []byte
				var err error
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
