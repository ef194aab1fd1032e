package audit_test

import (
	"fmt"

	"bondy/core/audit"
)

// printer records on standard output.
type printer struct{}

// Record implements audit.Recorder.
func (printer) Record(e audit.Event) { fmt.Println(e.Kind, e.Outcome, e.Action, e.Object) }

func ExampleEmit() {
	e := audit.Event{Kind: audit.Denial, Outcome: audit.Refused, Action: "wamp.call", Object: "com.example.secret"}
	audit.Emit(printer{}, e)
	audit.Emit(nil, e) // nobody records
	// Output: denial refused wamp.call com.example.secret
}
