package rawsocket_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"bondy/core/wamp"
	"bondy/transport/pipe"
	"bondy/transport/rawsocket"
)

// readAll feeds in to a connection, cut at the given points, and returns its
// messages and the rule that it broke.
func readAll(t *testing.T, in []byte, cuts []byte) (msgs []string, failed string) {
	t.Helper()
	server, client := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, n := range cuts {
			k := min(int(n), len(in))
			if _, err := client.Write(in[:k]); err != nil {
				return
			}
			in = in[k:]
		}
		if _, err := client.Write(in); err != nil {
			return
		}
		client.Close()
	}()
	go io.Copy(io.Discard, client) // replies
	c, err := rawsocket.Accept(pipe.New(server, pipe.NewShared(), nil), rawsocket.Config{MaxMessageSize: 4096})
	if err != nil {
		client.Close()
		<-done
		return nil, "handshake"
	}
	for {
		msg, err := c.ReadMessage()
		if err != nil {
			// Whether the end or a failed PONG is noticed first is chance.
			if we, ok := errors.AsType[*wamp.Error](err); ok {
				failed = we.Message
			}
			break
		}
		if len(msg) > 4096 {
			t.Fatalf("message of %d bytes", len(msg))
		}
		msgs = append(msgs, string(msg))
	}
	client.Close()
	c.Wait()
	<-done
	return msgs, failed
}

// FuzzRead checks that bytes from a client never panic, and mean the same
// however they are cut.
func FuzzRead(f *testing.F) {
	hello := []byte{0x7f, 0xf1, 0, 0}
	f.Add(append(hello, frame(0, []byte("[1,2]"))...), []byte{1, 1, 1, 1, 2, 3})
	f.Add(append(hello, frame(1, []byte("ping"))...), []byte{5})
	f.Add(append(hello, 0x08, 0, 0, 1), []byte{4})
	f.Add(append(hello, 0x03, 0, 0, 1), []byte{6})
	f.Add([]byte{0x7f, 0xff, 0, 0}, []byte{1})
	f.Add([]byte("GET / HTTP/1.1\r\n"), []byte{})
	f.Fuzz(func(t *testing.T, in, cuts []byte) {
		whole, err1 := readAll(t, in, nil)
		parts, err2 := readAll(t, in, cuts)
		if len(whole) != len(parts) || err1 != err2 {
			t.Fatalf("%d messages and %q in one piece, %d and %q in parts", len(whole), err1, len(parts), err2)
		}
		for i := range whole {
			if whole[i] != parts[i] {
				t.Fatalf("message %d differs", i)
			}
		}
	})
}
