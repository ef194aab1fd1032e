package client

import (
	"bufio"
	"context"
	"net"
	"sync"
	"time"
)

// wire is the socket below TLS and framing. Once it batches, what is written
// stays in a buffer until flush, so that one system call carries many frames
// whatever layers are between. Each read extends the read deadline by idle.
type wire struct {
	net.Conn
	idle time.Duration
	// unwatch ends the interruption of the handshake by its context; false
	// means that it came.
	unwatch func() bool

	mu       sync.Mutex // held while writing: TLS answers some records from the reading side
	w        *bufio.Writer
	batching bool
}

// newWire makes a wire that fails when ctx ends, until unwatch.
func newWire(ctx context.Context, c net.Conn, buffer int) *wire {
	return &wire{
		Conn:    c,
		unwatch: context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) }),
		w:       bufio.NewWriterSize(c, buffer),
	}
}

// start ends the handshake: writes are batched from now on, and reads fail
// when nothing arrives for idle (if positive).
func (w *wire) start(idle time.Duration) {
	w.idle = idle
	w.batch(true)
}

func (w *wire) batch(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.batching = on
}

func (w *wire) Read(p []byte) (int, error) {
	if w.idle > 0 {
		if err := w.Conn.SetReadDeadline(time.Now().Add(w.idle)); err != nil {
			return 0, err
		}
	}
	return w.Conn.Read(p)
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.w.Write(p)
	if err == nil && !w.batching {
		err = w.w.Flush()
	}
	return n, err
}

func (w *wire) flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Flush()
}

// SetDeadline does nothing, like SetWriteDeadline: the session alone sets
// deadlines, on Conn, and the layers above can't lift them.
func (w *wire) SetDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
