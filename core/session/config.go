package session

import (
	"log/slog"
	"time"

	"bondy/core/codec"
	"bondy/core/peer"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// Config is what all sessions of a router share.
type Config struct {
	// Realm finds a realm; the error is a *wamp.Error for the client.
	Realm func(wamp.URI) (*realm.Realm, error)
	// HelloTimeout bounds the time from the connection to WELCOME, and that
	// in which a client must answer GOODBYE.
	HelloTimeout time.Duration
	// Agent is what WELCOME says of this router.
	Agent string
	// Joined is told when a connection begins and ends to carry a session.
	Joined   func(c Conn, joined bool)
	Codec    codec.Limits
	Budget   *peer.Budget
	Counters *peer.Counters
	Log      *slog.Logger
}

// roles is what WELCOME announces: exactly what works (section "Feature
// Announcement").
func roles() map[string]any {
	features := func(names ...string) map[string]any {
		m := make(map[string]any, len(names))
		for _, n := range names {
			m[n] = true
		}
		return map[string]any{"features": m}
	}
	return map[string]any{
		"broker": features("publisher_identification", "publisher_exclusion", "subscriber_blackwhite_listing",
			"pattern_based_subscription"),
		"dealer": features("caller_identification", "call_timeout", "call_canceling", "progressive_call_results",
			"pattern_based_registration", "shared_registration"),
	}
}
