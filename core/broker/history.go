package broker

import (
	"fmt"
	"iter"
	"time"

	"bondy/core/pattern"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// HistoryRule says that the events of a topic or pattern are kept (section
// "Event History"), whether or not anybody subscribes. When a bound is reached
// the oldest go.
type HistoryRule struct {
	Match wamp.Match
	URI   wamp.URI
	// MaxEvents is how many events are kept; 1,000 when zero.
	MaxEvents int
	// MaxBytes is what they may take, in bytes; 4 MiB when zero.
	MaxBytes int64
	// MaxAge is how long an event is kept; 0 for as long as it fits.
	MaxAge time.Duration
	// Disk asks for a history that outlives the process.
	Disk bool
}

// WithDefaults is the rule with every bound set.
func (r HistoryRule) WithDefaults() HistoryRule {
	if r.MaxEvents == 0 {
		r.MaxEvents = 1000
	}
	if r.MaxBytes == 0 {
		r.MaxBytes = 4 << 20
	}
	return r
}

// History keeps the events of one rule in the order of their positions. Safe
// for concurrent use.
type History interface {
	// Add keeps r, unless there is one in its position, and lets the oldest
	// go that are beyond the bounds. It neither blocks nor does I/O, and
	// reports false when it had no room for r.
	Add(r *Record) bool
	// Find is the position of a publication, if it is kept.
	Find(publication wamp.ID) (p Position, ok bool, err error)
	// Records goes through what is kept from one position on and before
	// another, backwards if reverse. An error ends it.
	Records(from, before Position, reverse bool) iter.Seq2[*Record, error]
	// Limit changes the bounds.
	Limit(rule HistoryRule)
}

// history is the History of a subscription.
type history struct{ History }

// recordLocked brings the histories in line with the configuration.
func (br *Broker) recordLocked(b *peer.Batch, cfg *Config) {
	rules := make(map[pattern.Pattern]HistoryRule, len(cfg.History))
	for _, rule := range cfg.History {
		rules[pattern.Pattern{Match: rule.Match, URI: rule.URI}] = rule.WithDefaults()
	}
	for p, sub := range br.histories {
		if _, ok := rules[p]; !ok {
			delete(br.histories, p)
			sub.history.Store(nil)
			br.releaseLocked(b, sub, nil)
		}
	}
	for p, rule := range rules {
		if sub, ok := br.histories[p]; ok {
			sub.history.Load().Limit(rule)
			continue
		}
		sub, err := br.holdLocked(b, cfg.ID(p.Match, p.URI), p, nil)
		if err != nil {
			continue // its id is taken, which is as likely as a broken hash
		}
		h := cfg.open(rule)
		br.clock.seen(last(h))
		sub.history.Store(&history{h})
		br.histories[p] = sub
	}
}

func (c *Config) open(rule HistoryRule) History {
	if rule.Disk && c.OpenHistory != nil {
		if h := c.OpenHistory(rule); h != nil {
			return h
		}
	}
	return newMemory(rule)
}

// last is the stamp of the last record of h, 0 if there is none.
func last(h History) int64 {
	for r, err := range h.Records(Position{}, end(), true) {
		if err == nil {
			return r.Stamp
		}
		break
	}
	return 0
}

// record keeps p in a history. What only named sessions may have is not kept,
// as nobody could be told by their ids later.
func (br *Broker) record(h *history, p *publication) {
	if p.filter != nil && p.filter.bySession() {
		return
	}
	if !h.Add(p.record(&br.clock)) {
		br.historyLost.Add(1)
	}
}

// recorded is the history that holds what the subscription gets: its own, or
// that of a pattern that covers it.
func (br *Broker) recorded(sub *subscription) (History, error) {
	if h := sub.history.Load(); h != nil {
		return h, nil
	}
	br.mu.Lock()
	defer br.mu.Unlock()
	for _, rule := range br.cfg.Load().History {
		p := pattern.Pattern{Match: rule.Match, URI: rule.URI}
		if other, ok := br.histories[p]; ok && p.Covers(sub.pattern) {
			return other.history.Load(), nil
		}
	}
	return nil, wamp.Errorf(wamp.ErrUnavailable, "this realm keeps no history of %s %q", sub.pattern.Match, sub.pattern.URI)
}

// HistoryQuery selects events of a history; all that is given must hold. The
// zero value selects all.
type HistoryQuery struct {
	// Limit is how many events are wanted; 0 for as many as one answer holds.
	Limit int
	// Reverse gives the latest first.
	Reverse bool
	// Topic is that of the events, if given.
	Topic wamp.URI
	// At or after, after, before, at or before a time; the zero time for any.
	FromTime, AfterTime, BeforeTime, UntilTime time.Time
	// The same by a publication, which must be in the history for anything to
	// be found; 0 for any.
	FromPublication, AfterPublication, BeforePublication, UntilPublication wamp.ID
}

// Past is an event of a history.
type Past struct {
	// Time is when the router took it. Queries compare nanoseconds.
	Time time.Time
	wamp.Event
}

// maxAnswer bounds the payload of one answer, in bytes.
const maxAnswer = 1 << 20

// Events reads the history of a subscription (section "Event History") as far
// as black- and whitelists let to have it, who must be one that may subscribe;
// nil may have all. An answer holds at most 1 MiB of payload, but one event in
// any case; more says that something is left, to be asked for with
// AfterPublication, or BeforePublication in reverse. Errors:
// wamp.ErrNoSuchSubscription, wamp.ErrUnavailable when there is no history,
// and what reading a disk gives.
func (br *Broker) Events(id wamp.ID, q HistoryQuery, to *peer.Peer) (past []Past, more bool, err error) {
	sub, ok := br.find(id)
	if !ok {
		return nil, false, noSuchSubscription(id)
	}
	h, err := br.recorded(sub)
	if err != nil {
		return nil, false, err
	}
	from, before, err := q.bounds(h)
	if err != nil {
		return nil, false, fmt.Errorf("find a publication in the history of %q: %w", sub.pattern.URI, err)
	}
	size := 0
	for r, err := range h.Records(from, before, q.Reverse) {
		if err != nil {
			return nil, false, fmt.Errorf("read the history of %q: %w", sub.pattern.URI, err)
		}
		if !sub.pattern.Matches(r.Topic) || q.Topic != "" && r.Topic != q.Topic || to != nil && !r.allows(to) {
			continue
		}
		size += r.Size()
		if q.Limit > 0 && len(past) == q.Limit || len(past) > 0 && size > maxAnswer {
			return past, true, nil
		}
		past = append(past, Past{r.Time(), r.event(sub)})
	}
	return past, false, nil
}

// end is behind every position.
func end() Position { return Position{Stamp: 1<<63 - 1, Publication: wamp.MaxID + 1} }

// bounds is the range of positions that q selects.
func (q *HistoryQuery) bounds(h History) (from, before Position, err error) {
	before = end()
	least := func(p Position) { from = later(from, p) }
	most := func(p Position) {
		if p.Compare(before) < 0 {
			before = p
		}
	}
	times := []struct {
		t   time.Time
		add int64
		to  func(Position)
	}{{q.FromTime, 0, least}, {q.AfterTime, 1, least}, {q.BeforeTime, 0, most}, {q.UntilTime, 1, most}}
	for _, x := range times {
		if !x.t.IsZero() {
			x.to(Position{Stamp: nanoseconds(x.t) + x.add})
		}
	}
	publications := []struct {
		id  wamp.ID
		add wamp.ID
		to  func(Position)
	}{
		{q.FromPublication, 0, least},
		{q.AfterPublication, 1, least},
		{q.BeforePublication, 0, most},
		{q.UntilPublication, 1, most},
	}
	for _, x := range publications {
		if x.id == 0 {
			continue
		}
		p, ok, err := h.Find(x.id)
		if err != nil {
			return from, before, err
		}
		if !ok {
			return end(), end(), nil
		}
		p.Publication += x.add
		x.to(p)
	}
	return from, before, nil
}

func later(a, b Position) Position {
	if a.Compare(b) > 0 {
		return a
	}
	return b
}

// nanoseconds is t as a stamp, within the years that stamps can express.
func nanoseconds(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, 0)):
		return 0
	case t.After(time.Unix(1<<33, 0)):
		return int64(1<<33) * int64(time.Second)
	default:
		return t.UnixNano()
	}
}
