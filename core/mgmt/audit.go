package mgmt

import (
	"fmt"
	"strings"

	"bondy/core/audit"
	"bondy/core/codec"
	"bondy/core/rbac"
)

// Event is what the audit log is told of a call that ended with err, if it is one
// of the Meta API that acts on others; whoever took the call completes it with
// who made it. The procedures of bondy.* tell the audit log themselves.
func (r *Request) Event(err error) (e audit.Event, ok bool) {
	if !strings.HasPrefix(string(r.Procedure), "wamp.") || !rbac.Management(r.Procedure) {
		return e, false
	}
	e = audit.Event{Kind: audit.Administration, Outcome: audit.OK, Realm: r.Realm, Action: string(r.Procedure)}
	if err != nil {
		e.Outcome, e.Reason = audit.Failed, err.Error()
	}
	if args, err := codec.DecodeArgs(r.Payload); err == nil && len(args) > 0 {
		e.Object = fmt.Sprint(args[0]) // the id, or the authid, that it acts on
	}
	return e, true
}
