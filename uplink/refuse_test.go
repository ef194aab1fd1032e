package uplink_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"bondy/uplink"
	"bondy/uplink/wire"
)

// failure waits for the dialer to say why it has no link.
func failure(tb testing.TB, d *uplink.Dialer) string {
	tb.Helper()
	for began := time.Now(); time.Since(began) < patience; <-time.After(5 * time.Millisecond) {
		if err := d.Stats().Err; err != nil {
			return err.Error()
		}
	}
	tb.Fatal("dialer has no error")
	return ""
}

func TestRefused(t *testing.T) {
	ca, foreign := newAuthority(t), newAuthority(t)
	for _, c := range []struct {
		name       string
		core, edge func(*uplink.Config)
		want       string
		recorded   string // in the audit log of the core; empty for nothing
	}{
		{
			name: "certificate of another authority at the edge",
			edge: func(c *uplink.Config) {
				c.TLS = foreign.config(t, "edge")
				c.TLS.RootCAs = ca.pool
			},
			want: "peer refused the certificate of this node", recorded: "certificate of the peer refused",
		},
		{
			name: "certificate of another authority at the core",
			core: func(c *uplink.Config) { c.TLS = foreign.config(t, "core") },
			want: "certificate of the peer refused",
		},
		{
			name: "no certificate",
			edge: func(c *uplink.Config) { c.TLS.Certificates = nil },
			want: "peer refused the certificate of this node", recorded: "certificate of the peer refused",
		},
		{
			name: "name",
			edge: func(c *uplink.Config) { c.TLS.ServerName = "elsewhere" },
			want: "certificate of the peer refused",
		},
		{
			name: "revoked",
			edge: func(c *uplink.Config) { c.TLS = ca.config(t, "revoked") },
			want: `peer closed the link: "identity refused: certificate is revoked"`, recorded: "certificate is revoked",
		},
		{
			name: "revoked core",
			core: func(c *uplink.Config) { c.TLS = ca.config(t, "revoked") },
			want: "link closed: identity refused: certificate is revoked",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			coreConfig, edgeConfig := config(ca.config(t, "core"), newRecorder()), config(ca.config(t, "edge"), newRecorder())
			if c.core != nil {
				c.core(&coreConfig)
			}
			if c.edge != nil {
				c.edge(&edgeConfig)
			}
			tr := &trail{}
			listener, stop := listen(t, uplink.ListenerConfig{Config: coreConfig, Audit: tr})
			dialer, _ := dial(t, uplink.DialerConfig{Config: edgeConfig}, listener)
			if got := failure(t, dialer); !strings.Contains(got, c.want) {
				t.Errorf("error %q, want %q", got, c.want)
			}
			stop()
			if s := listener.Stats(); s.Accepted != 0 || s.Links != 0 {
				t.Errorf("listener stats = %+v", s)
			}
			tr.refused(t, c.recorded)
			if s := listener.Stats(); s.Refused != uint64(len(tr.List())) && c.recorded != "" {
				t.Errorf("%d links were refused, recorded %+v", s.Refused, tr.List())
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	cfg := config(newAuthority(t).config(t, "edge"), newRecorder())
	cfg.HandshakeTimeout = 100 * time.Millisecond
	dialer, err := uplink.NewDialer(uplink.DialerConfig{Config: cfg, Endpoints: []string{socket.LocalAddr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, dialer.Run)
	if got := failure(t, dialer); got != "no answer" {
		t.Errorf("error %q, want no answer", got)
	}
}

// stranger is a QUIC client that does not keep to the protocol.
func stranger(tb testing.TB, cfg *tls.Config, to net.Addr, alpn string) (*quic.Conn, error) {
	tb.Helper()
	cfg = cfg.Clone()
	cfg.NextProtos = []string{alpn}
	cfg.ServerName = "127.0.0.1"
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	return quic.DialAddr(ctx, to.String(), cfg, &quic.Config{EnableDatagrams: true})
}

func TestWrongALPN(t *testing.T) {
	ca := newAuthority(t)
	listener, _ := listen(t, uplink.ListenerConfig{Config: config(ca.config(t, "core"), newRecorder())})
	_, err := stranger(t, ca.config(t, "edge"), listener.Addr(), "bondy-link/2")
	if err == nil || !strings.Contains(err.Error(), "no application protocol") {
		t.Errorf("dial with another ALPN: %v", err)
	}
	server, err := quic.ListenAddr("127.0.0.1:0", func() *tls.Config {
		c := ca.config(t, "core")
		c.NextProtos = []string{"h3"}
		return c
	}(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	dialer, err := uplink.NewDialer(uplink.DialerConfig{
		Config: config(ca.config(t, "edge"), newRecorder()), Endpoints: []string{server.Addr().String()},
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, dialer.Run)
	if got, want := failure(t, dialer), "the two sides do not both speak bondy-link/1"; !strings.Contains(got, want) {
		t.Errorf("error %q, want %q", got, want)
	}
}

func hello() wire.Hello {
	return wire.Hello{MinVersion: 1, Version: 1, Lanes: 2, MaxFrame: 1 << 20, Incarnation: 1, Serial: 1, Node: "x"}
}

// Each of these is cut off with its reason, and the edge that behaves does not
// notice.
func TestMisbehavingPeers(t *testing.T) {
	lane := func(number byte, frames ...[]byte) []byte {
		stream := []byte{number}
		for _, f := range frames {
			stream = append(stream, f...)
		}
		return stream
	}
	good := hello().Append([]byte{0})
	old, young, laneless := hello(), hello(), hello()
	old.Version, old.MinVersion = 0, 0
	young.Version, young.MinVersion = 9, 8
	laneless.Lanes = 0
	for _, c := range []struct {
		name    string
		streams [][]byte
		end     func(*quic.SendStream)
		code    uplink.Code
		reason  string
	}{
		{name: "garbage", streams: [][]byte{[]byte("GET / HTTP/1.1\r\n\r\n")}, code: uplink.CodeProtocol, reason: "malformed"},
		{name: "no hello", streams: [][]byte{lane(0, wire.Append(nil, 20, nil))}, code: uplink.CodeProtocol, reason: "begins with"},
		{name: "data lane first", streams: [][]byte{lane(1, wire.Append(nil, 20, nil))}, code: uplink.CodeProtocol, reason: "begins with"},
		{name: "huge hello", streams: [][]byte{{0, wire.KindHello, 0xff, 0xff, 0xff, 0x7f}}, code: uplink.CodeProtocol, reason: "frame too long"},
		{name: "old", streams: [][]byte{old.Append([]byte{0})}, code: uplink.CodeVersion, reason: "too old"},
		{name: "young", streams: [][]byte{young.Append([]byte{0})}, code: uplink.CodeVersion, reason: "too new"},
		{name: "no lanes", streams: [][]byte{laneless.Append([]byte{0})}, code: uplink.CodeProtocol, reason: "0 lanes"},
		{name: "silent", code: uplink.CodeSilent, reason: "took too long"},
		{name: "huge frame", streams: [][]byte{good, {1, 20, 0xff, 0xff, 0xff, 0xff, 0x01}}, code: uplink.CodeProtocol, reason: "frame too long"},
		{name: "endless length", streams: [][]byte{good, {1, 20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, code: uplink.CodeProtocol, reason: "malformed"},
		{name: "no such lane", streams: [][]byte{good, lane(99)}, code: uplink.CodeProtocol, reason: "no lane 99"},
		{name: "two control lanes", streams: [][]byte{good, lane(0)}, code: uplink.CodeProtocol, reason: "no lane 0"},
		{name: "lane twice", streams: [][]byte{good, lane(1), lane(1)}, code: uplink.CodeProtocol, reason: "opened twice"},
		{name: "lane ends", streams: [][]byte{good, lane(1, []byte{20, 5, 1})}, end: func(s *quic.SendStream) { _ = s.Close() }, code: uplink.CodeProtocol, reason: "ended"},
		{name: "lane given up", streams: [][]byte{good}, end: func(s *quic.SendStream) { s.CancelWrite(1) }, code: uplink.CodeProtocol, reason: "gave up"},
		{name: "reserved kind", streams: [][]byte{lane(0, hello().Append(nil), wire.Append(nil, 9, nil))}, code: uplink.CodeProtocol, reason: "kind 9"},
		{name: "ping on a data lane", streams: [][]byte{good, lane(1, wire.Append(nil, wire.KindPing, []byte{1}))}, code: uplink.CodeProtocol, reason: "on lane 1"},
		{name: "bad ping", streams: [][]byte{lane(0, hello().Append(nil), wire.Append(nil, wire.KindPing, nil))}, code: uplink.CodeProtocol, reason: "malformed ping"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t, newRecorder(), newRecorder(), func(core, _ *uplink.Config) { core.HandshakeTimeout = time.Second })
			conn, err := stranger(t, p.ca.config(t, "stranger"), p.listener.Addr(), uplink.ALPN)
			if err != nil {
				t.Fatal(err)
			}
			for _, bytes := range c.streams {
				stream, err := conn.OpenUniStream()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := stream.Write(bytes); err != nil {
					break // already cut off
				}
				if c.end != nil {
					c.end(stream)
				}
			}
			receive(t, conn.Context().Done(), "end of the connection")
			var ae *quic.ApplicationError
			if err := context.Cause(conn.Context()); !errors.As(err, &ae) || !ae.Remote ||
				uplink.Code(ae.ErrorCode) != c.code || !strings.Contains(ae.ErrorMessage, c.reason) {
				t.Errorf("cut off with %v, want code %d, %q", err, c.code, c.reason)
			}
			if err := p.atCore.Err(); err != nil {
				t.Errorf("the other link went down: %v", err)
			}
		})
	}
}

// A peer may open its lanes and no more, in all its life.
func TestStreamsAreBounded(t *testing.T) {
	p := newPair(t, newRecorder(), newRecorder())
	conn, err := stranger(t, p.ca.config(t, "stranger"), p.listener.Addr(), uplink.ALPN)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseWithError(0, "") }()
	opened := 0
	for ; opened < 100; opened++ {
		if _, err := conn.OpenUniStream(); err != nil {
			break
		}
	}
	if want := uplink.DefaultLanes + 1; opened != want {
		t.Errorf("opened %d streams, want %d", opened, want)
	}
	if _, err := conn.OpenStream(); err == nil {
		t.Error("opened a bidirectional stream")
	}
}

func TestNewerLinkReplaces(t *testing.T) {
	p := newPair(t, newRecorder(), newRecorder())
	second := newRecorder()
	cfg := config(p.ca.config(t, "edge"), second)
	dial(t, uplink.DialerConfig{Config: cfg}, p.listener)
	var ce *uplink.CloseError
	if err := p.core.down(t); !errors.As(err, &ce) || ce.Code != uplink.CodeReplaced {
		t.Errorf("down at the core: %v", err)
	}
	if l := p.core.up(t); l == p.atCore || l.Peer().Name != "edge" {
		t.Errorf("up at the core: %+v", l.Peer())
	}
	if err := p.edge.down(t); !errors.As(err, &ce) || ce.Code != uplink.CodeReplaced || !ce.Remote {
		t.Errorf("down at the edge: %v", err)
	}
	second.up(t)
	if s := p.listener.Stats(); s.Links != 1 || s.Replaced != 1 {
		t.Errorf("listener stats = %+v", s)
	}
}

func TestTooManyLinks(t *testing.T) {
	ca := newAuthority(t)
	tr := &trail{}
	listener, _ := listen(t, uplink.ListenerConfig{Config: config(ca.config(t, "core"), newRecorder()), MaxLinks: 1, Audit: tr})
	first := newRecorder()
	dial(t, uplink.DialerConfig{Config: config(ca.config(t, "a"), first)}, listener)
	first.up(t)
	dialer, _ := dial(t, uplink.DialerConfig{Config: config(ca.config(t, "b"), newRecorder())}, listener)
	if got, want := failure(t, dialer), `peer closed the link: "too many links"`; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
	tr.refused(t, "too many links")
	if e := tr.List()[0]; e.AuthID != "b" {
		t.Errorf("recorded %+v", e)
	}
}

// Connections that never say hello take a part of the places, and only for a
// while.
func TestHandshakesAreBounded(t *testing.T) {
	ca := newAuthority(t)
	cfg := config(ca.config(t, "core"), newRecorder())
	cfg.HandshakeTimeout = 2 * time.Second
	listener, _ := listen(t, uplink.ListenerConfig{Config: cfg, MaxHandshakes: 12})
	var conns []*quic.Conn
	for range 3 {
		conn, err := stranger(t, ca.config(t, "x"), listener.Addr(), uplink.ALPN)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	if _, err := stranger(t, ca.config(t, "x"), listener.Addr(), uplink.ALPN); err == nil {
		t.Error("one address got more than a quarter")
	}
	if s := listener.Stats(); s.Handshakes != 3 || s.Refused == 0 {
		t.Errorf("stats = %+v", s)
	}
	for _, conn := range conns {
		receive(t, conn.Context().Done(), "end of a connection without hello")
	}
	edge := newRecorder()
	dial(t, uplink.DialerConfig{Config: config(ca.config(t, "edge"), edge)}, listener)
	edge.up(t)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); ; <-tick.C { // the edge knows first
		s := listener.Stats()
		if s.Handshakes == 0 && s.Links == 1 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("stats = %+v", s)
		}
	}
}

// Recheck asks again who may stay, as after a certificate was revoked.
func TestRecheck(t *testing.T) {
	revoked := make(chan struct{})
	ca, core, edge, tr := newAuthority(t), newRecorder(), newRecorder(), &trail{}
	cfg := config(ca.config(t, "core"), core)
	cfg.Identify = func(state tls.ConnectionState) (uplink.Identity, error) {
		select {
		case <-revoked:
			return uplink.Identity{}, errors.New("revoked")
		default:
			return identify(state)
		}
	}
	listener, _ := listen(t, uplink.ListenerConfig{Config: cfg, Audit: tr})
	dialer, _ := dial(t, uplink.DialerConfig{Config: config(ca.config(t, "edge"), edge)}, listener)
	edge.up(t)
	atCore := core.up(t)
	listener.Recheck()
	dialer.Recheck()
	if err := atCore.Err(); err != nil {
		t.Fatalf("recheck took a good link down: %v", err)
	}
	close(revoked)
	listener.Recheck()
	var ce *uplink.CloseError
	if err := edge.down(t); !errors.As(err, &ce) || ce.Code != uplink.CodeRefused {
		t.Errorf("down at the edge: %v", err)
	}
	core.down(t)
	tr.refused(t, "identity refused: revoked")
	if e := tr.List()[0]; e.AuthID != "edge" {
		t.Errorf("recorded %+v", e)
	}
}

func TestValidate(t *testing.T) {
	good := func() uplink.Config {
		return config(&tls.Config{ClientAuth: tls.RequireAndVerifyClientCert}, newRecorder())
	}
	for name, c := range map[string]interface{ Validate() error }{
		"tls is missing":      uplink.Config{},
		"identify is missing": uplink.Config{TLS: &tls.Config{}},
		"endpoints":           uplink.DialerConfig{Config: good(), Endpoints: []string{"nowhere"}},
		"endpoints is empty":  uplink.DialerConfig{Config: good()},
		"address is missing":  uplink.ListenerConfig{Config: good()},
		"lanes": func() uplink.Config {
			c := good()
			c.Lanes = 65
			return c
		}(),
		"certificates of clients": func() uplink.ListenerConfig {
			c := good()
			c.TLS = &tls.Config{}
			return uplink.ListenerConfig{Config: c, Address: ":0"}
		}(),
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Validate() = %v, want %q", err, name)
		}
	}
}
