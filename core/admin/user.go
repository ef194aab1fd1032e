package admin

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/mgmt"
	"bondy/core/wamp"
)

func users() []procedure {
	return []procedure{
		{uri: "bondy.user.add", least: 1, most: 1, changes: true, run: addUser},
		{uri: "bondy.user.get", least: 1, most: 1, run: getUser},
		{uri: "bondy.user.list", run: listUsers},
		{uri: "bondy.user.update", least: 2, most: 2, changes: true, run: updateUser},
		{uri: "bondy.user.delete", least: 1, most: 1, changes: true, run: deleteUser},
		{uri: "bondy.user.enable", least: 1, most: 1, changes: true, run: enableUser(true)},
		{uri: "bondy.user.disable", least: 1, most: 1, changes: true, run: enableUser(false)},
		{uri: "bondy.user.is_enabled", least: 1, most: 1, run: isEnabled},
		{uri: "bondy.user.change_password", least: 2, most: 3, changes: true, run: changePassword},
		{uri: "bondy.user.add_alias", least: 2, most: 2, changes: true, run: editAlias((*directory.Tx).AddAlias)},
		{uri: "bondy.user.remove_alias", least: 2, most: 2, changes: true, run: editAlias((*directory.Tx).RemoveAlias)},
		{uri: "bondy.user.add_group", least: 2, most: 2, changes: true, run: editGroups((*directory.Tx).AddToGroups)},
		{uri: "bondy.user.add_groups", least: 2, most: 2, changes: true, run: editGroups((*directory.Tx).AddToGroups)},
		{uri: "bondy.user.remove_group", least: 2, most: 2, changes: true, run: editGroups((*directory.Tx).RemoveFromGroups)},
		{uri: "bondy.user.remove_groups", least: 2, most: 2, changes: true, run: editGroups((*directory.Tx).RemoveFromGroups)},
		{uri: "bondy.user.grants", least: 1, most: 1, run: userGrants},
	}
}

// username is the argument that names a user.
func (c *call) username() string {
	name := c.args.At(0, "username").String()
	c.object = "user " + name
	return name
}

// user finds the user that an argument names, by name or alias.
func (c *call) user() (*directory.View, *directory.User, error) {
	name := c.username()
	if err := c.args.Err(); err != nil {
		return nil, nil, err
	}
	v, err := c.view()
	if err != nil {
		return nil, nil, err
	}
	u, err := v.FindUser(name)
	return v, u, err
}

// computed are members of what the procedures return that are not told to them.
func computed(members ...string) []string {
	return append(members, "type", "version", "has_password", "has_authorized_keys", "password_kdfs")
}

func addUser(c *call) (mgmt.Result, error) {
	o := c.args.At(0, "user").Object(computed("username", "password", "password_opts", "authorized_keys", "groups",
		"sso_realm_uri", "enabled", "meta", "aliases")...)
	spec := directory.UserSpec{
		Name: o.Need("username").String(), SSO: wamp.URI(o.Key("sso_realm_uri").String()),
		Disabled: o.Key("enabled").Set() && !o.Key("enabled").Bool(),
		Keys:     keysOf(o.Key("authorized_keys")), Groups: o.Key("groups").Strings(), Aliases: o.Key("aliases").Strings(), Meta: metaOf(o.Key("meta")),
	}
	c.object = "user " + spec.Name
	home := c.realm
	if spec.SSO != "" {
		home = spec.SSO
	}
	var err error
	if o.Key("password").Set() {
		if spec.Password, err = c.hash(home, spec.Name, o.Key("password"), o.Key("password_opts")); err != nil {
			return mgmt.Result{}, err
		}
	}
	if err := c.change(func(tx *directory.Tx) error { return tx.AddUser(c.realm, spec) }); err != nil {
		return mgmt.Result{}, err
	}
	return c.showUser(spec.Name)
}

func getUser(c *call) (mgmt.Result, error) {
	v, u, err := c.user()
	if we, ok := err.(*wamp.Error); ok && we.URI == wamp.ErrNoSuchPrincipal { //nolint:errorlint // it comes bare
		return mgmt.Result{}, wamp.Errorf(directory.ErrNotFound, "%s", we.Message)
	}
	if err != nil {
		return mgmt.Result{}, err
	}
	return mgmt.Value(shownUser(v, u, true)), nil
}

// showUser is a user as it is now.
func (c *call) showUser(name string) (mgmt.Result, error) {
	v, err := c.view()
	if err != nil {
		return mgmt.Result{}, err
	}
	u, err := v.FindUser(name)
	if err != nil {
		return mgmt.Result{}, err
	}
	return mgmt.Value(shownUser(v, u, true)), nil
}

// shownUser is a user as it is returned, with its keys only where it is the only
// one.
func shownUser(v *directory.View, u *directory.User, alone bool) map[string]any {
	out := map[string]any{
		"type": "user", "version": "1.1", "username": u.Name, "groups": texts(u.Groups), "meta": shownMeta(u.Meta),
		"enabled": !u.Disabled, "sso_realm_uri": orNull(u.SSO),
		"aliases": []any{}, "has_password": false, "has_authorized_keys": false,
	}
	home := v.Home(u)
	if home == nil {
		return out
	}
	out["aliases"], out["has_password"], out["has_authorized_keys"] = texts(home.Aliases), home.Password != nil, len(home.Keys) > 0
	if alone {
		list := []any{}
		for _, k := range home.Keys {
			list = append(list, strings.ToUpper(hex.EncodeToString(k))) // as the predecessor does
		}
		out["authorized_keys"] = list
		if p := home.Password; p != nil {
			out["password_kdfs"] = shownKDFs(p)
		}
	}
	return out
}

// shownKDFs are the forms in which a password is kept, with what each costs.
func shownKDFs(p *directory.Password) []any {
	list := []any{}
	if p.Verifier != nil {
		list = append(list, map[string]any{"kdf": string(auth.KDFPBKDF2), "iterations": auth.DefaultIterations})
	}
	if c := p.Credential; c != nil {
		one := map[string]any{"kdf": string(c.KDF), "iterations": c.Iterations}
		if c.Memory > 0 {
			one["memory"] = c.Memory
		}
		list = append(list, one)
	}
	return list
}

func listUsers(c *call) (mgmt.Result, error) {
	page, group, prefix := c.args.Cursor(), c.args.Key("group").String(), c.args.Key("prefix").String()
	enabled, some := c.args.Key("enabled").Bool(), c.args.Key("enabled").Set()
	if err := c.args.Err(); err != nil {
		return mgmt.Result{}, err
	}
	v, err := c.view()
	if err != nil {
		return mgmt.Result{}, err
	}
	return mgmt.Listed(page, v.Users(page.After), func(u *directory.User) (string, any) {
		if group != "" && !slices.Contains(u.Groups, group) || some && enabled == u.Disabled || !strings.HasPrefix(u.Name, prefix) {
			return u.Name, nil
		}
		return u.Name, shownUser(v, u, false)
	}), nil
}

func updateUser(c *call) (mgmt.Result, error) {
	o := c.args.At(1, "user").Object(computed("username", "password", "password_opts", "authorized_keys", "groups",
		"sso_realm_uri", "enabled", "meta", "aliases")...)
	v, u, err := c.user()
	if err != nil {
		return mgmt.Result{}, err
	}
	switch {
	case o.Key("username").Set() && o.Key("username").String() != u.Name:
		o.Key("username").Refuse("cannot change: add another user")
	case o.Has("sso_realm_uri") && o.Key("sso_realm_uri").String() != string(u.SSO):
		o.Key("sso_realm_uri").Refuse("cannot change: add another user")
	case o.Key("aliases").Set() && !slices.Equal(o.Key("aliases").Strings(), credentials(v, u).Aliases):
		o.Key("aliases").Refuse("are changed by bondy.user.add_alias and bondy.user.remove_alias")
	}
	var p directory.UserPatch
	if enabled := o.Key("enabled"); enabled.Set() {
		disabled := !enabled.Bool()
		p.Disabled = &disabled
	}
	if list := o.Key("authorized_keys"); list.Set() {
		parsed := keysOf(list)
		p.Keys = &parsed
	}
	if list := o.Key("groups"); list.Set() {
		names := list.Strings()
		p.Groups = &names
	}
	if o.Key("meta").Set() {
		m := metaOf(o.Key("meta"))
		p.Meta = &m
	}
	switch password := o.Key("password"); {
	case password.Set():
		if p.Password, err = c.hash(c.home(u), u.Name, password, o.Key("password_opts")); err != nil {
			return mgmt.Result{}, err
		}
	case o.Has("password"): // null takes it away
		p.Password = &directory.Password{}
	}
	if err := c.change(func(tx *directory.Tx) error { return tx.UpdateUser(c.realm, u.Name, p) }); err != nil {
		return mgmt.Result{}, err
	}
	return c.showUser(u.Name)
}

func deleteUser(c *call) (mgmt.Result, error) {
	name, force := c.username(), c.args.Key("force").Bool()
	return mgmt.Result{}, c.change(func(tx *directory.Tx) error { return tx.DeleteUser(c.realm, name, force) })
}

func enableUser(enabled bool) func(*call) (mgmt.Result, error) {
	disabled := !enabled
	return func(c *call) (mgmt.Result, error) {
		name := c.username()
		return mgmt.Result{}, c.change(func(tx *directory.Tx) error {
			return tx.UpdateUser(c.realm, name, directory.UserPatch{Disabled: &disabled})
		})
	}
}

func isEnabled(c *call) (mgmt.Result, error) {
	v, u, err := c.user()
	if err != nil {
		return mgmt.Result{}, err
	}
	login, _ := v.User(u.Name) // also what the SSO realm says
	return mgmt.Value(!login.Disabled), nil
}

func editAlias(edit func(tx *directory.Tx, realm wamp.URI, name, alias string) error) func(*call) (mgmt.Result, error) {
	return func(c *call) (mgmt.Result, error) {
		name, alias := c.username(), c.args.At(1, "alias").String()
		return mgmt.Result{}, c.change(func(tx *directory.Tx) error { return edit(tx, c.realm, name, alias) })
	}
}

func editGroups(edit func(tx *directory.Tx, realm wamp.URI, users, groups []string) error) func(*call) (mgmt.Result, error) {
	return func(c *call) (mgmt.Result, error) {
		users, groups := c.args.At(0, "username").Texts(), c.args.At(1, "groups").Texts()
		c.object = "user " + strings.Join(users, ",")
		if err := within(len(users), len(groups)); err != nil {
			return mgmt.Result{}, err
		}
		return mgmt.Result{}, c.change(func(tx *directory.Tx) error { return edit(tx, c.realm, users, groups) })
	}
}

// credentials are those of a user, wherever they are kept; never nil.
func credentials(v *directory.View, u *directory.User) *directory.User {
	if home := v.Home(u); home != nil {
		return home
	}
	return &directory.User{}
}

// home is the realm that keeps a user's credentials.
func (c *call) home(u *directory.User) wamp.URI {
	if u.SSO != "" {
		return u.SSO
	}
	return c.realm
}

// keysOf reads Ed25519 public keys in hex.
func keysOf(v mgmt.Arg) []ed25519.PublicKey {
	list := v.Strings()
	out := make([]ed25519.PublicKey, 0, len(list))
	for i, text := range list {
		k, err := hex.DecodeString(text)
		if err != nil || len(k) != ed25519.PublicKeySize {
			v.Refuse("must be Ed25519 public keys of %d hex digits: number %d is not", 2*ed25519.PublicKeySize, i+1)
			return nil
		}
		out = append(out, k)
	}
	return out
}

// metaOf reads an object of the administrator's.
func metaOf(v mgmt.Arg) json.RawMessage {
	m := v.Dict()
	if len(m) == 0 {
		return nil
	}
	return jsonOf(v, m)
}
