package realm_test

import (
	"fmt"
	"slices"
	"testing"

	"bondy/core/coretest"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// BenchmarkRecheckOfManySubscriptions is a change of grants that concerns one
// session, which keeps all of its many subscriptions, to topics that no cache has.
func BenchmarkRecheckOfManySubscriptions(b *testing.B) {
	for _, subscriptions := range []int{100, 20_000} {
		b.Run(fmt.Sprint(subscriptions), func(b *testing.B) {
			cfg := coretest.Realm("realm1")
			counters := new(peer.Counters)
			r, err := realm.New(cfg, []byte("key"), counters)
			if err != nil {
				b.Fatal(err)
			}
			s := member(r, 1, "", "anonymous")
			s.Rights = r.Access.Rights(rbac.Subject{Groups: []string{rbac.RoleAnonymous}})
			s.Peer.Queue = peer.NewQueue(sink{}, &cfg.Queue, peer.NewBudget(0), counters, func() {})
			if _, err := r.Join(s, r.Mark()); err != nil {
				b.Fatal(err)
			}
			br, batch := r.Broker.Join(s.Peer), peer.NewBatch(counters)
			s.Broker.Store(br)
			for i := range subscriptions {
				m := &wamp.Subscribe{Request: 1, Topic: wamp.URI(fmt.Sprintf("com.example.topic.n%d", i))}
				if err := br.Subscribe(batch, m, wamp.MatchExact); err != nil {
					b.Fatal(err)
				}
				batch.Flush()
			}
			grants := cfg.Access.Grants
			more := rbac.Grant{Roles: []string{rbac.RoleAnonymous}, Permissions: []rbac.Permission{rbac.Call}, Resources: []rbac.Resource{{URI: "bondy.x"}}}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				cfg.Access.Grants = grants
				if i++; i%2 == 1 {
					cfg.Access.Grants = slices.Concat(grants, []rbac.Grant{more})
				}
				if err := r.Apply(cfg); err != nil {
					b.Fatal(err)
				}
			}
			if n := r.Broker.Subscriptions(); n != subscriptions {
				b.Errorf("%d subscriptions are left", n)
			}
		})
	}
}
