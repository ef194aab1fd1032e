package core_test

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core"
	"bondy/core/codec"
	"bondy/core/coretest"
	"bondy/core/peer"
	"bondy/core/realm"
	"bondy/core/session"
	"bondy/core/wamp"
)

// sent is how many of n messages of c are not above a rate.
func sent(t *testing.T, c *coretest.Client, n int) (count int) {
	t.Helper()
	for range n {
		c.Send(&wamp.Unsubscribe{Request: c.Next(), Subscription: 1})
		switch m := coretest.Expect[*wamp.ErrorMessage](c); m.Error {
		case wamp.ErrNoSuchSubscription:
			count++
		case wamp.ErrTooManyRequests:
		default:
			t.Fatalf("ERROR %s", m.Error)
		}
	}
	return count
}

func TestRateOfAUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := voucherRealm(1000)
		cfg.MaxUserRate = 5
		r := coretest.Router(t, cfg)
		join := func(authid string) *coretest.Client {
			c := redeem(t, r, authid, "s3cret", coretest.Roles())
			coretest.Expect[*wamp.Welcome](c)
			return c
		}
		a, b, ann, nobody := join("joe"), join("joe"), join("ann"), coretest.Join(t, r)
		if n := sent(t, a, 7) + sent(t, b, 7); n != 10 {
			t.Errorf("%d messages at once, want 10", n)
		}
		if n := sent(t, ann, 20); n != 10 {
			t.Errorf("%d messages of another user, want 10", n)
		}
		if n := sent(t, nobody, 20); n != 20 {
			t.Errorf("%d messages of an anonymous client, want all", n)
		}
		a.Drop()
		b.Drop()
		a = join("joe") // coming back makes nobody faster
		if n := sent(t, a, 10); n != 0 {
			t.Errorf("%d messages after coming back, want none", n)
		}
		time.Sleep(time.Second)
		if n := sent(t, a, 10); n != 5 {
			t.Errorf("%d messages in a second, want 5", n)
		}
		if n := r.Stats().Counters.Limited[peer.RateUser].Load(); n != 4+10+10+5 {
			t.Errorf("%d refused", n)
		}
		cfg.MaxUserRate = 50
		if err := r.Apply([]realm.Config{cfg}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if n := sent(t, a, 200); n != 100 {
			t.Errorf("%d messages at once with another bound, want 100", n)
		}
	})
}

// A bound that others used up refuses what can be refused, and ends neither
// sessions nor calls that are under way.
func TestRateOfARealm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := coretest.Realm("realm1")
		cfg.MaxTotalRate = 5
		r := coretest.Router(t, cfg)
		greedy, callee, caller := coretest.Join(t, r), coretest.Join(t, r), coretest.Join(t, r)
		callee.Register("a.slow", nil)
		caller.Subscribe("a.b", nil)
		caller.Call("a.slow", nil)
		inv := coretest.Expect[*wamp.Invocation](callee)
		greedy.Send(&wamp.Publish{Request: greedy.Next(), Topic: "a.b"})
		coretest.Expect[*wamp.Event](caller)
		if n := sent(t, greedy, 100); n != 6 {
			t.Errorf("%d messages, want 6", n)
		}
		caller.Send(&wamp.Publish{Request: caller.Next(), Topic: "a.b"}) // dropped
		caller.Send(&wamp.Subscribe{Request: caller.Next(), Topic: "a.c"})
		caller.ExpectError(wamp.ErrTooManyRequests)
		callee.Send(&wamp.Yield{Request: inv.Request})
		coretest.Expect[*wamp.Result](caller)
		synctest.Wait()
		greedy.Nothing()
		if n := r.Stats().Counters.Limited[peer.RateRealm].Load(); n != 94+2 {
			t.Errorf("%d refused, want 96", n)
		}
		time.Sleep(time.Second)
		if n := sent(t, greedy, 10); n != 5 {
			t.Errorf("%d messages in a second, want 5", n)
		}
	})
}

// remote is a connection from somewhere.
type remote struct {
	*coretest.Conn

	from netip.AddrPort
}

func (r *remote) Info() session.ConnInfo {
	return session.ConnInfo{Transport: "memory", Remote: r.from}
}

// greet is what the router answers to a HELLO from an address.
func greet(t *testing.T, r *core.Router, from string) wamp.URI {
	t.Helper()
	addr, _ := netip.ParseAddr(from) // "" is a unix socket
	c := &remote{coretest.NewConn(wamp.MessagePack, 0), netip.AddrPortFrom(addr, 1)}
	done := make(chan struct{})
	go r.Serve(context.WithoutCancel(t.Context()), c, func(session.Conn) { close(done) })
	b, err := codec.Append(nil, wamp.MessagePack, &wamp.Hello{Realm: "realm1", Details: coretest.Roles()})
	if err != nil {
		t.Fatal(err)
	}
	c.Put(b)
	answer, _ := c.Take()
	m, err := codec.NewDecoder(wamp.MessagePack, codec.Limits{}).Decode(answer)
	if err != nil {
		t.Fatal(err)
	}
	c.Hangup()
	<-done
	if abort, ok := m.(*wamp.Abort); ok {
		return abort.Reason
	}
	return ""
}

func TestRateOfHellos(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := core.New(core.Config{Realms: []realm.Config{coretest.Realm("realm1")}, MaxHelloRate: 2, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct {
			from []string
			want int
		}{
			{[]string{"192.0.2.1"}, 4},
			{[]string{"192.0.2.2", "::ffff:192.0.2.2"}, 4},
			{[]string{"2001:db8::1", "2001:db8::2", "2001:db8:0:0:ff::"}, 4},
			{[]string{"2001:db8:0:1::1"}, 4},
			{[]string{"127.0.0.1"}, 20},
			{[]string{"::1"}, 20},
			{[]string{""}, 20},
		} {
			n := 0
			for i := range 20 {
				switch reason := greet(t, r, tc.from[i%len(tc.from)]); reason {
				case "":
					n++
				case wamp.ErrTooManyRequests:
				default:
					t.Fatalf("%q: ABORT %s", tc.from, reason)
				}
			}
			if n != tc.want {
				t.Errorf("%q: %d sessions at once, want %d", tc.from, n, tc.want)
			}
		}
		if n := r.Stats().Counters.Limited[peer.RateHello].Load(); n != 4*16 {
			t.Errorf("%d refused, want 64", n)
		}
		time.Sleep(time.Second)
		for i, want := range []wamp.URI{"", "", wamp.ErrTooManyRequests} {
			if reason := greet(t, r, "192.0.2.1"); reason != want {
				t.Errorf("session %d in the next second: %q, want %q", i, reason, want)
			}
		}
	})
}
