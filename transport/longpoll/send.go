package longpoll

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"bondy/core/codec"
)

// serveSend hands messages to the session.
func (c *Conn) serveSend(w http.ResponseWriter, r *http.Request) {
	defer c.sends.Add(-1)
	if c.sends.Add(1) > maxSends {
		http.Error(w, "Too many sends at a time: wait for the answers.", http.StatusTooManyRequests)
		return
	}
	p := &post{done: make(chan struct{})}
	var body bytes.Buffer // grows with what arrives
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, c.limit.Load()))
	p.body = body.Bytes()
	switch _, long := errors.AsType[*http.MaxBytesError](err); {
	case long:
		p.err = errTooBig()
	case err != nil:
		http.Error(w, "The body did not arrive.", http.StatusBadRequest)
		return
	}
	select {
	case c.in <- p: // in turn
	case <-c.closed:
		gone(w)
		return
	case <-r.Context().Done():
		return
	}
	select {
	case <-p.done:
		success(w, r)
	case <-c.served: // perhaps because of it
		c.judge(w, r, p)
	case <-r.Context().Done():
	}
}

// judge answers a send at which the session ended. If the messages are well
// formed the session has said why, or left in order.
func (c *Conn) judge(w http.ResponseWriter, r *http.Request, p *post) {
	if p.err != nil {
		http.Error(w, p.err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	d := codec.NewDecoder(c.sub.Serializer, codec.Limits{})
	for more, rest := true, p.body; more; more = len(rest) > 0 {
		msg, next, ok := c.sub.Split(rest)
		if !ok {
			http.Error(w, "The batch ends within a message.", http.StatusBadRequest)
			return
		}
		if _, err := d.Decode(msg); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		rest = next
	}
	success(w, r)
}

// serveClose ends the session and answers when it is gone.
func (c *Conn) serveClose(w http.ResponseWriter, r *http.Request) {
	c.handler.remove(c)
	c.end(io.EOF)
	select {
	case <-c.served:
		success(w, r)
	case <-r.Context().Done():
	}
}
