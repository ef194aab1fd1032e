package realm_test

import (
	"fmt"
	"testing"
	"time"

	"bondy/core/coretest"
	"bondy/core/meta"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// conn is the connection of a session that only counts how often it is ended.
type conn struct{ killed int }

func (*conn) Transport() meta.Transport    { return meta.Transport{} }
func (*conn) Goodbye(wamp.URI, string)     {}
func (c *conn) Kill(wamp.URI, string) bool { c.killed++; return c.killed == 1 }
func (*conn) End()                         {}

// sink takes everything at once.
type sink struct{}

func (sink) Serializer() wamp.Serializer       { return wamp.MessagePack }
func (sink) Append([]byte, *peer.Buffer) error { return nil }
func (sink) Buffered() int                     { return 0 }
func (sink) Flush()                            {}
func (sink) OnProgress(func())                 {}

// crowd is a realm with so many sessions, each of another user in one of 50
// groups, with a subscription to com.news and one of its own.
func crowd(t testing.TB, sessions int) (*realm.Realm, []*conn, func(groups int, gone string) realm.Config) {
	t.Helper()
	cfg := coretest.Realm("realm1")
	config := func(groups int, gone string) realm.Config {
		var grants []rbac.Grant
		users := make(map[string][]string)
		for i := range groups {
			grants = append(grants, rbac.Grant{
				Roles: []string{fmt.Sprintf("group-%d", i)}, Permissions: []rbac.Permission{rbac.Subscribe},
				Resources: []rbac.Resource{{URI: "com.", Match: wamp.MatchPrefix}, {URI: wamp.URI(fmt.Sprintf("org.n%d", i))}},
			})
		}
		for i := range sessions {
			if name := fmt.Sprintf("user-%d", i); name != gone {
				users[name] = []string{fmt.Sprintf("group-%d", i%50)}
			}
		}
		d, err := rbac.Static(grants, users)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Access = rbac.Config{Directory: d}
		return cfg
	}
	counters := new(peer.Counters)
	r, err := realm.New(config(50, ""), []byte("key"), counters)
	if err != nil {
		t.Fatal(err)
	}
	b := peer.NewBatch(counters)
	conns := make([]*conn, sessions)
	for i := range conns {
		conns[i] = new(conn)
		p := &peer.Peer{
			Session: wamp.ID(i + 1), Features: peer.Subscriber | peer.SubscriptionRevocation,
			Queue: peer.NewQueue(sink{}, &cfg.Queue, peer.NewBudget(0), counters, func() {}),
		}
		s := &meta.Session{Peer: p, Conn: conns[i], Rights: r.Access.Rights(rbac.Subject{User: fmt.Sprintf("user-%d", i)})}
		if _, err := r.Join(s, r.Mark()); err != nil {
			t.Fatal(err)
		}
		br := r.Broker.Join(p)
		s.Broker.Store(br)
		for _, topic := range []wamp.URI{"com.news", wamp.URI(fmt.Sprintf("com.own.n%d", i))} {
			if err := br.Subscribe(b, &wamp.Subscribe{Request: 1, Topic: topic}, wamp.MatchExact); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.Flush()
	return r, conns, config
}

func TestRecheckOfManySessions(t *testing.T) {
	const sessions = 10_000
	r, conns, config := crowd(t, sessions)
	members := func() int {
		id, _ := r.Broker.Lookup(wamp.MatchExact, "com.news")
		n, _ := r.Broker.Count(id)
		return n
	}
	step := func(what string, cfg realm.Config, want int) {
		t.Helper()
		start := time.Now()
		if err := r.Apply(cfg); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %v", what, time.Since(start))
		if got := members(); got != want {
			t.Errorf("%s: %d subscriptions stand, want %d", what, got, want)
		}
	}
	step("the same", config(50, ""), sessions)
	step("a group lost", config(49, ""), sessions/50*49)
	step("a user gone", config(49, "user-7"), sessions/50*49-1)
	killed := 0
	for i, c := range conns {
		killed += c.killed
		if c.killed > 0 && i != 7 {
			t.Errorf("session of user-%d ended", i)
		}
	}
	if killed == 0 {
		t.Error("who is gone is still there")
	}
	step("everything lost", config(0, ""), 0)
}

func BenchmarkRecheck(b *testing.B) {
	r, _, config := crowd(b, 10_000)
	cfg := config(50, "")
	for b.Loop() {
		if err := r.Apply(cfg); err != nil {
			b.Fatal(err)
		}
	}
}
