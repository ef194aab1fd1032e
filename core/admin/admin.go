// Package admin has the procedures with which realms are managed, those below
// bondy, and tells on topics below bondy what was changed. Register puts the
// procedures into a table, which may be that of all realms.
//
// The first argument of a procedure is the URI of the realm that it is about. Who
// means the realm of the own session may leave it out: with as many arguments as
// the procedure takes beside the realm there is none, with one more the first is
// the realm. Where a procedure takes optional arguments and both would fit, the
// first is the realm if there is a realm of that name. Sessions manage the realm
// that they are in, those of the master realm, and the node's operator, all.
//
// Whether a session may call a procedure at all was decided by its grants.
package admin

import (
	"cmp"
	"context"
	"errors"

	"bondy/core/audit"
	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/mgmt"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/ticket"
	"bondy/core/ticket/book"
	"bondy/core/wamp"
)

// Config is what the procedures work on.
type Config struct {
	Directory *directory.Directory
	// Realm finds a realm that is open on this node; the error is a *wamp.Error.
	Realm func(wamp.URI) (*realm.Realm, error)
	// Gate bounds what hashing passwords costs.
	Gate *auth.Gate
	// Guard slows down who guesses the password of its own user; nil does not.
	Guard *auth.Guard
	// Context is the node's life: who waits for the Gate gives up when it ends.
	Context context.Context //nolint:containedctx // calls have none of their own
	// Pace bounds how fast sessions make changes; nil does not.
	Pace *Pace
	// Audit is told of every change, and of what was refused; nil for nobody.
	Audit audit.Recorder
	// Tickets issues tickets, of which Book has the records and the keys, which
	// Sealer seals. Without Tickets there are no such procedures.
	Tickets *ticket.Authority
	Book    *book.Book
	Sealer  ticket.Sealer
}

// Errors that the procedures have beside those of the packages below.
const (
	ErrDeprecated   wamp.URI = "bondy.error.deprecated_procedure"
	ErrNotInSession wamp.URI = "bondy.error.not_in_session"
)

// Register adds the procedures and their other names.
func Register(t *mgmt.Table, cfg Config) {
	a := &administration{cfg}
	for _, list := range [][]procedure{
		realms(), users(), groups(), grants(), sources(), permissions(), self(), a.tickets(),
	} {
		for _, p := range list {
			t.Add(p.uri, func(r *mgmt.Request) (mgmt.Result, error) { return a.answer(&p, r) })
		}
	}
	for name, procedure := range former() {
		t.Alias(name, procedure)
	}
	for _, name := range deprecated() {
		t.Add(name, func(*mgmt.Request) (mgmt.Result, error) {
			return mgmt.Result{}, wamp.Errorf(ErrDeprecated, "%s does nothing any more", name)
		})
	}
}

// administration is what all procedures share.
type administration struct{ Config }

// reach says whose procedure it is.
type reach uint8

const (
	// target procedures are about a realm, which they take as first argument.
	target reach = iota
	// master procedures are for those who may manage all realms.
	master
	// own procedures are about the session that calls.
	own
)

// procedure is one of the management procedures.
type procedure struct {
	uri wamp.URI
	reach
	// least and most are how many arguments it takes, without the realm.
	least, most int
	// changes says that it changes something, users that it changes nothing but what
	// is the caller's.
	changes, users bool
	run            func(*call) (mgmt.Result, error)
}

// call is one call of a procedure.
type call struct {
	*administration
	*mgmt.Request
	args *mgmt.Args
	// realm is what the call is about, actor who makes it.
	realm wamp.URI
	actor directory.Actor
	// object is what it is about within that, for the audit log, and made what it
	// changed.
	object string
	made   []directory.Change
}

// answer runs a procedure.
func (a *administration) answer(p *procedure, r *mgmt.Request) (mgmt.Result, error) {
	if err := a.Pace.admit(p, r); err != nil {
		return mgmt.Result{}, err // which is counted, and not worth an entry in the audit log each time
	}
	c := &call{administration: a, Request: r, args: r.Args(), realm: r.Realm}
	c.actor = directory.Actor{Realm: r.Realm, Session: r.Session(), Confined: !manager(r)}
	if r.Caller != nil {
		c.actor.AuthID = r.Caller.AuthID
	} else {
		c.actor.Realm = ""
	}
	res, err := c.perform(p)
	c.report(p, err)
	return res, err
}

func (c *call) perform(p *procedure) (mgmt.Result, error) {
	if err := c.args.Err(); err != nil {
		return mgmt.Result{}, err
	}
	if err := c.aim(p); err != nil {
		return mgmt.Result{}, err
	}
	res, err := p.run(c)
	return res, cmp.Or(err, c.args.Err())
}

// manager tells whether who calls may manage all realms.
func manager(r *mgmt.Request) bool { return r.Caller == nil || r.Realm == directory.Master }

// aim finds the realm that the call is about, and checks that it has as many
// arguments as there must be.
func (c *call) aim(p *procedure) error {
	n := c.args.Len()
	explicit := p.reach == target && (n == p.most+1 || n > p.least && n <= p.most && c.namesRealm())
	if explicit {
		c.realm = directory.Canonical(wamp.URI(cmp.Or(c.args.Optional(0, "realm").String(), string(c.Request.Realm))))
		if err := c.args.Err(); err != nil {
			return err
		}
		c.args.Drop(1)
		n--
	}
	if n < p.least || n > p.most {
		return wamp.Errorf(wamp.ErrInvalidArgument, "%s takes %s, got %d", p.uri, p.takes(), n)
	}
	switch {
	case manager(c.Request):
		return nil
	case p.reach == master:
		return wamp.Errorf(wamp.ErrNotAuthorized, "%s is for sessions of the realm %q: this one is of %q", p.uri, directory.Master, c.Request.Realm)
	case c.realm != c.Request.Realm:
		return wamp.Errorf(wamp.ErrNotAuthorized, "sessions of the realm %q manage that realm alone: %q is managed from the realm %q",
			c.Request.Realm, c.realm, directory.Master)
	}
	return nil
}

// namesRealm tells whether the first argument is the URI of a realm.
func (c *call) namesRealm() bool {
	uri, ok := c.args.Optional(0, "realm").Value().(string)
	if !ok {
		return false
	}
	_, err := c.Directory.View(wamp.URI(uri))
	return err == nil
}

// view is the realm that the call is about.
func (c *call) view() (*directory.View, error) { return c.Directory.View(c.realm) }

// change makes a change, unless an argument was wrong.
func (c *call) change(f func(*directory.Tx) error) error {
	if err := c.args.Err(); err != nil {
		return err
	}
	return c.Change(func() (err error) {
		c.made, err = c.Directory.Apply(c.actor, func(tx *directory.Tx) error {
			if err := c.still(); err != nil {
				return err
			}
			return f(tx)
		})
		return err
	})
}

// maxPairs bounds what one call makes of two lists, each member of one with each of
// the other: nobody else changes anything meanwhile.
const maxPairs = 1000

// within checks two lists of a call together.
func within(n, m int) error {
	if n > maxPairs || m > maxPairs || n*m > maxPairs {
		return wamp.Errorf(directory.ErrRange, "%d times %d changes: one call makes at most %d: make several of it", n, m, maxPairs)
	}
	return nil
}

// still says why the caller may not do this any more, after it waited. Within a
// change it knows of all earlier ones.
func (c *call) still() error {
	if c.Caller != nil && (c.dismissed() || !c.Rights.Valid() ||
		rbac.Management(c.Procedure) && !c.Rights.Decide(rbac.Call, c.Procedure, wamp.MatchExact)) {
		return wamp.Errorf(wamp.ErrNotAuthorized, "the session has ended, or has no grant of wamp.call on %q any more", c.Procedure)
	}
	return nil
}

// dismissed tells whether the session that calls was ended for a change.
func (c *call) dismissed() bool {
	s, err := c.session()
	return err == nil && s.Dismissed()
}

// refused tells whether an error is about who asked, and not about what.
func refused(err error) bool {
	we, ok := errors.AsType[*wamp.Error](err)
	return ok && we.URI == wamp.ErrNotAuthorized
}
