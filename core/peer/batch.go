package peer

import (
	"sync/atomic"

	"bondy/core/wamp"
)

// Batch is the work of one goroutine between two waits: it remembers which
// queues it touched and flushes each once. The goroutine that finds a queue
// without anybody in charge of flushing it takes the charge into its batch, so
// whoever holds a Batch must Flush it before waiting, also when it panics.
// A Batch belongs to one goroutine.
type Batch struct {
	counters *Counters
	touched  []*Queue
	doomed   []*Queue
	in, out  [wamp.MaxMessageType + 1]uint32
	received uint32
	sent     uint32
}

// NewBatch makes a batch that counts into c.
func NewBatch(c *Counters) *Batch { return &Batch{counters: c} }

// Received counts an inbound message.
func (b *Batch) Received(t wamp.MessageType) {
	b.in[t]++
	b.received++
}

// Flush hands every touched queue to the kernel once, ends the connections
// that the batch found to be too slow, and publishes the message counts.
func (b *Batch) Flush() {
	for i, q := range b.touched {
		q.flush()
		b.touched[i] = nil
	}
	b.touched = b.touched[:0]
	for i, q := range b.doomed {
		q.kill()
		b.doomed[i] = nil
	}
	b.doomed = b.doomed[:0]
	fold(&b.received, &b.in, &b.counters.In)
	fold(&b.sent, &b.out, &b.counters.Out)
}

func fold(n *uint32, from *[wamp.MaxMessageType + 1]uint32, to *[wamp.MaxMessageType + 1]atomic.Uint64) {
	if *n == 0 {
		return
	}
	*n = 0
	for t, c := range from {
		if c > 0 {
			to[t].Add(uint64(c))
			from[t] = 0
		}
	}
}
