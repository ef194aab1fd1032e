package bridge_test

import (
	"crypto/ed25519"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"bondy/core"
	"bondy/core/auth"
	"bondy/core/coretest"
	"bondy/core/pattern"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
	"bondy/uplink/bridge"
)

// cable joins an edge and a core in memory: frames arrive in order, each
// direction in a goroutine of its own, as on a lane.
type cable struct {
	edge *bridge.Edge
	core *bridge.Core
	name string

	here, there *end
	work        sync.WaitGroup
}

// end is one side's bridge.Link.
type end struct {
	mu      sync.Mutex
	cond    *sync.Cond
	frames  [][]byte
	closed  bool
	idle    bool
	aborted string
	busy    int
}

var _ bridge.Link = (*end)(nil)

func (e *end) Send(_ uint64, kind uint8, body []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if kind != bridge.KindMessage || e.closed {
		return peer.ErrClosed
	}
	e.frames = append(e.frames, slices.Clone(body))
	e.cond.Broadcast()
	return nil
}

func (e *end) Queued(uint64) int { return 0 }
func (e *end) AddBusy(delta int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.busy += delta
	e.cond.Broadcast()
}

// owes waits until the other side is known to owe n answers.
func (e *end) owes(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.busy != n {
		e.cond.Wait()
	}
}

func (e *end) Abort(reason string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.aborted = reason
}
func (e *end) Close(reason string) { e.Abort(reason) }

// carry hands frames to the other side until the end is closed.
func (e *end) carry(to func(body []byte) error) {
	for {
		body, ok := e.next()
		if !ok {
			return
		}
		if err := to(body); err != nil {
			e.Abort(err.Error())
		}
	}
}

func (e *end) next() ([]byte, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.frames) == 0 && !e.closed {
		e.idle = true
		e.cond.Broadcast()
		e.cond.Wait()
	}
	e.idle = false
	if e.closed {
		return nil, false
	}
	body := e.frames[0]
	e.frames = e.frames[1:]
	return body, true
}

func newEnd() *end {
	e := &end{}
	e.cond = sync.NewCond(&e.mu)
	return e
}

// plug connects; unplug waits until both sides have noticed.
func (c *cable) plug() {
	c.here, c.there = newEnd(), newEnd()
	here, there := c.here, c.there
	c.core.Up(there, c.name, netip.MustParseAddrPort("192.0.2.7:18092"))
	c.edge.Up(here)
	c.work.Go(func() { here.carry(func(b []byte) error { return c.core.Frame(there, b) }) })
	c.work.Go(func() { there.carry(func(b []byte) error { return c.edge.Frame(here, b) }) })
}

func (c *cable) unplug() {
	for _, e := range []*end{c.here, c.there} {
		e.mu.Lock()
		e.closed = true
		e.cond.Broadcast()
		e.mu.Unlock()
	}
	c.work.Wait()
	c.edge.Down(c.here)
	c.core.Down(c.there)
}

// settle waits until nothing is under way on any of the cables.
func settle(t *testing.T, cables ...*cable) {
	t.Helper()
	for quiet := 0; quiet < 3; {
		quiet++
		for _, c := range cables {
			for _, e := range []*end{c.here, c.there} {
				e.mu.Lock()
				for !e.idle || len(e.frames) > 0 {
					quiet = 0
					e.cond.Wait()
				}
				if e.aborted != "" {
					t.Errorf("link aborted: %s", e.aborted)
				}
				e.mu.Unlock()
			}
		}
	}
}

func shared(r *core.Router) *bridge.Shared {
	counters, budget := r.Peers()
	return &bridge.Shared{
		Realm: r.Realm, Counters: counters, Budget: budget,
		Queue: peer.Limits{Soft: 1 << 20, Hard: 4 << 20, Reserve: 4 << 20}, Log: slog.New(slog.DiscardHandler),
	}
}

func key(b byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = b
	return ed25519.NewKeyFromSeed(seed)
}

// coreRealm is realm1 at the core, where the uplink gateway-1 may do what is
// below "com.", and anonymous clients everything.
func coreRealm() realm.Config {
	cfg := coretest.Realm("realm1")
	cfg.Auth.Methods = append(cfg.Auth.Methods, auth.MethodCryptosign)
	cfg.Auth.Users = []auth.User{{Name: "gateway-1", Keys: []ed25519.PublicKey{key(1).Public().(ed25519.PublicKey)}, Groups: []string{"edges"}}}
	cfg.Access.Grants = append(cfg.Access.Grants, rbac.Grant{
		Roles: []string{"edges"}, Permissions: []rbac.Permission{rbac.Call, rbac.Register, rbac.Subscribe, rbac.Publish},
		Resources: []rbac.Resource{{URI: "com.", Match: wamp.MatchPrefix}},
	})
	return cfg
}

// everything crosses both ways.
func everything() bridge.Rules {
	all := []bridge.Rule{{Pattern: pattern.Pattern{Match: wamp.MatchPrefix, URI: "com."}, Direction: bridge.Both}}
	return bridge.Rules{Topics: all, Procedures: all}
}

// connect builds an edge beside a core that exists and joins the two.
func connect(t *testing.T, atCore *core.Router, c *bridge.Core, rules bridge.Rules) (*core.Router, *cable) {
	t.Helper()
	atEdge := coretest.Router(t)
	e, err := bridge.NewEdge("cloud", []bridge.Realm{{URI: "realm1", AuthID: "gateway-1", Key: key(1), Rules: rules}}, shared(atEdge))
	if err != nil {
		t.Fatal(err)
	}
	if c == nil {
		c = bridge.NewCore(shared(atCore))
	}
	link := &cable{edge: e, core: c, name: "edge"}
	link.plug()
	t.Cleanup(link.unplug)
	settle(t, link)
	return atEdge, link
}

func pair(t *testing.T, rules bridge.Rules) (atEdge, atCore *core.Router, link *cable) {
	t.Helper()
	atCore = coretest.Router(t, coreRealm())
	atEdge, link = connect(t, atCore, nil, rules)
	return atEdge, atCore, link
}
