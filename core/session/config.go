package session

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"bondy/core/audit"
	"bondy/core/codec"
	"bondy/core/peer"
	"bondy/core/rate"
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
	Joined func(c Conn, joined bool)
	// Left is told when a connection has ended.
	Left func(c Conn)
	// Detached counts sessions that have no connection.
	Detached *sync.WaitGroup
	// Hellos bounds HELLO by client address; nil does not.
	Hellos   *rate.Table[netip.Prefix]
	Codec    codec.Limits
	Budget   *peer.Budget
	Counters *peer.Counters
	Log      *slog.Logger
	// Audit is told of logins, refusals and denials; nil tells nobody.
	Audit audit.Recorder

	announce sync.Once
	roles    map[string]any
	kits     [wamp.NumSerializers]sync.Pool // of *kit
}

// announced is what every WELCOME says of the roles.
func (c *Config) announced() map[string]any {
	c.announce.Do(func() { c.roles = roles() })
	return c.roles
}

// kit is what a connection needs to handle messages, and gives back when it
// sleeps.
type kit struct {
	decoder *codec.Decoder
	batch   *peer.Batch
	routing bool // inside broker or dealer
}

func (c *Config) kit(s wamp.Serializer) *kit {
	if k, ok := c.kits[s].Get().(*kit); ok {
		return k
	}
	return &kit{decoder: codec.NewDecoder(s, c.Codec), batch: peer.NewBatch(c.Counters)}
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
		"broker": features("publisher_identification", "publication_trustlevels", "publisher_exclusion", "subscriber_blackwhite_listing",
			"pattern_based_subscription", "session_meta_api", "subscription_meta_api", "event_history",
			"subscription_revocation", "event_retention", "payload_passthru_mode",
			"sharded_subscription", "shareded_subscriptions"), // the specification has the second spelling
		"dealer": features("caller_identification", "call_trustlevels", "call_timeout", "call_canceling", "progressive_call_results",
			"pattern_based_registration", "shared_registration", "session_meta_api", "registration_meta_api",
			"testament_meta_api", "registration_revocation", "progressive_call_invocations", "call_reroute", "sharded_registration", "payload_passthru_mode"),
	}
}
