package bridge_test

import (
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/coretest"
	"bondy/core/realm"
	"bondy/core/wamp"
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
