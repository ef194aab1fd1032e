package systest_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"

	"bondy/core/wamp"
)

// numbered is a payload of one binary value: who sent it, its place in that
// sender's order, and size bytes in all.
func numbered(sender, n, size int) wamp.Payload {
	b := make([]byte, max(size, 16))
	binary.BigEndian.PutUint64(b, uint64(sender))
	binary.BigEndian.PutUint64(b[8:], uint64(n))
	args := append([]byte{0x91, 0xc5, byte(len(b) >> 8), byte(len(b))}, b...)
	return wamp.Payload{Serializer: wamp.MessagePack, Args: args}
}

// inOrder checks that each sender's payloads come in order, none left out.
type inOrder map[int]int

func (o inOrder) add(p wamp.Payload) error {
	if len(p.Args) < 20 {
		return fmt.Errorf("payload %x", p.Args)
	}
	sender, n := int(binary.BigEndian.Uint64(p.Args[4:])), int(binary.BigEndian.Uint64(p.Args[12:]))
	if n != o[sender] {
		return fmt.Errorf("sender %d: %d came, %d was next", sender, n, o[sender])
	}
	o[sender]++
	return nil
}

// packed are the transports with MessagePack, whose payloads are numbered.
func packed() []transportKind {
	return []transportKind{{false, wamp.MessagePack}, {true, wamp.MessagePack}}
}

func (w *wire) subscribe(topic wamp.URI) (wamp.ID, error) {
	if err := w.send(&wamp.Subscribe{Request: w.next(), Topic: topic}); err != nil {
		return 0, err
	}
	m, err := expect[*wamp.Subscribed](w)
	if err != nil {
		return 0, err
	}
	return m.Subscription, nil
}

func (w *wire) register(procedure wamp.URI) error {
	return errors.Join(w.send(&wamp.Register{Request: w.next(), Procedure: procedure}), second(expect[*wamp.Registered](w)))
}

// events reads n events and checks their order.
func (w *wire) events(n int) error {
	order := inOrder{}
	for i := range n {
		m, err := expect[*wamp.Event](w)
		if err != nil {
			return fmt.Errorf("after %d of %d events: %w", i, n, err)
		}
		if err := order.add(m.Payload); err != nil {
			return err
		}
	}
	return nil
}

// crew runs the parts of a test and reports what goes wrong in them.
type crew struct {
	t  *testing.T
	wg sync.WaitGroup
}

func (c *crew) do(what string, f func() error) {
	c.wg.Go(func() {
		if err := f(); err != nil {
			c.t.Errorf("%s: %v", what, err)
		}
	})
}

// TestBurst publishes 2,000 events without acknowledgment and in one piece to
// subscribers that read: none is lost.
func TestBurst(t *testing.T) {
	const burst = 2000
	r := startRig(t, "", "")
	c := crew{t: t}
	for _, k := range packed() {
		for range 3 {
			w := r.mustJoin(t, k)
			if _, err := w.subscribe("burst"); err != nil {
				t.Fatal(err)
			}
			c.do(k.String(), func() error { return w.events(burst) })
		}
	}
	pub := r.mustJoin(t, transportKind{false, wamp.MessagePack})
	var all []byte
	for i := range burst {
		all = append(all, pub.encode(&wamp.Publish{Request: pub.next(), Topic: "burst", Payload: numbered(0, i, 200)})...)
	}
	if _, err := pub.Write(all); err != nil {
		t.Fatal(err)
	}
	c.wg.Wait()
	if n := r.metric(t, `bondy_events_dropped_total{reason="slow_consumer"}`); n != 0 {
		t.Errorf("%v events dropped", n)
	}
}

// TestHungSubscriberHarmsNobody publishes to subscribers of which one does not
// read: the others get every event in order, what waits is bounded, and what
// the one loses is counted.
func TestHungSubscriberHarmsNobody(t *testing.T) {
	const readers, each = 5, 1 << 10
	events := scaled(20_000)
	r := startRig(t, "queue_soft = \"1MiB\"\nqueue_hard = \"4MiB\"", "")
	c := crew{t: t}
	for _, k := range packed() {
		hung := r.mustJoin(t, k, deaf)
		if _, err := hung.subscribe("feed"); err != nil {
			t.Fatal(err)
		}
		for range readers {
			w := r.mustJoin(t, k)
			if _, err := w.subscribe("feed"); err != nil {
				t.Fatal(err)
			}
			c.do(k.String(), func() error { return w.events(events) })
		}
	}
	pub := r.mustJoin(t, transportKind{false, wamp.MessagePack})
	pace := r.mustJoin(t, transportKind{false, wamp.MessagePack}) // keeps the publisher from outrunning those who read
	if _, err := pace.subscribe("feed"); err != nil {
		t.Fatal(err)
	}
	for i := range events {
		if err := pub.send(&wamp.Publish{Request: pub.next(), Topic: "feed", Payload: numbered(0, i, each)}); err != nil {
			t.Fatal(err)
		}
		if i%500 == 499 || i == events-1 {
			for range i%500 + 1 {
				if _, err := expect[*wamp.Event](pace); err != nil {
					t.Fatal(err)
				}
			}
			if waits := r.metric(t, "bondy_queue_bytes"); waits > (2+2*readers)*(4<<20+each) {
				t.Fatalf("%v bytes wait", waits)
			}
		}
	}
	c.wg.Wait()
	if lost := r.metric(t, `bondy_events_dropped_total{reason="slow_consumer"}`); events*each > 16<<20 && lost == 0 {
		t.Error("the loss of the hung subscribers is not counted")
	}
}

// TestOrderUnderLoad has publishers and callers send as fast as they can while
// a session subscribes and unsubscribes: what one sends to one comes in order,
// all of it, and nothing precedes SUBSCRIBED or follows UNSUBSCRIBED (section
// "Ordering Guarantees").
func TestOrderUnderLoad(t *testing.T) {
	const senders, readers = 4, 4
	n := scaled(2000)
	r := startRig(t, "", "")
	c := crew{t: t}
	for i := range readers {
		w := r.mustJoin(t, packed()[i%2])
		if _, err := w.subscribe("order"); err != nil {
			t.Fatal(err)
		}
		c.do("subscriber", func() error { return w.events(senders * n) })
	}
	callee := r.mustJoin(t, packed()[0])
	if err := callee.register("order"); err != nil {
		t.Fatal(err)
	}
	c.do("callee", func() error {
		order := inOrder{}
		for range senders * n {
			m, err := expect[*wamp.Invocation](callee)
			if err == nil {
				err = errors.Join(order.add(m.Payload), callee.send(&wamp.Yield{Request: m.Request, Payload: m.Payload}))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	churner := r.mustJoin(t, packed()[1])
	c.do("churn", func() error { return churner.churn("order", max(1, n/20)) })
	for i := range senders {
		pub, caller := r.mustJoin(t, packed()[i%2]), r.mustJoin(t, packed()[(i+1)%2])
		c.do("publisher", func() error {
			for j := range n {
				if err := pub.send(&wamp.Publish{Request: pub.next(), Topic: "order", Payload: numbered(i, j, 0)}); err != nil {
					return err
				}
			}
			return nil
		})
		c.do("caller", func() error {
			for j := range n {
				if err := caller.send(&wamp.Call{Request: caller.next(), Procedure: "order", Payload: numbered(i, j, 0)}); err != nil {
					return err
				}
			}
			return nil
		})
		c.do("results", func() error {
			order := inOrder{}
			for range n {
				m, err := expect[*wamp.Result](caller)
				if err == nil {
					err = order.add(m.Payload)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	c.wg.Wait()
}

// churn subscribes and unsubscribes n times and checks that events come only in
// between.
func (w *wire) churn(topic wamp.URI, n int) error {
	for range n {
		id, err := w.subscribe(topic)
		if err == nil {
			err = w.send(&wamp.Unsubscribe{Request: w.next(), Subscription: id})
		}
		if err != nil {
			return err
		}
		for {
			m, err := w.receive()
			if err != nil {
				return err
			}
			if m.Type() == wamp.TypeUnsubscribed {
				break
			}
			if m.Type() != wamp.TypeEvent {
				return fmt.Errorf("got %s before UNSUBSCRIBED", m.Type())
			}
		}
	}
	return nil
}

// TestRetainedIsCounted retains more than the realm may: what did not fit is
// counted beside what did.
func TestRetainedIsCounted(t *testing.T) {
	r := startTOML(t, listener("rawsocket")+listener("admin")+`
[[realm]]
uri = "realm1"
security_enabled = false
retention = { max_events = 1 }
history = [{ uri = "kept" }]
`)
	pub := r.mustJoin(t, transportKind{false, wamp.MessagePack})
	for _, topic := range []wamp.URI{"one", "two", "three"} {
		if err := pub.send(&wamp.Publish{Request: pub.next(), Topic: topic, Options: wamp.Dict{"retain": true}, Payload: numbered(0, 0, 100)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pub.subscribe("kept"); err != nil { // answered after all that
		t.Fatal(err)
	}
	for name, want := range map[string]float64{
		"bondy_retained_events": 1, "bondy_retain_refused_total": 2, "bondy_history_lost_total": 0,
	} {
		if n := r.metric(t, name); n != want {
			t.Errorf("%s is %v, want %v", name, n, want)
		}
	}
	if n := r.metric(t, "bondy_retained_bytes"); n < 100 {
		t.Errorf("bondy_retained_bytes is %v", n)
	}
}
