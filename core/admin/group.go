package admin

import (
	"encoding/json"
	"strings"

	"bondy/core/directory"
	"bondy/core/mgmt"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

func groups() []procedure {
	return []procedure{
		{uri: "bondy.group.add", least: 1, most: 1, changes: true, run: addGroup},
		{uri: "bondy.group.get", least: 1, most: 1, run: getGroup},
		{uri: "bondy.group.list", run: listGroups},
		{uri: "bondy.group.update", least: 2, most: 2, changes: true, run: updateGroup},
		{uri: "bondy.group.delete", least: 1, most: 1, changes: true, run: deleteGroup},
		{uri: "bondy.group.add_group", least: 2, most: 2, changes: true, run: editParents((*directory.Tx).AddParents)},
		{uri: "bondy.group.add_groups", least: 2, most: 2, changes: true, run: editParents((*directory.Tx).AddParents)},
		{uri: "bondy.group.remove_group", least: 2, most: 2, changes: true, run: editParents((*directory.Tx).RemoveParents)},
		{uri: "bondy.group.remove_groups", least: 2, most: 2, changes: true, run: editParents((*directory.Tx).RemoveParents)},
		{uri: "bondy.group.grants", least: 1, most: 1, run: groupGrants},
	}
}

// group is the argument that names a group.
func (c *call) group() string {
	name := c.args.At(0, "name").String()
	c.object = "group " + name
	return name
}

func addGroup(c *call) (mgmt.Result, error) {
	o := c.args.At(0, "group").Object("name", "groups", "meta", "type", "version")
	name, parents, m := o.Need("name").String(), o.Key("groups").Strings(), metaOf(o.Key("meta"))
	c.object = "group " + name
	if err := c.change(func(tx *directory.Tx) error { return tx.AddGroup(c.realm, name, parents, m) }); err != nil {
		return mgmt.Result{}, err
	}
	return c.showGroup(name)
}

func getGroup(c *call) (mgmt.Result, error) {
	name := c.group()
	if err := c.args.Err(); err != nil {
		return mgmt.Result{}, err
	}
	return c.showGroup(name)
}

// showGroup is a group of the realm as it is now, or the one of no group at all.
func (c *call) showGroup(name string) (mgmt.Result, error) {
	v, err := c.view()
	if err != nil {
		return mgmt.Result{}, err
	}
	if builtIn(name) {
		return mgmt.Value(shownGroup(&directory.Group{Name: name})), nil
	}
	g, ok := v.FindGroup(name)
	if !ok {
		return mgmt.Result{}, wamp.Errorf(directory.ErrNotFound, "there is no group %q", name)
	}
	return mgmt.Value(shownGroup(g)), nil
}

// builtIn tells whether every realm has the group: that of everybody, or that of
// nobody who has a name.
func builtIn(group string) bool { return group == rbac.RoleAll || group == rbac.RoleAnonymous }

func shownGroup(g *directory.Group) map[string]any {
	return map[string]any{
		"type": "group", "version": "1.1", "name": g.Name, "groups": texts(g.Groups), "meta": shownMeta(g.Meta),
	}
}

func listGroups(c *call) (mgmt.Result, error) {
	page, prefix := c.args.Cursor(), c.args.Key("prefix").String()
	if err := c.args.Err(); err != nil {
		return mgmt.Result{}, err
	}
	v, err := c.view()
	if err != nil {
		return mgmt.Result{}, err
	}
	all := func(yield func(*directory.Group) bool) {
		pending := []string{rbac.RoleAll, rbac.RoleAnonymous} // in order
		until := func(name string) bool {
			for len(pending) > 0 && (name == "" || pending[0] < name) {
				if !yield(&directory.Group{Name: pending[0]}) {
					return false
				}
				pending = pending[1:]
			}
			return true
		}
		for g := range v.Groups(page.After) {
			if !until(g.Name) || !yield(g) {
				return
			}
		}
		until("")
	}
	return mgmt.Listed(page, all, func(g *directory.Group) (string, any) {
		if !strings.HasPrefix(g.Name, prefix) {
			return g.Name, nil
		}
		return g.Name, shownGroup(g)
	}), nil
}

func updateGroup(c *call) (mgmt.Result, error) {
	name := c.group()
	o := c.args.At(1, "group").Object("name", "groups", "meta", "type", "version")
	if other := o.Key("name"); other.Set() && other.String() != name {
		other.Refuse("cannot change: add another group")
	}
	var parents *[]string
	if list := o.Key("groups"); list.Set() {
		names := list.Strings()
		parents = &names
	}
	var m *json.RawMessage
	if o.Key("meta").Set() {
		value := metaOf(o.Key("meta"))
		m = &value
	}
	if err := c.change(func(tx *directory.Tx) error { return tx.UpdateGroup(c.realm, name, parents, m) }); err != nil {
		return mgmt.Result{}, err
	}
	return c.showGroup(name)
}

func deleteGroup(c *call) (mgmt.Result, error) {
	name := c.group()
	return mgmt.Result{}, c.change(func(tx *directory.Tx) error {
		if builtIn(name) {
			return wamp.Errorf(directory.ErrReservedName, "the group %q is built in", name)
		}
		return tx.DeleteGroup(c.realm, name)
	})
}

func editParents(edit func(tx *directory.Tx, realm wamp.URI, name string, groups []string) error) func(*call) (mgmt.Result, error) {
	return func(c *call) (mgmt.Result, error) {
		name, parents := c.group(), c.args.At(1, "groups").Texts()
		return mgmt.Result{}, c.change(func(tx *directory.Tx) error { return edit(tx, c.realm, name, parents) })
	}
}
