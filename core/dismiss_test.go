package core_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"bondy/core"
	"bondy/core/auth"
	"bondy/core/coretest"
	"bondy/core/meta"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// home is the realm of the tests.
func home(t *testing.T, r *core.Router) *realm.Realm {
	t.Helper()
	m, err := r.Realm("realm1")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// gone demands GOODBYE with the reason, and the end of the connection.
func gone(t *testing.T, c *coretest.Client, reason wamp.URI) {
	t.Helper()
	if m := coretest.Expect[*wamp.Goodbye](c); m.Reason != reason || m.Details["message"] == "" {
		t.Errorf("GOODBYE %s %v, want %s", m.Reason, m.Details, reason)
	}
	if m := c.Receive(); m != nil {
		t.Errorf("%s after GOODBYE", m.Type())
	}
}

// dismiss ends the sessions of clients.
func dismiss(t *testing.T, r *core.Router, reason wamp.URI, message string, clients ...*coretest.Client) int {
	t.Helper()
	reasons := make(map[wamp.ID]*wamp.Error)
	for _, c := range clients {
		reasons[c.ID] = wamp.Errorf(reason, "%s", message)
	}
	return home(t, r).Dismiss(func(s *meta.Session) *wamp.Error { return reasons[s.ID()] })
}

func out(*meta.Session) *wamp.Error { return wamp.Errorf(wamp.CloseKilled, "out") }

func TestDismiss(t *testing.T) {
	r := coretest.Router(t)
	a, b, stays := coretest.Join(t, r), coretest.Join(t, r), coretest.Join(t, r)
	a.Register("com.a", nil)
	if n := dismiss(t, r, "com.example.because", "you are not wanted", a, b); n != 2 {
		t.Errorf("%d dismissed, want 2", n)
	}
	gone(t, a, "com.example.because")
	gone(t, b, "com.example.because")
	a.Drop()
	stays.Call("com.a", nil)
	stays.ExpectError(wamp.ErrNoSuchProcedure)
	if n := dismiss(t, r, "com.example.because", "", a, b); n != 0 {
		t.Errorf("%d dismissed again", n)
	}
}

func TestDismissedSessionIsNotResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := coretest.Router(t, coretest.Lasting("realm1", 1000))
		detached := coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil))
		detached.Drop()
		attached := coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil))
		if n := dismiss(t, r, wamp.CloseKilled, "out", detached, attached); n != 2 {
			t.Errorf("%d dismissed, want 2", n)
		}
		gone(t, attached, wamp.CloseKilled)
		for _, c := range []*coretest.Client{detached, attached} {
			if again := coretest.JoinWith(t, r, wamp.MessagePack, back(c)); again.Welcome["resumed"] != false || again.ID == c.ID {
				t.Errorf("resumed: %v", again.Welcome)
			}
		}
		synctest.Wait()
		if n := r.Stats().Detached; n != 0 {
			t.Errorf("%d detached", n)
		}
	})
}

// slow is an authenticator that answers when it is told to.
type slow struct {
	asked  chan struct{}
	answer chan struct{}
}

func (s *slow) Call(context.Context, wamp.URI, []any) (any, error) {
	s.asked <- struct{}{}
	<-s.answer
	return "user", nil
}

// Who is let in while somebody takes the right away is not let in.
func TestDismissReachesLoginsUnderWay(t *testing.T) {
	s := &slow{asked: make(chan struct{}), answer: make(chan struct{})}
	cfg := coretest.Realm("realm1")
	cfg.Auth.Methods = []string{auth.MethodTicket}
	cfg.Auth.Caller, cfg.Auth.Dynamic = s, map[string]wamp.URI{auth.MethodTicket: "com.decide"}
	r := coretest.Router(t, cfg)
	login := func(authid string) *coretest.Client {
		c := coretest.Connect(t, r, wamp.MessagePack, 0)
		c.Send(&wamp.Hello{Realm: "realm1", Details: coretest.Resumable(wamp.Dict{"authid": authid, "authmethods": []any{"ticket"}})})
		coretest.Expect[*wamp.Challenge](c)
		c.Send(&wamp.Authenticate{Signature: "x"})
		<-s.asked
		return c
	}
	joe, ann := login("joe"), login("ann")
	for _, authid := range []string{"eve", "joe", "bob"} {
		home(t, r).Dismiss(func(m *meta.Session) *wamp.Error {
			if m.Peer.AuthID != authid {
				return nil
			}
			return wamp.Errorf("com.example.deleted", "deleted: %s", authid)
		})
	}
	close(s.answer)
	if m := joe.ExpectAbort("com.example.deleted"); m.Details["message"] != "deleted: joe" {
		t.Errorf("%v", m.Details)
	}
	coretest.Expect[*wamp.Welcome](ann)
	again := login("joe") // whose right was given back meanwhile
	coretest.Expect[*wamp.Welcome](again)
}

func TestDismissWhileManyJoin(t *testing.T) {
	r := coretest.Router(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			c := coretest.Connect(t, r, wamp.MessagePack, 0)
			c.Send(&wamp.Hello{Realm: "realm1", Details: coretest.Roles()})
			for m := c.Receive(); m != nil; {
				m = c.Receive()
			}
		})
		wg.Go(func() { home(t, r).Dismiss(out) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for {
		select {
		case <-done:
			return
		default: // some came after the last
			home(t, r).Dismiss(out)
		}
	}
}

// Switching security on ends what was let in without it, also without a
// connection; switching it off ends nothing (W6).
func TestSecuritySwitchedOn(t *testing.T) {
	cfg := coretest.Lasting("realm1", 1000)
	with := func(disabled bool) {
		cfg.Auth.SecurityDisabled, cfg.Access.SecurityDisabled = disabled, disabled
	}
	r := coretest.Router(t, cfg)
	apply := func() {
		t.Helper()
		if err := r.Apply([]realm.Config{cfg}); err != nil {
			t.Fatal(err)
		}
	}
	secured := coretest.Join(t, r)
	with(true)
	apply()
	secured.Subscribe("a.b", nil)
	open := coretest.Join(t, r)
	detached := coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil))
	detached.Drop()
	apply() // nothing changes
	open.Subscribe("a.b", nil)
	with(false)
	apply()
	gone(t, open, wamp.CloseKilled)
	if again := coretest.JoinWith(t, r, wamp.MessagePack, back(detached)); again.Welcome["resumed"] != false {
		t.Errorf("%v", again.Welcome)
	}
	secured.Subscribe("a.c", nil)
}

// allow_connections = false keeps newcomers out and leaves sessions alone.
func TestRefusingConnectionsEndsNoSession(t *testing.T) {
	cfg := coretest.Lasting("realm1", 1000)
	r := coretest.Router(t, cfg)
	stays := coretest.Join(t, r)
	detached := coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil))
	detached.Drop()
	cfg.RefuseConnections = true
	if err := r.Apply([]realm.Config{cfg}); err != nil {
		t.Fatal(err)
	}
	stays.Subscribe("a.b", nil)
	for _, details := range []wamp.Dict{coretest.Roles(), back(detached)} {
		c := coretest.Connect(t, r, wamp.MessagePack, 0)
		c.Send(&wamp.Hello{Realm: "realm1", Details: details})
		c.ExpectAbort(wamp.ErrNoSuchRealm)
	}
	if err := r.Apply(nil); err != nil {
		t.Fatal(err)
	}
	if m := coretest.Expect[*wamp.Goodbye](stays); m.Reason != wamp.CloseRealm {
		t.Errorf("the realm is gone: GOODBYE %s", m.Reason)
	}
}
