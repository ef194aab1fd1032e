package longpoll

import (
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"bondy/core/peer"
	"bondy/core/session"
	"bondy/core/wamp"
	"bondy/transport/web"
)

// ErrSilent means that the client did not come to receive for too long.
var ErrSilent = errors.New("no receive for too long")

const (
	// lingerTimeout is how long a client may take to fetch what a session that
	// ended has left.
	lingerTimeout = 5 * time.Second
	// overhead is what a message that waits costs beside its bytes.
	overhead = 48
)

// Conn is one transport. ReadMessage, ServedBy, SetReadDeadline and Wait belong to
// the goroutine that serves the session.
type Conn struct {
	handler *Handler
	id      string
	sub     web.Subprotocol
	info    session.ConnInfo

	// Of the goroutine that serves.
	server   session.Server
	deadline time.Time
	post     *post  // being handled
	rest     []byte // of its body
	more     bool   // a message is in rest

	limit  atomic.Int64  // bytes of the longest message accepted now
	sends  atomic.Int32  // requests
	in     chan *post    // unbuffered; closed is the other way out
	closed chan struct{} // when err is set
	served chan struct{} // closed when the session is over
	change chan struct{} // holds one: Wait looks again

	mu       sync.Mutex
	err      error    // why it was closed
	out      [][]byte // messages as they go out, those of given in front
	size     int      // bytes in out, with overhead
	appended int64    // bytes so far, with overhead
	lost     int      // what was in out when the client left
	given    *delivery
	poll     *poll // the receive that gets what comes
	silent   *time.Timer
	progress func()
}

// post is the body of a send on its way to the session, or what was wrong
// with it.
type post struct {
	body []byte
	err  error
	done chan struct{} // closed when it was handled
}

var _ session.Conn = (*Conn)(nil)

func newConn(h *Handler, sub web.Subprotocol, r *http.Request) *Conn {
	remote, proxied := web.Source(r)
	c := &Conn{
		handler: h, id: newID(), sub: sub,
		info:     session.ConnInfo{Transport: "longpoll", TLS: r.TLS, Remote: remote, Proxied: proxied},
		progress: func() {},
		in:       make(chan *post), change: make(chan struct{}, 1),
		closed: make(chan struct{}), served: make(chan struct{}),
	}
	c.limit.Store(int64(h.cfg.MaxMessageSize))
	c.silent = time.AfterFunc(h.cfg.Silence, c.missing)
	return c
}

// Serializer implements peer.Sink.
func (c *Conn) Serializer() wamp.Serializer { return c.sub.Serializer }

// Info implements session.Conn: address and TLS are those of the connection by
// which the transport was opened.
func (c *Conn) Info() session.ConnInfo { return c.info }

// Remote is the client's address.
func (c *Conn) Remote() netip.AddrPort { return c.info.Remote }

// Append implements peer.Sink. It copies msg.
func (c *Conn) Append(msg []byte, _ *peer.Buffer) error {
	m := c.sub.Append(make([]byte, 0, len(msg)+web.BatchHead), msg)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return peer.ErrClosed
	}
	c.out = append(c.out, m)
	c.size += len(m) + overhead
	c.appended += int64(len(m) + overhead)
	return nil
}

// Buffered implements peer.Sink. What was handed out counts until it is known
// to have arrived.
func (c *Conn) Buffered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size
}

// Written implements peer.Wire, with what is known to have arrived.
func (c *Conn) Written() (taken, appended int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.appended - int64(c.size+c.lost), c.appended
}

// Flush implements peer.Sink.
func (c *Conn) Flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.poll != nil && len(c.out) > 0 {
		signal(c.poll.wake)
	}
}

// OnProgress implements peer.Sink.
func (c *Conn) OnProgress(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.progress = f
}

// ServedBy implements session.Conn.
func (c *Conn) ServedBy(s session.Server) { c.server = s }

// SetReadDeadline implements session.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.deadline = t
	return nil
}

// SetReadLimit implements session.Conn. A batch counts as one message.
func (c *Conn) SetReadLimit(bytes int) {
	limit := c.handler.cfg.MaxMessageSize
	if bytes > 0 {
		limit = min(limit, bytes)
	}
	c.limit.Store(int64(limit))
}

// ReadMessage implements session.Conn. That it is called again tells a client
// that its send was handled.
func (c *Conn) ReadMessage() ([]byte, error) {
	for !c.more {
		if c.server != nil {
			c.server.Flush()
		}
		if c.post != nil {
			close(c.post.done)
			c.post = nil
		}
		if err := c.next(); err != nil {
			return nil, err
		}
	}
	msg, rest, ok := c.sub.Split(c.rest)
	switch {
	case !ok:
		return nil, wamp.Violationf("long-poll: batch ends within a message")
	case int64(len(msg)) > c.limit.Load(): // which was lowered since the send came in
		c.post.err = errTooBig()
		return nil, c.post.err
	}
	c.rest, c.more = rest, len(rest) > 0
	return msg, nil
}

// next waits for a send.
func (c *Conn) next() error {
	var expired <-chan time.Time
	if !c.deadline.IsZero() {
		left := time.Until(c.deadline)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		timer := time.NewTimer(left)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case c.post = <-c.in:
		c.rest, c.more = c.post.body, true
		return c.post.err
	case <-c.closed:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.err
	case <-expired:
		return os.ErrDeadlineExceeded
	}
}

func errTooBig() error { return wamp.Violationf("long-poll: message above the limit") }

// Sleep implements session.Conn: the connection stays awake, because its client
// comes back every few seconds.
func (c *Conn) Sleep() bool { return false }

// Close implements session.Conn. A pending receive is answered.
func (c *Conn) Close() { c.end(peer.ErrClosed) }

// Wait closes, and returns when nobody can reach the transport any more: the
// client was given a few seconds to fetch what the session left. It must be
// called once nobody reads any more, by whoever read.
func (c *Conn) Wait() {
	c.Close()
	close(c.served)
	defer c.handler.remove(c)
	linger := time.NewTimer(lingerTimeout)
	defer linger.Stop()
	stopping := c.handler.closed
	for {
		c.mu.Lock()
		over := len(c.out) == 0 || stopping == nil && c.poll == nil
		c.mu.Unlock()
		if over {
			return
		}
		select {
		case <-c.change:
		case <-stopping:
			stopping = nil
		case <-linger.C:
			return
		}
	}
}

// end closes for err, the first of which ReadMessage returns. A client that is
// gone by its own will or by silence fetches nothing any more.
func (c *Conn) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		close(c.closed)
		c.silent.Stop()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, ErrSilent) {
		c.lost += c.size
		c.out, c.size, c.given = nil, 0, nil
	}
	if c.poll != nil {
		signal(c.poll.wake)
	}
	signal(c.change)
}

// missing is called when the time without a receive is over.
func (c *Conn) missing() {
	c.mu.Lock()
	back := c.poll != nil
	c.mu.Unlock()
	if !back {
		c.end(ErrSilent)
	}
}

// signal wakes who waits for ch, now or next.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
