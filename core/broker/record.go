package broker

import (
	"cmp"
	"sync/atomic"
	"time"

	"bondy/core/codec"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// Record is an event that is kept. It is immutable and shares no memory with
// the connection that it came by.
type Record struct {
	Position
	Topic wamp.URI
	// Details are what EVENT.Details tell of publisher and payload.
	Details wamp.Dict
	// Lists are the black- and whitelists as they were given; nil if none.
	Lists   wamp.Dict
	Payload wamp.Payload
	// Publisher is the session that does not get its own event; 0 when it does.
	Publisher wamp.ID
	// Expires is when a retained event ends; the zero time for never.
	Expires time.Time

	filter *filter // what Lists say, if that was read
}

// Position is the place of a Record among all: when the router took it, and
// its publication.
type Position struct {
	// Stamp is in nanoseconds since 1970 and grows from event to event of one
	// router.
	Stamp       int64
	Publication wamp.ID
}

// Time is the wall-clock time of the position.
func (p Position) Time() time.Time { return time.Unix(0, p.Stamp).UTC() }

// Compare orders positions, as cmp.Compare does.
func (p Position) Compare(o Position) int {
	return cmp.Or(cmp.Compare(p.Stamp, o.Stamp), cmp.Compare(p.Publication, o.Publication))
}

// recordSize is about what a Record takes beside its contents, in bytes.
const recordSize = 256

// Size is about what the record takes in memory, in bytes.
func (r *Record) Size() int {
	n := recordSize + len(r.Topic) + r.Payload.Len()
	for _, v := range r.Details {
		text, _ := v.(string)
		n += 64 + len(text)
	}
	if r.filter != nil {
		n += r.filter.size()
	}
	return n
}

// allows reports whether the lists let p have the event.
func (r *Record) allows(p *peer.Peer) bool {
	f := r.filter
	if f == nil {
		var err error
		if f, err = readFilter(r.Lists); err != nil {
			return false
		}
	}
	return f == nil || f.allows(p)
}

// event is the EVENT for sub; the details are the record's own.
func (r *Record) event(sub *subscription) wamp.Event {
	return wamp.Event{
		Subscription: sub.id, Publication: r.Publication,
		Topic: sub.untold(r.Topic), Details: r.Details, Payload: r.Payload,
	}
}

// blank reports whether p holds no argument.
func blank(p wamp.Payload) bool {
	if p.Len() > 16 {
		return p.Empty()
	}
	args, err := codec.DecodeArgs(p)
	if err != nil || len(args) > 0 {
		return false
	}
	kwargs, err := codec.DecodeKwargs(p)
	return err == nil && len(kwargs) == 0
}

// clock gives stamps: the time, but always later than the last stamp.
type clock struct{ last atomic.Int64 }

func (c *clock) next() int64 {
	for {
		last := c.last.Load()
		stamp := max(time.Now().UnixNano(), last+1)
		if c.last.CompareAndSwap(last, stamp) {
			return stamp
		}
	}
}

// seen makes the next stamp later than stamp.
func (c *clock) seen(stamp int64) {
	for {
		last := c.last.Load()
		if last >= stamp || c.last.CompareAndSwap(last, stamp) {
			return
		}
	}
}
