package longpoll

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"bondy/transport/pipe"
	"bondy/transport/web"
)

const (
	// settleTimeout is how long a receive waits for a word on what the one
	// before it was given. It covers the delayed acknowledgments of TCP.
	settleTimeout = time.Second
	// partTimeout is how long an answer behind which the connection is closed
	// waits for the client to close it.
	partTimeout = 250 * time.Millisecond
	firstLook   = time.Millisecond
	lastLook    = 64 * time.Millisecond
)

// poll is one receive.
type poll struct {
	wake chan struct{} // holds one: look again
}

// delivery is what a receive was given.
type delivery struct {
	n int // messages, the first of Conn.out

	// Guarded by the lock of the Conn.
	done    bool       // the answer was written
	failed  bool       // or could not be
	carrier *pipe.Pipe // to ask for more; nil if there is nothing to ask
	mark    pipe.Mark  // in carrier, behind the answer
}

// serveReceive answers with what waits.
func (c *Conn) serveReceive(w http.ResponseWriter, r *http.Request) {
	p := c.begin()
	defer c.finish(p)
	rc := http.NewResponseController(w)
	cfg := &c.handler.cfg
	end := time.Now().Add(cfg.Poll)
	if err := rc.SetReadDeadline(end.Add(settleTimeout + cfg.Timeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return // a closed connection
	}
	d := &delivery{carrier: web.Pipe(r)}
	var body []byte
	if c.settle(r.Context(), p) {
		body = c.take(r.Context(), p, d, end)
	}
	if r.Context().Err() != nil {
		c.written(d, errGone)
		return
	}
	kind := "application/octet-stream"
	if !c.sub.Batched && !c.sub.Serializer.Binary() {
		kind = "application/json; charset=utf-8"
	}
	w.Header().Set(contentType, kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	timeout := cfg.Timeout * time.Duration(1+len(body)>>20)
	err := rc.SetWriteDeadline(time.Now().Add(timeout))
	if err == nil || errors.Is(err, http.ErrNotSupported) {
		if _, err = w.Write(body); err == nil {
			err = rc.Flush()
		}
	}
	c.written(d, err)
	if err == nil && r.Close && d.n > 0 {
		c.part(r.Context(), d)
	}
}

var errGone = errors.New("the client went away")

// part decides what became of d before its connection is closed behind the
// answer, after which there is nothing to be learned. Who reads to the end of
// the connection waits for it.
func (c *Conn) part(ctx context.Context, d *delivery) {
	if d.carrier == nil {
		return
	}
	c.mu.Lock()
	was := *d
	c.mu.Unlock()
	arrived, known := false, false
	for _, wait := range []time.Duration{partTimeout, settleTimeout - partTimeout} {
		left := time.NewTimer(wait)
		select {
		case <-ctx.Done(): // the client has closed
			left.Stop()
		case <-left.C:
		}
		if arrived, known = was.fate(); known {
			break
		}
	}
	if !known {
		was.carrier.Abort()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d.done, d.failed, d.carrier = arrived, !arrived, nil
}

// begin makes a receive the one that gets what comes.
func (c *Conn) begin() *poll {
	p := &poll{wake: make(chan struct{}, 1)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.poll != nil {
		signal(c.poll.wake)
	}
	c.poll = p
	c.silent.Stop()
	return p
}

// finish begins the time without a receive, unless there is a later one.
func (c *Conn) finish(p *poll) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.poll != p {
		return
	}
	c.poll = nil
	if c.err == nil {
		c.silent.Reset(c.handler.cfg.Silence)
	}
	signal(c.change)
}

// settle finds out whether what was handed out last has arrived, and forgets it
// or puts it back. It reports false when the receive p is over.
func (c *Conn) settle(ctx context.Context, p *poll) bool {
	look := time.NewTimer(firstLook)
	defer look.Stop()
	for start, pause := time.Now(), firstLook; ; pause = min(2*pause, lastLook) {
		c.mu.Lock()
		d, mine := c.given, c.poll == p
		var was delivery
		if d != nil {
			was = *d
		}
		c.mu.Unlock()
		switch {
		case !mine:
			return false
		case d == nil:
			return true
		}
		arrived, known := was.fate()
		switch {
		case arrived:
			return c.settled(p, d, true)
		case known || time.Since(start) >= settleTimeout:
			if was.carrier != nil {
				was.carrier.Abort() // so that nothing arrives by it any more
			}
			return c.settled(p, d, false)
		}
		look.Reset(pause)
		select {
		case <-look.C:
		case <-ctx.Done():
			return false
		}
	}
}

// fate reports whether the client has d, once that is known.
func (d *delivery) fate() (arrived, known bool) {
	if !d.done || d.carrier == nil {
		return d.done, d.done || d.failed
	}
	acked, reset := d.carrier.Taken(d.mark)
	return acked && !reset, acked || reset
}

// settled forgets d or puts it back, and reports whether p still is the receive
// that gets what comes.
func (c *Conn) settled(p *poll, d *delivery, arrived bool) bool {
	c.mu.Lock()
	if c.given != d || c.poll != p {
		c.mu.Unlock()
		return false
	}
	c.given = nil
	if arrived {
		for _, m := range c.out[:d.n] {
			c.size -= len(m) + overhead
		}
		clear(c.out[:d.n])
		if c.out = c.out[d.n:]; len(c.out) == 0 {
			c.out = nil
		}
		signal(c.change)
	}
	progress := c.progress
	c.mu.Unlock()
	if arrived {
		progress()
	}
	return true
}

// take waits for messages until end, and hands them out as d. Nothing means that
// there are none, or that another receive gets them.
func (c *Conn) take(ctx context.Context, p *poll, d *delivery, end time.Time) []byte {
	timer := time.NewTimer(time.Until(end))
	defer timer.Stop()
	for {
		body, over := c.give(p, d)
		if over {
			return body
		}
		select {
		case <-p.wake:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// give hands out what waits as d. It reports whether the receive is over.
func (c *Conn) give(p *poll, d *delivery) (body []byte, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.poll != p {
		return nil, true
	}
	if len(c.out) == 0 {
		return nil, c.err != nil
	}
	d.n = 1
	if size := len(c.out[0]); c.sub.Batched {
		for d.n < len(c.out) && size+len(c.out[d.n]) <= maxBatch {
			size += len(c.out[d.n])
			d.n++
		}
	}
	c.given = d
	if d.n == 1 {
		return c.out[0], true
	}
	return slices.Concat(c.out[:d.n]...), true
}

// written notes how the answer that carries d ended.
func (c *Conn) written(d *delivery, err error) {
	var mark pipe.Mark
	if err == nil && d.carrier != nil {
		mark = d.carrier.Mark()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d.done, d.failed, d.mark = err == nil, err != nil, mark
}
