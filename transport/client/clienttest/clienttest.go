// Package clienttest plays the router for tests of WAMP clients: a test scripts
// message by message what the router reads and writes, over WebSocket,
// RawSocket or a pipe. It routes nothing.
package clienttest

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"bondy/core/codec"
	"bondy/core/wamp"
)

// Router accepts connections and plays the script on each, until the test
// ends.
type Router struct {
	// WebSocket, RawSocket and Unix are the URLs to dial.
	WebSocket, RawSocket, Unix string

	t      testing.TB
	script func(*Peer)
	group  sync.WaitGroup
	mu     sync.Mutex
	conns  map[io.Closer]struct{} // where a script plays
}

// Start starts a router; config is for TLS on all of its listeners but the
// unix one, nil for none.
func Start(t testing.TB, config *tls.Config, script func(*Peer)) *Router {
	t.Helper()
	r := &Router{t: t, script: script, conns: make(map[io.Closer]struct{})}
	t.Cleanup(r.finish) // after the listeners have closed
	web := httptest.NewUnstartedServer(http.HandlerFunc(r.upgrade))
	r.WebSocket = "ws://" + web.Listener.Addr().String() + "/ws"
	r.RawSocket = "tcp://" + r.listen("tcp", "127.0.0.1:0", config)
	r.Unix = "unix:" + r.listen("unix", filepath.Join(t.TempDir(), "r.sock"), nil)
	if config == nil {
		web.Start()
	} else {
		web.TLS = config.Clone()
		web.StartTLS()
		r.WebSocket = "wss" + strings.TrimPrefix(r.WebSocket, "ws")
		r.RawSocket = "tls" + strings.TrimPrefix(r.RawSocket, "tcp")
	}
	t.Cleanup(web.Close)
	return r
}

// Pipe is a Dial function for a RawSocket client whose other end plays the
// script, without sockets.
func Pipe(t testing.TB, script func(*Peer)) func(context.Context, string, string) (net.Conn, error) {
	t.Helper()
	r := &Router{t: t, script: script, conns: make(map[io.Closer]struct{})}
	t.Cleanup(r.finish)
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		r.group.Go(func() { r.raw(server) })
		return client, nil
	}
}

func (r *Router) listen(network, address string, config *tls.Config) string {
	l, err := new(net.ListenConfig).Listen(r.t.Context(), network, address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = l.Close() })
	actual := l.Addr().String()
	if config != nil {
		l = tls.NewListener(l, config)
	}
	r.group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.group.Go(func() { r.raw(c) })
		}
	})
	return actual
}

func (r *Router) upgrade(w http.ResponseWriter, req *http.Request) {
	u := websocket.Upgrader{Subprotocols: []string{"wamp.2.json", "wamp.2.msgpack", "wamp.2.cbor"}}
	c, err := u.Upgrade(w, req, nil)
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	s, ok := wamp.ParseSerializer(strings.TrimPrefix(c.Subprotocol(), "wamp.2."))
	if !ok {
		return
	}
	r.group.Add(1) // the server does not wait for connections taken from it
	defer r.group.Done()
	r.play(&Peer{ws: c}, c, s)
}

func (r *Router) raw(c net.Conn) {
	defer func() { _ = c.Close() }()
	p := &Peer{conn: c, r: bufio.NewReader(c)}
	var head [4]byte
	if _, err := io.ReadFull(p.r, head[:]); err != nil || head[0] != 0x7f {
		return
	}
	if _, err := c.Write([]byte{0x7f, 0xf0 | head[1]&0x0f, 0, 0}); err != nil {
		return
	}
	r.play(p, c, wamp.Serializer(head[1]&0x0f))
}

func (r *Router) play(p *Peer, c io.Closer, s wamp.Serializer) {
	r.keep(c)
	defer r.drop(c)
	p.t, p.Serializer, p.dec = r.t, s, codec.NewDecoder(s, codec.Limits{})
	r.script(p)
}

func (r *Router) keep(c io.Closer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[c] = struct{}{}
}

func (r *Router) drop(c io.Closer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}

// finish waits for the scripts, which end with their clients.
func (r *Router) finish() {
	late := time.AfterFunc(5*time.Second, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for c := range r.conns {
			r.t.Error("a client is still connected")
			_ = c.Close()
		}
	})
	defer late.Stop()
	r.group.Wait()
}

// Peer is the router's end of one connection, for the goroutine of the script.
type Peer struct {
	// Serializer that the client chose.
	Serializer wamp.Serializer

	t    testing.TB
	dec  *codec.Decoder
	ws   *websocket.Conn
	conn net.Conn
	r    *bufio.Reader
	pong []byte
}

// Recv reads the next message, valid until the next Recv; nil when the
// connection has ended.
func (p *Peer) Recv() wamp.Message {
	data, err := p.read()
	if err != nil {
		return nil
	}
	m, err := p.dec.Decode(data)
	if err != nil {
		p.fail("client sent %q: %v", data, err)
	}
	return m
}

// Expect reads the next message and demands its type.
func Expect[M wamp.Message](p *Peer) M {
	m := p.Recv()
	want, ok := m.(M)
	if !ok {
		p.fail("got %T from the client, want %T", m, want)
	}
	return want
}

// Send writes a message. It does nothing when the client has gone.
func (p *Peer) Send(m wamp.Message) {
	data, err := codec.Append(nil, p.Serializer, m)
	if err != nil {
		p.fail("encode %T: %v", m, err)
	}
	p.SendRaw(data)
}

// SendRaw writes a frame with these bytes.
func (p *Peer) SendRaw(data []byte) {
	if p.ws == nil {
		p.frame(0, data)
		return
	}
	kind := websocket.TextMessage
	if p.Serializer.Binary() {
		kind = websocket.BinaryMessage
	}
	_ = p.ws.WriteMessage(kind, data)
}

// Ping sends a ping; the payload of its pong is in Pong once the next message
// has been read.
func (p *Peer) Ping(data []byte) {
	if p.ws == nil {
		p.frame(1, data)
		return
	}
	p.ws.SetPongHandler(func(s string) error {
		p.pong = []byte(s)
		return nil
	})
	_ = p.ws.WriteMessage(websocket.PingMessage, data)
}

// Pong is the payload of the last pong.
func (p *Peer) Pong() []byte { return p.pong }

// Welcome reads HELLO and accepts it; it returns the details of HELLO.
func (p *Peer) Welcome() wamp.Dict {
	hello := Expect[*wamp.Hello](p)
	p.Send(&wamp.Welcome{Session: 7, Details: wamp.Dict{"realm": string(hello.Realm)}})
	return hello.Details
}

// Goodbye reads GOODBYE and answers it.
func (p *Peer) Goodbye() {
	Expect[*wamp.Goodbye](p)
	p.Send(&wamp.Goodbye{Reason: wamp.CloseGoodbyeAndOut})
}

// Payload encodes arguments for this client.
func (p *Peer) Payload(args []any, kwargs map[string]any) wamp.Payload {
	payload, err := codec.NewPayload(p.Serializer, args, kwargs)
	if err != nil {
		p.fail("encode payload: %v", err)
	}
	return payload
}

// Args decodes the arguments of a payload.
func (p *Peer) Args(payload wamp.Payload) []any {
	args, err := codec.DecodeArgs(payload)
	if err != nil {
		p.fail("decode arguments: %v", err)
	}
	return args
}

// Logf logs to the test.
func (p *Peer) Logf(format string, args ...any) { p.t.Logf(format, args...) }

// Errorf fails the test and goes on.
func (p *Peer) Errorf(format string, args ...any) { p.t.Errorf(format, args...) }

// fail fails the test and ends the script.
func (p *Peer) fail(format string, args ...any) {
	p.t.Errorf(format, args...)
	runtime.Goexit()
}

func (p *Peer) read() ([]byte, error) {
	if p.ws != nil {
		_, data, err := p.ws.ReadMessage()
		return data, err
	}
	for {
		var head [4]byte
		if _, err := io.ReadFull(p.r, head[:]); err != nil {
			return nil, err
		}
		data := make([]byte, binary.BigEndian.Uint32(head[:])&0xffffff)
		if _, err := io.ReadFull(p.r, data); err != nil {
			return nil, err
		}
		switch head[0] {
		case 0:
			return data, nil
		case 1:
			p.frame(2, data)
		case 2:
			p.pong = data
		default:
			return nil, errors.New("frame of unknown type")
		}
	}
}

func (p *Peer) frame(kind byte, data []byte) {
	b := make([]byte, 4, 4+len(data))
	binary.BigEndian.PutUint32(b, uint32(len(data))) //nolint:gosec // tests send less than 16 MiB
	b[0] = kind
	_, _ = p.conn.Write(append(b, data...))
}
