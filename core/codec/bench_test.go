package codec_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
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
		for name, row := range rows() {
			b.Run(s.String()+"/"+name, func(b *testing.B) {
				benchDecode(b, s, encode(b, s, &wamp.Call{Request: 1, Procedure: "com.example", Payload: structured(b, s, row)}))
			})
		}
	}
}

// rows are functions that make a row of a payload: all of one length, of one
// form with few or many values whose lengths differ, and of many forms.
func rows() map[string]func(i int64) any {
	random := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("a sensor reading that was taken in the kitchen before temperatures fell")
	word := func() string { return words[random.IntN(len(words))] }
	return map[string]func(i int64) any{
		"records": func(i int64) any {
			return map[string]any{
				"sensor": "temperature", "number": 1000 + i%1000, "values": []any{21.5, 22.25, int64(-3), true, nil},
				"tags": map[string]any{"site": "Berlin", "floor": int64(3)},
			}
		},
		"similar": func(i int64) any {
			return map[string]any{
				"sensor": "temperature", "number": i, "value": math.Round(random.NormFloat64()*1000) / 100,
				"unit": "Celsius", "tags": map[string]any{"site": "Berlin", "floor": random.Int64N(30)},
			}
		},
		"varied": func(i int64) any {
			return map[string]any{
				"id": i, "name": word(), "on": i%3 == 0, "place": map[string]any{"floor": random.Int64N(1000), "room": word()},
				"values": []any{math.Round(random.NormFloat64()*1000) / 100, -7.5, random.Int64N(100_000)},
			}
		},
		"mixed": func(i int64) any {
			row := map[string]any{"id": i}
			for range random.IntN(5) {
				row[word()] = random.Int64N(1000)
			}
			for range random.IntN(3) {
				row[word()] = []any{word(), random.Float64(), nil}[:1+random.IntN(2)]
			}
			return row
		},
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

// structured has 64 KiB of rows.
func structured(b *testing.B, s wamp.Serializer, row func(i int64) any) wamp.Payload {
	b.Helper()
	var all []any
	for size := 0; size < 64<<10; {
		v := row(int64(len(all)))
		all = append(all, v)
		size += len(appendValue(b, s, v))
	}
	return payload(b, s, []any{all}, nil)
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
				args := structured(b, from, rows()["varied"]).Args
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
