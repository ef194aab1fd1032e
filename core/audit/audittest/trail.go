// Package audittest has an audit log in memory for tests of those who record.
package audittest

import (
	"slices"
	"sync"

	"bondy/core/audit"
)

// Trail is an audit log in memory. The zero value is empty; it is safe for
// concurrent use.
type Trail struct {
	mu     sync.Mutex
	events []audit.Event
}

// Record implements audit.Recorder.
func (tr *Trail) Record(e audit.Event) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.events = append(tr.events, e)
}

// Take gives what was recorded since the last time.
func (tr *Trail) Take() []audit.Event {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	taken := tr.events
	tr.events = nil
	return taken
}

// List gives what was recorded and not taken.
func (tr *Trail) List() []audit.Event {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.Clone(tr.events)
}
