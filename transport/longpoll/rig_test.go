package longpoll_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bondy/transport/longpoll"
	"bondy/transport/pipe"
	"bondy/transport/web"
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

// rig serves long-poll on a free port and hands the transports out.
type rig struct {
	handler *longpoll.Handler
	base    string // URL
	addr    string
	conns   chan *longpoll.Conn
	client  *http.Client
}

// serve runs a rig until the test ends. Transports are put into conns unless
// cfg has an Accept.
func serve(t *testing.T, cfg longpoll.Config) *rig {
	t.Helper()
	r := &rig{conns: make(chan *longpoll.Conn, 16)}
	if cfg.Accept == nil {
		cfg.Accept = func(c *longpoll.Conn) error { r.conns <- c; return nil }
	}
	var err error
	if r.handler, err = longpoll.New(cfg); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(r.handler)
	server.Listener.Close()
	server.Listener = pipes{ln, pipe.NewShared()}
	server.Config.ConnContext = web.ConnContext
	if strings.HasSuffix(t.Name(), "TLS") {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	r.base, r.addr, r.client = server.URL, ln.Addr().String(), server.Client()
	return r
}

// post sends a request and returns status and body.
func (r *rig) post(t testing.TB, path string, body []byte) (int, []byte) {
	t.Helper()
	resp, err := r.do(t.Context(), http.MethodPost, path, nil, body)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b
}

// try sends a request from any goroutine and returns the status, 0 for none.
func (r *rig) try(ctx context.Context, path string, body []byte) int {
	resp, err := r.do(ctx, http.MethodPost, path, nil, body)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

func (r *rig) do(ctx context.Context, method, path string, header http.Header, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, header)
	return r.client.Do(req)
}

// open makes a transport and returns the path of its requests.
func (r *rig) open(t testing.TB, protocol string) string {
	t.Helper()
	status, body := r.post(t, "/open?x=17", []byte(`{"protocols":["bogus","`+protocol+`"]}`))
	if status != http.StatusOK {
		t.Fatalf("open: HTTP %d %s", status, body)
	}
	return opened(t, protocol, body)
}

func opened(t testing.TB, protocol string, body []byte) string {
	t.Helper()
	var made struct{ Protocol, Transport string }
	if err := json.Unmarshal(body, &made); err != nil || made.Protocol != protocol || len(made.Transport) < 20 {
		t.Fatalf("open: %s, %v", body, err)
	}
	return "/" + made.Transport
}

// protocolOf reads the protocol that an open chose.
func protocolOf(t testing.TB, body []byte) string {
	t.Helper()
	var made struct{ Protocol string }
	if err := json.Unmarshal(body, &made); err != nil {
		t.Fatal(err)
	}
	return made.Protocol
}

// connect opens a transport and returns both ends; the session ends with the
// test.
func (r *rig) connect(t testing.TB, protocol string) (*longpoll.Conn, string) {
	t.Helper()
	path := r.open(t, protocol)
	c := <-r.conns
	t.Cleanup(func() {
		over := make(chan struct{})
		go func() { defer close(over); c.Wait() }()
		r.try(context.Background(), path+"/close", nil)
		<-over
	})
	return c, path
}

// receive expects a receive to succeed.
func (r *rig) receive(t testing.TB, path string) string {
	t.Helper()
	status, body := r.post(t, path+"/receive", nil)
	if status != http.StatusOK {
		t.Fatalf("receive: HTTP %d %s", status, body)
	}
	return string(body)
}

// raw opens a connection of its own and sends a receive by it.
func (r *rig) raw(t testing.TB, path, headers string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(r.base, "https") {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, "POST "+path+"/receive HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"+headers+"\r\n")
	return c
}

// say appends messages and flushes them.
func say(t testing.TB, c *longpoll.Conn, msgs ...string) {
	t.Helper()
	for _, m := range msgs {
		if err := c.Append([]byte(m), nil); err != nil {
			t.Fatal(err)
		}
	}
	c.Flush()
}

// local serves requests without a network, for time in a bubble.
type local struct {
	handler *longpoll.Handler
}

func (l *local) post(ctx context.Context, path string, body []byte) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	l.handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, path, bytes.NewReader(body)))
	return w
}
