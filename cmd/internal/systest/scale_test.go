//go:build unix

package systest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"testing"
	"time"

	"bondy/core"
	"bondy/core/codec"
	"bondy/core/coretest"
	"bondy/core/session"
	"bondy/core/wamp"
)

// cpu is the processor time that the process has used.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// linear runs work with n and with 2n: n must take less than budget of
// processor time, and twice as many at most 2.3 times as long. The collector
// works less often meanwhile: its idle workers count as processor time, and most
// of the garbage is the test's. A noisy machine gets five tries, of which the best
// count: what is not linear never is.
func linear(t *testing.T, n int, budget time.Duration, work func(t *testing.T, n int)) {
	t.Helper()
	if testing.Short() {
		t.Skip("measures")
	}
	n = scaled(n)
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	measure := func(n int) time.Duration {
		runtime.GC()
		start := cpu(t)
		work(t, n)
		return cpu(t) - start
	}
	measure(n / 10) // fills the pools
	const most = 2.3
	best, ratio := 2*budget, 2*most
	for range 5 {
		once, twice := measure(n), measure(2*n)
		t.Logf("%d: %v, %d: %v, %.2f times", n, once, 2*n, twice, twice.Seconds()/once.Seconds())
		best, ratio = min(best, once), min(ratio, twice.Seconds()/once.Seconds())
		if raceDetector || best < budget && ratio <= most {
			return
		}
	}
	t.Errorf("%d took %v of processor time, the budget is %v; twice as many took %.2f times as long, at most %.1f are linear",
		n, best, budget, ratio, most)
}

// member is a session in memory.
type member struct{ *coretest.Conn }

// enter connects a member, which the router serves until it hangs up.
func enter(r *core.Router, serving *sync.WaitGroup) member {
	m := member{coretest.NewConn(wamp.MessagePack, 0)}
	serving.Add(1)
	go r.Serve(context.Background(), m.Conn, func(session.Conn) { serving.Done() })
	m.put(hello())
	return m
}

func (m member) put(msg wamp.Message) { m.Put(encoded(wamp.MessagePack, msg)) }

// take waits for n messages from the router.
func (m member) take(t *testing.T, n int) {
	t.Helper()
	for range n {
		if _, ok := m.Take(); !ok {
			t.Fatal("the router hung up")
		}
	}
}

// TestSubscribersOfOneTopic lets many sessions join, subscribe to one topic
// and leave.
func TestSubscribersOfOneTopic(t *testing.T) {
	r := coretest.Router(t)
	linear(t, 15_000, 2*time.Second, func(t *testing.T, n int) {
		t.Helper()
		crowd(t, r, n, &wamp.Subscribe{Request: 1, Topic: "com.example.news"})
		if s := r.Stats(); s.Subscriptions != 0 || s.Sessions != 0 {
			t.Errorf("left: %d subscriptions, %d sessions", s.Subscriptions, s.Sessions)
		}
	})
}

// crowd lets n sessions join, each make the same request, and all leave.
func crowd(t *testing.T, r *core.Router, n int, request wamp.Message) {
	t.Helper()
	var serving sync.WaitGroup
	members := make([]member, n)
	for i := range members {
		members[i] = enter(r, &serving)
		members[i].put(request)
	}
	for _, m := range members {
		m.take(t, 2)
	}
	for _, m := range members {
		m.Hangup()
	}
	serving.Wait()
}

// TestSiblingTopics lets one session subscribe to many topics under one prefix
// and unsubscribe from them.
func TestSiblingTopics(t *testing.T) {
	r := coretest.Router(t)
	linear(t, 100_000, 2*time.Second, func(t *testing.T, n int) {
		t.Helper()
		var serving sync.WaitGroup
		m := enter(r, &serving)
		m.take(t, 1)
		var sending sync.WaitGroup
		sending.Go(func() {
			for i := range n {
				m.put(&wamp.Subscribe{Request: wamp.ID(i + 1), Topic: wamp.URI(fmt.Sprintf("com.example.device.%d", i))})
			}
		})
		ids := make([]wamp.ID, n)
		for i := range ids {
			ids[i] = m.subscribed(t)
		}
		sending.Wait()
		sending.Go(func() {
			for i, id := range ids {
				m.put(&wamp.Unsubscribe{Request: wamp.ID(n + i + 1), Subscription: id})
			}
		})
		m.take(t, n)
		sending.Wait()
		if s := r.Stats(); s.Subscriptions != 0 {
			t.Errorf("left: %d subscriptions", s.Subscriptions)
		}
		m.Hangup()
		serving.Wait()
	})
}

// subscribed waits for SUBSCRIBED.
func (m member) subscribed(t *testing.T) wamp.ID {
	t.Helper()
	b, ok := m.Take()
	if !ok {
		t.Fatal("the router hung up")
	}
	got, ok := decoded(t, b).(*wamp.Subscribed)
	if !ok {
		t.Fatalf("got %x, want SUBSCRIBED", b)
	}
	return got.Subscription
}

func decoded(t *testing.T, b []byte) wamp.Message {
	t.Helper()
	m, err := codec.NewDecoder(wamp.MessagePack, codec.Limits{}).Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestSubscriptionLimit subscribes once more than a session may.
func TestSubscriptionLimit(t *testing.T) {
	r := startRig(t, "max_subscriptions_per_session = 1000", "")
	w := r.mustJoin(t, transportKind{false, wamp.CBOR})
	for i := range 1001 {
		if err := w.send(&wamp.Subscribe{Request: w.next(), Topic: wamp.URI(fmt.Sprintf("t.%d", i))}); err != nil {
			t.Fatal(err)
		}
	}
	for range 1000 {
		if _, err := expect[*wamp.Subscribed](w); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := expect[*wamp.ErrorMessage](w); err != nil || m.Error != wamp.ErrUnavailable {
		t.Errorf("beyond the limit: %v, %v", m, err)
	}
}

// TestCallFlood calls a callee that never reads nor answers: callers get an
// error once their calls, or what waits for the callee, reach the limit, and
// everything is given back when they leave.
func TestCallFlood(t *testing.T) {
	r := startRig(t, "max_pending_calls_per_session = 100\nqueue_soft = \"64KiB\"\nqueue_hard = \"64KiB\"\nqueue_reserve = \"64KiB\"", "")
	hung, err := r.join(transportKind{false, wamp.MessagePack}, deaf)
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	if err := errors.Join(hung.send(&wamp.Register{Request: hung.next(), Procedure: "hung"}), second(expect[*wamp.Registered](hung))); err != nil {
		t.Fatal(err)
	}
	check := r.bystander(t)
	for _, k := range kinds() {
		w := r.mustJoin(t, k)
		var sending sync.WaitGroup
		sending.Go(func() {
			for range 1000 {
				w.send(&wamp.Call{Request: w.next(), Procedure: "hung", Payload: blob(k.serializer, 10_000)})
			}
		})
		for range 900 {
			if m, err := expect[*wamp.ErrorMessage](w); err != nil || m.Error != wamp.ErrUnavailable {
				t.Fatalf("%s: flooding caller got %v, %v", k, m, err)
			}
		}
		sending.Wait()
	}
	if waits := r.metric(t, "bondy_queue_bytes"); waits > 200<<10 {
		t.Errorf("%v bytes wait, the limit is 128 KiB", waits)
	}
	hung.cut()
	eventually(t, "the queue's bytes are given back", func() bool { return r.metric(t, "bondy_queue_bytes") == 0 })
	check()
}

const slowConsumers = `
[limits]
queue_soft = "256KiB"
queue_hard = "512KiB"
[[realm]]
uri = "realm1"
security_enabled = false
slow_consumer = %q
`

// TestDeafSubscriber publishes to subscribers that never read: what waits for
// them is bounded by the queue limits, and others are served.
func TestDeafSubscriber(t *testing.T) {
	for _, policy := range []string{"drop", "close"} {
		t.Run(policy, func(t *testing.T) {
			r := startTOML(t, listener("websocket")+listener("rawsocket")+listener("admin")+fmt.Sprintf(slowConsumers, policy))
			for _, k := range kinds() {
				w := r.mustJoin(t, k, deaf)
				if err := errors.Join(w.send(&wamp.Subscribe{Request: w.next(), Topic: "flood"}), second(expect[*wamp.Subscribed](w))); err != nil {
					t.Fatal(err)
				}
			}
			check := r.bystander(t)
			pub := r.mustJoin(t, transportKind{false, wamp.MessagePack})
			for range 2000 { // 20 MB for each
				if err := pub.send(&wamp.Publish{Request: pub.next(), Topic: "flood", Payload: blob(wamp.MessagePack, 10_000)}); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(
				pub.send(&wamp.Publish{Request: pub.next(), Topic: "flood", Options: wamp.Dict{"acknowledge": true}}),
				second(expect[*wamp.Published](pub)),
			); err != nil {
				t.Fatal(err)
			}
			if waits := r.metric(t, "bondy_queue_bytes"); waits > 6*600<<10 {
				t.Errorf("%v bytes wait for six subscribers that may keep 512 KiB each", waits)
			}
			want := `bondy_events_dropped_total{reason="slow_consumer"}`
			if policy == "close" {
				want = "bondy_slow_sessions_closed_total"
			}
			if n := r.metric(t, want); n < 6 {
				t.Errorf("%s is %v", want, n)
			}
			check()
		})
	}
}
