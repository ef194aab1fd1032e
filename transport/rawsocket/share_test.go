package rawsocket_test

import (
	"bytes"
	"io"
	"testing"

	"bondy/core/peer"
	"bondy/core/wamp"
	"bondy/transport/rawsocket"
)

// TestLongMessagesAreShared sends long events to readers that begin to read
// when all are queued: each must get every byte as it was, though the buffers
// of what went out are used again.
func TestLongMessagesAreShared(t *testing.T) {
	const readers, events, size = 3, 60, 100_000
	counters := &peer.Counters{}
	b := peer.NewBatch(counters)
	limits := &peer.Limits{Soft: 32 << 20, Hard: 32 << 20, Reserve: 1 << 20}
	var queues []*peer.Queue
	var clients []io.Reader
	for range readers {
		c, client := open(t, rawsocket.Config{}, 0x7f, 0xf2, 0, 0)
		queues = append(queues, peer.NewQueue(c, limits, peer.NewBudget(0), counters, c.Kill))
		clients = append(clients, client)
	}
	payload := func(i int) []byte { // a MessagePack list with one binary value
		return append([]byte{0x91, 0xc6, 0, size >> 16 & 0xff, size >> 8 & 0xff, size & 0xff}, bytes.Repeat([]byte{byte(i)}, size)...)
	}
	for i := range events {
		f := peer.NewFrame(&wamp.Event{
			Subscription: 1, Publication: 1,
			Payload: wamp.Payload{Serializer: wamp.MessagePack, Args: payload(i)},
		})
		for _, q := range queues {
			if s := q.Send(b, f, peer.Droppable, nil); s != peer.Sent {
				t.Fatalf("event %d: status %d", i, s)
			}
		}
		f.Free()
	}
	b.Flush()
	for r, client := range clients {
		for i := range events {
			head := make([]byte, 4)
			if _, err := io.ReadFull(client, head); err != nil {
				t.Fatal(err)
			}
			msg := make([]byte, int(head[1])<<16|int(head[2])<<8|int(head[3]))
			if _, err := io.ReadFull(client, msg); err != nil {
				t.Fatal(err)
			}
			if !bytes.HasSuffix(msg, payload(i)) {
				t.Fatalf("reader %d: event %d is not as it was sent", r, i)
			}
		}
	}
	if n := counters.Dropped[peer.DropSlow].Load(); n != 0 {
		t.Errorf("%d events dropped", n)
	}
}
