package admin

import (
	"fmt"

	"bondy/core/audit"
	"bondy/core/directory"
	"bondy/core/meta"
)

// takes says how many arguments a procedure takes.
func (p *procedure) takes() string {
	text := fmt.Sprintf("%d", p.least)
	if p.most != p.least {
		text += fmt.Sprintf(" to %d", p.most)
	}
	switch {
	case p.most == 1 && p.least == 1:
		text += " argument"
	default:
		text += " arguments"
	}
	if p.reach == target {
		text += " after the realm"
	}
	return text
}

// report tells the audit log of a call that was to change something, and of any
// that was refused.
func (c *call) report(p *procedure, err error) {
	if c.Audit == nil || !p.changes && !refused(err) {
		return
	}
	e := audit.Event{
		Kind: audit.Administration, Outcome: audit.OK, Realm: c.realm, Action: string(p.uri), Object: c.object,
		AuthID: c.actor.AuthID, Session: c.actor.Session,
	}
	if c.Caller != nil {
		if p.users || p.reach == own {
			e.Kind = audit.Account
		}
		if s, ok := c.Caller.About.(*meta.Session); ok {
			e.AuthMethod, e.Remote = s.AuthMethod, s.Conn.Transport().Remote
		}
	}
	switch {
	case refused(err):
		e.Outcome, e.Reason = audit.Refused, err.Error()
	case err != nil:
		e.Outcome, e.Reason = audit.Failed, err.Error()
	}
	for _, change := range c.made {
		e.Changes = append(e.Changes, Describe(change))
	}
	audit.Emit(c.Audit, e)
	if len(c.made) > 0 {
		_ = audit.Flush(c.Context, c.Audit) // the log itself tells what it could not write; the change stands
	}
}

// Describe is a change in a few words, as the audit log has it.
func Describe(c directory.Change) string {
	text := fmt.Sprintf("%s %s %s", c.Kind, c.Name, c.Verb)
	if len(c.Fields) > 0 {
		text += fmt.Sprintf(" %v", c.Fields)
	}
	return text
}
