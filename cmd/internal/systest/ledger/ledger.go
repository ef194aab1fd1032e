// Package ledger numbers the events of a test and proves which were lost,
// doubled or brought out of order on the way to each subscriber.
package ledger

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
)

// Ledger keeps the books of one test, at a bit per event and subscriber. It is
// safe for concurrent use; New makes one.
type Ledger struct {
	padding string

	mu        sync.Mutex
	issued    map[string]int // events per publisher; the next has this sequence
	expecting map[string]int // subscribers per publisher
	tracks    map[pair]*track
	order     []pair        // of tracks, as they came
	missing   int           // over all tracks
	settled   chan struct{} // closed when missing becomes 0; nil while nobody waits
	foreign   Tally
}

type pair struct{ subscriber, publisher string }

// track is what one subscriber has seen of one publisher.
type track struct {
	from               int      // the first sequence that counts
	seen               []uint64 // a bit per sequence
	arrived, highest   int      // highest sequence seen, or below from
	doubled, reordered Tally
}

// New makes a ledger whose events carry a payload of so many bytes.
func New(payloadBytes int) *Ledger {
	return &Ledger{
		padding: strings.Repeat("x", payloadBytes),
		issued:  map[string]int{}, expecting: map[string]int{}, tracks: map[pair]*track{},
	}
}

// Expect has the subscriber see all events of the publishers from now on. To be
// called once it is subscribed; for a pair that is known it changes nothing.
func (l *Ledger) Expect(subscriber string, publishers ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, publisher := range publishers {
		key := pair{subscriber, publisher}
		if l.tracks[key] != nil {
			continue
		}
		from := l.issued[publisher]
		l.tracks[key] = &track{from: from, highest: from - 1}
		l.order = append(l.order, key)
		l.expecting[publisher]++
	}
}

// Next returns the arguments of the publisher's next event: its name, the
// event's sequence counted from 0, and the payload.
func (l *Ledger) Next(publisher string) []any {
	l.mu.Lock()
	defer l.mu.Unlock()
	sequence := l.issued[publisher]
	l.issued[publisher]++
	l.missing += l.expecting[publisher]
	return []any{publisher, sequence, l.padding}
}

// Seen records the arguments of an event that the subscriber got, in the order
// of the calls. What the subscriber does not expect, what Next did not return,
// and what was damaged on the way counts as foreign.
func (l *Ledger) Seen(subscriber string, args []any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	publisher, sequence, ok := l.readLocked(args)
	t := l.tracks[pair{subscriber, publisher}]
	if !ok || t == nil || sequence < t.from {
		l.foreign.add(fmt.Sprintf("%s got %.80v", subscriber, args))
		return
	}
	if t.mark(sequence) {
		l.missing--
		l.settleLocked()
	}
}

// Wait returns once nothing is missing, or when the context ends, with an error
// that holds the report.
func (l *Ledger) Wait(ctx context.Context) error {
	l.mu.Lock()
	if l.settled == nil {
		l.settled = make(chan struct{})
	}
	settled := l.settled
	l.settleLocked()
	l.mu.Unlock()
	select {
	case <-settled:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("events are missing: %w\n%s", context.Cause(ctx), l.Report())
	}
}

func (l *Ledger) settleLocked() {
	if l.missing == 0 && l.settled != nil {
		close(l.settled)
		l.settled = nil
	}
}

// readLocked undoes Next, after any serializer.
func (l *Ledger) readLocked(args []any) (publisher string, sequence int, ok bool) {
	if len(args) != 3 {
		return "", 0, false
	}
	publisher, isText := args[0].(string)
	sequence, isNumber := integer(args[1])
	issued := isNumber && sequence >= 0 && sequence < l.issued[publisher]
	return publisher, sequence, isText && issued && args[2] == l.padding
}

// integer is the number that a serializer has made of an int.
func integer(v any) (int, bool) {
	switch n := v.(type) {
	case int:
		return n, true
	case int64:
		return int(n), true
	case uint64:
		return int(n), n <= math.MaxInt64 //nolint:gosec // checked
	case float64:
		return int(n), n == math.Trunc(n) && math.Abs(n) < 1<<53
	}
	return 0, false
}

// mark records an arrival and reports whether it is the first of that sequence.
func (t *track) mark(sequence int) bool {
	word, bit := (sequence-t.from)/64, uint64(1)<<((sequence-t.from)%64)
	for len(t.seen) <= word {
		t.seen = append(t.seen, 0)
	}
	if t.seen[word]&bit != 0 {
		t.doubled.add(fmt.Sprint(sequence))
		return false
	}
	t.seen[word] |= bit
	t.arrived++
	if sequence < t.highest {
		t.reordered.add(fmt.Sprintf("%d after %d", sequence, t.highest))
	}
	t.highest = max(t.highest, sequence)
	return true
}

// lost are the sequences below end that have not arrived.
func (t *track) lost(end int) Tally {
	var lost Tally
	for s := t.from; s < end; s++ {
		word, bit := (s-t.from)/64, uint64(1)<<((s-t.from)%64)
		if word >= len(t.seen) || t.seen[word]&bit == 0 {
			lost.add(fmt.Sprint(s))
		}
	}
	return lost
}
