// Package coretest gives tests an in-memory connection to a router and a
// client on top of it that says exactly what it is told to. It works inside
// testing/synctest bubbles.
package coretest

import (
	"io"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"bondy/core/peer"
	"bondy/core/session"
	"bondy/core/wamp"
)

// Conn is a session.Conn without a network. The client's side are the methods
// Put, Take and Hangup.
type Conn struct {
	serializer wamp.Serializer
	maxMessage int
	in         chan []byte
	hangup     chan struct{} // closed by either side
	once       sync.Once
	server     session.Server
	deadline   time.Time

	mu     sync.Mutex
	cond   *sync.Cond
	out    [][]byte // flushed, for Take
	queued [][]byte // appended
	size   int
	put    int64 // bytes appended so far
	paused bool
	closed bool
}

var _ session.Conn = (*Conn)(nil)

// NewConn makes a connection; maxMessage is the longest message the client
// takes, 0 for any.
func NewConn(s wamp.Serializer, maxMessage int) *Conn {
	c := &Conn{serializer: s, maxMessage: maxMessage, in: make(chan []byte, 64), hangup: make(chan struct{})}
	c.cond = sync.NewCond(&c.mu)
	return c
}

// Put sends one message to the router.
func (c *Conn) Put(b []byte) {
	select {
	case c.in <- slices.Clone(b):
	case <-c.hangup:
	}
}

// Take waits for the next message from the router; false when there is none
// and the connection is closed.
func (c *Conn) Take() ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.out) == 0 && !c.closed {
		c.cond.Wait()
	}
	if len(c.out) == 0 {
		return nil, false
	}
	b := c.out[0]
	c.out = c.out[1:]
	return b, true
}

// Poll is Take without waiting.
func (c *Conn) Poll() ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out) == 0 {
		return nil, false
	}
	b := c.out[0]
	c.out = c.out[1:]
	return b, true
}

// Pause makes the client stop reading, and read on again.
func (c *Conn) Pause(on bool) {
	c.mu.Lock()
	c.paused = on
	c.mu.Unlock()
	if !on {
		c.Flush()
	}
}

// Hangup drops the connection.
func (c *Conn) Hangup() { c.once.Do(func() { close(c.hangup) }) }

// Closed is closed when either side has hung up.
func (c *Conn) Closed() <-chan struct{} { return c.hangup }

// Serializer implements peer.Sink.
func (c *Conn) Serializer() wamp.Serializer { return c.serializer }

// Append implements peer.Sink.
func (c *Conn) Append(b []byte, _ *peer.Buffer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return peer.ErrClosed
	}
	if c.maxMessage > 0 && len(b) > c.maxMessage {
		return peer.ErrTooLong
	}
	c.queued = append(c.queued, slices.Clone(b))
	c.size += len(b)
	c.put += int64(len(b))
	return nil
}

// Buffered implements peer.Sink.
func (c *Conn) Buffered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size
}

// Written implements peer.Wire.
func (c *Conn) Written() (taken, appended int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.put - int64(c.size), c.put
}

// Flush implements peer.Sink.
func (c *Conn) Flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.paused {
		c.flushLocked()
	}
}

func (c *Conn) flushLocked() {
	c.out = append(c.out, c.queued...)
	c.queued, c.size = nil, 0
	c.cond.Broadcast()
}

// OnProgress implements peer.Sink.
func (c *Conn) OnProgress(func()) {}

// ServedBy implements session.Conn.
func (c *Conn) ServedBy(s session.Server) { c.server = s }

// SetReadDeadline implements session.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.deadline = t
	return nil
}

// SetReadLimit implements session.Conn.
func (c *Conn) SetReadLimit(int) {}

// ReadMessage implements session.Conn.
func (c *Conn) ReadMessage() ([]byte, error) {
	select {
	case b := <-c.in:
		return b, nil
	default:
	}
	c.server.Flush()
	var expired <-chan time.Time
	if !c.deadline.IsZero() {
		timer := time.NewTimer(time.Until(c.deadline))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case b := <-c.in:
		return b, nil
	case <-c.hangup:
		return nil, io.EOF
	case <-expired:
		return nil, os.ErrDeadlineExceeded
	}
}

// Sleep implements session.Conn: this one stays awake.
func (c *Conn) Sleep() bool { return false }

// Close implements session.Conn.
func (c *Conn) Close() {
	c.mu.Lock()
	c.flushLocked()
	c.closed = true
	c.cond.Broadcast()
	c.mu.Unlock()
	c.Hangup()
}

// Info implements session.Conn.
func (c *Conn) Info() session.ConnInfo {
	return session.ConnInfo{Transport: "memory", Remote: netip.MustParseAddrPort("127.0.0.1:1")}
}
