package audit

import (
	"fmt"

	"bondy/core/audit"
)

// series is which of the two chains of a log a file belongs to; its name begins
// with it.
type series string

const (
	// administration has what was changed, and what the node did, which nothing
	// else pushes out.
	administration series = "audit"
	// access has all that clients cause: who came, was refused, or tried what it
	// may not.
	access series = "access"
)

// both are all of them.
func both() [2]series { return [2]series{administration, access} }

// name is audit-0000000001.jsonl for 1.
func (s series) name(number uint64) string { return fmt.Sprintf("%s-%010d.jsonl", s, number) }

// seriesOf is where an event belongs. Administration that was refused or failed
// is what anybody may try.
func seriesOf(e *audit.Event) series {
	if e.Kind == audit.Node || e.Kind == audit.Administration && !failed(e) {
		return administration
	}
	return access
}

// failed reports whether an event changed nothing.
func failed(e *audit.Event) bool {
	return (e.Outcome == audit.Failed || e.Outcome == audit.Refused) && len(e.Changes) == 0
}

// chain is one of the two of a Log that is written.
type chain struct {
	file  file           // Run's
	spare []audit.Record // Run's: the queue that was written last
	err   error          // Run's: of the last write and what was synced since
	room  int            // how many may wait

	queue []audit.Record // guarded by the Log's mu, as is lost
	lost  uint64         // events since the last record that told
}

// batch is what waits to be written to a chain.
type batch struct {
	records []audit.Record
	lost    uint64
}

// takeLocked empties the queue.
func (c *chain) takeLocked() (b batch) {
	b.records, c.queue, c.spare = c.queue, c.spare, nil
	if len(b.records) > 0 {
		b.lost, c.lost = c.lost, 0
	}
	return b
}

// write writes a batch, which is not empty, and returns how many records were
// written: all, unless there is an error.
func (c *chain) write(b batch) (written int, err error) {
	b.records[0].Lost = b.lost
	written, c.err = c.file.append(b.records)
	return written, c.err
}

// sync waits until the disk has what was written.
func (c *chain) sync() error {
	err := c.file.sync()
	if err != nil {
		c.err = err
	}
	return err
}

// reuse keeps the records of a batch that was written for the queue.
func (c *chain) reuse(records []audit.Record) {
	if cap(records) <= maxSpare {
		clear(records)
		c.spare = records[:0]
	}
}
