package bridge_test

import (
	"crypto/ed25519"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core"
	"bondy/core/auth"
	"bondy/core/codec"
	"bondy/core/coretest"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/meta"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
	"bondy/uplink/bridge"
)

// What an uplink may no longer have goes, and is there again when it may.
func TestUplinkFollowsItsPermissions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		atEdge, atCore, _ := pair(t, everything())
		caller, callee := coretest.Join(t, atCore), coretest.Join(t, atEdge)
		callee.Register("com.offer", nil)
		synctest.Wait()
		reaches := func(want bool) {
			t.Helper()
			id := caller.Call("com.offer", nil)
			if !want {
				caller.ExpectError(wamp.ErrNoSuchProcedure)
				return
			}
			inv := coretest.Expect[*wamp.Invocation](callee)
			callee.Send(&wamp.Yield{Request: inv.Request})
			if m := coretest.Expect[*wamp.Result](caller); m.Request != id {
				t.Errorf("result of %d", m.Request)
			}
		}
		reaches(true)
		for name, change := range map[string]func(*realm.Config){
			"no grant": func(cfg *realm.Config) { cfg.Access.Grants = cfg.Access.Grants[:1] },
			"no user":  func(cfg *realm.Config) { cfg.Auth.Users = nil },
		} {
			cfg := coreRealm()
			change(&cfg)
			if err := atCore.Apply([]realm.Config{cfg}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			t.Log(name)
			reaches(false)
			if err := atCore.Apply([]realm.Config{coreRealm()}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute) // until the edge tries again
			synctest.Wait()
			reaches(true)
		}
	})
}

// An uplink ends when its user gets other keys, or is another one of that name, as the
// sessions of clients do.
func TestChangedUserEndsItsUplink(t *testing.T) {
	public := func(n byte) []ed25519.PublicKey {
		return []ed25519.PublicKey{key(n).Public().(ed25519.PublicKey)}
	}
	add := func(tx *directory.Tx) error {
		if err := tx.AddUser("realm1", directory.UserSpec{Name: "gateway-1", Keys: public(1)}); err != nil {
			return err
		}
		return tx.Grant("realm1", rbac.Role{Name: "gateway-1"}, rbac.Resource{URI: "com.", Match: wamp.MatchPrefix}, rbac.Set(rbac.Publish))
	}
	for name, tc := range map[string]struct {
		change func(tx *directory.Tx) error
		reason wamp.URI
		back   bool
	}{
		"other keys": {func(tx *directory.Tx) error {
			keys := public(2)
			return tx.UpdateUser("realm1", "gateway-1", directory.UserPatch{Keys: &keys})
		}, "bondy.user.credentials_changed", false},
		"another user": {func(tx *directory.Tx) error {
			if err := tx.DeleteUser("realm1", "gateway-1", true); err != nil {
				return err
			}
			return add(tx)
		}, "bondy.user.deleted", true},
		"nothing that counts": {func(tx *directory.Tx) error { return tx.AddAlias("realm1", "gateway-1", "gw") }, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := directorytest.Open(t, new(directorytest.Log))
				directorytest.Do(t, d, func(tx *directory.Tx) error {
					if err := tx.CreateRealm("realm1", directory.Properties{}); err != nil {
						return err
					}
					return add(tx)
				})
				atCore, err := core.New(core.Config{Directory: d, Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				_, link := connect(t, atCore, nil, everything())
				state := func() bridge.RealmStatus {
					synctest.Wait()
					return link.edge.Status(t.Context())[0]
				}
				if st := state(); st.State != "bridged" {
					t.Fatalf("%+v", st)
				}
				directorytest.Do(t, d, tc.change)
				if st := state(); (st.State == "refused") != (tc.reason != "") || !strings.HasPrefix(st.Refusal, string(tc.reason)) {
					t.Errorf("%+v, want %q", st, tc.reason)
				}
				if n := atCore.Stats().Sessions; (n == 0) != (tc.reason != "") {
					t.Errorf("%d sessions at the core", n)
				}
				time.Sleep(2 * time.Minute)
				if st := state(); (st.State == "bridged") != tc.back {
					t.Errorf("later: %+v", st)
				}
			})
		})
	}
}

// The realm knows by what an uplink was let in, and ends it when that is withdrawn: a
// trust root is.
func TestUplinkEndsByHowItLoggedIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, atCore, link := pair(t, everything())
		m, err := atCore.Realm("realm1")
		if err != nil {
			t.Fatal(err)
		}
		because := wamp.Errorf("bondy.realm.updated", "log in again")
		if n := m.Dismiss(func(s *meta.Session) *wamp.Error {
			if s.AuthMethod == auth.MethodCryptosign && s.AuthProvider != "" {
				return because
			}
			return nil
		}); n != 1 {
			t.Errorf("%d sessions ended, want that of the uplink", n)
		}
		synctest.Wait()
		if st := link.edge.Status(t.Context())[0]; st.State != "refused" || !strings.HasPrefix(st.Refusal, "bondy.realm.updated") {
			t.Errorf("%+v", st)
		}
	})
}

// say sends an edge what a core might.
func say(t *testing.T, e *bridge.Edge, l *end, m wamp.Message) {
	t.Helper()
	b, err := codec.Append(binary.AppendUvarint(nil, 0), wamp.MessagePack, m)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Frame(l, b); err != nil {
		t.Errorf("%s: %v", m.Type(), err)
	}
}

// heard are the messages that an edge sent since the last time.
func heard(t *testing.T, l *end) (types []wamp.MessageType) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.frames {
		_, n := binary.Uvarint(b)
		m, err := codec.NewDecoder(wamp.MessagePack, codec.Limits{}).Decode(b[n:])
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, m.Type())
	}
	l.frames = nil
	return types
}

// However often and whenever a core says no, the edge leaves its own realm and asks
// again once.
func TestEdgeThatIsRefusedAsksAgainOnce(t *testing.T) {
	welcome, abort := &wamp.Welcome{Session: 1}, &wamp.Abort{Reason: wamp.ErrUnavailable}
	goodbye := &wamp.Goodbye{Reason: wamp.CloseRealm}
	for name, said := range map[string][]wamp.Message{
		"ABORT":                      {abort},
		"ABORT twice":                {abort, abort},
		"ABORT of an open session":   {welcome, abort},
		"GOODBYE and ABORT":          {welcome, goodbye, abort},
		"ABORT and a late WELCOME":   {abort, welcome},
		"GOODBYE and a late WELCOME": {welcome, goodbye, welcome},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				atEdge := coretest.Router(t)
				e, err := bridge.NewEdge("cloud", []bridge.Realm{{URI: "realm1", Rules: everything()}}, shared(atEdge))
				if err != nil {
					t.Fatal(err)
				}
				l := newEnd()
				e.Up(l)
				heard(t, l)
				for _, m := range said {
					say(t, e, l, m)
				}
				heard(t, l)
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if n := atEdge.Stats().Sessions; n != 0 {
					t.Errorf("%d sessions while the core is asked", n)
				}
				if got := heard(t, l); len(got) != 1 || got[0] != wamp.TypeHello {
					t.Errorf("the edge said %v, want one HELLO", got)
				}
				say(t, e, l, welcome)
				if n := atEdge.Stats().Sessions; n != 1 {
					t.Errorf("%d sessions of an open uplink", n)
				}
				e.Down(l)
				if n := atEdge.Stats().Sessions; n != 0 {
					t.Errorf("%d sessions without a link", n)
				}
			})
		})
	}
}

// A core that finds only after WELCOME that the uplink cannot be there takes that
// back.
func TestUserGoneDuringTheLoginOfAnUplink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		atCore, atEdge := coretest.Router(t, coreRealm()), coretest.Router(t)
		c := bridge.NewCore(shared(atCore))
		e, err := bridge.NewEdge("cloud", []bridge.Realm{{URI: "realm1", AuthID: "gateway-1", Key: key(1), Rules: everything()}}, shared(atEdge))
		if err != nil {
			t.Fatal(err)
		}
		gone := coreRealm()
		gone.Auth.Users = nil
		link := &cable{edge: e, core: c, name: "edge", here: newEnd(), there: newEnd()}
		c.Up(link.there, "edge", netip.AddrPort{})
		e.Up(link.here)
		frames := 0
		link.work.Go(func() {
			link.here.carry(func(b []byte) error {
				if frames++; frames == 2 { // AUTHENTICATE
					if err := atCore.Apply([]realm.Config{gone}); err != nil {
						t.Error(err)
					}
				}
				return c.Frame(link.there, b)
			})
		})
		link.work.Go(func() { link.there.carry(func(b []byte) error { return e.Frame(link.here, b) }) })
		defer link.unplug()
		synctest.Wait()
		if st := e.Status(t.Context())[0]; st.State != "refused" || !strings.HasPrefix(st.Refusal, string(wamp.ErrNoSuchPrincipal)) {
			t.Errorf("%+v", st)
		}
		if a, b := atEdge.Stats().Sessions, atCore.Stats().Sessions; a != 0 || b != 0 {
			t.Errorf("%d sessions at the edge, %d at the core", a, b)
		}
		if err := atCore.Apply([]realm.Config{coreRealm()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if st := e.Status(t.Context())[0]; st.State != "bridged" || atEdge.Stats().Sessions != 1 {
			t.Errorf("with its user again: %+v, %d sessions", st, atEdge.Stats().Sessions)
		}
		if link.here.aborted+link.there.aborted != "" {
			t.Errorf("aborted: %q %q", link.here.aborted, link.there.aborted)
		}
	})
}

// An uplink that leaves its realm owes no answers and is owed none.
func TestNothingIsOwedAfterTheRealmIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		atEdge, atCore, link := pair(t, everything())
		caller, callee := coretest.Join(t, atCore), coretest.Join(t, atEdge)
		callee.Register("com.slow", nil)
		synctest.Wait()
		caller.Call("com.slow", nil)
		coretest.Expect[*wamp.Invocation](callee)
		synctest.Wait()
		link.there.owes(1)
		cfg := coreRealm()
		cfg.Access.Grants = cfg.Access.Grants[:1]
		if err := atCore.Apply([]realm.Config{cfg}); err != nil {
			t.Fatal(err)
		}
		coretest.Expect[*wamp.ErrorMessage](caller)
		synctest.Wait()
		for _, e := range []*end{link.here, link.there} {
			e.mu.Lock()
			if e.busy != 0 {
				t.Errorf("%d answers owed", e.busy)
			}
			e.mu.Unlock()
		}
	})
}

// Whatever comes and goes, in whatever order and while whatever is under way, leaves
// one session at either end as soon as it can be there, and none without a link.
func TestUplinkAfterTurmoil(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			atEdge, atCore, link := pair(t, everything())
			apply := func(to *core.Router, realms ...realm.Config) {
				if err := to.Apply(realms); err != nil {
					t.Error(err)
				}
			}
			changes := []func(){
				func() { apply(atEdge) },
				func() { apply(atEdge, coretest.Realm("realm1")) },
				func() { apply(atCore) },
				func() { apply(atCore, coreRealm()) },
				func() {
					cfg := coreRealm()
					cfg.Auth.Users = nil
					apply(atCore, cfg)
				},
				func() {
					cfg := coreRealm()
					cfg.Access.Grants = cfg.Access.Grants[:1]
					apply(atCore, cfg)
				},
				func() {
					cfg := coreRealm()
					cfg.Auth.SecurityDisabled, cfg.Access.SecurityDisabled = true, true
					apply(atCore, cfg)
				},
				func() {
					for _, router := range []*core.Router{atEdge, atCore} {
						if m, err := router.Realm("realm1"); err == nil {
							m.Dismiss(func(*meta.Session) *wamp.Error { return wamp.Errorf(wamp.CloseKilled, "out") })
						}
					}
				},
				func() { link.unplug(); link.plug() },
				func() { time.Sleep(time.Duration(r.IntN(5000)) * time.Millisecond) },
				synctest.Wait,
			}
			for range 5 {
				for range 20 {
					changes[r.IntN(len(changes))]()
				}
				apply(atEdge, coretest.Realm("realm1"))
				apply(atCore, coreRealm())
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				if st := link.edge.Status(t.Context())[0]; st.State != "bridged" {
					t.Errorf("seed %d: %+v", seed, st)
				}
				if a, b := atEdge.Stats().Sessions, atCore.Stats().Sessions; a != 1 || b != 1 {
					t.Fatalf("seed %d: %d sessions at the edge and %d at the core, want one each", seed, a, b)
				}
				here, there := coretest.Join(t, atEdge), coretest.Join(t, atCore)
				there.Subscribe("com.example.topic", nil)
				synctest.Wait()
				here.Publish("com.example.topic", nil)
				coretest.Expect[*wamp.Event](there)
				here.Drop()
				there.Drop()
				synctest.Wait()
				there.Nothing()
				if link.here.aborted+link.there.aborted != "" {
					t.Fatalf("seed %d: aborted: %q %q", seed, link.here.aborted, link.there.aborted)
				}
			}
			link.unplug()
			if a, b := atEdge.Stats().Sessions, atCore.Stats().Sessions; a+b != 0 {
				t.Errorf("seed %d: %d sessions at the edge and %d at the core without a link", seed, a, b)
			}
			link.plug()
		})
	}
}
