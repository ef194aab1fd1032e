package rawsocket_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"bondy/transport/rawsocket"
)

// BenchmarkEcho sends batches of frames and reads them back: per operation one
// frame in and one out, with the client's half of the work.
func BenchmarkEcho(b *testing.B) {
	for name, batch := range map[string]int{"1": 1, "64": 64} {
		b.Run("batch="+name, func(b *testing.B) {
			c, client := open(b, rawsocket.Config{}, 0x7f, 0xf2, 0, 0)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					msg, err := c.ReadMessage()
					if err != nil || c.Append(msg, nil) != nil {
						return
					}
				}
			}()
			client.SetDeadline(time.Time{})
			out := bytes.Repeat(frame(0, make([]byte, 100)), batch)
			in := make([]byte, len(out))
			b.ReportAllocs()
			for b.Loop() {
				client.Write(out)
				if _, err := io.ReadFull(client, in); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/frame")
			client.Close()
			<-done
		})
	}
}
