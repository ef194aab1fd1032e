package systest_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bondy/core/wamp"
)

// attack is one kind of hostile input on a connection of its own, and how the
// node must end that connection.
type attack struct {
	name  string
	begin func(*rig) (*wire, error) // nil dials without a handshake
	web   bool                      // where begin is nil
	// input is sent at once, or byte by byte.
	input   []byte
	trickle bool
	half    bool   // then the client says that nothing follows
	want    string // any end will do if empty: bytes that come too late reset
}

const (
	violation = "abort wamp.error.protocol_violation"
	timedOut  = "abort wamp.error.timeout"
	closed    = "closed 0" // without a word
)

// messages are attacks in single messages, which every transport frames.
func messages(k transportKind) []attack {
	enc := func(m wamp.Message) []byte { return encoded(k.serializer, m) }
	subscribe := func(id wamp.ID) []byte { return enc(&wamp.Subscribe{Request: id, Topic: "a.b"}) }
	fresh := map[string][]byte{
		"unknown message type": {0x91, 0x4d},
		"deep nesting":         append([]byte("\x94\x10\x01\x80\xa1a"), bytes.Repeat([]byte{0x91}, 10_000)...),
		"early request":        enc(&wamp.Call{Request: 1, Procedure: "a.b"}),
		"list of 2^31":         {0xdd, 0x80, 0, 0, 0},
		"string of 2^31":       {0x92, 0x01, 0xdb, 0x80, 0, 0, 0, 'a'},
		"binary of 2^31":       {0x94, 0x10, 0x01, 0x80, 0xc6, 0x80, 0, 0, 0, 'a'},
		"dict of 2^31":         {0x93, 0x01, 0xa1, 'a', 0xdf, 0x80, 0, 0, 0},
		"invalid UTF-8":        {0x93, 0x01, 0xa2, 0xc3, 0x28, 0x80},
		"empty message":        {},
	}
	switch k.serializer {
	case wamp.JSON:
		fresh = map[string][]byte{
			"unknown message type": []byte("[77]"),
			"deep nesting":         append([]byte(`[16,1,{},"a",`), bytes.Repeat([]byte{'['}, 10_000)...),
			"deep dicts":           append([]byte(`[1,"realm1",`), bytes.Repeat([]byte(`{"a":`), 10_000)...),
			"early request":        fresh["early request"],
			"garbage":              []byte("GET / HTTP/1.0\r\n\r\n"),
			"half message":         []byte(`[1,"realm1",{"roles":`),
			"lone surrogate":       []byte(`[1,"\ud800",{}]`),
			"empty message":        {},
		}
		if !k.web { // on WebSocket the transport speaks first
			fresh["invalid UTF-8"] = []byte("[1,\"\xc3\x28\",{}]")
		}
	case wamp.MessagePack:
	case wamp.CBOR:
		fresh = map[string][]byte{
			"unknown message type": {0x81, 0x18, 0x4d},
			"deep nesting":         append([]byte("\x84\x10\x01\xa0\x61a"), bytes.Repeat([]byte{0x81}, 10_000)...),
			"deep tags":            bytes.Repeat([]byte{0xc1}, 10_000),
			"endless lists":        bytes.Repeat([]byte{0x9f}, 10_000),
			"early request":        fresh["early request"],
			"list of 2^31":         {0x9a, 0x80, 0, 0, 0},
			"list of 2^64":         {0x9b, 255, 255, 255, 255, 255, 255, 255, 255},
			"string of 2^31":       {0x82, 0x01, 0x7a, 0x80, 0, 0, 0, 'a'},
			"binary of 2^63":       {0x82, 0x01, 0x5b, 0x80, 0, 0, 0, 0, 0, 0, 0, 'a'},
			"invalid UTF-8":        {0x83, 0x01, 0x62, 0xc3, 0x28, 0xa0},
			"empty message":        {},
		}
	}
	joined := map[string][]byte{
		"HELLO again":         enc(hello()),
		"message of a router": enc(&wamp.Event{Subscription: 1, Publication: 1}),
		"request id 2^53":     subscribe(wamp.MaxID),
		"request id again":    subscribe(1),
		"answer to nothing":   enc(&wamp.Yield{Request: wamp.MaxID}),
	}
	var all []attack
	for name, b := range fresh {
		all = append(all, k.attack(name, func(r *rig) (*wire, error) { return r.open(k) }, b))
	}
	for name, b := range joined {
		all = append(all, k.attack(name, func(r *rig) (*wire, error) { return r.used(k) }, b))
	}
	return all
}

func (k transportKind) attack(name string, begin func(*rig) (*wire, error), msg []byte) attack {
	return attack{
		name: k.String() + "/" + name, begin: begin, want: violation,
		input: (&wire{transportKind: k}).frame(msg),
	}
}

// used joins and makes a request, so that 2 is the next request id.
func (r *rig) used(k transportKind) (*wire, error) {
	w, err := r.join(k)
	if err != nil {
		return nil, err
	}
	if err = w.send(&wamp.Subscribe{Request: w.next(), Topic: "used"}); err == nil {
		_, err = expect[*wamp.Subscribed](w)
	}
	return w, err
}

// framings are attacks on the transports themselves.
func framings() []attack {
	var (
		raw    = func(r *rig) (*wire, error) { return r.open(transportKind{false, wamp.MessagePack}) }
		text   = func(r *rig) (*wire, error) { return r.open(transportKind{true, wamp.JSON}) }
		joined = func(r *rig) (*wire, error) { return r.join(transportKind{true, wamp.CBOR}) }
		large  = func(n uint64) []byte {
			return append(binary.BigEndian.AppendUint64([]byte{0x81, 0xff}, n), 0, 0, 0, 0)
		}
	)
	return []attack{
		{name: "raw/garbage handshake", input: []byte("GET / HTTP/1.1\r\n\r\n"), want: closed},
		{name: "raw/half handshake", input: []byte{0x7f, 0xf1}, half: true, want: closed},
		{name: "raw/reserved type", begin: raw, input: []byte{7, 0, 0, 1, 0}, want: violation},
		{name: "raw/reserved bits", begin: raw, input: []byte{0xff, 0xff, 0xff, 0xff}, want: violation},
		{name: "raw/length 2^24-1", begin: raw, input: []byte{0, 0xff, 0xff, 0xff}, want: violation},
		{name: "raw/length 2^24", begin: raw, input: []byte{8, 0, 0, 0}, want: violation},
		{name: "raw/half frame", begin: raw, input: []byte{0, 0, 4, 0, 1, 2, 3}, half: true, want: closed},
		{name: "raw/half prefix", begin: raw, input: []byte{0, 0}, half: true, want: closed},

		{name: "web/garbage request", web: true, input: []byte("\x7f\xf1\x00\x00\r\n\r\n"), want: "HTTP 400"},
		{name: "web/half request", web: true, input: []byte("GET /ws HTTP/1.1\r\nHo"), half: true, want: "HTTP 400"},
		{name: "web/header of 1 MiB", web: true, input: []byte("GET /ws HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 1<<20)), want: "HTTP 431"},
		{name: "web/no mask", begin: text, input: []byte{0x81, 1, 'a'}, want: "closed 1002"},
		{name: "web/compressed", begin: text, input: webFrame(0xc1, []byte("a")), want: "closed 1002"},
		{name: "web/reserved opcode", begin: text, input: webFrame(0x83, []byte("a")), want: "closed 1002"},
		{name: "web/long PING", begin: text, input: webFrame(0x89, make([]byte, 126)), want: "closed 1002"},
		{name: "web/fragmented PING", begin: text, input: webFrame(0x09, nil), want: "closed 1002"},
		{name: "web/continuation of nothing", begin: text, input: webFrame(0x80, nil), want: "closed 1002"},
		{name: "web/malformed CLOSE", begin: text, input: webFrame(0x88, []byte{3, 0xed}), want: "closed 1002"},
		{name: "web/binary in JSON", begin: text, input: webFrame(0x82, []byte("[]")), want: "closed 1003"},
		{name: "web/text in CBOR", begin: joined, input: webFrame(0x81, []byte("[]")), want: "closed 1003"},
		{name: "web/invalid UTF-8", begin: text, input: webFrame(0x81, []byte{0xc3, 0x28}), want: "closed 1007"},
		{name: "web/length 2^31", begin: text, input: large(1 << 31), want: "closed 1009"},
		{name: "web/length 2^63", begin: text, input: large(1 << 63), want: "closed 1009"},
		{name: "web/length 2^64-1", begin: joined, input: append([]byte{0x82}, large(1<<64 - 1)[1:]...), want: "closed 1009"},
		{name: "web/half frame", begin: text, input: large(100), half: true, want: "closed 1002"},
	}
}

// slow are attacks that only time can end.
func slow() []attack {
	var all []attack
	for _, k := range kinds() {
		all = append(all, attack{
			name: k.String() + "/HELLO in single bytes", begin: func(r *rig) (*wire, error) { return r.open(k) },
			input: (&wire{transportKind: k}).encode(hello()), trickle: true, want: timedOut,
		})
	}
	return append(all,
		attack{name: "raw/handshake in single bytes", input: []byte{0x7f, 0xf1}, trickle: true, want: closed},
		attack{name: "raw/no handshake", want: closed},
		attack{name: "web/request in single bytes", web: true, input: []byte(upgradeRequest("a", "wamp.2.json")), trickle: true},
		attack{name: "web/no request", web: true, want: closed},
	)
}

// run makes the attack once and returns how the node ended it.
func (a attack) run(r *rig) (string, error) {
	w, err := a.start(r)
	if err != nil {
		return "", err
	}
	defer w.cut()
	var sending sync.WaitGroup
	defer sending.Wait()
	ended := make(chan struct{})
	defer close(ended)
	sending.Go(func() { a.send(w, ended) })
	if a.begin == nil && a.web {
		return httpOutcome(w)
	}
	return w.outcome()
}

func (a attack) start(r *rig) (*wire, error) {
	if a.begin != nil {
		return a.begin(r)
	}
	addr := r.raw
	if a.web {
		addr = r.web
	}
	c, err := dial(addr)
	if err != nil {
		return nil, err
	}
	return newWire(transportKind{}, c), nil
}

// send ignores errors: the node may have closed already.
func (a attack) send(w *wire, ended <-chan struct{}) {
	if !a.trickle {
		w.Write(a.input)
		if tcp, ok := w.Conn.(*net.TCPConn); ok && a.half {
			tcp.CloseWrite()
		}
		return
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := range a.input {
		w.Write(a.input[i : i+1])
		select {
		case <-tick.C:
		case <-ended:
			return
		}
	}
}

// outcome reads to the end of the connection: the reason of the ABORT, or the
// code of the CLOSE frame. After either the connection must be closed.
func (w *wire) outcome() (string, error) {
	found := ""
	for {
		m, err := w.receive()
		if end, ok := errors.AsType[closedError](err); ok {
			if !strings.HasPrefix(found, "abort") && !strings.HasPrefix(found, "closed") {
				found = end.Error()
			}
			if end.code == 0 {
				return found, nil
			}
			continue
		}
		if err != nil {
			return found, err
		}
		switch m := m.(type) {
		case *wamp.Abort:
			found = "abort " + string(m.Reason)
		case *wamp.Welcome:
			found = "welcome"
		}
	}
}

// httpOutcome reads an HTTP answer to the end of the connection.
func httpOutcome(w *wire) (string, error) {
	b, err := io.ReadAll(w.r)
	if err != nil && len(b) == 0 { // a reset may follow an answer
		return "", err
	}
	if code, ok := strings.CutPrefix(string(b), "HTTP/1.1 "); ok {
		return "HTTP " + code[:3], nil
	}
	return closed, nil
}

// attackAll makes the attack n times, a few at a time.
func attackAll(t *testing.T, r *rig, a attack, n, atOnce int) {
	t.Helper()
	jobs := make(chan struct{}, n)
	for range n {
		jobs <- struct{}{}
	}
	close(jobs)
	var workers sync.WaitGroup
	for range min(n, atOnce) {
		workers.Go(func() {
			for range jobs {
				if got, err := a.run(r); !a.ended(got, err) {
					t.Errorf("%s: ended with %q, %v; want %q", a.name, got, err, a.want)
					return
				}
			}
		})
	}
	workers.Wait()
}

// ended reports whether the connection ended as it must.
func (a attack) ended(got string, err error) bool {
	if a.want == "" {
		return !errors.Is(err, os.ErrDeadlineExceeded)
	}
	return err == nil && got == a.want
}

// TestHostileInput sends each kind of bad input hundreds of times: the node
// ends that connection with the right reason, a bystander notices nothing, and
// no memory is left behind.
func TestHostileInput(t *testing.T) {
	var all []attack
	for _, k := range kinds() {
		all = append(all, messages(k)...)
	}
	for _, x := range []struct {
		name    string
		attacks []attack
		times   int
	}{
		{"messages", all, 100}, // of each on two transports
		{"framings", framings(), 200},
		{"slow", slow(), 200},
	} {
		t.Run(x.name, func(t *testing.T) {
			timeout, atOnce := "10s", 50
			if x.name == "slow" {
				timeout, atOnce = "1s", 100
			}
			r := startRig(t, fmt.Sprintf("hello_timeout = %q", timeout), fmt.Sprintf("handshake_timeout = %q\nmax_message_size = \"1MiB\"", timeout))
			assault := func(n int) {
				var running sync.WaitGroup
				for _, a := range x.attacks {
					if x.name == "slow" { // all wait, so all can wait together
						running.Go(func() { attackAll(t, r, a, n, atOnce) })
					} else {
						attackAll(t, r, a, n, atOnce)
					}
				}
				running.Wait()
			}
			check := r.bystander(t)
			assault(scaled(atOnce)) // fills the pools
			before := memory(t)
			assault(scaled(x.times))
			settle(t, "hostile input", before, 8<<20)
			check()
		})
	}
}

// TestHugeHello says HELLO with a million values in its details, far above what
// a client may say before it has joined.
func TestHugeHello(t *testing.T) {
	r := startRig(t, "", "")
	check := r.bystander(t)
	k := transportKind{true, wamp.MessagePack}
	msg := bytes.TrimSuffix(encoded(k.serializer, &wamp.Hello{Realm: "realm1"}), []byte{0x80})
	msg = append(msg, 0x81, 0xa1, 'x', 0xdd, 0x00, 0x0f, 0x42, 0x40) // {"x": [1,000,000 values]}
	a := k.attack("huge HELLO", func(r *rig) (*wire, error) { return r.open(k) }, append(msg, make([]byte, 1_000_000)...))
	a.want = "closed 1009"
	attackAll(t, r, a, 2, 2)
	before := memory(t)
	attackAll(t, r, a, 10, 2)
	settle(t, "huge HELLOs", before, 8<<20)
	check()
}

// bystander is a pair of sessions that exchange events and calls all the while.
// The returned function stops them and fails the test if anything went wrong.
func (r *rig) bystander(t *testing.T) (check func()) {
	t.Helper()
	a, b := r.mustJoin(t, transportKind{false, wamp.MessagePack}), r.mustJoin(t, transportKind{true, wamp.JSON})
	if err := errors.Join(
		a.send(&wamp.Subscribe{Request: a.next(), Topic: "bystander"}), second(expect[*wamp.Subscribed](a)),
		a.send(&wamp.Register{Request: a.next(), Procedure: "bystander"}), second(expect[*wamp.Registered](a)),
	); err != nil {
		t.Fatal(err)
	}
	stop, failed := make(chan struct{}), make(chan error, 1)
	rounds := 0
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for ; ; rounds++ {
			if err := round(a, b); err != nil {
				failed <- fmt.Errorf("bystander, round %d: %w", rounds, err)
				return
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	})
	return func() {
		t.Helper()
		close(stop)
		running.Wait()
		select {
		case err := <-failed:
			t.Error(err)
		default:
			t.Logf("%d rounds of the bystander", rounds)
		}
	}
}

// round is one event and one call from b to a. Each answer may take 10 s.
func round(a, b *wire) error {
	end := time.Now().Add(10 * time.Second)
	a.SetDeadline(end)
	b.SetDeadline(end)
	if err := b.send(&wamp.Publish{Request: b.next(), Topic: "bystander", Options: wamp.Dict{"acknowledge": true}}); err != nil {
		return err
	}
	if err := errors.Join(second(expect[*wamp.Event](a)), second(expect[*wamp.Published](b))); err != nil {
		return err
	}
	if err := b.send(&wamp.Call{Request: b.next(), Procedure: "bystander"}); err != nil {
		return err
	}
	inv, err := expect[*wamp.Invocation](a)
	if err == nil {
		err = a.send(&wamp.Yield{Request: inv.Request})
	}
	if err != nil {
		return err
	}
	return second(expect[*wamp.Result](b))
}

func second[T any](_ T, err error) error { return err }

// memory is what the process holds once its garbage is gone: heap and stacks,
// and its resident set where the system tells.
func memory(t *testing.T) [2]int64 {
	t.Helper()
	for range 3 { // sync.Pool lets go of what two collections found unused
		runtime.GC()
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	found := [2]int64{int64(m.HeapInuse + m.StackInuse)}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return found
	}
	if rss := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status); rss != nil {
		kb, err := strconv.ParseInt(string(rss[1]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		found[1] = kb << 10
	}
	return found
}

// settle waits until the process holds no more than limit above what it held.
func settle(t *testing.T, what string, before [2]int64, limit int64) {
	t.Helper()
	var after [2]int64
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for range 25 {
		after = memory(t)
		if after[0]-before[0] <= limit && (raceDetector || after[1]-before[1] <= limit) {
			t.Logf("%s: heap and stacks %+d KiB, resident %+d KiB", what, (after[0]-before[0])>>10, (after[1]-before[1])>>10)
			return
		}
		<-tick.C
	}
	t.Errorf("%s left memory behind: heap and stacks %d -> %d KiB, resident %d -> %d KiB", what,
		before[0]>>10, after[0]>>10, before[1]>>10, after[1]>>10)
}
