package peer

import (
	"sync/atomic"
	"time"

	"bondy/core/wamp"
)

// DropReason says why a message did not reach a receiver.
type DropReason uint8

// The reasons, each a label value of a metric.
const (
	DropSlow           DropReason = iota // the receiver's queue was above its mark
	DropBudget                           // all queues of the node together were full
	DropTooLong                          // longer than the receiver accepts
	DropUntranslatable                   // the receiver's serializer cannot express it
	NumDropReasons     = 4
)

// String is the label value.
func (r DropReason) String() string {
	switch r {
	case DropSlow:
		return "slow_consumer"
	case DropBudget:
		return "queue_budget"
	case DropTooLong:
		return "too_long"
	case DropUntranslatable:
		return "untranslatable"
	default:
		return "unknown"
	}
}

// Counters are the message counts of a node, shared by all its queues and
// batches. Safe for concurrent use.
type Counters struct {
	// In and Out count messages by type.
	In, Out [wamp.MaxMessageType + 1]atomic.Uint64
	// Dropped counts messages that a receiver did not get, by reason.
	Dropped [NumDropReasons]atomic.Uint64
	// SlowClosed counts connections ended because they read too slowly.
	SlowClosed atomic.Uint64
	// Resumed counts sessions that went on over another connection,
	// DetachRefused those that ended with theirs because too many had none.
	Resumed, DetachRefused atomic.Uint64
	// Limited counts messages and logins that came too fast, by whose bound.
	Limited [NumRateScopes]atomic.Uint64
	// RealmFull and UserFull count logins refused because the realm, or the
	// user, had as many sessions as may be.
	RealmFull, UserFull atomic.Uint64
}

// RateScope says whose bound something that came too fast was above.
type RateScope uint8

// The scopes, each a label value of a metric.
const (
	RateSession   RateScope = iota // messages of a session
	RateUser                       // messages of all sessions of a user
	RateRealm                      // messages of all sessions of a realm
	RateHello                      // HELLO from one address
	NumRateScopes = 4
)

// String is the label value.
func (s RateScope) String() string {
	switch s {
	case RateSession:
		return "session"
	case RateUser:
		return "user"
	case RateRealm:
		return "realm"
	case RateHello:
		return "hello"
	default:
		return "unknown"
	}
}

// Budget bounds the bytes that wait in all queues of a node together. Only
// queues in which more than 64 KiB wait are charged, so that the ordinary path
// touches no shared memory; when the budget is full they take nothing more.
// Safe for concurrent use.
type Budget struct {
	max   int64
	epoch time.Time
	used  atomic.Int64
}

// NewBudget allows maxBytes; 0 means no bound.
func NewBudget(maxBytes int64) *Budget { return &Budget{max: maxBytes, epoch: time.Now()} }

// Used is the number of bytes charged.
func (b *Budget) Used() int64 { return b.used.Load() }

// now is the time that has passed since b was made, never 0.
func (b *Budget) now() time.Duration { return time.Since(b.epoch) + 1 }

func (b *Budget) full() bool { return b.max > 0 && b.used.Load() >= b.max }
