package core

import (
	"maps"
	"reflect"
	"slices"

	"bondy/core/auth"
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
	closeIssuer       wamp.URI = "bondy.realm.updated"
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
	byIssuer   // a token of an issuer
	byRoot     // a certificate below any trust root
)

// verdict is why clients have to leave that were let in by something.
type verdict struct {
	because *wamp.Error
	spared  bool // who caused it may stay
}

// judged is whom changes of users and tickets make leave.
func judged(c *directory.Commit) map[login]verdict {
	verdicts := make(map[login]verdict)
	for i := range c.Changes {
		of, v := judge(c, &c.Changes[i])
		if v.because == nil {
			continue
		}
		if old, ok := verdicts[of]; !ok || old.spared {
			verdicts[of] = v
		}
	}
	return verdicts
}

// dismiss ends the sessions on which there are verdicts after a change, in the
// realms of these and in those that inherit from them or have their credentials there.
func (r *Router) dismiss(c *directory.Commit, verdicts map[login]verdict) {
	realms := make(map[wamp.URI]bool)
	for of := range verdicts {
		realms[of.realm] = true
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
	switch {
	case s.AuthMethod == auth.MethodJWT:
		return verdicts[login{byIssuer, uri, s.AuthProvider}].because
	case s.AuthProvider == auth.ProviderTrustroot:
		return verdicts[login{by: byRoot, realm: uri}].because
	case p == nil:
		return nil
	}
	because := verdictOn(verdicts, uri, p.AuthRealm, p.Name, p.Ticket, spared)
	if because != nil || p.Client == (auth.Client{}) {
		return because
	}
	because = verdictOn(verdicts, uri, p.Client.AuthRealm, p.Client.Name, p.Client.Ticket, spared)
	if because == nil {
		return nil
	}
	return wamp.Errorf(because.URI, "of the client %s: %s", p.Client.Name, because.Message)
}

// verdictOn is why a user of a realm has to leave whose credentials are in authrealm,
// and who has shown a ticket or "".
func verdictOn(verdicts map[login]verdict, realm, authrealm wamp.URI, user, ticket string, spared bool) *wamp.Error {
	by := [...]login{
		{byUser, realm, user},
		{byUser, authrealm, user},
		{byTicket, realm, ticket},
		{byTicket, authrealm, ticket},
		{byTicketOf, authrealm, user},
		{byTicketOf, authrealm, ""},
	}
	list := by[:]
	if ticket == "" {
		list = by[:2]
	}
	for _, l := range list {
		if v := verdicts[l]; v.because != nil && (!v.spared || !spared) {
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

// withdrawn are the logins that a realm has no longer: by tokens of issuers and by
// certificates of trust roots that are gone, or accepted on other terms.
func withdrawn(c *directory.Commit, ch *directory.Change) map[login]verdict {
	if ch.Kind != directory.KindRealm || ch.Verb != directory.Updated ||
		!slices.Contains(ch.Fields, "issuers") && !slices.Contains(ch.Fields, "trustroots") {
		return nil
	}
	before, err := c.Before.View(ch.Realm)
	after, gone := c.After.View(ch.Realm)
	if err != nil || gone != nil {
		return nil
	}
	was, is := before.Realm().Login, after.Realm().Login
	out := make(map[login]verdict)
	leave := func(by loginKind, name, why string) {
		out[login{by, ch.Realm, name}] = verdict{because: wamp.Errorf(closeIssuer, "%s: log in again", why)}
	}
	for _, i := range was.Issuers {
		if !slices.ContainsFunc(is.Issuers, i.Same) {
			leave(byIssuer, i.Issuer, "the tokens of "+i.Issuer+" are not accepted as they were")
		}
	}
	for _, root := range was.Trustroots {
		if !slices.ContainsFunc(is.Trustroots, func(o auth.Trustroot) bool { return reflect.DeepEqual(root, o) }) {
			leave(byRoot, "", "the trust roots are not what they were")
		}
	}
	return out
}

func disabled(s *directory.Snapshot, ch *directory.Change) bool {
	v, err := s.View(ch.Realm)
	if err != nil {
		return true
	}
	u, err := v.FindUser(ch.Name)
	return err != nil || u.Disabled
}
