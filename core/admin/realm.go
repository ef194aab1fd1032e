package admin

import (
	"strings"

	"bondy/core/directory"
	"bondy/core/mgmt"
	"bondy/core/wamp"
)

func realms() []procedure {
	return []procedure{
		{uri: "bondy.realm.create", reach: master, least: 1, most: 1, changes: true, run: createRealm},
		{uri: "bondy.realm.update", reach: master, least: 2, most: 2, changes: true, run: updateRealm},
		{uri: "bondy.realm.plan", reach: master, least: 1, most: 1, run: deploy((*directory.Directory).PlanDocuments, false)},
		{uri: "bondy.realm.apply", reach: master, least: 1, most: 1, changes: true, run: deploy((*directory.Directory).ApplyDocuments, true)},
		{uri: "bondy.realm.export", reach: master, least: 1, most: 1, run: exportRealm},
		{uri: "bondy.realm.get", run: getRealm},
		{uri: "bondy.realm.list", reach: master, run: listRealms},
		{uri: "bondy.realm.delete", reach: master, least: 1, most: 1, changes: true, run: deleteRealm},
		{uri: "bondy.realm.security.enable", reach: master, least: 1, most: 1, changes: true, run: secureRealm(true)},
		{uri: "bondy.realm.security.disable", reach: master, least: 1, most: 1, changes: true, run: secureRealm(false)},
		{uri: "bondy.realm.security.is_enabled", reach: master, least: 1, most: 1, run: securityOf(func(on bool) any { return on })},
		{uri: "bondy.realm.security.status", reach: master, least: 1, most: 1, run: securityOf(func(on bool) any { return status(on) })},
		{uri: "bondy.realm.grants", run: realmGrants},
	}
}

// named makes the first argument, a realm's URI, what the call is about.
func (c *call) named() error {
	c.realm = directory.Canonical(wamp.URI(c.args.At(0, "uri").String()))
	c.object = "realm " + string(c.realm)
	return c.args.Err()
}

// found is the realm that the call is about, as the procedures on realms look for
// it.
func (c *call) found() (*directory.View, error) {
	v, err := c.view()
	return v, notFound(err)
}

// notFound is what the predecessor says where there is no such realm.
func notFound(err error) error {
	if we, ok := err.(*wamp.Error); ok && we.URI == wamp.ErrNoSuchRealm { //nolint:errorlint // it comes bare
		return wamp.Errorf(directory.ErrNotFound, "%s", we.Message)
	}
	return err
}

// getRealm is also for those who administer that one realm.
func getRealm(c *call) (mgmt.Result, error) {
	c.object = "realm " + string(c.realm)
	return c.showRealm()
}

func (c *call) showRealm() (mgmt.Result, error) {
	v, err := c.found()
	if err != nil {
		return mgmt.Result{}, err
	}
	return mgmt.Value(c.shownRealm(v)), nil
}

func listRealms(c *call) (mgmt.Result, error) {
	page, prefix := c.args.Cursor(), c.args.Key("prefix").String()
	if err := c.args.Err(); err != nil {
		return mgmt.Result{}, err
	}
	snapshot := c.Directory.Snapshot()
	return mgmt.Listed(page, snapshot.Realms(), func(uri wamp.URI) (string, any) {
		if v, err := snapshot.View(uri); err == nil && string(uri) > page.After && strings.HasPrefix(string(uri), prefix) {
			return string(uri), c.shownRealm(v)
		}
		return string(uri), nil
	}), nil
}

func deleteRealm(c *call) (mgmt.Result, error) {
	if err := c.named(); err != nil {
		return mgmt.Result{}, err
	}
	force := c.args.Key("force").Bool()
	return mgmt.Result{}, notFound(c.change(func(tx *directory.Tx) error { return tx.DeleteRealm(c.realm, force) }))
}

func secureRealm(on bool) func(*call) (mgmt.Result, error) {
	return func(c *call) (mgmt.Result, error) {
		if err := c.named(); err != nil {
			return mgmt.Result{}, err
		}
		return mgmt.Result{}, notFound(c.change(func(tx *directory.Tx) error {
			return tx.UpdateRealm(c.realm, func(p *directory.Properties) error {
				p.SecurityEnabled = &on
				return nil
			})
		}))
	}
}

func securityOf(show func(on bool) any) func(*call) (mgmt.Result, error) {
	return func(c *call) (mgmt.Result, error) {
		if err := c.named(); err != nil {
			return mgmt.Result{}, err
		}
		v, err := c.found()
		if err != nil {
			return mgmt.Result{}, err
		}
		return mgmt.Value(show(*v.Effective().SecurityEnabled)), nil
	}
}

func status(on bool) string {
	if on {
		return "enabled"
	}
	return "disabled"
}
