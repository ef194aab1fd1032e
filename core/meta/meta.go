// Package meta is the Meta API of a realm (sections "Session Meta API",
// "Registration Meta API", "Subscriptions Meta API", "Session Testament" and
// "Event History"): the procedures of wamp.session, wamp.registration and
// wamp.subscription, which Register puts into the realm's table, and the
// events on their topics, which Events tells.
//
// Lock order: Events has a turn, taken with no lock held but that of a
// broker.Session, and below it a queue, whose lock is also taken under those of
// broker and dealer. A Session's lock is taken alone.
package meta

import (
	"time"

	"bondy/core/broker"
	"bondy/core/dealer"
	"bondy/core/mgmt"
	"bondy/core/wamp"
)

// Sessions is the table of a realm's sessions, without those that stand for
// bridges. Safe for concurrent use.
type Sessions interface {
	// Session finds a session; nil when there is none.
	Session(id wamp.ID) *Session
	// Members is a snapshot of all sessions in no particular order.
	Members() []*Session
	// Count is their number.
	Count() int
}

// Register adds the procedures of the Meta API to the table of a realm.
func Register(t *mgmt.Table, sessions Sessions, br *broker.Broker, d *dealer.Dealer) {
	addSessions(t, sessions)
	addKills(t, sessions)
	addOwn(t, sessions)
	addTestaments(t, sessions, br)
	addRegistrations(t, d)
	addSubscriptions(t, br)
	addHistory(t, br)
}

// stamp writes a time as the Meta API has it, in ISO 8601 as of RFC 3339.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
