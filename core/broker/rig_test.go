package broker_test

import (
	"hash/fnv"
	"slices"
	"sync"

	"bondy/core/broker"
	"bondy/core/codec"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// rig is a broker with peers that keep what they get.
type rig struct {
	*broker.Broker
	t        tester
	counters peer.Counters
	budget   *peer.Budget
	limits   peer.Limits
	ids      wamp.ID
}

// id is a stand-in for the ids that a realm derives.
func id(m wamp.Match, u wamp.URI) wamp.ID {
	h := fnv.New64a()
	_, _ = h.Write([]byte(m.String() + string(u)))
	return wamp.ID(h.Sum64()>>11) + 1
}

func newRig(t tester, cfg broker.Config) *rig {
	cfg.ID = id
	return &rig{
		Broker: broker.New(cfg), t: t, budget: peer.NewBudget(0),
		limits: peer.Limits{Soft: 1 << 20, Hard: 4 << 20, Reserve: 4 << 20},
	}
}

// client is one session with what was sent to it.
type client struct {
	*broker.Session
	rig   *rig
	peer  *peer.Peer
	batch *peer.Batch

	mu      sync.Mutex
	queued  [][]byte
	request wamp.ID
}

// join adds a session of the given role.
func (r *rig) join(role string) *client {
	return r.joinAs(&peer.Peer{AuthID: role + "-id", AuthRole: role})
}

func (r *rig) joinAs(p *peer.Peer) *client {
	r.ids++
	c := &client{rig: r, peer: p, batch: peer.NewBatch(&r.counters)}
	p.Session = r.ids
	p.Queue = peer.NewQueue(c, &r.limits, r.budget, &r.counters, func() {})
	c.Session = r.Join(p)
	return c
}

func (*client) Serializer() wamp.Serializer { return wamp.JSON }
func (*client) Buffered() int               { return 0 }
func (*client) Flush()                      {}
func (*client) OnProgress(func())           {}

func (c *client) Append(b []byte, _ *peer.Buffer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queued = append(c.queued, slices.Clone(b))
	return nil
}

// got takes what was sent since the last call.
func (c *client) got() []wamp.Message {
	c.rig.t.Helper()
	c.batch.Flush()
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []wamp.Message
	for _, b := range c.queued {
		m, err := codec.NewDecoder(wamp.JSON, codec.Limits{}).Decode(b)
		if err != nil {
			c.rig.t.Fatalf("broker sent %q: %v", b, err)
		}
		out = append(out, m)
	}
	c.queued = nil
	return out
}

// events takes what was sent, which must be nothing but events.
func (c *client) events() []*wamp.Event {
	c.rig.t.Helper()
	var out []*wamp.Event
	for _, m := range c.got() {
		e, ok := m.(*wamp.Event)
		if !ok {
			c.rig.t.Fatalf("got %s %+v, want only events", m.Type(), m)
		}
		out = append(out, e)
	}
	return out
}

// texts is the first argument of each event that was sent.
func (c *client) texts() []string {
	c.rig.t.Helper()
	var out []string
	for _, e := range c.events() {
		out = append(out, c.rig.text(e))
	}
	return out
}

// text is the first argument of an event, "" if there is none.
func (r *rig) text(e *wamp.Event) string {
	args, err := codec.DecodeArgs(e.Payload)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(args) == 0 {
		return ""
	}
	s, _ := args[0].(string)
	return s
}

// subscribe subscribes, takes SUBSCRIBED and returns the id.
func (c *client) subscribe(topic wamp.URI, options wamp.Dict) wamp.ID {
	c.rig.t.Helper()
	if err := c.trySubscribe(topic, options); err != nil {
		c.rig.t.Fatal(err)
	}
	c.batch.Flush()
	c.mu.Lock()
	defer c.mu.Unlock()
	m, err := codec.NewDecoder(wamp.JSON, codec.Limits{}).Decode(c.queued[0])
	s, ok := m.(*wamp.Subscribed)
	if err != nil || !ok || s.Request != c.request {
		c.rig.t.Fatalf("got %+v, %v, want SUBSCRIBED for %d", m, err, c.request)
	}
	c.queued = c.queued[1:]
	return s.Subscription
}

func (c *client) trySubscribe(topic wamp.URI, options wamp.Dict) error {
	match, err := options.Match()
	if err != nil {
		return err
	}
	c.request++
	return c.Subscribe(c.batch, &wamp.Subscribe{Request: c.request, Topic: topic, Options: options}, match)
}

// publish publishes a text, or nothing if it is empty.
func (c *client) publish(topic wamp.URI, options wamp.Dict, text string) {
	c.rig.t.Helper()
	if err := c.tryPublish(topic, options, text); err != nil {
		c.rig.t.Fatal(err)
	}
}

func (c *client) tryPublish(topic wamp.URI, options wamp.Dict, text string) error {
	c.request++
	return c.Publish(c.batch, &wamp.Publish{Request: c.request, Options: options, Topic: topic, Payload: payload(c.rig.t, text)})
}

func payload(t tester, text string) wamp.Payload {
	if text == "" {
		return wamp.Payload{Serializer: wamp.JSON}
	}
	p, err := codec.NewPayload(wamp.JSON, []any{text}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (c *client) leave() {
	c.peer.Close()
	c.Leave(c.batch)
}

// wantError fails unless err is a *wamp.Error with that URI.
func wantError(t tester, what string, err error, uri wamp.URI) {
	t.Helper()
	if err == nil || wamp.AsError(err).URI != uri {
		t.Errorf("%s: %v, want %s", what, err, uri)
	}
}

func equal[T comparable](t tester, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func list(v ...any) []any { return append([]any{}, v...) }
