package realm_test

import (
	"net/netip"
	"testing"

	"bondy/core/coretest"
	"bondy/core/peer"
	"bondy/core/realm"
)

func TestPlacesOfDetachedSessions(t *testing.T) {
	joe := realm.Holder{AuthID: "joe"}
	here := realm.Holder{Site: netip.MustParsePrefix("192.0.2.1/32")}
	there := realm.Holder{Site: netip.MustParsePrefix("192.0.2.2/32")}
	for _, tc := range []struct {
		name        string
		places      int
		holders     []realm.Holder
		each, total int
	}{
		{"a tenth for each", 30, []realm.Holder{joe, here, there}, 3, 9},
		{"at least one", 2, []realm.Holder{joe, here, there}, 1, 2},
		{"none", 0, []realm.Holder{joe}, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := coretest.Realm("realm1")
			cfg.MaxDetached = tc.places
			r, err := realm.New(cfg, []byte("key"), new(peer.Counters))
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range tc.holders {
				had := 0
				for r.Detach(h, true) {
					had++
				}
				if had > tc.each {
					t.Errorf("%v has %d places, want %d", h, had, tc.each)
				}
			}
			if n := r.Detached(); n != tc.total {
				t.Errorf("%d places taken, want %d", n, tc.total)
			}
			if !r.Detach(joe, false) {
				t.Error("a session that is wanted elsewhere was refused")
			}
			for range tc.each + 1 {
				r.Attach(joe)
			}
			if got := r.Detach(joe, true); got != (tc.places > 0) {
				t.Errorf("a place that was given back: %v", got)
			}
		})
	}
}
