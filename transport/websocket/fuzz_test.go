package websocket_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"bondy/core/wamp"
	"bondy/transport/pipe"
	"bondy/transport/websocket"
)

// hijacked is a request whose connection can be taken over.
type hijacked struct {
	http.ResponseWriter

	conn net.Conn
}

func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

func (hijacked) Header() http.Header { return http.Header{} }

// readAll feeds in to a connection, cut at the given points, and returns its
// messages and the rule that it broke.
func readAll(t *testing.T, protocol string, in, cuts []byte) (msgs []string, end string) {
	t.Helper()
	const limit = 4096
	server, client := net.Pipe()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { io.Copy(io.Discard, client) })
	u, err := websocket.NewUpgrader(websocket.Config{MaxMessageSize: limit})
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Method: http.MethodGet, Header: upgradeHeader(protocol)}
	c, err := u.Upgrade(hijacked{conn: pipe.New(server, pipe.NewShared(), nil)}, r)
	if err != nil {
		t.Fatal(err)
	}
	wg.Go(func() {
		defer client.Close()
		for _, n := range cuts {
			k := min(int(n), len(in))
			if _, err := client.Write(in[:k]); err != nil {
				return
			}
			in = in[k:]
		}
		client.Write(in)
	})
	for {
		msg, err := c.ReadMessage()
		if err != nil {
			// Whether the end or a failed PONG is noticed first is chance.
			if we, ok := errors.AsType[*wamp.Error](err); ok {
				end = we.Message
			}
			break
		}
		if len(msg) > limit {
			t.Fatalf("message of %d bytes", len(msg))
		}
		msgs = append(msgs, string(msg))
	}
	client.Close()
	c.Wait()
	return msgs, end
}

// FuzzRead checks that bytes from a client never panic, and mean the same
// however they are cut.
func FuzzRead(f *testing.F) {
	join := func(frames ...[]byte) (all []byte) {
		for _, x := range frames {
			all = append(all, x...)
		}
		return all
	}
	f.Add(uint8(0), clientFrame(0x81, []byte("[1,2]")), []byte{1, 1, 1, 1, 2, 3})
	f.Add(uint8(1), join(clientFrame(0x02, []byte("ab")), clientFrame(0x89, nil), clientFrame(0x80, []byte("c"))), []byte{3, 9})
	f.Add(uint8(2), clientFrame(0x82, []byte("\x00\x00\x00\x01a\x00\x00\x00\x02bc")), []byte{8})
	f.Add(uint8(3), clientFrame(0x81, []byte("[1]\x1e[2]\x1e")), []byte{})
	f.Add(uint8(0), clientFrame(0x88, []byte("\x03\xe8bye")), []byte{4})
	f.Add(uint8(1), []byte("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04"), []byte{6})
	f.Add(uint8(1), clientFrame(0x82, make([]byte, 300)), []byte{200, 100})
	protocols := []string{"wamp.2.json", "wamp.2.msgpack", "wamp.2.cbor.batched", "wamp.2.json.batched"}
	f.Fuzz(func(t *testing.T, kind uint8, in, cuts []byte) {
		protocol := protocols[int(kind)%len(protocols)]
		whole, end1 := readAll(t, protocol, in, nil)
		parts, end2 := readAll(t, protocol, in, cuts)
		if len(whole) != len(parts) || end1 != end2 {
			t.Fatalf("%d messages and %q in one piece, %d and %q in parts", len(whole), end1, len(parts), end2)
		}
		for i := range whole {
			if whole[i] != parts[i] {
				t.Fatalf("message %d differs", i)
			}
		}
	})
}
