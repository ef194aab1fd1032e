package realm_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/auth"
	"bondy/core/coretest"
	"bondy/core/meta"
	"bondy/core/peer"
	"bondy/core/rate"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
)

func open(t *testing.T, change func(*realm.Config)) (*realm.Realm, *realm.Config) {
	t.Helper()
	cfg := coretest.Realm("realm1")
	change(&cfg)
	r, err := realm.New(cfg, []byte("key"), new(peer.Counters))
	if err != nil {
		t.Fatal(err)
	}
	return r, &cfg
}

// member is a session of a user; of none if the method is anonymous.
func member(r *realm.Realm, id wamp.ID, name, method string) *meta.Session {
	return &meta.Session{Peer: &peer.Peer{Session: id, AuthID: name}, AuthMethod: method, Rights: r.Access.Rights(rbac.Subject{})}
}

// Users are counted by what they are, not by what they are called.
func TestSessionsAreCountedByPrincipal(t *testing.T) {
	r, _ := open(t, func(cfg *realm.Config) { cfg.MaxUserSessions = 1 })
	here := member(r, 1, "joe", auth.MethodTicket)
	here.Principal = &auth.Principal{AuthRealm: "realm1", Name: "joe"}
	sso := member(r, 2, "joe", auth.MethodTicket)
	sso.Principal = &auth.Principal{AuthRealm: "sso", Name: "joe"}
	again := member(r, 3, "alias", auth.MethodCryptosign)
	again.Principal = &auth.Principal{AuthRealm: "realm1", Name: "joe", Ticket: "17"}
	token := member(r, 4, "joe", auth.MethodJWT)
	for _, tc := range []struct {
		s    *meta.Session
		want error
	}{
		{here, nil},
		{sso, nil},
		{again, realm.ErrUserFull},
		{token, nil},
		{member(r, 5, "joe", auth.MethodJWT), realm.ErrUserFull},
		{member(r, 6, "", auth.MethodAnonymous), nil},
		{member(r, 7, "", auth.MethodAnonymous), nil},
	} {
		if _, err := r.Join(tc.s, r.Mark()); !errors.Is(err, tc.want) {
			t.Errorf("session %d: %v, want %v", tc.s.ID(), err, tc.want)
		}
	}
	r.Leave(again.ID()) // was never there
	if _, err := r.Join(again, r.Mark()); !errors.Is(err, realm.ErrUserFull) {
		t.Errorf("joined after nobody left: %v", err)
	}
	r.Leave(here.ID())
	if _, err := r.Join(again, r.Mark()); err != nil {
		t.Errorf("refused after one left: %v", err)
	}
}

// Who comes back gets the bucket that was left, until it is full again; nothing is
// kept of users longer than that, nor of more than a few thousand.
func TestRatesOutliveSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := open(t, func(cfg *realm.Config) { cfg.MaxUserRate = 1 })
		visit := func(name string) *rate.Bucket {
			s := member(r, 1, name, auth.MethodTicket)
			rates, err := r.Join(s, r.Mark())
			if err != nil {
				t.Fatal(err)
			}
			r.Leave(s.ID())
			return rates.User
		}
		first := visit("joe")
		time.Sleep(rate.Burst - 1)
		if visit("joe") != first {
			t.Error("another bucket after a short time")
		}
		time.Sleep(rate.Burst - 1)
		if visit("joe") != first {
			t.Error("another bucket after a further short time")
		}
		time.Sleep(rate.Burst)
		if visit("ann"); visit("joe") == first {
			t.Error("the bucket outlived its use")
		}
		first = visit("joe")
		for i := range 5000 {
			visit(fmt.Sprint(i))
		}
		if visit("joe") == first {
			t.Error("all users are remembered")
		}
	})
}

func TestBoundsThatAreOffCostNothing(t *testing.T) {
	r, cfg := open(t, func(*realm.Config) {})
	joe, ann := member(r, 1, "joe", auth.MethodTicket), member(r, 3, "ann", auth.MethodTicket)
	rates, err := r.Join(joe, nil)
	if err != nil || rates != (realm.Rates{}) {
		t.Errorf("%+v, %v", rates, err)
	}
	cfg.MaxTotalRate, cfg.MaxUserRate, cfg.MaxUserSessions = 1, 1, 1
	if err := r.Apply(*cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Join(member(r, 2, "joe", auth.MethodTicket), nil); !errors.Is(err, realm.ErrUserFull) {
		t.Errorf("who was there before does not count: %v", err)
	}
	rates, err = r.Join(ann, nil)
	if err != nil || rates.User == nil || rates.Total == nil {
		t.Errorf("%+v, %v", rates, err)
	}
	cfg.MaxTotalRate, cfg.MaxUserRate, cfg.MaxUserSessions = 0, 0, 0
	if err := r.Apply(*cfg); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if !rates.User.Take() || !rates.Total.Take() {
			t.Fatal("a bound that was switched off refuses")
		}
	}
}
