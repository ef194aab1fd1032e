package transport_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"bondy/core/session"
	"bondy/transport"
)

// told is an echo that says where connections come from.
func told() (transport.Handler, chan session.ConnInfo) {
	infos := make(chan session.ConnInfo, 16)
	return func(ctx context.Context, c session.Conn, done func(session.Conn)) {
		infos <- c.Info()
		echo(ctx, c, done)
	}, infos
}

func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

func via(addr string) http.Header { return http.Header{"X-Forwarded-For": {addr}} }

// upgrade opens a WebSocket; the status is that of the refusal.
func upgrade(t *testing.T, l *transport.Listener, h http.Header) (c *websocket.Conn, status int, after string) {
	t.Helper()
	d := websocket.Dialer{Subprotocols: []string{"wamp.2.json"}}
	c, resp, err := d.Dial("ws://"+l.ListenAddr().String()+transport.WebSocketPath, h)
	if resp == nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if c != nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, resp.StatusCode, resp.Header.Get("Retry-After")
}

func expectFrom(t *testing.T, info session.ConnInfo, want string, proxied bool) {
	t.Helper()
	if !strings.HasPrefix(info.Remote.String(), want) || info.Proxied != proxied {
		t.Errorf("%s from %s, proxied %v; want %s, %v", info.Transport, info.Remote, info.Proxied, want, proxied)
	}
}

// All transports have the client's address from a proxy that is trusted, and
// from no other (W43, W44).
func TestSourceOfWebSocket(t *testing.T) {
	for name, tc := range map[string]struct {
		trusted []netip.Prefix
		header  http.Header
		from    string
		proxied bool
	}{
		"direct":            {nil, nil, "127.0.0.1:", false},
		"trusted":           {loopback(), via("192.0.2.1, 203.0.113.9"), "203.0.113.9:", true},
		"trusted, silent":   {loopback(), nil, "127.0.0.1:", true},
		"trusted, loopback": {loopback(), via("127.0.0.7"), "127.0.0.1:", true},
		"forged":            {nil, via("203.0.113.9"), "127.0.0.1:", true},
	} {
		t.Run(name, func(t *testing.T) {
			h, infos := told()
			l, _ := start(t, transport.Config{Services: []string{"websocket"}, TrustedProxies: tc.trusted}, h)
			c, _, _ := upgrade(t, l, tc.header)
			expectFrom(t, <-infos, tc.from, tc.proxied)
			c.WriteMessage(websocket.TextMessage, []byte("[1]"))
			if _, b, err := c.ReadMessage(); err != nil || string(b) != "[1]" {
				t.Errorf("echo = %q, %v", b, err)
			}
		})
	}
}

func TestSourceOfLongPoll(t *testing.T) {
	h, infos := told()
	l, _ := start(t, transport.Config{Services: []string{"longpoll"}, TrustedProxies: loopback()}, h)
	c := longPoll(t, l)
	for _, from := range []string{"203.0.113.9", "2001:db8::7"} { // over one connection of the proxy
		if status, _ := c.post("/open", `{"protocols":["wamp.2.json"]}`, via(from)); status != http.StatusOK {
			t.Fatalf("open: HTTP %d", status)
		}
		info := <-infos
		if info.Remote.Addr().String() != from || !info.Proxied {
			t.Errorf("%+v, want %s", info, from)
		}
	}
	forged, infos2 := told()
	direct, _ := start(t, transport.Config{Services: []string{"longpoll"}}, forged)
	longPoll(t, direct).post("/open", `{"protocols":["wamp.2.json"]}`, via("203.0.113.9"))
	expectFrom(t, <-infos2, "127.0.0.1:", true)
	longPoll(t, direct).post("/open", `{"protocols":["wamp.2.json"]}`, nil)
	expectFrom(t, <-infos2, "127.0.0.1:", false)
}

// A request that does not become a session leaves nothing to the next one of
// another client on the same connection of the proxy.
func TestSourceIsOfTheRequest(t *testing.T) {
	h, infos := told()
	l, _ := start(t, transport.Config{
		Services: []string{"websocket"}, TrustedProxies: loopback(), MaxConnectionsPerAddress: 1,
	}, h)
	c, err := net.Dial("tcp", l.ListenAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask := func(from, protocol string) string {
		io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: "+protocol+"\r\nX-Forwarded-For: "+from+"\r\n\r\n")
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		return string(b[:n])
	}
	for range 3 { // the place of its address is given back each time
		if answer := ask("203.0.113.9", "bogus"); !strings.HasPrefix(answer, "HTTP/1.1 400") {
			t.Fatalf("%q", answer)
		}
	}
	if answer := ask("198.51.100.4", "wamp.2.json"); !strings.HasPrefix(answer, "HTTP/1.1 101") {
		t.Fatalf("%q", answer)
	}
	expectFrom(t, <-infos, "198.51.100.4:", true)
	other, _, _ := upgrade(t, l, via("203.0.113.9"))
	expectFrom(t, <-infos, "203.0.113.9:", true)
	if _, status, _ := upgrade(t, l, via("203.0.113.9")); status != http.StatusServiceUnavailable {
		t.Errorf("HTTP %d for a second connection of the address", status)
	}
	other.Close()
	eventually(t, "the place is free", func() bool { return l.Stats().Sessions == 1 })
	eventually(t, "the address has a place", func() bool { return l.Stats().Open == 1 })
	upgrade(t, l, via("203.0.113.9"))
	expectFrom(t, <-infos, "203.0.113.9:", true)
}

func TestProxiedByHeader(t *testing.T) {
	for name, tc := range map[string]struct{ header, from string }{
		"named":            {"PROXY TCP4 192.0.2.7 127.0.0.1 4096 8192\r\n", "192.0.2.7:4096"},
		"unknown":          {"PROXY UNKNOWN\r\n", "127.0.0.1:"},
		"loopback":         {"PROXY TCP4 127.0.0.9 127.0.0.1 4096 8192\r\n", "127.0.0.1:"},
		"loopback, IPv6":   {"PROXY TCP6 ::1 ::1 4096 8192\r\n", "127.0.0.1:"},
		"loopback, mapped": {"PROXY TCP6 ::ffff:127.0.0.9 ::1 4096 8192\r\n", "127.0.0.1:"},
		"the proxy's own":  {"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", "127.0.0.1:"},
	} {
		t.Run(name, func(t *testing.T) {
			h, infos := told()
			l, _ := start(t, transport.Config{ProxyProtocol: loopback()}, h)
			if _, reply := raw(t, l, []byte(tc.header)...); !bytes.Equal(reply, accepted) {
				t.Fatalf("reply % x", reply)
			}
			expectFrom(t, <-infos, tc.from, true)
		})
	}
}

func TestConnectionRates(t *testing.T) {
	for name, tc := range map[string]struct {
		cfg transport.Config
		why transport.Refusal
	}{
		"of all":        {transport.Config{MaxConnectionRate: 1}, transport.RefusedRate},
		"of an address": {transport.Config{MaxConnectionRatePerAddress: 1, LimitLoopback: true}, transport.RefusedAddressRate},
	} {
		t.Run("rawsocket "+name, func(t *testing.T) {
			l, _ := start(t, tc.cfg, echo)
			for i := range 3 {
				_, reply := raw(t, l)
				if want := i < 2; bytes.Equal(reply, accepted) != want || !want && len(reply) > 0 {
					t.Errorf("connection %d: reply % x", i, reply)
				}
			}
			eventually(t, "it is counted", func() bool { return l.Stats().Refused[tc.why] == 1 })
		})
		t.Run("websocket "+name, func(t *testing.T) {
			tc.cfg.Services = []string{"websocket"}
			l, _ := start(t, tc.cfg, echo)
			upgrade(t, l, nil)
			upgrade(t, l, nil)
			if _, status, after := upgrade(t, l, nil); status != http.StatusTooManyRequests || after != "1" {
				t.Errorf("HTTP %d, Retry-After %q", status, after)
			}
		})
		t.Run("longpoll "+name, func(t *testing.T) {
			tc.cfg.Services = []string{"longpoll"}
			l, _ := start(t, tc.cfg, echo)
			c := longPoll(t, l)
			if _, status := c.open(); status != http.StatusOK { // with its connection these are two
				t.Errorf("HTTP %d", status)
			}
			if _, status := c.open(); status != http.StatusTooManyRequests {
				t.Errorf("HTTP %d", status)
			}
		})
	}
	t.Run("loopback is exempt", func(t *testing.T) {
		l, _ := start(t, transport.Config{MaxConnectionRatePerAddress: 1}, echo)
		for range 10 {
			if _, reply := raw(t, l); !bytes.Equal(reply, accepted) {
				t.Errorf("reply % x", reply)
			}
		}
	})
	t.Run("behind a proxy", func(t *testing.T) {
		l, _ := start(t, transport.Config{
			Services: []string{"websocket", "longpoll"}, MaxConnectionRatePerAddress: 1, LimitLoopback: true, TrustedProxies: loopback(),
		}, echo)
		for i, from := range []string{"203.0.113.9", "198.51.100.4", "203.0.113.9", "198.51.100.4"} {
			if _, status, _ := upgrade(t, l, via(from)); status != http.StatusSwitchingProtocols {
				t.Errorf("connection %d: HTTP %d", i, status)
			}
		}
		if _, status, after := upgrade(t, l, via("203.0.113.9")); status != http.StatusTooManyRequests || after != "1" {
			t.Errorf("HTTP %d, Retry-After %q", status, after)
		}
		if status, _ := longPoll(t, l).post("/open", `{"protocols":["wamp.2.json"]}`, via("203.0.113.9")); status != http.StatusTooManyRequests {
			t.Errorf("long-poll: HTTP %d", status)
		}
		if n := l.Stats().Refused[transport.RefusedAddressRate]; n != 2 {
			t.Errorf("%d refused", n)
		}
	})
}
