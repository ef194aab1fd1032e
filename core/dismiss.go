package core

import (
	"maps"
	"slices"

	"bondy/core/directory"
	"bondy/core/meta"
	"bondy/core/ticket/book"
	"bondy/core/wamp"
)

// Why sessions end when the directory changes; the predecessor's words where it
// has any.
const (
	closeUserDeleted  wamp.URI = "bondy.user.deleted"
	closeUserDisabled wamp.URI = "bondy.user.disabled"
	closeCredentials  wamp.URI = "bondy.user.credentials_changed" //nolint:gosec // no credential
	closeTicket       wamp.URI = "bondy.ticket.revoked"
)

// login is by what a client was let in that may have to leave.
type login struct {
	by    loginKind
	realm wamp.URI
	name  string
}

// loginKind is what the name of a login is.
type loginKind uint8

// The kinds.
const (
	byUser loginKind = iota
	byTicket
	byTicketOf // any ticket of a user; without a name, of all
)

// verdict is why clients have to leave that were let in by something.
type verdict struct {
	because *wamp.Error
	spared  bool // who caused it may stay
}

// dismiss ends the sessions that a change makes wrong, in its realms and in those
// that inherit from them or have their credentials there.
func (r *Router) dismiss(c *directory.Commit) {
	verdicts := make(map[login]verdict)
	realms := make(map[wamp.URI]bool)
	for i := range c.Changes {
		ch := &c.Changes[i]
		of, v := judge(c, ch)
		if v.because == nil {
			continue
		}
		if old, ok := verdicts[of]; !ok || old.spared {
			verdicts[of] = v
		}
		realms[ch.Realm] = true
	}
	for _, uri := range slices.Collect(maps.Keys(realms)) {
		for _, other := range dependents(c.Before, uri) {
			realms[other] = true
		}
	}
	for uri := range realms {
		if m, err := r.Realm(uri); err == nil {
			spared := wamp.ID(0)
			if uri == c.Actor.Realm {
				spared = c.Actor.Session
			}
			m.Dismiss(func(s *meta.Session) *wamp.Error { return sentence(verdicts, uri, s, s.ID() == spared) })
		}
	}
}

// sentence is why a session of a realm has to leave, nil if it may stay.
func sentence(verdicts map[login]verdict, uri wamp.URI, s *meta.Session, spared bool) *wamp.Error {
	p := s.Principal
	if p == nil {
		return nil
	}
	by := [...]login{
		{byUser, uri, p.Name},
		{byUser, p.AuthRealm, p.Name},
		{byTicket, uri, p.Ticket},
		{byTicket, p.AuthRealm, p.Ticket},
		{byTicketOf, p.AuthRealm, p.Name},
		{byTicketOf, p.AuthRealm, ""},
	}
	list := by[:]
	if p.Ticket == "" {
		list = by[:2]
	}
	for _, of := range list {
		if v := verdicts[of]; v.because != nil && (!v.spared || !spared) {
			return v.because
		}
	}
	return nil
}

// judge says whom a change makes leave, without a reason if nobody.
func judge(c *directory.Commit, ch *directory.Change) (login, verdict) {
	of := login{byUser, ch.Realm, ch.Name}
	switch owner, epoch := book.EpochOf(*ch); {
	case ch.Kind == directory.KindTicket && ch.Verb == directory.Deleted: // also when it expired
		of.by = byTicket
		return of, verdict{because: wamp.Errorf(closeTicket, "the ticket was revoked")}
	case ch.Kind == directory.KindTicket && epoch:
		of.by, of.name = byTicketOf, owner
		return of, verdict{because: wamp.Errorf(closeTicket, "all tickets were revoked")}
	case ch.Kind != directory.KindUser || ch.Verb == directory.Created:
		return of, verdict{}
	case ch.Verb == directory.Deleted:
		return of, verdict{because: wamp.Errorf(closeUserDeleted, "the user was deleted")}
	case slices.Contains(ch.Fields, "enabled") && disabled(c.After, ch):
		return of, verdict{because: wamp.Errorf(closeUserDisabled, "the user was disabled")}
	case slices.Contains(ch.Fields, "password"), slices.Contains(ch.Fields, "authorized_keys"):
		return of, verdict{wamp.Errorf(closeCredentials, "the user's credentials were changed: log in again"), true}
	default:
		return of, verdict{}
	}
}

func disabled(s *directory.Snapshot, ch *directory.Change) bool {
	v, err := s.View(ch.Realm)
	if err != nil {
		return true
	}
	u, err := v.FindUser(ch.Name)
	return err != nil || u.Disabled
}
