// Package inproc lets the router itself call procedures that clients of a realm
// have registered, such as dynamic authenticators and authorizers. A Client is a
// caller of the realm's dealer without a connection: it is no session, asks for
// no permission, and nobody is told of it.
//
// Lock order: Client.turn, then what the dealer takes, then Client.mu.
package inproc

import (
	"context"
	"sync"

	"bondy/core/codec"
	"bondy/core/dealer"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// Bounds of a Client.
const (
	// MaxCalls are under way at once; more wait for their turn.
	MaxCalls = 256
	// MaxResult is the longest answer in bytes; a longer one is an error.
	MaxResult = 64 << 10
)

// Client calls procedures of one realm. Safe for concurrent use.
type Client struct {
	dealer   *dealer.Session
	counters *peer.Counters
	places   chan struct{} // one for each call under way

	turn sync.Mutex // orders what is asked of dealer
	last wamp.ID

	mu      sync.Mutex
	decoder *codec.Decoder
	waiting map[wamp.ID]chan<- answer
}

type answer struct {
	result any
	err    error
}

// New makes a caller at d. counters are the node's.
func New(d *dealer.Dealer, counters *peer.Counters) *Client {
	c := &Client{
		counters: counters, places: make(chan struct{}, MaxCalls),
		decoder: codec.NewDecoder(serializer, codec.Limits{}), waiting: make(map[wamp.ID]chan<- answer),
	}
	limits := &peer.Limits{Soft: MaxResult, Hard: MaxResult, Reserve: MaxResult}
	c.dealer = d.Join(&peer.Peer{
		Session: wamp.RandomID(), AuthID: "bondy", AuthRole: "router", Features: peer.Caller,
		Queue: peer.NewQueue((*sink)(c), limits, peer.NewBudget(0), counters, func() {}),
	})
	return c
}

// Call calls a procedure and waits for the result: its first argument, its
// keyword arguments if it has those alone, else nil. args and result are as in
// wamp.Dict. When ctx ends the call is canceled. Errors: that of ctx, and the
// *wamp.Error of the router or the callee. A session's own goroutine has to
// flush its batch before it calls.
func (c *Client) Call(ctx context.Context, procedure wamp.URI, args []any) (any, error) {
	payload, err := codec.NewPayload(serializer, args, nil)
	if err != nil {
		return nil, err
	}
	select {
	case c.places <- struct{}{}:
		defer func() { <-c.places }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	got := make(chan answer, 1)
	request, err := c.begin(procedure, payload, got)
	if err != nil {
		return nil, err
	}
	select {
	case a := <-got:
		return a.result, a.err
	case <-ctx.Done():
		c.cancel(request)
		return nil, context.Cause(ctx)
	}
}

// begin sends CALL.
func (c *Client) begin(procedure wamp.URI, payload wamp.Payload, to chan<- answer) (wamp.ID, error) {
	b := peer.NewBatch(c.counters)
	defer b.Flush() // with no lock held
	c.turn.Lock()
	defer c.turn.Unlock()
	c.last = c.last.Next()
	c.await(c.last, to)
	err := c.dealer.Call(b, &wamp.Call{Request: c.last, Procedure: procedure, Payload: payload})
	if err != nil {
		c.await(c.last, nil)
	}
	return c.last, err
}

// cancel gives a call up.
func (c *Client) cancel(request wamp.ID) {
	b := peer.NewBatch(c.counters)
	defer b.Flush()
	c.turn.Lock()
	defer c.turn.Unlock()
	c.await(request, nil)
	// A call that has just been answered is none any more, which is no error.
	_ = c.dealer.Cancel(b, &wamp.Cancel{Request: request, Options: wamp.Dict{"mode": "killnowait"}})
}

// await says who waits for the answer to a request; nil is nobody.
func (c *Client) await(request wamp.ID, to chan<- answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to == nil {
		delete(c.waiting, request)
	} else {
		c.waiting[request] = to
	}
}

// take gives an answer to who waits for it.
func (c *Client) take(msg []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, err := c.decoder.Decode(msg)
	if err != nil {
		return err
	}
	var request wamp.ID
	var a answer
	switch m := m.(type) {
	case *wamp.Result:
		request = m.Request
		a.result, a.err = value(m.Payload)
	case *wamp.ErrorMessage:
		request = m.Request
		a.err = &wamp.Error{URI: m.Error, Message: text(m.Payload)}
	default:
		return nil
	}
	if to := c.waiting[request]; to != nil {
		delete(c.waiting, request)
		to <- a // which has room for the one answer
	}
	return nil
}

func value(p wamp.Payload) (any, error) {
	args, err := codec.DecodeArgs(p)
	if err != nil {
		return nil, err
	}
	if len(args) > 0 {
		return args[0], nil
	}
	kwargs, err := codec.DecodeKwargs(p)
	if err != nil || len(kwargs) == 0 {
		return nil, err
	}
	return kwargs, nil
}

// text is the sentence of an ERROR, if it has one.
func text(p wamp.Payload) string {
	args, err := codec.DecodeArgs(p)
	if err != nil || len(args) == 0 {
		return ""
	}
	s, _ := args[0].(string)
	return s
}

const serializer = wamp.MessagePack

// sink is a Client as the queue of its peer sees it: what is appended has
// arrived.
type sink Client

// Serializer implements peer.Sink.
func (*sink) Serializer() wamp.Serializer { return serializer }

// Append implements peer.Sink.
func (s *sink) Append(msg []byte, _ *peer.Buffer) error {
	if len(msg) > MaxResult {
		return peer.ErrTooLong
	}
	return (*Client)(s).take(msg)
}

// Buffered implements peer.Sink.
func (*sink) Buffered() int { return 0 }

// Flush implements peer.Sink.
func (*sink) Flush() {}

// OnProgress implements peer.Sink.
func (*sink) OnProgress(func()) {}
