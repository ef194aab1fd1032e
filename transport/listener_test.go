package transport_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"bondy/core/session"
	"bondy/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers every message with itself until the connection ends.
func echo(ctx context.Context, c session.Conn, done func(session.Conn)) {
	defer done(c)
	defer context.AfterFunc(ctx, c.Close)()
	for {
		msg, err := c.ReadMessage()
		if err != nil || c.Append(bytes.Clone(msg), nil) != nil {
			return
		}
	}
}

// start runs a listener on a free port until the test ends; stop ends it
// earlier and waits.
func start(tb testing.TB, cfg transport.Config, h transport.Handler) (l *transport.Listener, stop func()) {
	tb.Helper()
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	if cfg.Services == nil {
		cfg.Services = []string{transport.ServiceRawSocket}
	}
	l, err := transport.New(tb.Context(), cfg, h, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				tb.Errorf("Run = %v", err)
			}
		case <-time.After(20 * time.Second):
			tb.Error("Run does not end")
		}
	})
	tb.Cleanup(stop)
	return l, stop
}

// raw dials a RawSocket listener and returns the handshake's reply.
func raw(tb testing.TB, l *transport.Listener, prefix ...byte) (net.Conn, []byte) {
	tb.Helper()
	c, err := net.Dial(l.ListenAddr().Network(), l.ListenAddr().String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c, shake(c, prefix...)
}

func shake(c net.Conn, prefix ...byte) []byte {
	c.SetDeadline(time.Now().Add(10 * time.Second))
	c.Write(append(prefix, 0x7f, 0xf1, 0, 0))
	reply := make([]byte, 4)
	n, _ := io.ReadFull(c, reply)
	return reply[:n]
}

var accepted = []byte{0x7f, 0xf1, 0, 0}

// exchange sends a message and expects it back.
func exchange(tb testing.TB, c net.Conn, msg string) {
	tb.Helper()
	f := append(binary.BigEndian.AppendUint32(nil, uint32(len(msg))), msg...)
	c.Write(f)
	got := make([]byte, len(f))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, f) {
		tb.Fatalf("echo = %q, %v", got, err)
	}
}

// eventually waits until ok is true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not reached: %s", what)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bondy.sock")
	cfg := transport.Config{Address: "unix:" + path}
	infos := make(chan session.ConnInfo, 1)
	l, stop := start(t, cfg, func(ctx context.Context, c session.Conn, done func(session.Conn)) {
		infos <- c.Info()
		echo(ctx, c, done)
	})
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", st.Mode(), err)
	}
	c, reply := raw(t, l)
	if !bytes.Equal(reply, accepted) {
		t.Fatalf("reply % x", reply)
	}
	exchange(t, c, "over a unix socket")
	if info := <-infos; info.Remote.IsValid() || info.TLS != nil {
		t.Errorf("info %+v", info)
	}
	if _, err := transport.New(t.Context(), transport.Config{Address: cfg.Address, Services: []string{"rawsocket"}}, echo, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("the socket of a running listener was taken over")
	}
	stop()

	// A socket that nobody listens on is replaced, anything else is not.
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	_, stop = start(t, cfg, echo)
	stop()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := transport.New(t.Context(), transport.Config{Address: cfg.Address, Services: []string{"rawsocket"}}, echo, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a file that is no socket was replaced")
	}
}

func TestHTTPAndWebSocket(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/ping", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	l, stop := start(t, transport.Config{Services: []string{"websocket", "admin"}, HTTP: mux}, echo)
	addr := l.ListenAddr().String()
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	hc := &http.Client{Transport: tr}
	resp, err := hc.Get("http://" + addr + "/ping")
	if err != nil || resp.StatusCode != http.StatusNoContent {
		t.Fatalf("GET /ping: %v, %v", resp, err)
	}
	resp.Body.Close()
	d := websocket.Dialer{Subprotocols: []string{"wamp.2.json"}}
	c, resp, err := d.Dial("ws://"+addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	defer c.Close()
	c.WriteMessage(websocket.TextMessage, []byte("[1]"))
	if _, b, err := c.ReadMessage(); err != nil || string(b) != "[1]" {
		t.Fatalf("echo = %q, %v", b, err)
	}
	if _, resp, err := websocket.DefaultDialer.Dial("ws://"+addr+"/ws", nil); err == nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("without subprotocol: %v", err)
	} else {
		resp.Body.Close()
	}
	s := l.Stats()
	if s.Sessions != 1 || s.Refused[transport.RefusedSubprotocol] != 1 || s.Accepted < 3 || s.BytesIn == 0 || s.BytesOut == 0 {
		t.Errorf("stats %+v", s)
	}
	stop()
	if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("after the end: %v, want a CLOSE frame", err)
	}
	if n := l.Stats().Open; n != 0 {
		t.Errorf("%d connections open", n)
	}
}

func TestLimits(t *testing.T) {
	t.Run("rawsocket", func(t *testing.T) {
		l, _ := start(t, transport.Config{MaxConnections: 2}, echo)
		a, _ := raw(t, l)
		raw(t, l)
		if _, reply := raw(t, l); !bytes.Equal(reply, []byte{0x7f, 0x40, 0, 0}) {
			t.Errorf("reply % x, want error 4", reply)
		}
		a.Close()
		eventually(t, "a place is free", func() bool {
			c, reply := raw(t, l)
			c.Close()
			return bytes.Equal(reply, accepted)
		})
		eventually(t, "the refusal is counted", func() bool { return l.Stats().Refused[transport.RefusedFull] > 0 })
	})
	t.Run("http", func(t *testing.T) {
		l, _ := start(t, transport.Config{Services: []string{"websocket"}, MaxConnections: 1}, echo)
		c, err := net.Dial("tcp", l.ListenAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := io.ReadFull(c, make([]byte, 12)); err != nil {
			t.Fatal(err)
		}
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + l.ListenAddr().String() + "/ws")
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("%v, %v; want 503", resp, err)
		}
		resp.Body.Close()
	})
	t.Run("per address", func(t *testing.T) {
		l, _ := start(t, transport.Config{MaxConnectionsPerAddress: 1, LimitLoopback: true}, echo)
		raw(t, l)
		if _, reply := raw(t, l); !bytes.Equal(reply, []byte{0x7f, 0x40, 0, 0}) {
			t.Errorf("reply % x, want error 4", reply)
		}
		eventually(t, "the refusal is counted", func() bool { return l.Stats().Refused[transport.RefusedAddress] == 1 })
	})
	t.Run("loopback is exempt", func(t *testing.T) {
		l, _ := start(t, transport.Config{MaxConnectionsPerAddress: 1}, echo)
		for range 3 {
			if _, reply := raw(t, l); !bytes.Equal(reply, accepted) {
				t.Errorf("reply % x", reply)
			}
		}
	})
}

func TestProxyProtocol(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	v2 := []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x10\x00\x20\x00")
	local := []byte("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00")
	for _, x := range []struct {
		name    string
		sources []netip.Prefix
		header  []byte
		remote  string // "" when the connection is refused
	}{
		{"version 1", loopback, []byte("PROXY TCP4 192.0.2.7 127.0.0.1 4096 8192\r\n"), "192.0.2.7:4096"},
		{"version 1, IPv6", loopback, []byte("PROXY TCP6 2001:db8::7 ::1 4096 8192\r\n"), "[2001:db8::7]:4096"},
		{"version 2", loopback, v2, "192.0.2.7:4096"},
		{"of the proxy itself", loopback, local, "127.0.0.1"},
		{"of a client that is said to be local", loopback, []byte("PROXY TCP4 127.0.0.7 127.0.0.1 4096 8192\r\n"), "127.0.0.1"},
		{"of one that is so in IPv6", loopback, []byte("PROXY TCP6 ::1 ::1 4096 8192\r\n"), "127.0.0.1"},
		{"missing", loopback, nil, ""},
		{"from a source that is not listed", nil, v2, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			remotes := make(chan session.ConnInfo, 1)
			l, _ := start(t, transport.Config{ProxyProtocol: x.sources}, func(ctx context.Context, c session.Conn, done func(session.Conn)) {
				remotes <- c.Info()
				echo(ctx, c, done)
			})
			c, reply := raw(t, l, x.header...)
			if bytes.Equal(reply, accepted) != (x.remote != "") {
				t.Fatalf("reply % x", reply)
			}
			if x.remote != "" {
				exchange(t, c, "through a proxy")
				expectFrom(t, <-remotes, x.remote, true)
			}
		})
	}
	t.Run("the address it names is limited", func(t *testing.T) {
		l, _ := start(t, transport.Config{ProxyProtocol: loopback, MaxConnectionsPerAddress: 1}, echo)
		raw(t, l, v2...)
		if _, reply := raw(t, l, v2...); !bytes.Equal(reply, []byte{0x7f, 0x40, 0, 0}) {
			t.Errorf("reply % x, want error 4", reply)
		}
	})
}

func TestHandshakeTimeouts(t *testing.T) {
	files := certificate(t, "server")
	for name, cfg := range map[string]transport.Config{
		"rawsocket": {},
		"proxy":     {ProxyProtocol: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		"http":      {Services: []string{"websocket"}},
		"tls":       {TLS: files},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.HandshakeTimeout = 50 * time.Millisecond
			l, _ := start(t, cfg, echo)
			c, err := net.Dial("tcp", l.ListenAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(10 * time.Second))
			c.Write([]byte{0x7f})
			if _, err := io.Copy(io.Discard, c); err != nil && os.IsTimeout(err) {
				t.Error("the connection is left open")
			}
		})
	}
}

func TestGraceEnds(t *testing.T) {
	entered := make(chan struct{})
	l, stop := start(t, transport.Config{Grace: 50 * time.Millisecond}, func(_ context.Context, c session.Conn, done func(session.Conn)) {
		defer done(c)
		close(entered)
		c.ReadMessage() // ends only when the socket does
	})
	raw(t, l)
	<-entered
	stop()
}

func TestDrainStopsAccepting(t *testing.T) {
	l, _ := start(t, transport.Config{}, echo)
	c, _ := raw(t, l)
	l.Drain()
	l.Drain()
	if _, err := net.Dial("tcp", l.ListenAddr().String()); err == nil {
		t.Error("still accepting")
	}
	exchange(t, c, "still served")
}

func TestAddressInUse(t *testing.T) {
	l, _ := start(t, transport.Config{}, echo)
	_, err := transport.New(t.Context(), transport.Config{Address: l.ListenAddr().String(), Services: []string{"rawsocket"}}, echo, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), l.ListenAddr().String()) {
		t.Errorf("New = %v, want an error that names the address", err)
	}
}

func TestValidate(t *testing.T) {
	for _, x := range []struct {
		cfg  transport.Config
		want string
	}{
		{transport.Config{Services: []string{"websocket"}}, "address"},
		{transport.Config{Address: "127.0.0.1:0"}, "services"},
		{transport.Config{Address: "127.0.0.1:0", Services: []string{"rawsocket", "websocket"}}, "rawsocket"},
		{transport.Config{Address: "127.0.0.1:0", Services: []string{"admin"}}, "HTTP"},
		{transport.Config{Address: "127.0.0.1:0", Services: []string{"websocket"}, MaxConnections: -1}, "max_connections"},
		{transport.Config{Address: "127.0.0.1:0", Services: []string{"websocket"}, MaxMessageSize: -1}, "max_message_size"},
		{transport.Config{Address: "127.0.0.1:0", Services: []string{"websocket"}, Origins: []string{"x"}}, "origin"},
	} {
		_, err := transport.New(t.Context(), x.cfg, echo, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("New(%+v) = %v, want an error about %s", x.cfg, err, x.want)
		}
	}
}

func TestTLS(t *testing.T) {
	files := certificate(t, "server")
	files.ClientCA = files.Cert
	insecure := &tls.Config{InsecureSkipVerify: true}
	t.Run("rawsocket", func(t *testing.T) {
		infos := make(chan session.ConnInfo, 1)
		l, _ := start(t, transport.Config{TLS: files}, func(ctx context.Context, c session.Conn, done func(session.Conn)) {
			infos <- c.Info()
			echo(ctx, c, done)
		})
		pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := tls.Dial("tcp", l.ListenAddr().String(), &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if reply := shake(c); !bytes.Equal(reply, accepted) {
			t.Fatalf("reply % x", reply)
		}
		exchange(t, c, strings.Repeat("secret ", 10000))
		if info := <-infos; info.TLS == nil || len(info.TLS.PeerCertificates) != 1 {
			t.Errorf("info %+v", info)
		}
	})
	t.Run("websocket", func(t *testing.T) {
		l, _ := start(t, transport.Config{TLS: files, Services: []string{"websocket"}}, echo)
		d := websocket.Dialer{Subprotocols: []string{"wamp.2.cbor"}, TLSClientConfig: insecure}
		c, resp, err := d.Dial("wss://"+l.ListenAddr().String()+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		defer c.Close()
		c.WriteMessage(websocket.BinaryMessage, make([]byte, 100000))
		if _, b, err := c.ReadMessage(); err != nil || len(b) != 100000 {
			t.Fatalf("echo of %d bytes, %v", len(b), err)
		}
	})
	t.Run("client certificate required", func(t *testing.T) {
		required := *files
		required.RequireClientCert = true
		l, _ := start(t, transport.Config{TLS: &required}, echo)
		c, err := tls.Dial("tcp", l.ListenAddr().String(), insecure)
		if err == nil { // TLS 1.3 learns of it when reading
			defer c.Close()
			if reply := shake(c); len(reply) > 0 {
				t.Errorf("reply % x without a certificate", reply)
			}
		}
		eventually(t, "the refusal is counted", func() bool { return l.Stats().Refused[transport.RefusedTLS] == 1 })
	})
	t.Run("plain bytes", func(t *testing.T) {
		l, _ := start(t, transport.Config{TLS: files, HandshakeTimeout: 50 * time.Millisecond}, echo)
		if _, reply := raw(t, l); bytes.Equal(reply, accepted) {
			t.Error("accepted in the clear")
		}
	})
}

// Many connections, opened and closed in every way, leave nothing.
func TestThousandConnections(t *testing.T) {
	l, stop := start(t, transport.Config{}, echo)
	var wg sync.WaitGroup
	slots := make(chan struct{}, 50)
	for i := range 1000 {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			c, reply := raw(t, l)
			defer c.Close()
			if !bytes.Equal(reply, accepted) {
				t.Errorf("reply % x", reply)
				return
			}
			switch i % 4 {
			case 0:
				exchange(t, c, "in order")
			case 1:
				c.Write([]byte{0, 0, 1})
			case 2:
				c.(*net.TCPConn).SetLinger(0)
			default:
			}
		})
	}
	wg.Wait()
	eventually(t, "all connections are gone", func() bool { return l.Stats().Open == 0 })
	if s := l.Stats(); s.Accepted != 1000 || s.Sessions != 0 {
		t.Errorf("stats %+v", s)
	}
	stop()
}

// BenchmarkIdle measures what an idle connection costs in memory.
func BenchmarkIdle(b *testing.B) {
	for _, service := range []string{"rawsocket", "websocket"} {
		b.Run(service, func(b *testing.B) {
			const n = 1000
			l, stop := start(b, transport.Config{Services: []string{service}}, echo)
			for b.Loop() {
				before := memory()
				conns := make([]io.Closer, n)
				for i := range conns {
					if service == "rawsocket" {
						conns[i], _ = raw(b, l)
						continue
					}
					d := websocket.Dialer{Subprotocols: []string{"wamp.2.json"}}
					c, resp, err := d.Dial("ws://"+l.ListenAddr().String()+"/ws", nil)
					if err != nil {
						b.Fatal(err)
					}
					resp.Body.Close()
					conns[i] = c.NetConn()
				}
				// The clients' sockets and buffers are part of the figure.
				b.ReportMetric(float64(memory()-before)/n, "B/conn")
				for _, c := range conns {
					c.Close()
				}
			}
			stop()
		})
	}
}

func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
