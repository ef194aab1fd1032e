package admin

import (
	"cmp"

	"bondy/core/directory"
	"bondy/core/meta"
	"bondy/core/mgmt"
	"bondy/core/wamp"
)

// self are the procedures about the caller.
func self() []procedure {
	return []procedure{
		{uri: "bondy.ping", reach: own, run: func(*call) (mgmt.Result, error) { return mgmt.Value("pong"), nil }},
		{uri: "bondy.user.self", reach: own, run: getSelf},
		{uri: "bondy.user.self.change_password", reach: own, least: 2, most: 2, changes: true, run: changeOwnPassword},
	}
}

// session is the session that calls; the error says that there is none.
func (c *call) session() (*meta.Session, error) {
	if c.Caller != nil {
		if s, ok := c.Caller.About.(*meta.Session); ok {
			return s, nil
		}
	}
	return nil, wamp.Errorf(ErrNotInSession, "%s is for sessions", c.Procedure)
}

// principal is the user that the calling session is.
func (c *call) principal() (*directory.View, *directory.User, *meta.Session, error) {
	s, err := c.session()
	if err != nil {
		return nil, nil, nil, err
	}
	who := s.Principal
	if who == nil {
		return nil, nil, nil, wamp.Errorf(wamp.ErrNoSuchPrincipal, "this session is no user of the realm")
	}
	c.object = "user " + who.Name
	v, err := c.view()
	if err != nil {
		return nil, nil, nil, err
	}
	u, err := v.FindUser(who.Name)
	if err != nil {
		return nil, nil, nil, err
	}
	if login, _ := v.User(u.Name); login.AuthRealm != who.AuthRealm || login.Incarnation != who.Incarnation {
		return nil, nil, nil, wamp.Errorf(wamp.ErrNoSuchPrincipal, "the user of this session is gone")
	}
	return v, u, s, nil
}

func getSelf(c *call) (mgmt.Result, error) {
	v, u, _, err := c.principal()
	if err != nil {
		return mgmt.Result{}, err
	}
	return mgmt.Value(shownUser(v, u, true)), nil
}

// changeOwnPassword takes the old password before the new one, also of who is let
// in without.
func changeOwnPassword(c *call) (mgmt.Result, error) {
	v, u, s, err := c.principal()
	if err != nil {
		return mgmt.Result{}, err
	}
	old := c.args.At(0, "old").String()
	if err := c.args.Err(); err != nil {
		return mgmt.Result{}, err
	}
	right, err := c.Config.Guard.Try(s.Conn.Transport().Remote.Addr(), s.Principal.AuthRealm, u.Name, func() (bool, error) {
		return c.knows(v, u, old)
	})
	if err != nil || !right {
		return mgmt.Result{}, cmp.Or(err, wrongPassword(u))
	}
	c.actor.Confined = false // these are the user's own credentials, wherever they are kept
	return mgmt.Result{}, c.setPassword(u)
}
