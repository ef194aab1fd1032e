package admin

import (
	"cmp"
	"encoding/json"
	"iter"
	"slices"
	"time"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/mgmt"
	"bondy/core/rbac"
	"bondy/core/ticket"
	"bondy/core/ticket/book"
	"bondy/core/wamp"
)

func (a *administration) tickets() []procedure {
	if a.Tickets == nil {
		return nil
	}
	return []procedure{
		{uri: "bondy.ticket.issue", most: 1, changes: true, users: true, run: issueTicket},
		{uri: "bondy.ticket.verify", least: 1, most: 1, run: verifyTicket},
		{uri: "bondy.ticket.list", run: listTickets},
		{uri: "bondy.ticket.get", least: 1, most: 1, run: getTicket},
		{uri: "bondy.ticket.revoke", least: 1, most: 1, changes: true, run: revokeTicket},
		{uri: "bondy.ticket.revoke_all", most: 1, changes: true, run: revokeTickets},
		{uri: "bondy.ticket.revoke_own", reach: own, most: 1, changes: true, run: revokeOwnTickets},
		{uri: "bondy.key.list", run: listKeys},
		{uri: "bondy.key.rotate", changes: true, run: rotateKeys},
		{uri: "bondy.key.jwks", run: publicKeys},
	}
}

// issueTicket makes a ticket of the calling session's user. The operator names a
// user instead.
func issueTicket(c *call) (mgmt.Result, error) {
	req := &ticket.Request{Realm: c.realm}
	if c.args.Len() > 0 && c.Caller != nil {
		return mgmt.Result{}, wamp.Errorf(wamp.ErrNotAuthorized, "sessions issue tickets of their own user alone")
	}
	var u *directory.User
	var v *directory.View
	var err error
	if c.Caller == nil {
		v, u, err = c.user()
		req.AuthMethod, req.By, req.Allowed = ticket.Operator, ticket.Operator, func(wamp.URI) bool { return true }
	} else {
		s, own := c.session()
		if own != nil {
			return mgmt.Result{}, own
		}
		v, u, _, err = c.principal()
		req.Holder, req.AuthMethod = s.Principal, s.AuthMethod
		req.Allowed = func(resource wamp.URI) bool { return c.Rights.Decide(rbac.Issue, resource, wamp.MatchExact) }
	}
	if err != nil {
		return mgmt.Result{}, err
	}
	login, _ := v.User(u.Name)
	if req.Holder == nil {
		req.Holder = &auth.Principal{AuthRealm: login.AuthRealm, Name: u.Name, Incarnation: login.Incarnation}
	}
	req.Users, req.Policy = v, v.Realm().Tickets
	if req.Options, err = ticket.ParseOptions(c.args.Kwargs()); err != nil {
		return mgmt.Result{}, err
	}
	if err := c.keyed(req.Holder.AuthRealm); err != nil {
		return mgmt.Result{}, err
	}
	var issued *ticket.Issued
	err = c.Change(func() (err error) {
		if issued, err = c.Tickets.Issue(req); err == nil {
			err = c.recant(issued)
		}
		return err
	})
	if err != nil {
		return mgmt.Result{}, err
	}
	c.made = []directory.Change{{Realm: issued.AuthRealm, Kind: directory.KindTicket, Name: issued.ID, Verb: directory.Created}}
	return mgmt.Value(map[string]any(issued.Dict())), nil
}

// recant takes back a ticket of a session that was dismissed meanwhile. A change that
// dismisses it later revokes the ticket itself: until then changes wait for each other.
func (c *call) recant(i *ticket.Issued) error {
	if !c.dismissed() {
		return nil
	}
	_, err := c.Tickets.Revoke(i.AuthRealm, i.ID)
	return cmp.Or(err, error(wamp.Errorf(wamp.ErrNotAuthorized, "the session has ended: log in again")))
}

// keyed sees to it that a realm has keys to sign with.
func (c *call) keyed(realm wamp.URI) error {
	if len(c.Book.Ring(realm)) > 0 {
		return nil
	}
	return c.Change(func() error {
		return c.Directory.Update(c.actor, func(tx *directory.Tx) error {
			v, err := tx.View(realm)
			if err != nil {
				return err
			}
			for range v.SigningKeys() {
				return nil // somebody else was faster
			}
			return book.Rotate(tx, c.Sealer, realm)
		})
	})
}

func verifyTicket(c *call) (mgmt.Result, error) {
	text := c.args.At(0, "ticket").String()
	if err := c.args.Err(); err != nil {
		return mgmt.Result{}, err
	}
	v, err := c.view()
	if err != nil {
		return mgmt.Result{}, err
	}
	r, err := c.Tickets.Check(c.realm, v, text)
	if err != nil {
		return mgmt.Result{}, wamp.Errorf(ticket.ErrInvalidValue, "%v", err)
	}
	return mgmt.Value(shownTicket(r)), nil
}

// shownTicket is what is known of a ticket, which is not what one logs in with.
func shownTicket(r *ticket.Record) map[string]any {
	return map[string]any{
		"id": r.ID, "authrealm": string(r.AuthRealm), "authid": r.Name, "authmethod": r.AuthMethod, "issued_by": r.IssuedBy,
		"issued_at": r.IssuedAt.Unix(), "expires_at": r.ExpiresAt.Unix(), "scope": map[string]any(r.Scope.Dict()),
	}
}

// issuer is the realm that has the tickets of a user: the one that keeps the
// user's credentials. All those of a confined actor's are of its realm.
func (c *call) issuer(name string) (wamp.URI, error) {
	v, err := c.view()
	if err != nil || name == "" {
		return c.realm, err
	}
	if u, err := v.FindUser(name); err == nil {
		return c.home(u), nil
	}
	return c.realm, nil
}

func listTickets(c *call) (mgmt.Result, error) {
	page, name := c.args.Cursor(), c.args.Key("authid").String()
	if err := c.args.Err(); err != nil {
		return mgmt.Result{}, err
	}
	issuer, err := c.issuer(name)
	if err != nil {
		return mgmt.Result{}, err
	}
	all := c.ticketsOf(issuer, page.After)
	if name != "" {
		all = slices.Values(c.Book.Of(issuer, name))
	}
	now := time.Now()
	return mgmt.Listed(page, all, func(r ticket.Record) (string, any) {
		if r.ExpiresAt.Before(now) || c.actor.Confined && issuer != c.realm && r.Scope.Realm != c.realm {
			return r.ID, nil
		}
		return r.ID, shownTicket(&r)
	}), nil
}

// ticketsOf goes through the tickets of a realm in the order of their ids, those
// after one.
func (c *call) ticketsOf(issuer wamp.URI, after string) iter.Seq[ticket.Record] {
	return func(yield func(ticket.Record) bool) {
		v, err := c.Directory.View(issuer)
		if err != nil {
			return // it is gone by now
		}
		for id := range v.Tickets(after) {
			if r, ok := c.Book.Get(issuer, id); ok && !yield(r) {
				return
			}
		}
	}
}

// ticket finds the ticket that the first argument names by its id.
func (c *call) ticket() (ticket.Record, error) {
	id := c.args.At(0, "id").String()
	c.object = "ticket " + id
	if err := c.args.Err(); err != nil {
		return ticket.Record{}, err
	}
	r, ok := c.Book.Get(c.realm, id)
	if !ok {
		return r, wamp.Errorf(directory.ErrNotFound, "the realm %q has no ticket %q", c.realm, id)
	}
	return r, nil
}

func getTicket(c *call) (mgmt.Result, error) {
	r, err := c.ticket()
	if err != nil {
		return mgmt.Result{}, err
	}
	return mgmt.Value(shownTicket(&r)), nil
}

func revokeTicket(c *call) (mgmt.Result, error) {
	r, err := c.ticket()
	if err != nil {
		return mgmt.Result{}, err
	}
	return mgmt.Result{}, c.change(func(tx *directory.Tx) error {
		_, err := book.Withdraw(tx, c.realm, r.ID)
		return err
	})
}

// revokeTickets revokes those of a user, or all of the realm.
func revokeTickets(c *call) (mgmt.Result, error) {
	name := c.args.Optional(0, "authid").String()
	if name != "" {
		v, err := c.view()
		if err != nil {
			return mgmt.Result{}, err
		}
		u, err := v.FindUser(name)
		if err != nil {
			return mgmt.Result{}, err
		}
		name = u.Name
	}
	c.object = "tickets of " + name
	issuer, err := c.issuer(name)
	switch {
	case err != nil:
		return mgmt.Result{}, err
	case issuer != c.realm && c.actor.Confined:
		return mgmt.Result{}, wamp.Errorf(wamp.ErrNotAuthorized, "the tickets of %q are of the realm %q: they are revoked from there", name, issuer)
	}
	return mgmt.Result{}, c.change(func(tx *directory.Tx) error { return c.Book.WithdrawAll(tx, issuer, name, time.Now()) })
}

// revokeOwnTickets revokes one ticket of the calling session's user, or all.
func revokeOwnTickets(c *call) (mgmt.Result, error) {
	_, u, s, err := c.principal()
	if err != nil {
		return mgmt.Result{}, err
	}
	if s.Principal.Trusted && s.Principal.AuthRealm != c.realm {
		return mgmt.Result{}, wamp.Errorf(wamp.ErrNotAuthorized, "log in with a credential: trust in an address is for the realm %q alone", c.realm)
	}
	id := c.args.Optional(0, "id").String()
	if r, ok := c.Book.Get(s.Principal.AuthRealm, id); id != "" && (!ok || r.Name != u.Name) {
		return mgmt.Result{}, wamp.Errorf(directory.ErrNotFound, "you have no ticket %q", id)
	}
	return mgmt.Result{}, c.change(func(tx *directory.Tx) error {
		if id == "" {
			return c.Book.WithdrawAll(tx, s.Principal.AuthRealm, u.Name, time.Now())
		}
		_, err := book.Withdraw(tx, s.Principal.AuthRealm, id)
		return err
	})
}

func listKeys(c *call) (mgmt.Result, error) {
	if _, err := c.view(); err != nil {
		return mgmt.Result{}, err
	}
	out := []any{}
	for _, k := range c.Book.Ring(c.realm) {
		if !k.Over(time.Now()) {
			out = append(out, map[string]any{
				"kid": k.ID, "state": string(k.State), "algorithm": "ES256", "created": stamp(k.Created), "retired": stamp(k.Retired),
			})
		}
	}
	return mgmt.Value(out), nil
}

// stamp writes a time in RFC 3339, null for none.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

func rotateKeys(c *call) (mgmt.Result, error) {
	c.object = "keys of " + string(c.realm)
	if err := c.change(func(tx *directory.Tx) error { return book.Rotate(tx, c.Sealer, c.realm) }); err != nil {
		return mgmt.Result{}, err
	}
	return listKeys(c)
}

func publicKeys(c *call) (mgmt.Result, error) {
	if _, err := c.view(); err != nil {
		return mgmt.Result{}, err
	}
	text, err := ticket.JWKS(c.Book.Ring(c.realm))
	if err != nil {
		return mgmt.Result{}, err
	}
	return mgmt.Value(valueOf(json.RawMessage(text))), nil
}
