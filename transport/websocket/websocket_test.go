package websocket_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"bondy/core/wamp"
	"bondy/transport/pipe"
	"bondy/transport/web"
	"bondy/transport/websocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a net.Listener whose connections are Pipes.
type pipes struct {
	net.Listener

	shared *pipe.Shared
}

func (l pipes) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return pipe.New(c, l.shared, nil), nil
}

// server upgrades connections and hands them out.
type server struct {
	addr  string
	conns chan *websocket.Conn
	errs  chan error
}

func serve(tb testing.TB, cfg websocket.Config) *server {
	tb.Helper()
	u, err := websocket.NewUpgrader(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &server{addr: ln.Addr().String(), conns: make(chan *websocket.Conn, 16), errs: make(chan error, 16)}
	h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := u.Upgrade(w, r); err != nil {
			s.errs <- err
		} else {
			s.conns <- c
		}
	})}
	var wg sync.WaitGroup
	wg.Go(func() { h.Serve(pipes{ln, pipe.NewShared()}) })
	tb.Cleanup(func() { h.Close(); wg.Wait() })
	return s
}

// dial connects with gorilla's client.
func (s *server) dial(tb testing.TB, protocols ...string) (*websocket.Conn, *gorilla.Conn) {
	tb.Helper()
	d := gorilla.Dialer{Subprotocols: protocols, EnableCompression: true}
	client, resp, err := d.Dial("ws://"+s.addr+"/ws", nil)
	if err != nil {
		tb.Fatal(err)
	}
	resp.Body.Close()
	c := <-s.conns
	tb.Cleanup(func() { client.Close(); c.Wait() })
	return c, client
}

func clientFrame(first byte, b []byte) []byte {
	h := []byte{first, 0x80}
	switch n := len(b); {
	case n < 126:
		h[1] |= byte(n)
	case n < 1<<16:
		h[1] |= 126
		h = binary.BigEndian.AppendUint16(h, uint16(n))
	default:
		h[1] |= 127
		h = binary.BigEndian.AppendUint64(h, uint64(n))
	}
	key := []byte{1, 2, 0xf3, 4}
	h = append(h, key...)
	for i, v := range b {
		h = append(h, v^key[i&3])
	}
	return h
}

func TestEcho(t *testing.T) {
	s := serve(t, websocket.Config{})
	for _, x := range []struct {
		name       string
		serializer wamp.Serializer
		kind       int
	}{
		{"wamp.2.json", wamp.JSON, gorilla.TextMessage},
		{"wamp.2.msgpack", wamp.MessagePack, gorilla.BinaryMessage},
		{"wamp.2.cbor", wamp.CBOR, gorilla.BinaryMessage},
	} {
		t.Run(x.name, func(t *testing.T) {
			c, client := s.dial(t, "bogus.1", x.name, "wamp.2.json")
			if client.Subprotocol() != x.name || c.Serializer() != x.serializer || c.Info().Transport != "websocket" {
				t.Fatalf("subprotocol %q, serializer %v", client.Subprotocol(), c.Serializer())
			}
			for _, n := range []int{0, 1, 7, 8, 33, 125, 126, 65535, 65536, 1 << 20} {
				msg := []byte(strings.Repeat("grün", n/5+1))[:n]
				if x.kind == gorilla.TextMessage {
					msg = []byte(strings.Repeat("x", n))
				}
				written := make(chan error, 1)
				go func() { written <- client.WriteMessage(x.kind, msg) }()
				got, err := c.ReadMessage()
				if err != nil || !bytes.Equal(got, msg) {
					t.Fatalf("ReadMessage = %d bytes, %v; want %d", len(got), err, n)
				}
				if err := errors.Join(<-written, c.Append(bytes.Clone(got), nil)); err != nil {
					t.Fatal(err)
				}
				c.Flush()
				kind, back, err := client.ReadMessage()
				if err != nil || kind != x.kind || !bytes.Equal(back, msg) {
					t.Fatalf("client read kind %d, %d bytes, %v; want %d", kind, len(back), err, n)
				}
			}
		})
	}
}

func TestBatches(t *testing.T) {
	s := serve(t, websocket.Config{})
	for _, x := range []struct {
		name      string
		kind      int
		in        []byte
		want      []string
		one       []byte
		malformed []byte
	}{
		{"wamp.2.json.batched", gorilla.TextMessage, []byte("[1]\x1e[22]\x1e"), []string{"[1]", "[22]"}, []byte("[3]\x1e"), []byte("[1]")},
		{
			"wamp.2.cbor.batched", gorilla.BinaryMessage, []byte("\x00\x00\x00\x02ab\x00\x00\x00\x01c"),
			[]string{"ab", "c"},
			[]byte("\x00\x00\x00\x03[3]"),
			[]byte("\x00\x00\x00\x09ab"),
		},
		{
			"wamp.2.msgpack.batched", gorilla.BinaryMessage, []byte("\x00\x00\x00\x00\x00\x00\x00\x01c"),
			[]string{"", "c"},
			[]byte("\x00\x00\x00\x03[3]"),
			[]byte("\x00\x00"),
		},
	} {
		t.Run(x.name, func(t *testing.T) {
			c, client := s.dial(t, x.name)
			client.WriteMessage(x.kind, x.in)
			for _, want := range x.want {
				if got, err := c.ReadMessage(); err != nil || string(got) != want {
					t.Fatalf("ReadMessage = %q, %v; want %q", got, err, want)
				}
			}
			c.Append([]byte("[3]"), nil)
			c.Flush()
			if _, got, err := client.ReadMessage(); err != nil || !bytes.Equal(got, x.one) {
				t.Errorf("client read %q, %v; want %q", got, err, x.one)
			}
			client.WriteMessage(x.kind, x.malformed)
			if _, err := c.ReadMessage(); !violation(err) {
				t.Errorf("malformed batch: %v", err)
			}
			c, client = s.dial(t, x.name)
			client.WriteMessage(x.kind, nil)
			if _, err := c.ReadMessage(); !violation(err) {
				t.Errorf("empty batch: %v", err)
			}
		})
	}
}

func violation(err error) bool {
	we, ok := errors.AsType[*wamp.Error](err)
	return ok && we.URI == wamp.ErrProtocolViolation
}

func TestFragmentsAndControlFrames(t *testing.T) {
	s := serve(t, websocket.Config{})
	c, client := s.dial(t, "wamp.2.json")
	pongs := make(chan string, 1)
	client.SetPongHandler(func(p string) error { pongs <- p; return nil })
	var in []byte
	in = append(in, clientFrame(0x01, []byte("[1,\"\xc3"))...) // a rune is cut in two
	in = append(in, clientFrame(0x89, []byte("mid"))...)
	in = append(in, clientFrame(0x00, nil)...)
	in = append(in, clientFrame(0x80, []byte("\xbc\"]"))...)
	in = append(in, clientFrame(0x8a, []byte("unasked"))...)
	in = append(in, clientFrame(0x81, []byte("[2]"))...)
	client.NetConn().Write(in)
	for _, want := range []string{"[1,\"ü\"]", "[2]"} {
		if got, err := c.ReadMessage(); err != nil || string(got) != want {
			t.Fatalf("ReadMessage = %q, %v; want %q", got, err, want)
		}
	}
	c.Append([]byte("[3]"), nil)
	c.Flush()
	if _, _, err := client.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	if p := <-pongs; p != "mid" {
		t.Errorf("PONG %q", p)
	}
}

func TestClose(t *testing.T) {
	s := serve(t, websocket.Config{})
	t.Run("by the client", func(t *testing.T) {
		c, client := s.dial(t, "wamp.2.json")
		client.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(1001, "away"), time.Now().Add(time.Second))
		if _, err := c.ReadMessage(); !errors.Is(err, io.EOF) {
			t.Errorf("ReadMessage = %v, want EOF", err)
		}
		if _, _, err := client.ReadMessage(); !gorilla.IsCloseError(err, 1001) {
			t.Errorf("client read %v, want its code back", err)
		}
	})
	t.Run("by the router", func(t *testing.T) {
		c, client := s.dial(t, "wamp.2.json")
		c.Append([]byte("[6]"), nil)
		c.Close()
		c.Close()
		if _, b, err := client.ReadMessage(); err != nil || string(b) != "[6]" {
			t.Errorf("client read %q, %v", b, err)
		}
		if _, _, err := client.ReadMessage(); !gorilla.IsCloseError(err, 1000) {
			t.Errorf("client read %v, want 1000", err)
		}
	})
	t.Run("without a word", func(t *testing.T) {
		c, client := s.dial(t, "wamp.2.json")
		client.NetConn().Close()
		if _, err := c.ReadMessage(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("ReadMessage = %v, want ErrUnexpectedEOF", err)
		}
	})
}

func TestViolations(t *testing.T) {
	s := serve(t, websocket.Config{MaxMessageSize: 1000})
	for _, x := range []struct {
		name  string
		proto string
		in    []byte
		code  int
	}{
		{"unmasked", "wamp.2.json", []byte("\x81\x03[1]"), 1002},
		{"reserved opcode", "wamp.2.json", clientFrame(0x85, []byte("x")), 1002},
		{"reserved control opcode", "wamp.2.json", clientFrame(0x8b, nil), 1002},
		{"reserved bit", "wamp.2.json", clientFrame(0xa1, []byte("[1]")), 1002},
		{"compressed without extension", "wamp.2.json", clientFrame(0xc1, []byte("[1]")), 1002},
		{"fragmented control", "wamp.2.json", clientFrame(0x09, []byte("x")), 1002},
		{"long control", "wamp.2.json", clientFrame(0x89, make([]byte, 126)), 1002},
		{"continuation of nothing", "wamp.2.json", clientFrame(0x80, []byte("x")), 1002},
		{"message within a message", "wamp.2.json", append(clientFrame(0x01, []byte("[")), clientFrame(0x81, []byte("1]"))...), 1002},
		{"binary on a text protocol", "wamp.2.json", clientFrame(0x82, []byte("[1]")), 1003},
		{"text on a binary protocol", "wamp.2.msgpack", clientFrame(0x81, []byte("x")), 1003},
		{"not UTF-8", "wamp.2.json", clientFrame(0x81, []byte("[\"\xff\xfe\"]")), 1007},
		{"too long", "wamp.2.cbor", clientFrame(0x82, make([]byte, 1001)), 1009},
		{"too long in fragments", "wamp.2.cbor", append(clientFrame(0x02, make([]byte, 600)), clientFrame(0x80, make([]byte, 600))...), 1009},
		{"length 2^63", "wamp.2.cbor", []byte("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04"), 1009},
		{"length 2^31", "wamp.2.cbor", []byte("\x82\xff\x00\x00\x00\x00\x80\x00\x00\x00\x01\x02\x03\x04"), 1009},
		{"CLOSE of one octet", "wamp.2.json", clientFrame(0x88, []byte{3}), 1002},
		{"CLOSE with a forbidden code", "wamp.2.json", clientFrame(0x88, []byte{3, 237}), 1002},
	} {
		t.Run(x.name, func(t *testing.T) {
			c, client := s.dial(t, x.proto)
			client.NetConn().Write(x.in)
			if _, err := c.ReadMessage(); !violation(err) {
				t.Errorf("ReadMessage = %v, want a violation", err)
			}
			client.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, _, err := client.ReadMessage(); !gorilla.IsCloseError(err, x.code) {
				t.Errorf("client read %v, want CLOSE %d", err, x.code)
			}
			if c.Append([]byte("[1]"), nil) == nil {
				t.Error("Append after the CLOSE frame")
			}
		})
	}
}

func TestHalfFrame(t *testing.T) {
	s := serve(t, websocket.Config{})
	for n := 1; n < 9; n++ {
		c, client := s.dial(t, "wamp.2.json")
		tcp := client.NetConn().(*net.TCPConn)
		tcp.Write(clientFrame(0x81, []byte("[1]"))[:n])
		tcp.CloseWrite()
		if _, err := c.ReadMessage(); !violation(err) {
			t.Errorf("ReadMessage after %d octets = %v, want a violation", n, err)
		}
		client.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, _, err := client.ReadMessage(); !gorilla.IsCloseError(err, 1002) {
			t.Errorf("client read %v, want CLOSE 1002", err)
		}
	}
}

func TestPing(t *testing.T) {
	s := serve(t, websocket.Config{PingInterval: 20 * time.Millisecond})
	c, client := s.dial(t, "wamp.2.json")
	pings := make(chan struct{}, 100)
	client.SetPingHandler(func(string) error { // without a PONG
		pings <- struct{}{}
		return nil
	})
	go client.ReadMessage()
	if _, err := c.ReadMessage(); !errors.Is(err, pipe.ErrSilent) {
		t.Errorf("ReadMessage = %v, want ErrSilent", err)
	}
	<-pings
}

func get(t *testing.T, addr string, header http.Header) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/ws", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	if h := header.Get("Host"); h != "" {
		r.Host = h
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp.StatusCode, ""
	}
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func upgradeHeader(protocol string) http.Header {
	return http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Protocol": {protocol},
	}
}

func TestRefusedRequests(t *testing.T) {
	s := serve(t, websocket.Config{})
	without := func(key string) http.Header {
		h := upgradeHeader("wamp.2.json")
		h.Del(key)
		return h
	}
	version := upgradeHeader("wamp.2.json")
	version.Set("Sec-WebSocket-Version", "99")
	for _, x := range []struct {
		name   string
		header http.Header
		status int
		text   string
	}{
		{"plain GET", http.Header{}, 426, "WebSocket"},
		{"unknown subprotocols", upgradeHeader("bogus.1, wamp.9.xml"), 400, "wamp.2.msgpack"},
		{"no subprotocol", without("Sec-WebSocket-Protocol"), 400, "wamp.2.json"},
		{"no key", without("Sec-WebSocket-Key"), 400, "Sec-WebSocket-Key"},
		{"wrong version", version, 400, "version"},
	} {
		t.Run(x.name, func(t *testing.T) {
			if status, body := get(t, s.addr, x.header); status != x.status || !strings.Contains(body, x.text) {
				t.Errorf("HTTP %d %q, want %d and %q", status, body, x.status, x.text)
			}
			if err := <-s.errs; err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestOrigins(t *testing.T) {
	list := []string{"https://app.example.com", "*.example.org"}
	for _, x := range []struct {
		origins []string
		origin  string
		host    string
		ok      bool
	}{
		{nil, "", "", true},
		{nil, "http://localhost:3000", "", true},
		{nil, "http://127.0.0.7", "", true},
		{nil, "http://[::1]:8080", "", true},
		{nil, "https://evil.example", "", false},
		{nil, "null", "", false},
		{nil, "http://localhost.evil.example", "", false},
		{nil, "http://192.0.2.7:18080", "192.0.2.7:18080", true},
		{nil, "http://rebound.example:18080", "rebound.example:18080", false}, // a name that points to loopback
		{list, "https://app.example.com", "", true},
		{list, "http://app.example.com", "", false},
		{list, "https://app.example.com:8443", "", false},
		{list, "https://a.example.org", "", true},
		{list, "http://a.b.example.org:81", "", true},
		{list, "https://example.org", "", false},
		{list, "https://evilexample.org", "", false},
		{[]string{"*"}, "https://anywhere.example", "", true},
	} {
		t.Run(fmt.Sprint(x.origins, x.origin), func(t *testing.T) {
			s := serve(t, websocket.Config{Origins: x.origins})
			h := upgradeHeader("wamp.2.json")
			if x.origin != "" {
				h.Set("Origin", x.origin)
			}
			if x.host != "" {
				h.Set("Host", x.host)
			}
			status, body := get(t, s.addr, h)
			if x.ok {
				if status != 101 {
					t.Fatalf("HTTP %d %q", status, body)
				}
				(<-s.conns).Wait()
			} else if status != 403 || !errors.Is(<-s.errs, web.ErrOrigin) || body == "" {
				t.Errorf("HTTP %d %q, want 403", status, body)
			}
		})
	}
	for _, bad := range []string{"example.com", "https://example.com/path", "*.", "https://*.example.com", ""} {
		if _, err := websocket.NewUpgrader(websocket.Config{Origins: []string{bad}}); err == nil {
			t.Errorf("origin %q was accepted", bad)
		}
	}
}

func BenchmarkEcho(b *testing.B) {
	for name, batch := range map[string]int{"1": 1, "64": 64} {
		b.Run("batch="+name, func(b *testing.B) {
			c, client := serve(b, websocket.Config{}).dial(b, "wamp.2.json")
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
			out := bytes.Repeat(clientFrame(0x81, bytes.Repeat([]byte("x"), 100)), batch)
			in := make([]byte, batch*102)
			raw := client.NetConn()
			b.ReportAllocs()
			for b.Loop() {
				raw.Write(out)
				if _, err := io.ReadFull(raw, in); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/frame")
			raw.Close()
			<-done
		})
	}
}
