// Package audit says what the audit log of a node records: who logged in or was
// refused, what was denied to whom, and what was administered. An Event is one
// such thing, a Recorder takes them, and a Record is an Event as the log has it,
// a line that is chained to the one before.
//
// Whoever emits events says nothing secret in them: no password, signature,
// ticket or key, and no payload.
package audit

import (
	"context"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"bondy/core/wamp"
)

// Kind says what an Event is about.
type Kind string

// The kinds of events.
const (
	// Login is a session that was opened.
	Login Kind = "login"
	// Refusal is a client that was not let in.
	Refusal Kind = "refusal"
	// Denial is something that a session was not allowed to do.
	Denial Kind = "denial"
	// Logout is the end of a session.
	Logout Kind = "logout"
	// Administration is a change that somebody made, or tried to.
	Administration Kind = "administration"
	// Node is what the node itself did.
	Node Kind = "node"
)

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Login, Refusal, Denial, Logout, Administration, Node} }

// Outcome says how it ended.
type Outcome string

// The outcomes of events.
const (
	OK      Outcome = "ok"
	Refused Outcome = "refused"
	Failed  Outcome = "failed"
)

// Event is something that the audit log is to record. All fields but Kind are
// optional. Texts are cut where they are too long.
type Event struct {
	// Time is when it happened; Record sets it when it is zero.
	Time    time.Time `json:"time"`
	Kind    Kind      `json:"kind"`
	Outcome Outcome   `json:"outcome,omitempty"`
	Realm   wamp.URI  `json:"realm,omitempty"`
	// AuthID and AuthMethod are those of who acted: of a Refusal, what the client
	// claims.
	AuthID     string `json:"authid,omitempty"`
	AuthMethod string `json:"authmethod,omitempty"`
	// Session is the id of the session that acted; 0 is none.
	Session wamp.ID `json:"session,omitempty"`
	// Remote is the client's address, invalid for unix sockets.
	Remote netip.AddrPort `json:"remote,omitzero"`
	// Agent is what the client calls itself.
	Agent string `json:"agent,omitempty"`
	// Action is what was done or tried: a permission such as wamp.call, or a
	// procedure such as bondy.user.add.
	Action string `json:"action,omitempty"`
	// Object is what it was done to: a URI, or a name with its kind, such as
	// "user joe".
	Object string `json:"object,omitempty"`
	// Reason says why, for an operator.
	Reason string `json:"reason,omitempty"`
	// Changes are what became different, a few words each, such as "user joe
	// created".
	Changes []string `json:"changes,omitempty"`
}

// The longest texts of an Event, in bytes.
const (
	maxName    = 256 // of a realm, user or object
	maxWord    = 128 // of a method, action or agent
	maxReason  = 512
	maxChanges = 32 // how many
)

// Bounded is the event with its texts cut to what the log takes. What was cut
// ends in "...".
func (e Event) Bounded() Event {
	e.Kind, e.Outcome = Kind(cut(string(e.Kind), maxWord)), Outcome(cut(string(e.Outcome), maxWord))
	e.Realm, e.AuthID, e.Object = wamp.URI(cut(string(e.Realm), maxName)), cut(e.AuthID, maxName), cut(e.Object, maxName)
	e.AuthMethod, e.Action, e.Agent = cut(e.AuthMethod, maxWord), cut(e.Action, maxWord), cut(e.Agent, maxWord)
	e.Reason = cut(e.Reason, maxReason)
	if len(e.Changes) > 0 {
		e.Changes = bounded(e.Changes)
	}
	return e
}

// bounded is a copy of the first changes, with a mark if that are not all.
func bounded(changes []string) []string {
	n := min(len(changes), maxChanges)
	out := make([]string, n, n+1)
	for i := range out {
		out[i] = cut(changes[i], maxName)
	}
	if n < len(changes) {
		out = append(out, "...")
	}
	return out
}

// cut shortens s to at most that many bytes and a mark.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return strings.Clone(s[:most]) + "..." // s may be a small part of something large
}

// Recorder takes events. It is safe for concurrent use and does not block. What
// an event refers to must not change any more.
type Recorder interface {
	Record(e Event)
}

// Emit records e, if there is anybody to do so.
func Emit(r Recorder, e Event) {
	if r != nil {
		r.Record(e)
	}
}

// Flush waits until what was recorded before is on disk, if r has one. What
// administers something calls it after its change is committed and recorded,
// before it answers. An error is for the log: the change stands.
func Flush(ctx context.Context, r Recorder) error {
	if f, ok := r.(interface {
		Flush(ctx context.Context) error
	}); ok {
		return f.Flush(ctx)
	}
	return nil
}

// Drop says why an event was not recorded.
type Drop int

// The reasons.
const (
	// DropRate is an event beyond the rate at which outsiders may fill the log.
	DropRate Drop = iota
	// DropQueue is an event for which the queue had no room.
	DropQueue
	// DropDisk is an event that the disk did not take.
	DropDisk

	NumDrops = iota // how many there are
)

// String is the reason as metrics name it.
func (d Drop) String() string { return [NumDrops]string{"rate", "queue", "disk"}[d] }

// Stats are the figures of a log.
type Stats struct {
	// Records were written since the start.
	Records uint64
	// Repeated events were counted into records of others like them.
	Repeated uint64
	// Dropped events are in no record.
	Dropped [NumDrops]uint64
	// Bytes and Segments are what the log has on disk.
	Bytes    int64
	Segments int
}
