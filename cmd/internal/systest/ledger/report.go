package ledger

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
)

// mostNamed is how many offenders a Tally names.
const mostNamed = 5

// Tally counts offenders.
type Tally struct {
	Count int
	// First names the first ones, at most five.
	First []string
}

func (t *Tally) add(name string) {
	t.Count++
	if len(t.First) < mostNamed {
		t.First = append(t.First, name)
	}
}

// String is the count, with the first offenders if there are any.
func (t Tally) String() string {
	if t.Count == 0 {
		return "0"
	}
	more := ""
	if t.Count > len(t.First) {
		more = ", ..."
	}
	return fmt.Sprintf("%d (%s%s)", t.Count, strings.Join(t.First, ", "), more)
}

// Row is about the events of one publisher at one subscriber.
type Row struct {
	Subscriber, Publisher string
	// Expected are the events published since Ledger.Expect, Arrived those of
	// them that were seen.
	Expected, Arrived int
	// Lost were not seen until now. Doubled counts arrivals after the first of
	// the same event, Reordered first arrivals after that of a later event.
	Lost, Doubled, Reordered Tally
}

// Report is the state of a ledger at one moment.
type Report struct {
	// Rows has one for each pair of subscriber and publisher, in the order of
	// Ledger.Expect.
	Rows []Row
	// Foreign are the arrivals that are in no row.
	Foreign Tally
}

// Report tells what is known now: events that are still under way count as lost.
func (l *Ledger) Report() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	foreign := l.foreign
	foreign.First = slices.Clone(foreign.First)
	r := Report{Foreign: foreign}
	for _, key := range l.order {
		t, end := l.tracks[key], l.issued[key.publisher]
		row := Row{
			Subscriber: key.subscriber, Publisher: key.publisher,
			Expected: end - t.from, Arrived: t.arrived,
			Lost: t.lost(end), Doubled: t.doubled, Reordered: t.reordered,
		}
		row.Doubled.First, row.Reordered.First = slices.Clone(t.doubled.First), slices.Clone(t.reordered.First)
		r.Rows = append(r.Rows, row)
	}
	return r
}

// Lost is how many events are lost over all rows.
func (r Report) Lost() int { return r.sum(func(row Row) int { return row.Lost.Count }) }

// Doubled is how many arrivals are doubled over all rows.
func (r Report) Doubled() int { return r.sum(func(row Row) int { return row.Doubled.Count }) }

// Reordered is how many events are out of order over all rows.
func (r Report) Reordered() int { return r.sum(func(row Row) int { return row.Reordered.Count }) }

// Clean reports that all events arrived, once, in order, and nothing else did.
func (r Report) Clean() bool {
	return r.Lost() == 0 && r.Doubled() == 0 && r.Reordered() == 0 && r.Foreign.Count == 0
}

func (r Report) sum(count func(Row) int) (total int) {
	for _, row := range r.Rows {
		total += count(row)
	}
	return total
}

// String is a table for the message of a failed test.
func (r Report) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "subscriber\tpublisher\texpected\tarrived\tlost\tdoubled\treordered")
	for _, row := range r.Rows {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%s\n",
			row.Subscriber, row.Publisher, row.Expected, row.Arrived, row.Lost, row.Doubled, row.Reordered)
	}
	_ = w.Flush()
	if r.Foreign.Count > 0 {
		_, _ = fmt.Fprintf(&b, "foreign: %s\n", r.Foreign)
	}
	return b.String()
}
