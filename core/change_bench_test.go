package core_test

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"bondy/core"
	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/meta"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// The size of the realm in which changes are weighed.
const (
	benchUsers    = 100_000
	benchGroups   = 1_000
	benchGrants   = 10_000
	benchSessions = 1_000
	benchTopics   = 10 // of each session
)

// away is the connection of a session that nobody serves.
type away struct{}

func (away) Transport() meta.Transport  { return meta.Transport{} }
func (away) Goodbye(wamp.URI, string)   {}
func (away) Kill(wamp.URI, string) bool { return true }
func (away) End()                       {}

func benchUser(i int) string  { return fmt.Sprintf("user-%06d", i) }
func benchGroup(i int) string { return fmt.Sprintf("group-%04d", i) }

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// large is a realm of which users are in two groups each, groups in others, five
// deep, with grants to groups, and the sessions of some users.
func large(tb testing.TB) *directory.Directory {
	tb.Helper()
	d := directorytest.Open(tb, new(directorytest.Log))
	r, err := core.New(core.Config{Directory: d, Log: slog.New(slog.DiscardHandler)})
	must(tb, err)
	directorytest.Do(tb, d, func(tx *directory.Tx) error {
		must(tb, tx.CreateRealm("large", directory.Properties{}))
		for i := range benchGroups {
			var in []string
			if i > 0 {
				in = []string{benchGroup((i - 1) / 4)}
			}
			must(tb, tx.AddGroup("large", benchGroup(i), in, nil))
		}
		for i := range benchUsers {
			in := []string{benchGroup(i % benchGroups), benchGroup((i / benchGroups) * 7 % benchGroups)}
			must(tb, tx.AddUser("large", directory.UserSpec{Name: benchUser(i), Groups: in}))
		}
		for i := range benchGrants {
			must(tb, tx.Grant("large", benchRole(i%benchGroups), benchResource(i), rbac.Set(allow()...)))
		}
		must(tb, tx.Grant("large", rbac.Role{Kind: rbac.RoleGroup, Name: rbac.RoleAll},
			rbac.Resource{URI: "com.news.", Match: wamp.MatchPrefix}, rbac.Set(rbac.Subscribe)))
		return nil
	})
	m, err := r.Realm("large")
	must(tb, err)
	k := newBench()
	batch := peer.NewBatch(&k.counters)
	for i := range benchSessions {
		who := &auth.Identity{Principal: &auth.Principal{AuthRealm: "large", Name: benchUser(i * 97)}}
		s := &meta.Session{Peer: k.peer(), Conn: away{}, Principal: who.Principal, Rights: m.Rights(who)}
		s.Peer.Features |= peer.Subscriber
		if _, err := m.Join(s, m.Mark()); err != nil {
			tb.Fatal(err)
		}
		b := m.Broker.Join(s.Peer)
		s.Broker.Store(b)
		for j := range benchTopics {
			topic := wamp.URI(fmt.Sprintf("com.news.%d.%d", i, j))
			must(tb, b.Subscribe(batch, &wamp.Subscribe{Request: 1, Topic: topic}, wamp.MatchExact))
		}
		batch.Flush()
	}
	return d
}

func benchRole(i int) rbac.Role { return rbac.Role{Kind: rbac.RoleGroup, Name: benchGroup(i)} }

func benchResource(i int) rbac.Resource {
	return rbac.Resource{URI: wamp.URI(fmt.Sprintf("com.example.part%d.%d.", i%100, i)), Match: wamp.MatchPrefix}
}

// BenchmarkChange is what a change of a large realm with sessions costs, without a
// disk: it should be in proportion to the sessions that it concerns.
func BenchmarkChange(b *testing.B) {
	once := sync.OnceValue(func() *directory.Directory { return large(b) })
	more := rbac.Resource{URI: "com.more.", Match: wamp.MatchPrefix}
	grants := func(role rbac.Role) func(tx *directory.Tx, i int) error {
		return func(tx *directory.Tx, i int) error {
			if i%2 == 0 {
				return tx.Grant("large", role, more, rbac.Set(rbac.Call))
			}
			return tx.Revoke("large", role, more, rbac.Set(rbac.Call))
		}
	}
	member := func(user string) func(tx *directory.Tx, i int) error {
		return func(tx *directory.Tx, i int) error {
			if i%2 == 0 {
				return tx.AddToGroups("large", []string{user}, []string{benchGroup(999)})
			}
			return tx.RemoveFromGroups("large", []string{user}, []string{benchGroup(999)})
		}
	}
	for _, bc := range []struct {
		name   string
		change func(tx *directory.Tx, i int) error
	}{
		{"grant=user-without-session", grants(rbac.Role{Name: benchUser(1)})},
		{"grant=user-with-session", grants(rbac.Role{Name: benchUser(97)})},
		{"grant=small-group", grants(benchRole(998))},
		{"grant=group-of-all", grants(benchRole(0))},
		{"member=user-without-session", member(benchUser(1))},
		{"member=user-with-session", member(benchUser(97))},
		{"user=added-and-deleted", func(tx *directory.Tx, i int) error {
			if i%2 == 0 {
				return tx.AddUser("large", directory.UserSpec{Name: "more", Groups: []string{benchGroup(1)}})
			}
			return tx.DeleteUser("large", "more", false)
		}},
		{"users=1000-enabled-and-disabled", func(tx *directory.Tx, i int) error {
			for j := range 1000 {
				disabled := i%2 == 0
				must(b, tx.UpdateUser("large", benchUser(50_001+j*7), directory.UserPatch{Disabled: &disabled}))
			}
			return nil
		}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			d := once()
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				must(b, d.Update(directory.Actor{}, func(tx *directory.Tx) error { return bc.change(tx, i) }))
				i++
			}
			if i%2 == 1 {
				must(b, d.Update(directory.Actor{}, func(tx *directory.Tx) error { return bc.change(tx, i) }))
			}
		})
	}
}
