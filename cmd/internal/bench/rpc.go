package bench

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"bondy/core/wamp"
	"bondy/transport/client"
)

// RPC has callers call procedures of callees that answer with what they got.
type RPC struct {
	// Callers is how many sessions call; each has up to Depth calls under way.
	Callers int `json:"callers"`
	Depth   int `json:"depth"`
	// Callees is how many sessions offer a procedure each.
	Callees int `json:"callees"`
	// Size of each payload in bytes: of one string or, Structured, of lists
	// and dicts.
	Size       int  `json:"size"`
	Structured bool `json:"structured"`
	// Procedure begins the URIs of the procedures.
	Procedure wamp.URI `json:"procedure"`
}

// Name implements Scenario.
func (RPC) Name() string { return "rpc" }

// Validate implements Scenario.
func (s RPC) Validate() error {
	return cmp.Or(
		within("callers", s.Callers, 1, maxSessions/2), within("callees", s.Callees, 1, maxSessions/2),
		within("depth", s.Depth, 1, maxWindow), within("size", s.Size, 0, maxSize),
		underWay(s.Callers*s.Depth, s.Size), prefix("procedure", s.Procedure),
	)
}

// String implements Scenario.
func (s RPC) String() string {
	return fmt.Sprintf("%s with %s each under way, %s, %s",
		many(s.Callers, "caller"), many(s.Depth, "call"), many(s.Callees, "callee"), describeSize(s.Size, s.Structured))
}

func (s RPC) run(ctx context.Context, r *runner) (*sample, error) {
	base := fresh(s.Procedure)
	procedure := func(i int) wamp.URI { return wamp.URI(fmt.Sprintf("%s.echo%d", base, i%s.Callees)) }
	t := newTraffic()
	defer r.leave(ctx, t)
	err := r.calls(ctx, t, s, procedure, func(ctx context.Context, i int, callee *client.Session) error {
		_, err := callee.Register(ctx, procedure(i), nil, client.RegisterOptions{})
		return err
	})
	if err != nil {
		return nil, err
	}
	used := r.measure(ctx, t)
	return &sample{
		values:  append(append([]value{{"calls", "1/s", used.perSecond()}}, used.cpu(r.process > 0, "calls")...), latency(&t.latency)...),
		latency: &t.latency, done: used.done,
	}, nil
}

// calls sets up callers of procedure(i) and callees, which setup has register.
func (r *runner) calls(
	ctx context.Context, t *traffic, s RPC,
	procedure func(i int) wamp.URI, setup func(context.Context, int, *client.Session) error,
) error {
	opening, stop := r.opening(ctx)
	defer stop()
	if _, err := t.fleet.join(opening, r.Target, s.Callees, func(int) intercept { return echo() }, setup); err != nil {
		return err
	}
	content, err := newPayload(r.Client.Serializer, s.Size, s.Structured)
	if err != nil {
		return err
	}
	callers := make([]*caller, s.Callers)
	for i := range callers {
		callers[i] = newCaller(t.meter, s.Depth, procedure(i), content.Payload)
		t.pumps = append(t.pumps, &callers[i].pump)
	}
	sessions, err := t.fleet.join(opening, r.Target, s.Callers, func(i int) intercept { return callers[i].take }, nil)
	if err != nil {
		return err
	}
	for i, c := range callers {
		c.session = sessions[i]
	}
	t.missing = func() (n int64) {
		for _, c := range callers {
			n += c.open()
		}
		return n
	}
	return nil
}

// echo answers invocations.
func echo() intercept {
	var yield wamp.Yield
	return func(s *client.Session, m wamp.Message) bool {
		inv, ok := m.(*wamp.Invocation)
		if ok {
			yield.Request, yield.Payload = inv.Request, inv.Payload
			_ = s.Put(&yield) // fails when the session has ended, which is seen
		}
		return ok
	}
}

// caller is a session that calls.
type caller struct {
	meter   *meter
	session *client.Session
	pump    pump
	call    wamp.Call
	build   func(wamp.ID) wamp.Message

	mu    sync.Mutex                // after that of pump
	under map[wamp.ID]time.Duration // when each call under way was due
}

func newCaller(m *meter, depth int, procedure wamp.URI, p wamp.Payload) *caller {
	c := &caller{meter: m, under: make(map[wamp.ID]time.Duration, depth)}
	c.call = wamp.Call{Procedure: procedure, Payload: p}
	c.build = func(id wamp.ID) wamp.Message { // called under mu
		c.call.Request = id
		return &c.call
	}
	c.pump = pump{window: depth, clock: m.clock, begin: c.begin}
	return c
}

func (c *caller) begin(_ int64, due time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, err := c.session.Post(c.build)
	if err != nil {
		return false
	}
	c.under[id] = due
	return true
}

func (c *caller) take(_ *client.Session, m wamp.Message) bool {
	switch m := m.(type) {
	case *wamp.Result:
		if due, ok := c.end(m.Request); ok {
			c.meter.finish(due)
			c.pump.done(1)
		}
		return true
	case *wamp.ErrorMessage:
		if m.RequestType != wamp.TypeCall {
			return false
		}
		if _, ok := c.end(m.Request); ok {
			c.meter.refuse(refusal(m))
			c.pump.done(1)
		}
		return true
	default:
		return false
	}
}

// end takes a call from those under way.
func (c *caller) end(id wamp.ID) (due time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	due, ok = c.under[id]
	delete(c.under, id)
	return due, ok
}

func (c *caller) open() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(len(c.under))
}
