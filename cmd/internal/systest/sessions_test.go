package systest_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bondy/core/wamp"
)

// ways are how a session can end.
func ways() map[string]func(*wire) error {
	return map[string]func(*wire) error{
		"goodbye": func(w *wire) error {
			if err := w.send(&wamp.Goodbye{Reason: wamp.CloseRealm}); err != nil {
				return err
			}
			for {
				m, err := w.receive()
				if err != nil {
					return err
				}
				if m.Type() == wamp.TypeGoodbye {
					return w.Close()
				}
			}
		},
		"abort": func(w *wire) error {
			if err := w.send(&wamp.Abort{Reason: "test.enough"}); err != nil {
				return err
			}
			if _, err := w.outcome(); err != nil {
				return err
			}
			return w.Close()
		},
		"cut": func(w *wire) error {
			w.cut()
			return nil
		},
	}
}

// TestSessionsComeAndGo opens and closes a thousand sessions in each way: no
// session, subscription, registration or goroutine is left.
func TestSessionsComeAndGo(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	r := startRig(t, "", "")
	jobs := make(chan func() error)
	var workers sync.WaitGroup
	for range 20 {
		workers.Go(func() {
			for job := range jobs {
				if err := job(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for name, end := range ways() {
		for i := range scaled(1000) {
			k := kinds()[i%6]
			jobs <- func() error {
				if err := r.visit(k, i, end); err != nil {
					return fmt.Errorf("%s, %s: %w", name, k, err)
				}
				return nil
			}
		}
	}
	close(jobs)
	workers.Wait()
	for _, left := range []string{"bondy_sessions", "bondy_subscriptions", "bondy_registrations", "bondy_queue_bytes"} {
		eventually(t, left+" is 0", func() bool { return r.metric(t, left) == 0 })
	}
	for _, addr := range []string{r.web, r.raw} {
		eventually(t, "no connection is open", func() bool {
			return r.metric(t, fmt.Sprintf("bondy_connections{listener=%q}", addr)) == 0
		})
	}
	r.stop()
	goleak.VerifyNone(t, ignore)
}

// visit is one session that subscribes, registers and leaves a call pending.
func (r *rig) visit(k transportKind, i int, end func(*wire) error) error {
	w, err := r.join(k)
	if err != nil {
		return err
	}
	defer w.Close()
	procedure := wamp.URI(fmt.Sprintf("proc.%p", w))
	for _, m := range []wamp.Message{
		&wamp.Subscribe{Request: w.next(), Topic: "common"},
		&wamp.Subscribe{Request: w.next(), Topic: wamp.URI(fmt.Sprintf("own.%d", i)), Options: wamp.Dict{"match": "prefix"}},
		&wamp.Register{Request: w.next(), Procedure: procedure},
		&wamp.Call{Request: w.next(), Procedure: procedure, Options: wamp.Dict{"timeout": 60_000}},
		&wamp.Publish{Request: w.next(), Topic: "common", Options: wamp.Dict{"acknowledge": true}},
	} {
		if err := w.send(m); err != nil {
			return err
		}
	}
	for {
		m, err := w.receive()
		if err != nil {
			return err
		}
		if m.Type() == wamp.TypePublished {
			return end(w)
		}
	}
}

// TestChurn lets sessions do at random what sessions do, all with the same few
// URIs, and end in the midst of it: nothing of them is left.
func TestChurn(t *testing.T) {
	r := startRig(t, "", "")
	var workers sync.WaitGroup
	for i := range 10 {
		workers.Go(func() {
			rnd := mathrand.New(mathrand.NewPCG(uint64(i), 1))
			for range scaled(100) {
				if err := r.churn(kinds()[rnd.IntN(6)], rnd); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	for _, left := range []string{"bondy_sessions", "bondy_subscriptions", "bondy_registrations", "bondy_queue_bytes"} {
		eventually(t, left+" is 0", func() bool { return r.metric(t, left) == 0 })
	}
}

// churn is one session's life.
func (r *rig) churn(k transportKind, rnd *mathrand.Rand) error {
	w, err := r.join(k)
	if err != nil {
		return err
	}
	var answering sync.WaitGroup
	defer answering.Wait()
	defer w.Close()
	answering.Go(func() {
		for {
			m, err := w.receive()
			if err != nil {
				return
			}
			if inv, ok := m.(*wamp.Invocation); ok && inv.Request%3 > 0 { // the third is never answered
				w.send(&wamp.Yield{Request: inv.Request})
			}
		}
	})
	option := func(key string, values ...any) wamp.Dict { return wamp.Dict{key: values[rnd.IntN(len(values))]} }
	for range rnd.IntN(200) {
		uri, id := wamp.URI(fmt.Sprintf("a.%d.%d", rnd.IntN(3), rnd.IntN(3))), w.next()
		m := []wamp.Message{
			&wamp.Subscribe{Request: id, Topic: uri, Options: option("match", "exact", "prefix", "wildcard")},
			&wamp.Register{Request: id, Procedure: uri, Options: option("invoke", "single", "roundrobin", "last")},
			&wamp.Call{Request: id, Procedure: uri, Options: option("timeout", 0, 1, 20)},
			&wamp.Publish{Request: id, Topic: uri, Options: option("acknowledge", true, false)},
			&wamp.Unsubscribe{Request: id, Subscription: id},
		}[rnd.IntN(5)]
		if err := w.send(m); err != nil {
			return err
		}
		if m.Type() == wamp.TypeCall && rnd.IntN(2) == 0 {
			w.send(&wamp.Cancel{Request: id, Options: option("mode", "skip", "kill", "killnowait")})
		}
	}
	if rnd.IntN(2) == 0 {
		w.cut()
	} else {
		w.send(&wamp.Goodbye{Reason: wamp.CloseNormal})
	}
	return nil
}

// TestControlFlood sends PINGs without end and does not read the PONGs: the
// connection is closed.
func TestControlFlood(t *testing.T) {
	t.Parallel()
	for name, ping := range map[string][]byte{
		"websocket": webFrame(0x89, make([]byte, 125)),
		"rawsocket": append([]byte{1, 0, 1, 0}, make([]byte, 256)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRig(t, "", "")
			k := transportKind{name == "websocket", wamp.JSON}
			w := r.mustJoin(t, k, deaf)
			flood := bytes.Repeat(ping, 100)
			var err error
			for err == nil { // the deadline bounds it
				_, err = w.Write(flood)
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("a flood of PINGs goes on and on")
			}
			eventually(t, "the session ends", func() bool { return r.metric(t, "bondy_sessions") == 0 })
		})
	}
}

// TestConnectionLimit opens one connection more than a listener takes: the
// refusal is clear, and there is room again once one has left.
func TestConnectionLimit(t *testing.T) {
	const limit = 20
	r := startRig(t, "", fmt.Sprintf("max_connections = %d\nhandshake_timeout = \"60s\"", limit))
	half := map[string][]net.Conn{}
	for _, addr := range []string{r.web, r.raw} {
		for range limit {
			c, err := dial(addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			half[addr] = append(half[addr], c)
		}
		eventually(t, "all are taken", func() bool {
			return r.metric(t, fmt.Sprintf("bondy_connections{listener=%q}", addr)) == limit
		})
	}
	for _, k := range []transportKind{{false, wamp.JSON}, {true, wamp.JSON}} {
		want := map[bool]string{false: "RawSocket handshake: 7f400000", true: "503 Service Unavailable"}[k.web]
		eventually(t, "all are admitted", func() bool { // one that is open may wait for that, and lose its place
			w, err := r.open(k)
			if err == nil {
				t.Cleanup(func() { w.Close() })
			}
			return err != nil && err.Error() == want
		})
		addr := map[bool]string{false: r.raw, true: r.web}[k.web]
		eventually(t, "no more are there than may be", func() bool {
			return r.metric(t, fmt.Sprintf("bondy_connections{listener=%q}", addr)) == limit
		})
		for range 2 * limit {
			if _, err := r.open(k); err == nil || err.Error() != want {
				t.Fatalf("%s beyond the limit: %v; want %s", k, err, want)
			}
		}
	}
	for addr, conns := range half {
		cut(conns[0])
		eventually(t, "there is room again", func() bool {
			w, err := r.join(transportKind{addr == r.web, wamp.CBOR})
			if err == nil {
				w.Close()
			}
			return err == nil
		})
	}
}

// TestOrigins tries to connect from web pages that may not.
func TestOrigins(t *testing.T) {
	r := startRig(t, "", `origins = ["https://app.example.com"]`)
	for origin, want := range map[string]int{
		"https://evil.example.com":          http.StatusForbidden,
		"null":                              http.StatusForbidden,
		"http://localhost.evil.example.com": http.StatusForbidden,
		"http://127.0.0.1.evil.example.com": http.StatusForbidden,
		"https://app.example.com":           http.StatusSwitchingProtocols,
		"http://app.example.com":            http.StatusForbidden,
		"http://localhost:3000":             http.StatusSwitchingProtocols,
		"http://[::1]:3000":                 http.StatusSwitchingProtocols,
	} {
		c, err := dial(r.web)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, upgradeRequest(r.web, "wamp.2.json", "Origin: "+origin+"\r\n"))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("origin %q: %s, want %d", origin, resp.Status, want)
		}
	}
}

// TestProxyHeader plays with the PROXY protocol from addresses that are listed
// and such that are not.
func TestProxyHeader(t *testing.T) {
	t.Parallel()
	const shake = "\x7f\xf1\x00\x00"
	for _, x := range []struct {
		name, listed, input string
		ok                  bool
	}{
		{"unlisted, header", "10.0.0.0/8", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + shake, false},
		{"unlisted, none", "10.0.0.0/8", shake, true},
		{"listed, header", "127.0.0.0/8", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + shake, true},
		{"listed, unknown", "127.0.0.0/8", "PROXY UNKNOWN\r\n" + shake, true},
		{"listed, none", "127.0.0.0/8", shake, false},
		{"listed, half", "127.0.0.0/8", "PROXY TCP4 192.0.2.1", false},
		{"listed, no end", "127.0.0.0/8", "PROXY TCP4 " + strings.Repeat("1", 1<<16), false},
		{"listed, version 2 of 64 KiB", "127.0.0.0/8", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff" + strings.Repeat("x", 1<<16), false},
		{"listed, version 2 cut", "127.0.0.0/8", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c", false},
		{"listed, twice", "127.0.0.0/8", strings.Repeat("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", 2) + shake, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := startTOML(t, listener("rawsocket", fmt.Sprintf("proxy_protocol = [%q]", x.listed), `handshake_timeout = "500ms"`))
			c, err := dial(r.raw)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, x.input)
			var reply [4]byte
			_, err = io.ReadFull(c, reply[:])
			if ok := err == nil && reply == [4]byte{0x7f, 0xf1}; ok != x.ok || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("reply %x, %v; accepted should be %v", reply, err, x.ok)
			}
		})
	}
}

// TestTLSGarbage sends what is no TLS to listeners with TLS.
func TestTLSGarbage(t *testing.T) {
	t.Parallel()
	cert, key, pool := certificate(t)
	secure := fmt.Sprintf("tls = { cert = %q, key = %q }\nhandshake_timeout = \"500ms\"", cert, key)
	r := startTOML(t, listener("websocket", secure)+listener("rawsocket", secure)+listener("admin"))
	for _, addr := range []string{r.web, r.raw} {
		for _, garbage := range []string{"", "\x7f\xf1\x00\x00", "GET /ws HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff", "\x16\x03\x01\x40\x00" + strings.Repeat("x", 1<<14)} {
			var clients sync.WaitGroup
			for range scaled(100) {
				clients.Go(func() {
					c, err := dial(addr)
					if err != nil {
						t.Error(err)
						return
					}
					defer cut(c)
					io.WriteString(c, garbage)
					if _, err = io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("%q keeps a connection open", garbage[:min(len(garbage), 10)])
					}
				})
			}
			clients.Wait()
		}
		eventually(t, "nothing is left open", func() bool {
			return r.metric(t, fmt.Sprintf("bondy_connections{listener=%q}", addr)) == 0
		})
	}
	d := tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: "localhost"}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp", r.raw)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w := newWire(transportKind{false, wamp.CBOR}, c)
	if err := errors.Join(w.shake(), w.send(hello()), second(expect[*wamp.Welcome](w))); err != nil {
		t.Errorf("an honest client behind the garbage: %v", err)
	}
}

// certificate makes the files of a self-signed certificate for localhost.
func certificate(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := errors.Join(
		os.WriteFile(cert, public, 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(public)
	return cert, key, pool
}
