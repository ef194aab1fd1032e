package uplink_test

import (
	"strings"
	"testing"
	"time"

	"bondy/core/audit"
	"bondy/core/audit/audittest"
)

// trail is an audit log in memory.
type trail struct{ audittest.Trail }

// refused wants every event to be the refusal of a peer for that reason, and one at
// least; none if reason is empty. A peer that dials again may be refused again.
func (tr *trail) refused(tb testing.TB, reason string) {
	tb.Helper()
	for began := time.Now(); reason != "" && len(tr.List()) == 0; <-time.After(5 * time.Millisecond) {
		if time.Since(began) > patience {
			tb.Fatal("nothing is recorded")
		}
	}
	for _, e := range tr.List() {
		if e.Kind != audit.Refusal || e.Outcome != audit.Refused || e.AuthMethod != "tls" || !e.Remote.Addr().IsLoopback() ||
			e.Object != "uplink" || reason == "" || !strings.Contains(e.Reason, reason) {
			tb.Errorf("recorded %+v, want a refusal: %q", e, reason)
		}
	}
}
