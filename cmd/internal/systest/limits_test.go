package systest_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"bondy/core/wamp"
)

// TestControlFloodTLS sends PINGs without end over TLS and reads no PONG.
func TestControlFloodTLS(t *testing.T) {
	t.Parallel()
	cert, key, pool := certificate(t)
	r := startTOML(t, listener("rawsocket", fmt.Sprintf("tls = { cert = %q, key = %q }", cert, key)))
	c, err := dial(r.raw)
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(transportKind{false, wamp.JSON}, tls.Client(c, &tls.Config{RootCAs: pool, ServerName: "localhost"}))
	defer w.Close()
	if err := errors.Join(w.shake(), w.send(hello()), second(expect[*wamp.Welcome](w))); err != nil {
		t.Fatal(err)
	}
	flood := append([]byte{1, 0, 0xff, 0xff}, make([]byte, 1<<16-1)...)
	for i := 0; err == nil && i < 1000; i++ { // 64 MB
		_, err = w.Write(flood)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the node neither reads nor ends the connection")
	}
	// What was sent after the end was still taken off the wire, for a moment.
	n, err := io.Copy(io.Discard, w.Conn)
	if n > 16<<20 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %d bytes of PONGs that nobody read, %v", n, err)
	}
}

// TestLimitsBeforeWelcome keeps what a client can grow before it has joined small.
func TestLimitsBeforeWelcome(t *testing.T) {
	for _, x := range []struct {
		name  string
		kind  transportKind
		input []byte
	}{
		{"half HELLO", transportKind{false, wamp.JSON}, append([]byte{0, 0xff, 0xff, 0xff}, make([]byte, 1<<24-1000)...)},
		{"PING", transportKind{false, wamp.JSON}, append([]byte{1, 0xff, 0xff, 0xff}, make([]byte, 1<<24-1)...)},
		{"half frame", transportKind{true, wamp.CBOR}, webFrame(0x82, make([]byte, 1<<24))[:1<<24-1000]},
		{"half fragmented message", transportKind{true, wamp.CBOR}, webFrame(0x02, make([]byte, 1<<24-1000))},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := startRig(t, "", "")
			before := memory(t)
			for range 10 {
				w, err := r.open(x.kind, deaf)
				if err != nil {
					t.Fatal(err)
				}
				defer w.cut()
				w.Write(x.input) // is refused on the way
			}
			after := memory(t)
			if grown := after[0] - before[0]; grown > 16<<20 {
				t.Errorf("%d MiB are held", grown>>20)
			}
		})
	}
}

// TestLimitsOfRequests announces a request's body and never sends it, and asks
// without reading the answers.
func TestLimitsOfRequests(t *testing.T) {
	t.Parallel()
	const soon = `handshake_timeout = "500ms"`
	r := startTOML(t, listener("websocket", soon)+listener("admin", soon))
	for _, head := range []string{"Content-Length: 100", "Transfer-Encoding: chunked"} {
		c, err := dial(r.web)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\n"+head+"\r\n\r\n")
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection is open after ten handshake timeouts", head)
		}
	}
	c, err := dial(r.admin, deaf)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for err == nil { // until the kernel takes no more, and then until the node closes
		_, err = io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("who reads no answers is never closed")
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + r.admin + "/ping")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}
