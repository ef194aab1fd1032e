package core_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"bondy/core"
	"bondy/core/auth"
	"bondy/core/broker"
	"bondy/core/coretest"
	"bondy/core/dealer"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// Clients that join, subscribe, register, break off and come back while permissions
// change hold nothing in the end that they may not.
func TestNothingStandsThatChangedMeanwhile(t *testing.T) {
	d := directorytest.Open(t, new(directorytest.Log))
	r, err := core.New(core.Config{Directory: d, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	everybody := rbac.Role{Kind: rbac.RoleGroup, Name: rbac.RoleAnonymous}
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		p := directory.Properties{Settings: directory.DefaultSettings()}
		p.Routing.ResumeTimeout = time.Minute
		return tx.CreateRealm("realm1", p)
	})
	uri := func(i int) wamp.URI { return wamp.URI(fmt.Sprintf("com.example.n%d", i)) }
	const topics, rounds = 3, 60
	m, batch, held := home(t, r), peer.NewBatch(new(peer.Counters)), 0
	clients := make([]*coretest.Client, 4)
	for i := range clients {
		clients[i] = coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil))
	}
	for round := range uint64(rounds) {
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				clients[i] = restless(t, r, clients[i], rand.New(rand.NewPCG(round, uint64(i))), func(n int) wamp.URI { return uri(n % topics) })
			})
		}
		changing := rand.New(rand.NewPCG(round, 100))
		for range 30 {
			res, may := rbac.Resource{URI: uri(changing.IntN(topics))}, changing.IntN(2) == 0
			directorytest.Do(t, d, func(tx *directory.Tx) error {
				if may {
					return tx.Grant("realm1", everybody, res, rbac.Set(allow()...))
				}
				return tx.Revoke("realm1", everybody, res, rbac.Set(allow()...))
			})
		}
		wg.Wait()
		for _, s := range m.Members() {
			check := func(p rbac.Permission, match wamp.Match, uri wamp.URI) bool {
				if held++; !s.Rights.Decide(p, uri, match) {
					t.Errorf("round %d: session %d has what it may not %s: %s", round, s.ID(), p, uri)
				}
				return false
			}
			if b := s.Broker.Load(); b != nil {
				b.Revoke(batch, "", func(h broker.Holding) bool { return check(rbac.Subscribe, h.Match, h.URI) })
			}
			if d := s.Dealer.Load(); d != nil {
				d.Revoke(batch, "", func(h dealer.Holding) bool { return check(rbac.Register, h.Match, h.URI) })
			}
		}
	}
	if held < rounds {
		t.Errorf("only %d things were held in %d rounds", held, rounds)
	}
}

// Properties that cannot be put into effect do not keep the rights of the same
// change from it.
func TestRightsFollowBesideWhatFails(t *testing.T) {
	d := directorytest.Open(t, new(directorytest.Log))
	r, err := core.New(core.Config{
		Directory: d, Log: slog.New(slog.DiscardHandler),
		Configure: func(c *realm.Config, p *directory.Properties) {
			if p.Description == "broken" {
				c.Auth.Methods = []string{"nonsense"}
			}
		},
	})
	must(t, err)
	everybody, res := rbac.Role{Kind: rbac.RoleGroup, Name: rbac.RoleAll}, rbac.Resource{URI: "com.example"}
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		must(t, tx.CreateRealm("realm1", directory.Properties{}))
		return tx.Grant("realm1", everybody, res, rbac.Set(rbac.Call))
	})
	rights := home(t, r).Rights(&auth.Identity{Groups: []string{"staff"}})
	if !rights.Decide(rbac.Call, "com.example", wamp.MatchExact) {
		t.Fatal("what was granted is refused")
	}
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		must(t, tx.UpdateRealm("realm1", func(p *directory.Properties) error { p.Description = "broken"; return nil }))
		return tx.Revoke("realm1", everybody, res, rbac.Set(rbac.Call))
	})
	if rights.Decide(rbac.Call, "com.example", wamp.MatchExact) {
		t.Error("what was revoked is still granted")
	}
}

// restless asks for much, breaks off and comes back, and returns when all of that was
// handled.
func restless(t *testing.T, r *core.Router, c *coretest.Client, random *rand.Rand, uri func(int) wamp.URI) *coretest.Client {
	t.Helper()
	for range 30 {
		switch u := uri(random.IntN(100)); random.IntN(10) {
		case 0:
			c.Drop()
			c = coretest.JoinWith(t, r, wamp.MessagePack, back(c))
		case 1, 2, 3, 4:
			c.Send(&wamp.Subscribe{Request: c.Next(), Topic: u})
		default:
			c.Send(&wamp.Register{Request: c.Next(), Procedure: u, Options: wamp.Dict{"invoke": "random"}})
		}
	}
	last := c.Next()
	c.Send(&wamp.Publish{Request: last, Topic: "com.last", Options: wamp.Dict{"acknowledge": true}})
	for m := c.Receive(); m != nil; m = c.Receive() {
		if e, ok := m.(*wamp.ErrorMessage); ok && e.Request == last {
			return c
		}
	}
	t.Error("the connection was closed")
	return c
}
