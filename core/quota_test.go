package core_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"bondy/core/coretest"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// turnedAway demands ABORT with a text that names the limit.
func turnedAway(t *testing.T, c *coretest.Client, reason wamp.URI, limit string) {
	t.Helper()
	m := c.ExpectAbort(reason)
	if text, _ := m.Details["message"].(string); !strings.Contains(text, limit+" ") {
		t.Errorf("%q does not name %s", text, limit)
	}
}

func TestSessionsOfARealm(t *testing.T) {
	cfg := coretest.Lasting("realm1", 1000)
	cfg.MaxSessions = 3
	r := coretest.Router(t, cfg)
	knock := func() *coretest.Client {
		c := coretest.Connect(t, r, wamp.MessagePack, 0)
		c.Send(&wamp.Hello{Realm: "realm1", Details: coretest.Roles()})
		return c
	}
	a := coretest.Join(t, r)
	coretest.Join(t, r)
	detached := coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil))
	detached.Drop() // counts
	turnedAway(t, knock(), wamp.ErrUnavailable, "max_sessions")
	resume(t, r, detached) // is no newcomer
	turnedAway(t, knock(), wamp.ErrUnavailable, "max_sessions")
	a.Drop()
	coretest.Join(t, r)
	if n := r.Stats().Counters.RealmFull.Load(); n != 2 {
		t.Errorf("%d refused, want 2", n)
	}
	cfg.MaxSessions = 0
	if err := r.Apply([]realm.Config{cfg}); err != nil {
		t.Fatal(err)
	}
	coretest.Join(t, r)
}

func TestSessionsOfAUser(t *testing.T) {
	cfg := voucherRealm(1000)
	cfg.MaxUserSessions = 2
	r := coretest.Router(t, cfg)
	welcome := func(c *coretest.Client) *coretest.Client {
		t.Helper()
		coretest.Expect[*wamp.Welcome](c)
		return c
	}
	for range 5 {
		coretest.Join(t, r) // anonymous clients are nobody's
	}
	a := welcome(redeem(t, r, "joe", "s3cret", coretest.Roles()))
	welcome(redeem(t, r, "joe", "voucher 1h", coretest.Resumable(nil))).Drop() // stays without connection
	turnedAway(t, redeem(t, r, "joe", "s3cret", coretest.Roles()), wamp.ErrTooManyRequests, "max_sessions_per_user")
	welcome(redeem(t, r, "ann", "s3cret", coretest.Roles()))
	a.Drop()
	a = welcome(redeem(t, r, "joe", "s3cret", coretest.Roles()))
	if n := r.Stats().Counters.UserFull.Load(); n != 1 {
		t.Errorf("%d refused, want 1", n)
	}
	// off and on again: who is there counts
	for _, limit := range []int{0, 2} {
		cfg.MaxUserSessions = limit
		if err := r.Apply([]realm.Config{cfg}); err != nil {
			t.Fatal(err)
		}
	}
	turnedAway(t, redeem(t, r, "joe", "s3cret", coretest.Roles()), wamp.ErrTooManyRequests, "max_sessions_per_user")
	a.Drop()
	welcome(redeem(t, r, "joe", "s3cret", coretest.Roles()))
}

// However many join and leave at a time, there are never more than may be, and
// in the end as many as may be.
func TestSessionLimitsAreExact(t *testing.T) {
	for name, limit := range map[string]func(*realm.Config){
		"realm": func(cfg *realm.Config) { cfg.MaxSessions = 5 },
		"user":  func(cfg *realm.Config) { cfg.MaxUserSessions = 5 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := voucherRealm(0)
			limit(&cfg)
			r := coretest.Router(t, cfg)
			join := func() *coretest.Client {
				c := redeem(t, r, "joe", "voucher 1h", coretest.Roles())
				if _, in := c.Receive().(*wamp.Welcome); !in {
					c.Drop()
					return nil
				}
				return c
			}
			var wg sync.WaitGroup
			for i := range 16 {
				wg.Go(func() {
					for range 10 {
						c := join()
						if c == nil {
							continue
						}
						if n := home(t, r).Count(); n > 5 {
							t.Errorf("%d sessions at a time", n)
						}
						if i%2 == 0 {
							c.Drop()
							continue
						}
						c.Send(&wamp.Goodbye{Reason: wamp.CloseNormal})
						coretest.Expect[*wamp.Goodbye](c)
						c.Drop()
					}
				})
			}
			wg.Wait()
			for i := range 7 {
				if c := join(); (c != nil) != (i < 5) {
					t.Errorf("%d sessions: %s", i, fmt.Sprint(c))
				}
			}
		})
	}
}
