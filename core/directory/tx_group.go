package directory

import (
	"bytes"
	"encoding/json"
	"slices"

	"bondy/core/id"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// AddGroup adds a group, which is in other groups from the beginning. One that
// hides a group of the prototype begins without members.
func (tx *Tx) AddGroup(realm wamp.URI, name string, groups []string, meta json.RawMessage) error {
	d, err := tx.draft(realm)
	if err != nil {
		return err
	}
	if err := validName("name", name); err != nil {
		return err
	}
	if _, there := d.groups.Get(name); there {
		return wamp.Errorf(ErrAlreadyExists, "the realm %q has a group %q already", d.realm.URI, name)
	}
	_, isUser := d.users.Get(name)
	_, isAlias := d.aliases.Get(name)
	if isUser || isAlias {
		return wamp.Errorf(ErrAlreadyExists, "%q is the name of a user: a grant to it could mean either", name)
	}
	if tx.hasGroup(d, name) { // what is said of the prototype's group is not said of this one
		tx.forgetGroup(d, name)
	}
	g := &Group{Name: name, Incarnation: id.NewIncarnation()}
	d.groups = d.groups.Set(name, g)
	tx.put(KindGroup, groupRow{In: d.realm.Incarnation, Incarnation: g.Incarnation}, string(d.realm.URI), name)
	tx.changed(d.realm.URI, KindGroup, name, Created)
	if err := tx.setGroupMeta(d, name, meta); err != nil {
		return err
	}
	return tx.setParents(d, name, groups)
}

// ownGroup finds a realm and a group of its own, to change it.
func (tx *Tx) ownGroup(realm wamp.URI, name string) (*state, *Group, error) {
	d, err := tx.draft(realm)
	if err != nil {
		return nil, nil, err
	}
	g, ok := d.groups.Get(name)
	if !ok {
		return nil, nil, noSuchGroup(name)
	}
	return d, g, nil
}

// UpdateGroup changes a group; what is nil stays.
func (tx *Tx) UpdateGroup(realm wamp.URI, name string, groups *[]string, meta *json.RawMessage) error {
	d, _, err := tx.ownGroup(realm, name)
	if err != nil {
		return err
	}
	if meta != nil {
		if err := tx.setGroupMeta(d, name, *meta); err != nil {
			return err
		}
	}
	if groups != nil {
		return tx.setParents(d, name, *groups)
	}
	return nil
}

func (tx *Tx) setGroupMeta(d *state, name string, meta json.RawMessage) error {
	meta, err := object(meta)
	if err != nil {
		return err
	}
	old, _ := d.groups.Get(name)
	if bytes.Equal(old.Meta, meta) {
		return nil
	}
	g := *old
	g.Meta = meta
	d.groups = d.groups.Set(name, &g)
	tx.putMeta(d, rowGroup, name, g.Incarnation, meta)
	tx.changed(d.realm.URI, KindGroup, name, Updated, "meta")
	return nil
}

// DeleteGroup removes a group, what it is granted, and its members' being in it. That
// of the administrators stays.
func (tx *Tx) DeleteGroup(realm wamp.URI, name string) error {
	d, g, err := tx.ownGroup(realm, name)
	if err != nil {
		return err
	}
	if d.realm.URI == Master && name == Administrators {
		return wamp.Errorf(ErrReservedName, "the group %q of the realm %q cannot be deleted: its users administer the node", name, Master)
	}
	tx.removeGroup(d, g)
	tx.removeGrants(d, roleKey(rbac.Role{Kind: rbac.RoleGroup, Name: name}))
	tx.forgetGroup(d, name)
	for _, uri := range tx.children(d) {
		child, err := tx.draft(uri)
		if err != nil {
			return err
		}
		if _, hidden := child.groups.Get(name); !hidden {
			tx.forgetGroup(child, name)
		}
	}
	tx.changed(d.realm.URI, KindGroup, name, Deleted)
	return nil
}

// removeGroup takes a group and its rows away.
func (tx *Tx) removeGroup(d *state, g *Group) {
	uri := string(d.realm.URI)
	for _, parent := range g.Groups {
		tx.remove(KindMember, uri, rowGroup, g.Name, parent)
	}
	if g.Meta != nil {
		tx.remove(KindMeta, uri, rowGroup, g.Name)
	}
	d.groups = d.groups.Delete(g.Name)
	tx.remove(KindGroup, uri, g.Name)
}

// forgetGroup ends everybody's membership of a group and takes it out of sources.
func (tx *Tx) forgetGroup(d *state, group string) {
	tx.forgetSubject(d, group)
	for u := range from(d.users, "") {
		if slices.Contains(u.Groups, group) {
			tx.setUserGroupsTo(d, u.Name, without(u.Groups, group))
		}
	}
	for g := range from(d.groups, "") {
		if slices.Contains(g.Groups, group) {
			tx.setParentsTo(d, g.Name, without(g.Groups, group))
		}
	}
}

// children are the realms that inherit from a realm.
func (tx *Tx) children(d *state) []wamp.URI {
	if !d.realm.IsPrototype {
		return nil
	}
	var out []wamp.URI
	for uri := range tx.snapshot().Realms() {
		if tx.peek(uri).realm.PrototypeURI == d.realm.URI {
			out = append(out, uri)
		}
	}
	return out
}

// group finds a group of the realm or its prototype.
func (tx *Tx) group(d *state, name string) (*Group, bool) {
	v := View{realm: d, proto: tx.protoOf(d)}
	return v.FindGroup(name)
}

func (tx *Tx) hasGroup(d *state, name string) bool {
	_, ok := tx.group(d, name)
	return ok
}

func (tx *Tx) protoOf(d *state) *state {
	if d.realm.PrototypeURI == "" {
		return nil
	}
	return tx.peek(d.realm.PrototypeURI)
}

// AddToGroups puts users, found by name or alias, into groups.
func (tx *Tx) AddToGroups(realm wamp.URI, users, groups []string) error {
	return tx.eachUser(realm, users, func(d *state, u *User) error {
		if err := tx.existing(d, groups); err != nil {
			return err
		}
		return tx.setUserGroups(d, u.Name, slices.Concat(u.Groups, groups))
	})
}

// RemoveFromGroups takes users out of groups.
func (tx *Tx) RemoveFromGroups(realm wamp.URI, users, groups []string) error {
	return tx.eachUser(realm, users, func(d *state, u *User) error {
		rest := u.Groups
		for _, g := range groups {
			rest = without(rest, g)
		}
		tx.setUserGroupsTo(d, u.Name, rest)
		return nil
	})
}

func (tx *Tx) eachUser(realm wamp.URI, users []string, f func(*state, *User) error) error {
	d, err := tx.draft(realm)
	if err != nil {
		return err
	}
	for _, name := range users {
		u, err := tx.user(d, name)
		if err == nil {
			err = f(d, u)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// AddParents puts a group into other groups.
func (tx *Tx) AddParents(realm wamp.URI, name string, groups []string) error {
	d, g, err := tx.ownGroup(realm, name)
	if err != nil {
		return err
	}
	return tx.setParents(d, name, slices.Concat(g.Groups, groups))
}

// RemoveParents takes a group out of other groups.
func (tx *Tx) RemoveParents(realm wamp.URI, name string, groups []string) error {
	d, g, err := tx.ownGroup(realm, name)
	if err != nil {
		return err
	}
	rest := g.Groups
	for _, other := range groups {
		rest = without(rest, other)
	}
	tx.setParentsTo(d, name, rest)
	return nil
}

// existing checks that groups can have members.
func (tx *Tx) existing(d *state, groups []string) error {
	var missing []string
	for _, g := range groups {
		if !builtIn(g) && !tx.hasGroup(d, g) {
			missing = append(missing, g)
		}
	}
	if len(missing) > 0 {
		return wamp.Errorf(ErrNoSuchGroups, "there is no group %s", quoted(missing))
	}
	return nil
}

// builtIn names are roles that nobody is put into.
func builtIn(name string) bool { return name == rbac.RoleAll || name == rbac.RoleAnonymous }

// members are groups in order, each once, without those built in: everybody is
// in all, and nobody who has a name is anonymous.
func members(groups []string) []string {
	out := slices.Compact(slices.Sorted(slices.Values(groups)))
	return slices.DeleteFunc(out, builtIn)
}

// joinable are members of groups that can have some.
func (tx *Tx) joinable(d *state, groups []string) ([]string, error) {
	if err := tx.existing(d, groups); err != nil {
		return nil, err
	}
	if groups = members(groups); len(groups) > maxGroups {
		return nil, wamp.Errorf(ErrRange, "groups: more than %d", maxGroups)
	}
	return groups, nil
}

func (tx *Tx) setUserGroups(d *state, name string, groups []string) error {
	groups, err := tx.joinable(d, groups)
	if err != nil {
		return err
	}
	tx.setUserGroupsTo(d, name, groups)
	return nil
}

func (tx *Tx) setUserGroupsTo(d *state, name string, groups []string) {
	u, _ := d.users.Get(name)
	if !tx.setMembership(d, rowUser, name, u.Incarnation, u.Groups, groups) {
		return
	}
	d.replace(name, func(u *User) { u.Groups = groups })
	tx.changed(d.realm.URI, KindUser, name, Updated, "groups")
}

func (tx *Tx) setParents(d *state, name string, groups []string) error {
	groups, err := tx.joinable(d, groups)
	if err != nil {
		return err
	}
	tx.setParentsTo(d, name, groups)
	views := []View{{realm: d, proto: tx.protoOf(d)}}
	for _, uri := range tx.children(d) {
		views = append(views, View{realm: tx.peek(uri), proto: d})
	}
	for _, v := range views {
		if g, ok := v.FindGroup(name); ok && slices.Contains(v.closure(g.Groups), name) {
			return inconsistent("groups: %q would be in itself, by way of %s", name, quoted(g.Groups))
		}
	}
	return nil
}

func (tx *Tx) setParentsTo(d *state, name string, groups []string) {
	old, _ := d.groups.Get(name)
	if !tx.setMembership(d, rowGroup, name, old.Incarnation, old.Groups, groups) {
		return
	}
	g := *old
	g.Groups = groups
	d.groups = d.groups.Set(name, &g)
	tx.changed(d.realm.URI, KindGroup, name, Updated, "groups")
}

// setMembership writes the rows that differ and tells whether any did.
func (tx *Tx) setMembership(d *state, kind, name string, of id.Incarnation, old, groups []string) bool {
	different := false
	for _, g := range old {
		if !slices.Contains(groups, g) {
			different = true
			tx.remove(KindMember, string(d.realm.URI), kind, name, g)
		}
	}
	for _, g := range groups {
		if !slices.Contains(old, g) {
			different = true
			found, _ := tx.group(d, g)
			tx.put(KindMember, memberRow{Of: of, Group: found.Incarnation}, string(d.realm.URI), kind, name, g)
		}
	}
	return different
}
