package uplink

import (
	"slices"
	"sync"
)

// Bounds of datagrams: how many wait to be sent, and their size in bytes,
// which every path carries.
const (
	MaxDatagram    = 1100
	datagramsQueue = 64
)

// datagrams is the queue in front of the connection's own, which blocks. A
// goroutine empties it that lives only while something is in it.
type datagrams struct {
	link *Link

	mu      sync.Mutex
	pending [][]byte
	running bool
	down    bool
}

func (d *datagrams) put(body []byte) error {
	c := &d.link.counters
	if len(body) > MaxDatagram {
		return ErrTooLong
	}
	if !d.link.conn.datagrams() {
		return ErrNoDatagrams
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.down:
		return ErrDown
	case len(d.pending) >= datagramsQueue:
		c.datagramsFull.Add(1)
		return ErrFull
	}
	d.pending = append(d.pending, slices.Clone(body))
	if !d.running {
		d.running = true
		d.link.tasks.Go(d.write)
	}
	return nil
}

func (d *datagrams) write() {
	for body := d.next(); body != nil; body = d.next() {
		if err := d.link.conn.sendDatagram(body); err != nil {
			// Not a reason to take the link down: it may have shrunk to a
			// path that carries less.
			d.link.counters.datagramsFull.Add(1)
			continue
		}
		d.link.counters.datagramsOut.Add(1)
	}
}

// next takes the oldest; nil ends the writer.
func (d *datagrams) next() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.pending) == 0 || d.down {
		d.running, d.pending = false, nil
		return nil
	}
	body := d.pending[0]
	d.pending = d.pending[1:]
	return body
}

func (d *datagrams) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = true
}

// receiveDatagrams hands datagrams to a handler that wants them.
func (l *Link) receiveDatagrams() {
	h, ok := l.cfg.Handler.(DatagramHandler)
	if !ok {
		return
	}
	l.tasks.Go(func() {
		l.guard(func() error {
			for {
				body, err := l.conn.receiveDatagram()
				if err != nil {
					return err
				}
				l.counters.datagramsIn.Add(1)
				h.Datagram(l, body)
			}
		})
	})
}
