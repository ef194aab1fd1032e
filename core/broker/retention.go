package broker

import (
	"container/heap"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"bondy/core/pattern"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// Retention bounds what a realm retains (section "Event Retention"), in memory.
// What does not fit is refused, so that nobody can push out what others
// retained: a publisher that asked for an answer gets an error and nothing is
// sent; for one that did not the event is sent, and the topic has no retained
// event any more, since the one it had is out of date. Both are counted.
type Retention struct {
	// MaxEvents is how many events are retained; 10,000 when zero, and none
	// when negative: the option is ignored then.
	MaxEvents int
	// MaxBytes is what they may take, in bytes; 32 MiB when zero.
	MaxBytes int64
	// MaxSize is what one may take, in bytes; 64 KiB when zero.
	MaxSize int
	// TTL is how long an event lives that says nothing itself; 0 for ever.
	TTL time.Duration
}

func (r Retention) withDefaults() Retention {
	if r.MaxEvents == 0 {
		r.MaxEvents = 10_000
	}
	if r.MaxBytes == 0 {
		r.MaxBytes = 32 << 20
	}
	if r.MaxSize == 0 {
		r.MaxSize = 64 << 10
	}
	return r
}

// maxVariants is how many events of one topic are retained: the last that
// everybody may have, and after it those for some, of which the oldest goes.
const maxVariants = 8

// retention holds the retained events by topic.
type retention struct {
	// turn is held to read while an event is retained and sent, to write while
	// somebody subscribes and takes what is retained: so an event comes to the
	// new subscriber either as retained or live.
	turn sync.RWMutex

	mu       sync.Mutex
	topics   pattern.Index[*retained]
	expiring expiring
	events   int
	bytes    int64
	refused  uint64
}

// retained are the events of one topic, the oldest first.
type retained struct{ list []*kept }

// kept is a retained event in its place.
type kept struct {
	*Record
	at int // in the heap of what expires; -1 if it does not
}

// retain keeps p's event as its topic's and delivers it.
func (br *Broker) retain(b *peer.Batch, p *publication, o *options) error {
	limits := br.cfg.Load().Retention
	if limits.MaxEvents < 0 {
		br.deliver(b, p)
		return nil
	}
	r := p.record(&br.clock)
	ttl := limits.TTL
	if o.ttl > 0 {
		ttl = o.ttl
	}
	if ttl > 0 {
		r.Expires = time.Now().Add(ttl)
	}
	br.retention.turn.RLock()
	defer br.retention.turn.RUnlock()
	if err := br.retention.keep(r, &limits, o.acknowledge); err != nil {
		return err
	}
	br.deliver(b, p)
	return nil
}

// retained makes the frames, when they are asked for, of what is retained for a
// subscriber: of each topic the last event that it would have got, in the order
// of publication. The caller holds turn.
func (s *Session) retained(sub *subscription) []func() *peer.Frame {
	matching := s.br.retention.matching(sub.pattern, s.peer)
	frames := make([]func() *peer.Frame, len(matching))
	for i, r := range matching {
		frames[i] = func() *peer.Frame {
			f := peer.NewFrame(nil)
			f.Event = r.event(sub)
			f.Event.Details = wamp.Dict{"retained": true}
			maps.Copy(f.Event.Details, r.Details)
			f.Set(&f.Event)
			return f
		}
	}
	return frames
}

// keep makes r the retained event of its topic, or clears the topic when r has
// no arguments. Errors, when strict: wamp.ErrUnavailable.
func (x *retention) keep(r *Record, limits *Retention, strict bool) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.expireLocked(time.Now())
	topic, _ := x.topics.Get(wamp.MatchExact, r.Topic)
	if topic == nil {
		topic = &retained{}
	}
	if n := len(topic.list); n > 0 && topic.list[n-1].Compare(r.Position) > 0 {
		return nil // a later one came first
	}
	old := topic.list // what r takes the place of
	switch {
	case blank(r.Payload):
		x.dropLocked(topic, old)
		return nil
	case r.filter == nil:
	case len(old) < maxVariants:
		old = nil
	case old[0].filter == nil:
		old = old[1:2]
	default:
		old = old[:1]
	}
	if err := x.fitsLocked(r, old, limits); err != nil {
		x.refused++
		if strict {
			return err
		}
		x.dropLocked(topic, topic.list)
		return nil
	}
	x.dropLocked(topic, old)
	x.addLocked(topic, r)
	return nil
}

// fitsLocked says whether there is room for r in the place of old.
func (x *retention) fitsLocked(r *Record, old []*kept, limits *Retention) error {
	events, bytes := x.events+1-len(old), x.bytes+int64(r.Size())
	for _, k := range old {
		bytes -= int64(k.Size())
	}
	switch {
	case r.Size() > limits.MaxSize:
		return wamp.Errorf(wamp.ErrUnavailable, "the event takes %d bytes, one that is retained may take %d", r.Size(), limits.MaxSize)
	case events > limits.MaxEvents:
		return wamp.Errorf(wamp.ErrUnavailable, "this realm retains %d events, the most it may", x.events)
	case bytes > limits.MaxBytes:
		return wamp.Errorf(wamp.ErrUnavailable, "this realm retains %d bytes of the %d that it may, the event does not fit", x.bytes, limits.MaxBytes)
	}
	return nil
}

func (x *retention) addLocked(topic *retained, r *Record) {
	k := &kept{Record: r, at: -1}
	topic.list = append(topic.list, k)
	if len(topic.list) == 1 {
		x.topics.Update(wamp.MatchExact, r.Topic, func(*retained, bool) (*retained, bool) { return topic, true })
	}
	if !r.Expires.IsZero() {
		heap.Push(&x.expiring, k)
	}
	x.events++
	x.bytes += int64(r.Size())
}

// dropLocked takes some of a topic's events out.
func (x *retention) dropLocked(topic *retained, some []*kept) {
	if len(some) == 0 {
		return
	}
	for _, k := range some {
		if k.at >= 0 {
			heap.Remove(&x.expiring, k.at)
		}
		x.events--
		x.bytes -= int64(k.Size())
	}
	uri := some[0].Topic
	from := slices.Index(topic.list, some[0])
	topic.list = slices.Delete(topic.list, from, from+len(some))
	if len(topic.list) == 0 {
		x.topics.Update(wamp.MatchExact, uri, func(*retained, bool) (*retained, bool) { return nil, false })
	}
}

// expireLocked drops what has expired.
func (x *retention) expireLocked(now time.Time) {
	for len(x.expiring) > 0 && !x.expiring[0].Expires.After(now) {
		k := x.expiring[0]
		topic, _ := x.topics.Get(wamp.MatchExact, k.Topic)
		x.dropLocked(topic, []*kept{k})
	}
}

// matching is what a new subscriber p to that topic or pattern is to get. It
// costs as much as topics are retained that begin as the pattern does.
func (x *retention) matching(sub pattern.Pattern, p *peer.Peer) []*Record {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.expireLocked(time.Now())
	var found []*Record
	take := func(topic *retained) {
		for _, k := range slices.Backward(topic.list) {
			if k.Publisher != p.Session && k.allows(p) {
				found = append(found, k.Record)
				return
			}
		}
	}
	if sub.Match == wamp.MatchExact {
		if topic, ok := x.topics.Get(wamp.MatchExact, sub.URI); ok {
			take(topic)
		}
		return found
	}
	x.topics.Below(wamp.MatchExact, literal(sub), func(u wamp.URI, topic *retained) bool {
		if sub.Matches(u) {
			take(topic)
		}
		return true
	})
	slices.SortFunc(found, func(a, b *Record) int { return a.Compare(b.Position) })
	return found
}

// literal is what all URIs begin with that match a prefix or wildcard pattern.
func literal(p pattern.Pattern) wamp.URI {
	switch {
	case p.Match == wamp.MatchPrefix:
		return p.URI
	case p.URI == "" || p.URI[0] == '.':
		return ""
	}
	if i := strings.Index(string(p.URI), ".."); i >= 0 {
		return p.URI[:i+1]
	}
	return p.URI
}

func (x *retention) stats(s *Stats) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.expireLocked(time.Now())
	s.Retained, s.RetainedBytes, s.RetainRefused = x.events, x.bytes, x.refused
}

// expiring is a heap of what expires, the next first.
type expiring []*kept

// Len implements heap.Interface.
func (x expiring) Len() int { return len(x) }

// Less implements heap.Interface.
func (x expiring) Less(i, j int) bool { return x[i].Expires.Before(x[j].Expires) }

// Swap implements heap.Interface.
func (x expiring) Swap(i, j int) {
	x[i], x[j] = x[j], x[i]
	x[i].at, x[j].at = i, j
}

// Push implements heap.Interface.
func (x *expiring) Push(v any) {
	k := v.(*kept) // the heap holds nothing else
	k.at = len(*x)
	*x = append(*x, k)
}

// Pop implements heap.Interface.
func (x *expiring) Pop() any {
	last := len(*x) - 1
	k := (*x)[last]
	(*x)[last], k.at = nil, -1
	*x = (*x)[:last]
	return k
}
