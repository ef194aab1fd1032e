package core_test

import (
	"testing"

	"bondy/core/auth"
	"bondy/core/coretest"
	"bondy/core/directory"
	"bondy/core/wamp"
)

// Who guesses the password of a user gains nothing from calling the realm by its
// other name.
func TestGuessesByBothNamesOfARealm(t *testing.T) {
	cfg := coretest.Realm(directory.Master)
	cfg.Auth = auth.Config{
		Methods: []string{auth.MethodTicket}, Users: []auth.User{{Name: "joe", Password: "secret"}},
		Guard: auth.NewGuard(), Iterations: 1000,
	}
	r := coretest.Router(t, cfg)
	guess := func(realm wamp.URI) wamp.URI {
		t.Helper()
		c := coretest.Connect(t, r, wamp.MessagePack, 0)
		details := coretest.Roles()
		details["authid"], details["authmethods"] = "joe", []any{auth.MethodTicket}
		c.Send(&wamp.Hello{Realm: realm, Details: details})
		if m, ok := c.Receive().(*wamp.Abort); ok {
			return m.Reason
		}
		c.Send(&wamp.Authenticate{Signature: "wrong"})
		return coretest.Expect[*wamp.Abort](c).Reason
	}
	for i := range 10 {
		if reason := guess([]wamp.URI{"bondy", "com.leapsight.bondy"}[i%2]); reason != wamp.ErrAuthenticationDenied {
			t.Fatal(reason)
		}
	}
	for _, realm := range []wamp.URI{"bondy", "com.leapsight.bondy"} {
		if reason := guess(realm); reason != auth.ErrTooManyRequests {
			t.Errorf("%s: %s after ten guesses", realm, reason)
		}
	}
}
