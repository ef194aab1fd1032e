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
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

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
	// Account is what a user changed of its own, such as its password, or tried to.
	Account Kind = "account"
	// Administration is any other change that somebody made, or tried to.
	Administration Kind = "administration"
	// Node is what the node itself did.
	Node Kind = "node"
)

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Login, Refusal, Denial, Logout, Account, Administration, Node} }

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

// The longest texts of an Event, in bytes of a line. Of a Refusal, in which a
// stranger chooses most of them, they make a record of 1.5 KiB.
const (
	maxText    = 256 // of a name, URI, reason or change
	maxWord    = 96  // of a method, action or agent
	maxChanges = 32  // how many
)

// Bounded is the event with its texts cut to what the log takes. What was cut
// ends in "...".
func (e Event) Bounded() Event {
	e.Kind, e.Outcome = Kind(cut(string(e.Kind), maxWord)), Outcome(cut(string(e.Outcome), maxWord))
	e.Realm, e.AuthID, e.Object = wamp.URI(cut(string(e.Realm), maxText)), cut(e.AuthID, maxText), cut(e.Object, maxText)
	e.AuthMethod, e.Action, e.Agent = cut(e.AuthMethod, maxWord), cut(e.Action, maxWord), cut(e.Agent, maxWord)
	e.Reason = cut(e.Reason, maxText)
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
		out[i] = cut(changes[i], maxText)
	}
	if more := len(changes) - n; more > 0 {
		out = append(out, fmt.Sprintf("%d more%s", more, mark))
	}
	return out
}

// mark is what a text ends in that was cut.
const mark = "..."

// cut shortens s so that it takes at most that many bytes in a line.
func cut(s string, most int) string {
	var scratch [12]byte
	size, end := 0, 0
	for i, c := range s {
		if size <= most-len(mark) {
			end = i
		}
		if size += len(appendRune(scratch[:0], c)); size > most {
			return s[:end] + mark
		}
	}
	return s
}

// Recorder takes events. It is safe for concurrent use and does not block. What
// an event refers to must not change any more.
type Recorder interface {
	Record(e Event)
}

// Refuse is the Refusal for err, of which the client was told the *wamp.Error in
// it; whoever refused completes it. Who broke the protocol, or went, was not
// refused.
func Refuse(err error) (e Event, ok bool) {
	we, ok := errors.AsType[*wamp.Error](err)
	if !ok || we.URI == wamp.ErrProtocolViolation {
		return e, false
	}
	e = Event{Kind: Refusal, Outcome: Refused, Action: string(we.URI), Reason: we.Message}
	if text := err.Error(); text != we.Error() { // else it has the URI again
		e.Reason = strings.TrimSuffix(text, ": "+we.Error())
	}
	return e, true
}

// Emit records e, if there is anybody to do so.
func Emit(r Recorder, e Event) {
	if r != nil {
		r.Record(e)
	}
}

// Flush waits until what was recorded before is on disk, if r has one. What
// administers something calls it after its change is committed and recorded,
// before it answers. An error changes nothing about the answer: the change stands,
// and the log itself tells, counts and records that a record is missing.
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
