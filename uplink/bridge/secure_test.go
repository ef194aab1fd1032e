package bridge_test

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/auth"
	"bondy/core/coretest"
	"bondy/core/realm"
	"bondy/core/wamp"
	"bondy/uplink/bridge"
)

// Switching security on ends the uplinks that were let in without a login, whether or
// not the edge does as it is told. One with a key comes back with that, and another
// one learns what it lacks (W6).
func TestSecuringARealmEndsUplinksWithoutLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		with := func(disabled bool) []realm.Config {
			cfg := coreRealm()
			cfg.Auth.Methods = []string{auth.MethodCryptosign}
			cfg.Auth.SecurityDisabled, cfg.Access.SecurityDisabled = disabled, disabled
			return []realm.Config{cfg}
		}
		atCore := coretest.Router(t, with(true)...)
		c := bridge.NewCore(shared(atCore))
		var deaf atomic.Bool
		plug := func(r bridge.Realm, hears func() bool) *bridge.Edge {
			r.URI, r.Rules = "realm1", everything()
			e, err := bridge.NewEdge("cloud", []bridge.Realm{r}, shared(coretest.Router(t)))
			if err != nil {
				t.Fatal(err)
			}
			link := &cable{edge: e, core: c, name: "edge"}
			link.here, link.there = newEnd(), newEnd()
			c.Up(link.there, link.name, netip.AddrPort{})
			e.Up(link.here)
			link.work.Go(func() { link.here.carry(func(b []byte) error { return c.Frame(link.there, b) }) })
			link.work.Go(func() {
				link.there.carry(func(b []byte) error {
					if !hears() {
						return nil
					}
					return e.Frame(link.here, b)
				})
			})
			t.Cleanup(link.unplug)
			return e
		}
		always := func() bool { return true }
		keyed := plug(bridge.Realm{AuthID: "gateway-1", Key: key(1)}, always)
		keyless := plug(bridge.Realm{}, always)
		plug(bridge.Realm{}, func() bool { return !deaf.Load() })
		synctest.Wait()
		bridged := func() (n int) {
			for _, st := range c.Status(t.Context()) {
				for _, r := range st.Realms {
					if r.State == "bridged" {
						n++
					}
				}
			}
			return n
		}
		if n := bridged(); n != 3 {
			t.Fatalf("%d realms bridged without security, want 3: %+v, %+v", n, keyed.Status(t.Context()), keyless.Status(t.Context()))
		}
		deaf.Store(true)
		if err := atCore.Apply(with(false)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := bridged(); n != 0 {
			t.Errorf("%d realms are still bridged without a login", n)
		}
		if st := keyed.Status(t.Context())[0]; st.State != "refused" || !strings.Contains(st.Refusal, string(wamp.CloseKilled)) {
			t.Errorf("an uplink with a key: %+v", st)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if st := keyed.Status(t.Context())[0]; st.State != "bridged" {
			t.Errorf("an uplink with a key did not come back: %+v", st)
		}
		if st := keyless.Status(t.Context())[0]; st.State != "refused" || !strings.Contains(st.Refusal, "authid and a key_file") {
			t.Errorf("an uplink without a key: %+v", st)
		}
		if n := bridged(); n != 1 {
			t.Errorf("%d realms bridged, want 1", n)
		}
		if err := atCore.Apply(with(true)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if a, b := keyed.Status(t.Context())[0], keyless.Status(t.Context())[0]; a.State != "bridged" || b.State != "bridged" {
			t.Errorf("without security again: %+v, %+v", a, b)
		}
	})
}

// A realm that is removed at the edge, and comes again, is bridged again: as long as
// it is not there, the status says so.
func TestRealmOfTheEdgeMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		atEdge, atCore, link := pair(t, everything())
		if err := atEdge.Apply(nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := link.edge.Status(t.Context())[0]; st.State != "refused" {
			t.Errorf("without the realm: %+v", st)
		}
		if n := atCore.Stats().Sessions; n != 0 {
			t.Errorf("%d sessions at the core", n)
		}
		if err := atEdge.Apply([]realm.Config{coretest.Realm("realm1")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if st := link.edge.Status(t.Context())[0]; st.State != "bridged" {
			t.Fatalf("with the realm again: %+v", st)
		}
		here, there := coretest.Join(t, atEdge), coretest.Join(t, atCore)
		there.Subscribe("com.example.topic", nil)
		synctest.Wait()
		here.Publish("com.example.topic", nil, int64(1))
		coretest.Expect[*wamp.Event](there)
	})
}
