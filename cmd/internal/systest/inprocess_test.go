package systest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bondy/cmd/internal/config"
	composition "bondy/cmd/internal/node"
	"bondy/core/codec"
	"bondy/core/wamp"
)

// patience bounds every wait of a test for the node.
const patience = time.Minute

// rig is a node in this process with its bound addresses.
type rig struct {
	web, raw, admin string
	log             *logBuffer
	stop            func() // stops the node and waits for it; may be repeated
}

// startRig runs a node with a listener of each kind. limits and more are lines
// for the [limits] section and for the two listeners of clients.
func startRig(t *testing.T, limits, more string) *rig {
	t.Helper()
	return startTOML(t, listener("websocket", `ping_interval = "0s"`, more)+listener("rawsocket", more)+listener("admin")+
		"[limits]\n"+limits)
}

// startTOML runs a node; the addresses of the rig are those of its last
// listener of each kind.
func startTOML(t *testing.T, toml string) *rig {
	t.Helper()
	return startIn(t, t.TempDir(), toml, nil)
}

// startIn runs a node whose files are in dir. secret, unless it is nil, is given
// the administrator's by the first start there.
func startIn(t *testing.T, dir, toml string, secret func(user, password string) error) *rig {
	t.Helper()
	return startWith(t, dir, toml, composition.Options{Secret: secret})
}

// startWith is startIn with options of the node.
func startWith(t *testing.T, dir, toml string, opts composition.Options) *rig {
	t.Helper()
	cfg, err := config.Parse([]byte(toml), filepath.Join(dir, "bondy.toml"))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{log: &logBuffer{}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	opts.Version, opts.Log, opts.Level = "test", slog.New(slog.NewTextHandler(r.log, nil)), new(slog.LevelVar)
	n, err := composition.New(ctx, cfg, opts)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`address=(\S+) services=(\S+)`).FindAllStringSubmatch(r.log.String(), -1) {
		switch m[2] {
		case "websocket":
			r.web = m[1]
		case "rawsocket":
			r.raw = m[1]
		case "admin":
			r.admin = m[1]
		}
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := n.Run(ctx); err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	r.stop = func() { cancel(); running.Wait() }
	t.Cleanup(r.stop)
	return r
}

// metric scrapes one figure, with its labels as they are printed.
func (r *rig) metric(t *testing.T, name string) float64 {
	t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + r.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !cond(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// logBuffer keeps what a node logs.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// transportKind is how a wire reaches the node, and in which serializer.
type transportKind struct {
	web        bool
	serializer wamp.Serializer
}

func (k transportKind) String() string {
	if k.web {
		return "websocket/" + k.serializer.String()
	}
	return "rawsocket/" + k.serializer.String()
}

// kinds are all combinations of transport and serializer.
func kinds() []transportKind {
	var all []transportKind
	for _, web := range []bool{false, true} {
		for _, s := range []wamp.Serializer{wamp.JSON, wamp.MessagePack, wamp.CBOR} {
			all = append(all, transportKind{web, s})
		}
	}
	return all
}

// wire is a client that sends exactly what it is told to.
type wire struct {
	transportKind
	net.Conn

	r       *bufio.Reader
	request wamp.ID
}

func newWire(k transportKind, c net.Conn) *wire {
	return &wire{transportKind: k, Conn: c, r: bufio.NewReaderSize(c, 512)}
}

// dialOption changes how a connection is made.
type dialOption = func(*net.Dialer)

// dial opens a TCP connection on which nothing was said.
func dial(addr string, options ...dialOption) (net.Conn, error) {
	d := net.Dialer{Timeout: patience}
	for _, o := range options {
		o(&d)
	}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Now().Add(patience))
}

// open dials and does the handshake of the transport.
func (r *rig) open(k transportKind, options ...dialOption) (*wire, error) {
	addr := r.raw
	if k.web {
		addr = r.web
	}
	c, err := dial(addr, options...)
	if err != nil {
		return nil, err
	}
	w := newWire(k, c)
	if err := w.shake(); err != nil {
		c.Close()
		return nil, err
	}
	return w, nil
}

func (w *wire) shake() error {
	if !w.web {
		w.Write([]byte{0x7f, 0xf0 | byte(w.serializer), 0, 0})
		var reply [4]byte
		_, err := io.ReadFull(w.r, reply[:])
		if err == nil && reply[1]&15 != byte(w.serializer) {
			err = fmt.Errorf("RawSocket handshake: %x", reply)
		}
		return err
	}
	io.WriteString(w, upgradeRequest(w.RemoteAddr().String(), "wamp.2."+w.serializer.String()))
	resp, err := http.ReadResponse(w.r, nil)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return errors.New(resp.Status)
	}
	return nil
}

func upgradeRequest(host, protocol string, headers ...string) string {
	return "GET /ws HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Sec-WebSocket-Protocol: " + protocol + "\r\n" + strings.Join(headers, "") + "\r\n"
}

// frame is one message in the transport's framing.
func (w *wire) frame(msg []byte) []byte {
	if !w.web {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(msg))), msg...)
	}
	op := byte(0x82)
	if w.serializer == wamp.JSON {
		op = 0x81
	}
	return webFrame(op, msg)
}

// webFrame is a client's WebSocket frame with a mask of zeros.
func webFrame(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// encode is one message in the wire's serializer and framing.
func (w *wire) encode(m wamp.Message) []byte {
	return w.frame(encoded(w.serializer, m))
}

// encoded is one message without framing.
func encoded(s wamp.Serializer, m wamp.Message) []byte {
	b, err := codec.Append(nil, s, m)
	if err != nil {
		panic(err) // a mistake of the test
	}
	return b
}

// send sends one message.
func (w *wire) send(m wamp.Message) error {
	_, err := w.Write(w.encode(m))
	return err
}

// next is the next request id.
func (w *wire) next() wamp.ID {
	w.request++
	return w.request
}

// closedError is the end of a connection: the code of a CLOSE frame, or 0.
type closedError struct{ code int }

func (e closedError) Error() string { return fmt.Sprintf("closed %d", e.code) }

// recv returns the next message's bytes.
func (w *wire) recv() ([]byte, error) {
	for {
		op, b, err := w.recvFrame()
		switch {
		case errors.Is(err, io.EOF):
			return nil, closedError{}
		case err != nil:
			return nil, err
		case w.web && op == 8 && len(b) >= 2:
			return nil, closedError{int(binary.BigEndian.Uint16(b))}
		case w.web && op < 3 || !w.web && op == 0:
			return b, nil
		}
	}
}

func (w *wire) recvFrame() (op byte, b []byte, err error) {
	var head [8]byte
	n := 0
	switch {
	case !w.web:
		if _, err = io.ReadFull(w.r, head[:4]); err != nil {
			return 0, nil, err
		}
		op, n = head[0]&7, int(binary.BigEndian.Uint32(head[:])&0xffffff)
	default:
		if _, err = io.ReadFull(w.r, head[:2]); err != nil {
			return 0, nil, err
		}
		op, n = head[0]&15, int(head[1])
		if size := map[int]int{126: 2, 127: 8}[n]; size > 0 {
			clear(head[:])
			if _, err = io.ReadFull(w.r, head[8-size:]); err != nil {
				return 0, nil, err
			}
			n = int(binary.BigEndian.Uint64(head[:]))
		}
	}
	b = make([]byte, n)
	_, err = io.ReadFull(w.r, b)
	return op, b, err
}

// receive returns the next message.
func (w *wire) receive() (wamp.Message, error) {
	b, err := w.recv()
	if err != nil {
		return nil, err
	}
	return codec.NewDecoder(w.serializer, codec.Limits{}).Decode(b)
}

// expect returns the next message, which must be of type M.
func expect[M wamp.Message](w *wire) (M, error) {
	m, err := w.receive()
	got, ok := m.(M)
	if err == nil && !ok {
		err = fmt.Errorf("got %s %+v, want %T", m.Type(), m, got)
	}
	return got, err
}

// hello announces every role.
func hello() *wamp.Hello {
	return &wamp.Hello{Realm: "realm1", Details: wamp.Dict{"roles": map[string]any{
		"publisher": map[string]any{}, "subscriber": map[string]any{}, "caller": map[string]any{}, "callee": map[string]any{},
	}}}
}

// join opens a connection and a session on it.
func (r *rig) join(k transportKind, options ...dialOption) (*wire, error) {
	w, err := r.open(k, options...)
	if err != nil {
		return nil, err
	}
	if err = w.send(hello()); err == nil {
		_, err = expect[*wamp.Welcome](w)
	}
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("join: %w", err)
	}
	return w, nil
}

// mustJoin is join for the test's own goroutine; the connection ends with it.
func (r *rig) mustJoin(t *testing.T, k transportKind, options ...dialOption) *wire {
	t.Helper()
	w, err := r.join(k, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// cut closes with a reset, which leaves no port in TIME_WAIT.
func (w *wire) cut() { cut(w.Conn) }

func cut(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

// blob is a payload of one string of n bytes, up to 64 KiB.
func blob(s wamp.Serializer, n int) wamp.Payload {
	p := wamp.Payload{Serializer: s}
	switch s {
	case wamp.JSON:
		p.Args = []byte(`["` + strings.Repeat("x", n) + `"]`)
	case wamp.MessagePack:
		p.Args = append([]byte{0x91, 0xda, byte(n >> 8), byte(n)}, bytes.Repeat([]byte{'x'}, n)...)
	case wamp.CBOR:
		p.Args = append([]byte{0x81, 0x79, byte(n >> 8), byte(n)}, bytes.Repeat([]byte{'x'}, n)...)
	}
	return p
}

// scaled is how often to do something n times: less often under the race
// detector and in short tests.
func scaled(n int) int {
	switch {
	case testing.Short():
		return max(1, n/50)
	case raceDetector:
		return max(1, n/10)
	default:
		return n
	}
}
