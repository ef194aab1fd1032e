package systest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"bondy/core/wamp"
)

// TestQueueBudget lets clients that read nothing collect replies: all queues
// together keep to the budget.
func TestQueueBudget(t *testing.T) {
	r := startRig(t, `queue_budget = "8MiB"`, "")
	for range 10 {
		w := r.mustJoin(t, transportKind{false, wamp.JSON}, deaf)
		for range 6500 {
			if err := w.send(&wamp.Call{Request: w.next(), Procedure: wamp.URI(strings.Repeat("x", 1000))}); err != nil {
				break // closed for not reading: as it should
			}
		}
	}
	if n := r.metric(t, "bondy_queue_bytes"); n > 12<<20 {
		t.Errorf("%v bytes wait, the budget is 8 MiB", n)
	}
}

// TestNoReplyIsLost floods with requests and reads no answer: when there is no
// room for the answers any more, the connection is closed and counted.
func TestNoReplyIsLost(t *testing.T) {
	r := startRig(t, "queue_soft = \"64KiB\"\nqueue_hard = \"64KiB\"\nqueue_reserve = \"64KiB\"", "")
	w := r.mustJoin(t, transportKind{false, wamp.JSON}, deaf)
	var flood bytes.Buffer
	for range 400_000 {
		flood.Write(w.encode(&wamp.Publish{Request: w.next(), Topic: "x", Options: wamp.Dict{"acknowledge": true}}))
	}
	w.Write(flood.Bytes()) // fails when the connection is closed
	published := r.metric(t, `bondy_messages_total{direction="in",type="PUBLISH"}`)
	answered := r.metric(t, `bondy_messages_total{direction="out",type="PUBLISHED"}`)
	if closed := r.metric(t, "bondy_slow_sessions_closed_total"); closed != 1 {
		t.Errorf("%v of %v PUBLISH were answered, and %v connections closed", answered, published, closed)
	}
}

// TestAnswerFitsClient asks from a client with a small message limit for what
// fails: it gets an answer that it can take.
func TestAnswerFitsClient(t *testing.T) {
	r := startRig(t, "", "")
	c, err := dial(r.raw)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w := newWire(transportKind{false, wamp.JSON}, c)
	w.Write([]byte{0x7f, 0x21, 0, 0}) // takes 2 KiB
	var reply [4]byte
	if _, err := io.ReadFull(w.r, reply[:]); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.send(hello()), second(expect[*wamp.Welcome](w))); err != nil {
		t.Fatal(err)
	}
	w.SetDeadline(time.Now().Add(5 * time.Second))
	w.send(&wamp.Call{Request: 1, Procedure: wamp.URI(strings.Repeat("x", 2000))})
	if _, err := w.receive(); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a call has no answer at all")
	}
}

// TestErrorsAreShort sends huge wrong input: what the node says of it is short.
func TestErrorsAreShort(t *testing.T) {
	r := startRig(t, "", "")
	k := transportKind{true, wamp.JSON}
	huge := strings.Repeat("\x01", 2_000_000)
	w := r.mustJoin(t, k)
	w.send(&wamp.Subscribe{Request: 1, Topic: wamp.URI(huge)})
	if b, err := w.recv(); err != nil || len(b) > 16<<10 {
		t.Errorf("ERROR of %d bytes, %v", len(b), err)
	}
	w, err := r.open(k)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	h := hello()
	h.Realm = wamp.URI(huge)
	w.send(h)
	if b, _ := w.recv(); len(b) > 16<<10 { // or the connection is closed
		t.Errorf("ABORT of %d bytes", len(b))
	}
}

// TestStopWithHalfOpen stops a node while a client has connected and said
// nothing.
func TestStopWithHalfOpen(t *testing.T) {
	r := startRig(t, "", "")
	w, err := r.open(transportKind{false, wamp.JSON})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is open", func() bool { return r.metric(t, fmt.Sprintf("bondy_connections{listener=%q}", r.raw)) == 1 })
	start := time.Now()
	r.stop()
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("the node waited %v for a client that never joined", took)
	}
	runtime.KeepAlive(w)
}

// TestHelloBomb says HELLO with a million dicts in a message of 1 MiB, many at
// a time.
func TestHelloBomb(t *testing.T) {
	r := startRig(t, "", "")
	msg := append([]byte("\x93\x01\xa6realm1\x81\xa1x\xdd\x00\x0f\x42\x40"), bytes.Repeat([]byte{0x80}, 1_000_000)...)
	k := transportKind{false, wamp.MessagePack}
	a := k.attack("bomb", func(r *rig) (*wire, error) { return r.open(k) }, msg)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	attackAll(t, r, a, 10, 10)
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / 10; n > 16<<20 {
		t.Errorf("a HELLO of 1 MB made the node allocate %d MB", n>>20)
	}
}
