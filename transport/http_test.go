package transport_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"bondy/transport"
)

// hasty is a handshake timeout for tests; a request may take three.
const hasty = 50 * time.Millisecond

// request sends a request as it is and returns its connection.
func request(t *testing.T, l *transport.Listener, text string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", l.ListenAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(c, text)
	return c.(*net.TCPConn)
}

func TestRequestsEnd(t *testing.T) {
	mux := http.NewServeMux()
	failed := make(chan error, 1)
	mux.HandleFunc("/body", func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		failed <- err
	})
	mux.HandleFunc("/answer", func(w http.ResponseWriter, _ *http.Request) {
		block := make([]byte, 1<<20)
		for range 64 { // more than the kernel takes
			if _, err := w.Write(block); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	})
	l, _ := start(t, transport.Config{Services: []string{"admin"}, HTTP: mux, HandshakeTimeout: hasty}, nil)
	for name, text := range map[string]string{
		"no body, not read":      "POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n",
		"no body":                "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n",
		"no body, chunked":       "POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
		"the answer is not read": "GET /answer HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := request(t, l, text)
			if name != "no body, not read" {
				if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the handler got %v, want a deadline", err)
				}
			}
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection is left open")
			}
		})
	}
}

// TestHandlerExtendsDeadlines waits longer for an answer than requests may.
func TestHandlerExtendsDeadlines(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/poll", func(w http.ResponseWriter, r *http.Request) {
		rc, end := http.NewResponseController(w), time.Now().Add(10*time.Second)
		if err := errors.Join(rc.SetReadDeadline(end), rc.SetWriteDeadline(end)); err != nil {
			t.Error(err)
		}
		select {
		case <-r.Context().Done():
			t.Error("the request ended early")
		case <-time.After(6 * hasty):
			w.WriteHeader(http.StatusNoContent)
		}
	})
	l, _ := start(t, transport.Config{Services: []string{"longpoll"}, HTTP: mux, HandshakeTimeout: hasty}, nil)
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	hc := &http.Client{Transport: tr}
	for range 2 {
		resp, err := hc.Get("http://" + l.ListenAddr().String() + "/poll")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	if n := l.Stats().Accepted; n != 1 {
		t.Errorf("%d connections for two requests", n)
	}
}

// TestUpgradeLiftsDeadlines keeps a session longer than a request may take.
func TestUpgradeLiftsDeadlines(t *testing.T) {
	l, _ := start(t, transport.Config{Services: []string{"websocket"}, HandshakeTimeout: hasty, PingInterval: -1}, echo)
	d := websocket.Dialer{Subprotocols: []string{"wamp.2.json"}}
	c, resp, err := d.Dial("ws://"+l.ListenAddr().String()+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	defer c.Close()
	<-time.After(6 * hasty)
	c.WriteMessage(websocket.TextMessage, []byte("[1]"))
	if _, b, err := c.ReadMessage(); err != nil || string(b) != "[1]" {
		t.Errorf("echo = %q, %v", b, err)
	}
}
