package rawsocket_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bondy/core/peer"
	"bondy/core/wamp"
	"bondy/transport/pipe"
	"bondy/transport/rawsocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair returns a Pipe and its client, over TCP.
func pair(tb testing.TB) (*pipe.Pipe, *net.TCPConn) {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.Close() })
	client.SetDeadline(time.Now().Add(20 * time.Second))
	return pipe.New(server, pipe.NewShared(), nil), client.(*net.TCPConn)
}

// open returns a connection after the handshake req, which succeeds.
func open(tb testing.TB, cfg rawsocket.Config, req ...byte) (*rawsocket.Conn, *net.TCPConn) {
	tb.Helper()
	p, client := pair(tb)
	client.Write(req)
	c, err := rawsocket.Accept(p, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	reply := make([]byte, 4)
	if _, err := io.ReadFull(client, reply); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.Close(); c.Wait() })
	return c, client
}

func frame(typ byte, b []byte) []byte {
	h := binary.BigEndian.AppendUint32(nil, uint32(len(b)))
	h[0] = typ
	return append(h, b...)
}

func TestHandshake(t *testing.T) {
	for _, x := range []struct {
		name       string
		cfg        rawsocket.Config
		req, reply []byte
		ok         bool
	}{
		{"json", rawsocket.Config{}, []byte{0x7f, 0xf1, 0, 0}, []byte{0x7f, 0xf1, 0, 0}, true},
		{"msgpack, short messages for the client", rawsocket.Config{}, []byte{0x7f, 0x02, 0, 0}, []byte{0x7f, 0xf2, 0, 0}, true},
		{"cbor, 1 MiB for the router", rawsocket.Config{MaxMessageSize: 1<<20 + 5}, []byte{0x7f, 0xf3, 0, 0}, []byte{0x7f, 0xb3, 0, 0}, true},
		{"least limit", rawsocket.Config{MaxMessageSize: 1}, []byte{0x7f, 0xf1, 0, 0}, []byte{0x7f, 0x01, 0, 0}, true},
		{"serializer 0", rawsocket.Config{}, []byte{0x7f, 0xf0, 0, 0}, []byte{0x7f, 0x10, 0, 0}, false},
		{"unknown serializer", rawsocket.Config{}, []byte{0x7f, 0xff, 0, 0}, []byte{0x7f, 0x10, 0, 0}, false},
		{"reserved octets", rawsocket.Config{}, []byte{0x7f, 0xf1, 0, 1}, []byte{0x7f, 0x30, 0, 0}, false},
		{"wrong magic", rawsocket.Config{}, []byte("GET "), nil, false},
		{"wrong magic alone", rawsocket.Config{}, []byte{0}, nil, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			p, client := pair(t)
			got := make(chan []byte, 1)
			go func() {
				client.Write(x.req)
				b := make([]byte, 4)
				n, _ := io.ReadFull(client, b)
				if n == 4 && x.ok {
					client.CloseWrite()
				}
				rest, _ := io.ReadAll(client) // the end comes in any case
				client.Close()
				got <- append(b[:n], rest...)
			}()
			c, err := rawsocket.Accept(p, x.cfg)
			if (err == nil) != x.ok || err != nil && !errors.Is(err, rawsocket.ErrHandshake) {
				t.Errorf("Accept = %v", err)
			}
			if err == nil {
				c.Close()
				c.Wait()
			}
			if b := <-got; !bytes.Equal(b, x.reply) {
				t.Errorf("reply % x, want % x", b, x.reply)
			}
		})
	}
}

func TestHandshakeDeadline(t *testing.T) {
	p, client := pair(t)
	stop := make(chan struct{})
	defer close(stop)
	go func() { // an octet a time never makes four in time
		client.Write([]byte{0x7f, 0xf1})
		<-stop
	}()
	start := time.Now()
	_, err := rawsocket.Accept(p, rawsocket.Config{HandshakeTimeout: 50 * time.Millisecond})
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Accept = %v, want a deadline", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestRefuse(t *testing.T) {
	p, client := pair(t)
	client.Write([]byte{0x7f, 0xf1, 0, 0})
	client.CloseWrite()
	rawsocket.Refuse(p, rawsocket.Config{HandshakeTimeout: time.Second})
	if b, err := io.ReadAll(client); err != nil || !bytes.Equal(b, []byte{0x7f, 0x40, 0, 0}) {
		t.Errorf("read % x, %v; want error 4", b, err)
	}
}

func TestMessagesAndPings(t *testing.T) {
	c, client := open(t, rawsocket.Config{}, 0x7f, 0xf2, 0, 0)
	if c.Serializer() != wamp.MessagePack || c.Info().Transport != "rawsocket" || !c.Info().Remote.IsValid() {
		t.Errorf("serializer %v, info %+v", c.Serializer(), c.Info())
	}
	big := bytes.Repeat([]byte{7}, 70000)
	var in []byte
	in = append(in, frame(0, []byte("one"))...)
	in = append(in, frame(1, big)...)
	in = append(in, frame(2, []byte("nobody asked"))...)
	in = append(in, frame(1, nil)...)
	in = append(in, frame(0, nil)...)
	in = append(in, frame(0, big)...)
	in = append(in, frame(0, []byte("last"))[:6]...)
	go func() {
		client.Write(in)
		client.CloseWrite()
	}()
	for _, want := range [][]byte{[]byte("one"), {}, big} {
		if got, err := c.ReadMessage(); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("ReadMessage = %d bytes, %v; want %d", len(got), err, len(want))
		}
	}
	if _, err := c.ReadMessage(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half a frame: %v, want ErrUnexpectedEOF", err)
	}
	if err := c.Append([]byte("out"), nil); err != nil {
		t.Fatal(err)
	}
	c.Close()
	want := append(append(frame(2, big), frame(2, nil)...), frame(0, []byte("out"))...)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("client got other frames than two PONGs and a message, err %v", err)
	}
}

func TestViolations(t *testing.T) {
	for _, x := range []struct {
		name string
		in   []byte
	}{
		{"reserved type 3", frame(3, []byte("x"))},
		{"reserved type 7", frame(7, []byte("x"))},
		{"reserved bits", frame(0x40, []byte("x"))},
		{"above the limit", []byte{0, 0, 0x10, 0x01}},
		{"far above the limit", []byte{8, 0, 0, 1}},
		{"PING above the limit", []byte{1, 0xff, 0xff, 0xff}},
	} {
		t.Run(x.name, func(t *testing.T) {
			c, client := open(t, rawsocket.Config{MaxMessageSize: 4096}, 0x7f, 0xf1, 0, 0)
			client.Write(x.in)
			_, err := c.ReadMessage()
			if we, ok := errors.AsType[*wamp.Error](err); !ok || we.URI != wamp.ErrProtocolViolation {
				t.Errorf("ReadMessage = %v, want a protocol violation", err)
			}
		})
	}
}

func TestPingsAreShort(t *testing.T) {
	for _, typ := range []byte{1, 2} {
		c, client := open(t, rawsocket.Config{}, 0x7f, 0xf1, 0, 0)
		go client.Write(append(frame(typ, make([]byte, 128<<10)), typ, 0x02, 0x00, 0x01))
		go io.Copy(io.Discard, client)
		if _, err := c.ReadMessage(); err == nil || !strings.Contains(err.Error(), "131073 bytes") {
			t.Errorf("type %d: %v, want a violation by the second frame", typ, err)
		}
	}
}

func TestSetReadLimit(t *testing.T) {
	c, client := open(t, rawsocket.Config{MaxMessageSize: 4096}, 0x7f, 0xf1, 0, 0)
	c.SetReadLimit(100)
	client.Write(slices.Concat(frame(0, make([]byte, 100)), frame(1, make([]byte, 101)), frame(0, make([]byte, 4096))))
	if b, err := c.ReadMessage(); err != nil || len(b) != 100 {
		t.Fatalf("ReadMessage = %d bytes, %v; want 100", len(b), err)
	}
	c.SetReadLimit(0)
	if b, err := c.ReadMessage(); err != nil || len(b) != 4096 {
		t.Fatalf("ReadMessage = %d bytes, %v; want 4096", len(b), err)
	}
	c.SetReadLimit(1 << 20)
	client.Write([]byte{0, 0, 0x10, 0x01})
	if _, err := c.ReadMessage(); err == nil {
		t.Error("a message above the transport's own limit was accepted")
	}
	c, client = open(t, rawsocket.Config{}, 0x7f, 0xf1, 0, 0)
	c.SetReadLimit(100)
	client.Write([]byte{0, 0, 0, 101}) // the prefix alone is enough
	_, err := c.ReadMessage()
	if we, ok := errors.AsType[*wamp.Error](err); !ok || we.URI != wamp.ErrProtocolViolation {
		t.Errorf("ReadMessage = %v, want a protocol violation", err)
	}
}

func TestLimitsOfLength(t *testing.T) {
	c, client := open(t, rawsocket.Config{}, 0x7f, 0x01, 0, 0) // the client takes 512 bytes
	if err := c.Append(make([]byte, 513), nil); !errors.Is(err, peer.ErrTooLong) {
		t.Errorf("Append(513) = %v, want ErrTooLong", err)
	}
	if err := c.Append(make([]byte, 512), nil); err != nil {
		t.Errorf("Append(512) = %v", err)
	}
	go client.Write(frame(1, make([]byte, 513)))
	if _, err := c.ReadMessage(); err == nil {
		t.Error("a PING whose PONG the client does not accept was answered")
	}
}

func TestLongestMessage(t *testing.T) {
	c, client := open(t, rawsocket.Config{}, 0x7f, 0xf1, 0, 0)
	msg := make([]byte, rawsocket.MaxMessageSize)
	msg[0], msg[len(msg)-1] = 1, 2
	go client.Write(append([]byte{8, 0, 0, 0}, msg...))
	got, err := c.ReadMessage()
	if err != nil || !bytes.Equal(got, msg) {
		t.Fatalf("ReadMessage = %d bytes, %v", len(got), err)
	}
	if err := c.Append(msg, nil); err != nil {
		t.Fatal(err)
	}
	c.Flush()
	head := make([]byte, 4)
	if _, err := io.ReadFull(client, head); err != nil || !bytes.Equal(head, []byte{8, 0, 0, 0}) {
		t.Errorf("prefix % x, %v", head, err)
	}
	if _, err := io.CopyN(io.Discard, client, int64(len(msg))); err != nil {
		t.Error(err)
	}
}

func TestPing(t *testing.T) {
	c, client := open(t, rawsocket.Config{PingInterval: 20 * time.Millisecond}, 0x7f, 0xf1, 0, 0)
	done := make(chan error, 1)
	go func() {
		_, err := c.ReadMessage()
		done <- err
	}()
	b := make([]byte, 5)
	if _, err := io.ReadFull(client, b); err != nil || !bytes.Equal(b, []byte{1, 0, 0, 1, 'p'}) {
		t.Errorf("read % x, %v; want a PING", b, err)
	}
	if err := <-done; !errors.Is(err, pipe.ErrSilent) {
		t.Errorf("ReadMessage = %v, want ErrSilent", err)
	}
}
