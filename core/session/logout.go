package session

import (
	"log/slog"

	"bondy/core/audit"
	"bondy/core/wamp"
)

// closeLogout is the reason of GOODBYE by which a client gives up not only the
// session but the ticket, too, with which it logged in; the predecessor's.
const closeLogout wamp.URI = "wamp.close.logout"

// logout revokes that ticket, if there is one, which ends the other sessions that it
// opened. What cannot be revoked expires: the client leaves all the same.
func (s *Session) logout() {
	s.flush() // the change goes to the disk
	var revoked bool
	err := s.route(func() (err error) {
		revoked, err = s.policy.Auth.Logout(s.member.Principal)
		return err
	})
	if err == nil && !revoked {
		return
	}
	object := "ticket " + s.member.Principal.Ticket
	e := audit.Event{Kind: audit.Account, Action: string(closeLogout), Object: object}
	if err == nil {
		e.Changes = []string{object + " deleted"}
	} else {
		e.Outcome, e.Reason = audit.Failed, err.Error()
		s.cfg.Log.Error("ticket not revoked at logout", slog.Any("", s), slog.Any("err", err))
	}
	s.report(e)
	_ = audit.Flush(s.ctx, s.cfg.Audit) // the log itself tells what it could not write; the change stands
}
