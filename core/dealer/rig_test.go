package dealer_test

import (
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"bondy/core/codec"
	"bondy/core/dealer"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// sink keeps what a client is sent.
type sink struct {
	mu       sync.Mutex
	messages []wamp.Message
	max      int
	waiting  int // what Buffered says
	discard  bool
}

func (*sink) Serializer() wamp.Serializer { return wamp.MessagePack }

func (s *sink) Append(b []byte, _ *peer.Buffer) error {
	if s.discard {
		return nil
	}
	if s.max > 0 && len(b) > s.max {
		return peer.ErrTooLong
	}
	m, err := codec.NewDecoder(wamp.MessagePack, codec.Limits{}).Decode(slices.Clone(b))
	if err != nil {
		panic(err) // the router encoded it
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, m)
	return nil
}

func (s *sink) Buffered() int   { return s.waiting }
func (*sink) Flush()            {}
func (*sink) OnProgress(func()) {}

// Written implements peer.Wire: all is taken at once.
func (*sink) Written() (taken, appended int64) { return 0, 0 }

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// rig is a dealer with clients.
type rig struct {
	tester
	*dealer.Dealer
	counters peer.Counters
	limits   peer.Limits
	sessions atomic.Uint64
}

func newRig(tb tester, cfg dealer.Config) *rig {
	r := &rig{tester: tb, limits: peer.Limits{Soft: 1 << 20, Hard: 4 << 20, Reserve: 4 << 20}}
	cfg.Counters = &r.counters
	cfg.ID = id
	r.Dealer = dealer.New(cfg)
	return r
}

func id(m wamp.Match, u wamp.URI) wamp.ID {
	h := wamp.ID(m) + 1
	for _, c := range []byte(u) {
		h = (h*31 + wamp.ID(c)) % (1 << 40)
	}
	return h + 1
}

// all is what a client announces that knows everything.
const all = peer.Caller | peer.Callee | peer.CalleeProgressiveResults | peer.CalleeProgressiveInvocations |
	peer.CalleeCanceling | peer.CalleeTimeout | peer.CalleeRerouting | peer.CalleeRevocation |
	peer.CallerProgressiveResults | peer.CallerProgressiveInvocations

// client is one session, with a batch as its goroutine would have.
type client struct {
	*dealer.Session
	rig     *rig
	peer    *peer.Peer
	sink    *sink
	batch   *peer.Batch
	request wamp.ID
	dead    bool
}

func (r *rig) join(features peer.Features) *client {
	return r.joinAs(&peer.Peer{Features: features, AuthID: "joe", AuthRole: "user"})
}

func (r *rig) joinAs(p *peer.Peer) *client {
	c := &client{rig: r, sink: &sink{}, batch: peer.NewBatch(&r.counters), peer: p}
	p.Session = wamp.ID(r.sessions.Add(1))
	p.Queue = peer.NewQueue(c.sink, &r.limits, peer.NewBudget(0), &r.counters, func() { c.dead = true })
	c.Session = r.Join(p)
	return c
}

// joinResumable joins a client whose session may outlive its connection.
func (r *rig) joinResumable() *client {
	c := r.join(all)
	c.peer.Queue = peer.NewLastingQueue(c.sink, &r.limits, peer.NewBudget(0), &r.counters, func() { c.dead = true })
	return c
}

func (r *rig) callee(procedure wamp.URI, options wamp.Dict) *client {
	c := r.join(all)
	c.register(procedure, options)
	return c
}

// rejoin is callee for any goroutine; it leaves REGISTERED to be read.
func (r *rig) rejoin(options wamp.Dict) *client {
	c := r.join(all)
	_ = c.tryRegister("a.b", options)
	return c
}

func (c *client) register(procedure wamp.URI, options wamp.Dict) wamp.ID {
	c.rig.Helper()
	if err := c.tryRegister(procedure, options); err != nil {
		c.rig.Fatal(err)
	}
	return want[*wamp.Registered](c).Registration
}

func (c *client) tryRegister(procedure wamp.URI, options wamp.Dict) error {
	c.request++
	match, err := options.Match()
	if err != nil {
		return err
	}
	return c.Session.Register(c.batch, &wamp.Register{Request: c.request, Procedure: procedure, Options: options}, match)
}

// try calls and returns the request id and the error.
func (c *client) try(procedure wamp.URI, options wamp.Dict, args ...any) (wamp.ID, error) {
	c.rig.Helper()
	c.request++
	return c.request, c.piece(c.request, procedure, options, args...)
}

func (c *client) piece(request wamp.ID, procedure wamp.URI, options wamp.Dict, args ...any) error {
	c.rig.Helper()
	return c.Session.Call(c.batch, &wamp.Call{Request: request, Procedure: procedure, Options: options, Payload: c.args(args)})
}

func (c *client) call(procedure wamp.URI, options wamp.Dict, args ...any) wamp.ID {
	c.rig.Helper()
	request, err := c.try(procedure, options, args...)
	if err != nil {
		c.rig.Fatalf("call of %s: %v", procedure, err)
	}
	return request
}

func (c *client) args(args []any) wamp.Payload {
	c.rig.Helper()
	if args == nil {
		return wamp.Payload{Serializer: wamp.MessagePack}
	}
	p, err := codec.NewPayload(wamp.MessagePack, args, nil)
	if err != nil {
		c.rig.Fatal(err)
	}
	return p
}

func (c *client) yield(inv wamp.ID, options wamp.Dict, args ...any) {
	c.rig.Helper()
	if err := c.Session.Yield(c.batch, &wamp.Yield{Request: inv, Options: options, Payload: c.args(args)}); err != nil {
		c.rig.Fatal(err)
	}
}

func (c *client) refuse(inv wamp.ID, uri wamp.URI, args ...any) {
	c.rig.Helper()
	m := &wamp.ErrorMessage{RequestType: wamp.TypeInvocation, Request: inv, Error: uri, Payload: c.args(args)}
	if err := c.Session.Error(c.batch, m); err != nil {
		c.rig.Fatal(err)
	}
}

func (c *client) cancel(request wamp.ID, mode string) {
	c.rig.Helper()
	m := &wamp.Cancel{Request: request}
	if mode != "" {
		m.Options = wamp.Dict{"mode": mode}
	}
	if err := c.Session.Cancel(c.batch, m); err != nil {
		c.rig.Fatal(err)
	}
}

func (c *client) leave() {
	c.peer.Close()
	c.Session.Leave(c.batch)
}

// next is the oldest message that the client was sent and did not look at.
func (c *client) next() wamp.Message {
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	if len(c.sink.messages) == 0 {
		return nil
	}
	m := c.sink.messages[0]
	c.sink.messages = c.sink.messages[1:]
	return m
}

func (c *client) nothing() {
	c.rig.Helper()
	if m := c.next(); m != nil {
		c.rig.Fatalf("unexpected %s %+v", m.Type(), m)
	}
}

// want takes the next message, which must be an M.
func want[M wamp.Message](c *client) M {
	c.rig.Helper()
	got := c.next()
	m, ok := got.(M)
	if !ok {
		c.rig.Fatalf("got %T %+v, want %T", got, got, m)
	}
	return m
}

// invoked takes an INVOCATION and checks its arguments.
func (c *client) invoked(args ...any) *wamp.Invocation {
	c.rig.Helper()
	m := want[*wamp.Invocation](c)
	c.rig.same(m.Payload, args)
	return m
}

// result takes a RESULT and checks it.
func (c *client) result(request wamp.ID, args ...any) *wamp.Result {
	c.rig.Helper()
	m := want[*wamp.Result](c)
	if m.Request != request {
		c.rig.Fatalf("RESULT of call %d, want %d", m.Request, request)
	}
	c.rig.same(m.Payload, args)
	return m
}

// failed takes an ERROR and checks it.
func (c *client) failed(request wamp.ID, uri wamp.URI) *wamp.ErrorMessage {
	c.rig.Helper()
	m := want[*wamp.ErrorMessage](c)
	if m.Request != request || m.RequestType != wamp.TypeCall || m.Error != uri {
		c.rig.Fatalf("ERROR %+v, want %s of call %d", m, uri, request)
	}
	return m
}

// interrupted takes an INTERRUPT and checks it.
func (c *client) interrupted(inv wamp.ID, mode, reason string) {
	c.rig.Helper()
	m := want[*wamp.Interrupt](c)
	if m.Request != inv || m.Options["mode"] != mode || m.Options["reason"] != reason {
		c.rig.Fatalf("INTERRUPT %+v, want %d %s %s", m, inv, mode, reason)
	}
}

func (r *rig) same(p wamp.Payload, want []any) {
	r.Helper()
	got, err := codec.DecodeArgs(p)
	if err != nil {
		r.Fatal(err)
	}
	if len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
		r.Fatalf("arguments %v, want %v", got, want)
	}
}

// refused checks that err is an error for the peer with this URI.
func (r *rig) refused(err error, uri wamp.URI) {
	r.Helper()
	if err == nil || wamp.AsError(err).URI != uri {
		r.Fatalf("got %v, want %s", err, uri)
	}
}

type dict = wamp.Dict

var more = dict{"progress": true}
