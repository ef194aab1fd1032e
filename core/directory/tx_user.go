package directory

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"slices"

	"bondy/core/auth"
	"bondy/core/id"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// UserSpec is a user to be added.
type UserSpec struct {
	Name string
	// SSO is the realm that keeps the credentials, which must be the realm's own
	// SSO realm; empty keeps them here.
	SSO      wamp.URI
	Disabled bool
	Password *Password
	Keys     []ed25519.PublicKey
	Groups   []string
	Aliases  []string
	// Meta is a JSON object.
	Meta json.RawMessage
}

// UserPatch changes a user; what is nil stays.
type UserPatch struct {
	Disabled *bool
	// Password without content takes the password away.
	Password *Password
	Keys     *[]ed25519.PublicKey
	Groups   *[]string
	Meta     *json.RawMessage
}

// Hash makes what is kept of a user's password: milliseconds, and tens of them
// with KDFArgon2id. It fits this user of this realm alone.
func (s *Snapshot) Hash(realm wamp.URI, user string, password auth.Secret, kdf auth.KDF) (*Password, error) {
	if err := auth.CheckPassword(password); err != nil {
		return nil, invalid("password: %v", err)
	}
	p := &Password{KDF: kdf}
	var err error
	if kdf == auth.KDFArgon2id {
		if p.Credential, err = auth.NewCredential(password, kdf); err != nil {
			return nil, invalid("password: %v", err)
		}
	}
	p.Verifier, err = auth.NewVerifier(s.salt(Canonical(realm)), user, string(password))
	return p, err
}

// AddUser adds a user. With an SSO realm, the user's credentials go there; if that
// has the user already, it keeps what it has and spec must bring none.
func (tx *Tx) AddUser(realm wamp.URI, spec UserSpec) error {
	d, err := tx.draft(realm)
	if err != nil {
		return err
	}
	if err := tx.free(d, "username", spec.Name); err != nil {
		return err
	}
	if err := validUser(&spec); err != nil {
		return err
	}
	u := &User{Name: spec.Name, Incarnation: id.NewIncarnation(), Disabled: spec.Disabled, SSO: Canonical(spec.SSO)}
	home := d
	if spec.SSO != "" {
		if home, err = tx.addSSO(d, &spec); err != nil {
			return err
		}
		there, _ := home.users.Get(u.Name)
		u.SSOIncarnation = there.Incarnation
	}
	d.users = d.users.Set(u.Name, u)
	d.ring = d.ring.Set(d.ringKey(u.Name), u.Name)
	tx.putUser(d, u)
	tx.changed(d.realm.URI, KindUser, u.Name, Created)
	if spec.Password != nil {
		if err := tx.setPassword(home, u.Name, spec.Password); err != nil {
			return err
		}
	}
	if len(spec.Keys) > 0 { // a user that the SSO realm has keeps its own
		tx.setKeys(home, u.Name, spec.Keys)
	}
	if err := tx.setMeta(d, u.Name, spec.Meta); err != nil {
		return err
	}
	for _, alias := range spec.Aliases {
		if err := tx.addAlias(home, u.Name, alias); err != nil {
			return err
		}
	}
	return tx.setUserGroups(d, u.Name, spec.Groups)
}

// addSSO sees to the user in the SSO realm and returns that.
func (tx *Tx) addSSO(d *state, spec *UserSpec) (*state, error) {
	v, err := tx.View(d.realm.URI)
	if err != nil {
		return nil, err
	}
	uri := Canonical(spec.SSO)
	if v.Effective().SSORealmURI != uri {
		return nil, wamp.Errorf(ErrInvalidSSO, "sso_realm_uri: the realm %q does not use %q", d.realm.URI, uri)
	}
	home, err := tx.draft(uri)
	if err != nil {
		return nil, err
	}
	brings := spec.Password != nil || len(spec.Keys) > 0 || len(spec.Aliases) > 0
	if _, there := home.users.Get(spec.Name); there {
		if brings {
			return nil, wamp.Errorf(ErrAlreadyExists, "the SSO realm %q has a user %q, whose credentials stay: leave them out", uri, spec.Name)
		}
		return home, nil
	}
	if err := tx.mayReach(home); err != nil {
		return nil, err
	}
	return home, tx.AddUser(uri, UserSpec{Name: spec.Name})
}

// mayReach refuses an actor that manages another realm alone.
func (tx *Tx) mayReach(d *state) error {
	if tx.actor.Confined && Canonical(tx.actor.Realm) != d.realm.URI {
		return wamp.Errorf(wamp.ErrNotAuthorized, "credentials in the realm %q can be changed from there and from the realm %q alone", d.realm.URI, Master)
	}
	return nil
}

func validUser(spec *UserSpec) error {
	for i, k := range spec.Keys {
		if len(k) != ed25519.PublicKeySize {
			return invalid("authorized_keys[%d]: %d bytes, an Ed25519 key has %d", i, len(k), ed25519.PublicKeySize)
		}
	}
	if len(spec.Keys) > maxKeys {
		return wamp.Errorf(ErrRange, "authorized_keys: more than %d", maxKeys)
	}
	return nil
}

// free checks that a name can be that of a new user or alias, as member says.
func (tx *Tx) free(d *state, member, name string) error {
	if err := validName(member, name); err != nil {
		return err
	}
	_, isUser := d.users.Get(name)
	_, isAlias := d.aliases.Get(name)
	if isUser || isAlias {
		return wamp.Errorf(ErrAlreadyExists, "the realm %q has a user or alias %q already", d.realm.URI, name)
	}
	if tx.hasGroup(d, name) {
		return wamp.Errorf(ErrAlreadyExists, "%q is the name of a group: a grant to it could mean either", name)
	}
	return nil
}

// validName checks the name of a user, alias or group, which is in that member.
func validName(member, name string) error {
	switch err := auth.ValidName(name); {
	case err == nil:
		return nil
	case auth.ReservedName(name):
		return wamp.Errorf(ErrReservedName, "%s: %v", member, err)
	default:
		return invalid("%s: %v", member, err)
	}
}

// user finds a user by name or alias.
func (tx *Tx) user(d *state, name string) (*User, error) {
	v := View{realm: d, sso: tx.ssoOf(d)}
	return v.FindUser(name)
}

// ssoOf is the SSO realm of a realm as it is now, nil without.
func (tx *Tx) ssoOf(d *state) *state {
	uri := d.realm.SSORealmURI
	if uri == "" && d.realm.PrototypeURI != "" {
		if proto := tx.peek(d.realm.PrototypeURI); proto != nil {
			uri = proto.realm.SSORealmURI
		}
	}
	if uri == "" {
		return nil
	}
	return tx.peek(uri)
}

// peek is a realm to look at, nil if there is none.
func (tx *Tx) peek(uri wamp.URI) *state {
	if d, ok := tx.drafts[uri]; ok {
		return d
	}
	st, _ := tx.before.realms.Get(string(uri))
	return st
}

// replace puts another version of a user in place.
func (d *state) replace(name string, change func(*User)) *User {
	old, _ := d.users.Get(name)
	u := *old
	change(&u)
	d.users = d.users.Set(name, &u)
	return &u
}

func (tx *Tx) putUser(d *state, u *User) {
	tx.put(KindUser, userRow{In: d.realm.Incarnation, Incarnation: u.Incarnation, Disabled: u.Disabled, SSO: u.SSO, SSOOf: u.SSOIncarnation}, string(d.realm.URI), u.Name)
}

func (d *state) ringKey(name string) string { return ringKey(auth.Place(d.salt, name)) }

// UpdateUser changes a user, found by name or alias.
func (tx *Tx) UpdateUser(realm wamp.URI, name string, p UserPatch) error {
	d, err := tx.draft(realm)
	if err != nil {
		return err
	}
	u, err := tx.user(d, name)
	if err != nil {
		return err
	}
	if p.Disabled != nil && *p.Disabled != u.Disabled {
		u = d.replace(u.Name, func(u *User) { u.Disabled = *p.Disabled })
		tx.putUser(d, u)
		tx.changed(d.realm.URI, KindUser, u.Name, Updated, "enabled")
	}
	if p.Password != nil || p.Keys != nil {
		home, err := tx.home(d, u)
		if err != nil {
			return err
		}
		if p.Password != nil {
			if err := tx.setPassword(home, u.Name, p.Password); err != nil {
				return err
			}
		}
		if p.Keys != nil {
			if err := validUser(&UserSpec{Keys: *p.Keys}); err != nil {
				return err
			}
			tx.setKeys(home, u.Name, *p.Keys)
		}
	}
	if p.Meta != nil {
		if err := tx.setMeta(d, u.Name, *p.Meta); err != nil {
			return err
		}
	}
	if p.Groups != nil {
		return tx.setUserGroups(d, u.Name, *p.Groups)
	}
	return nil
}

// home is the realm that keeps a user's credentials, to change them.
func (tx *Tx) home(d *state, u *User) (*state, error) {
	if u.SSO == "" {
		return d, nil
	}
	sso := tx.ssoOf(d)
	if sso == nil || sso.realm.URI != u.SSO {
		return nil, wamp.Errorf(ErrInvalidSSO, "the user's SSO realm %q is not the one of the realm %q", u.SSO, d.realm.URI)
	}
	home, err := tx.draft(u.SSO)
	if err != nil {
		return nil, err
	}
	if there, ok := home.users.Get(u.Name); !ok || there.Incarnation != u.SSOIncarnation {
		return nil, wamp.Errorf(wamp.ErrNoSuchPrincipal, "the SSO realm %q has no user %q", u.SSO, u.Name)
	}
	return home, tx.mayReach(home)
}

func (tx *Tx) setPassword(d *state, name string, p *Password) error {
	if p.Credential != nil {
		if err := p.Credential.Validate(); err != nil {
			return invalid("password: %v", err)
		}
	}
	if len(p.Verifier) == 0 && p.Credential == nil {
		p = nil
	}
	u, _ := d.users.Get(name)
	if reflect.DeepEqual(u.Password, p) {
		return nil
	}
	u = d.replace(name, func(u *User) { u.Password = p })
	if p == nil {
		tx.remove(KindPassword, string(d.realm.URI), name)
	} else {
		tx.put(KindPassword, passwordRow{Of: u.Incarnation, Verifier: p.Verifier, Credential: p.Credential, KDF: p.KDF}, string(d.realm.URI), name)
	}
	tx.changed(d.realm.URI, KindUser, name, Updated, "password")
	return nil
}

// Rehash puts a stronger form of the same password in place; nobody is told. of is
// whose password it is, as that was found: if the user is gone by now or has other
// credentials, Rehash does nothing.
func (tx *Tx) Rehash(realm wamp.URI, of auth.User, c *auth.Credential) error {
	v, err := tx.View(realm)
	if err != nil {
		return err
	}
	if now, ok := v.User(of.Name); !ok || !now.Same(&of) {
		return nil
	}
	d, err := tx.draft(realm)
	if err != nil {
		return err
	}
	u, err := tx.user(d, of.Name)
	if err != nil {
		return err
	}
	if u.SSO != "" {
		if d, err = tx.draft(u.SSO); err != nil {
			return err
		}
		if u, err = tx.user(d, u.Name); err != nil {
			return err
		}
	}
	if u.Password == nil || u.Password.KDF == auth.KDFPBKDF2 {
		return nil
	}
	p := *u.Password
	p.Credential = c
	d.replace(u.Name, func(u *User) { u.Password = &p })
	tx.put(KindPassword, passwordRow{Of: u.Incarnation, Verifier: p.Verifier, Credential: p.Credential, KDF: p.KDF}, string(d.realm.URI), u.Name)
	tx.changed(d.realm.URI, KindPassword, u.Name, Updated)
	return nil
}

func (tx *Tx) setKeys(d *state, name string, keys []ed25519.PublicKey) {
	u, _ := d.users.Get(name)
	uri := string(d.realm.URI)
	has := func(list []ed25519.PublicKey, k ed25519.PublicKey) bool {
		return slices.ContainsFunc(list, func(o ed25519.PublicKey) bool { return bytes.Equal(o, k) })
	}
	var kept []ed25519.PublicKey
	different := false
	for _, k := range u.Keys {
		if has(keys, k) {
			continue
		}
		different = true
		tx.remove(KindKey, uri, name, hex.EncodeToString(k))
		owners, _ := d.keys.Get(string(k))
		if owners = without(owners, name); len(owners) == 0 {
			d.keys = d.keys.Delete(string(k))
		} else {
			d.keys = d.keys.Set(string(k), owners)
		}
	}
	for _, k := range keys {
		if has(kept, k) {
			continue
		}
		kept = append(kept, k)
		if has(u.Keys, k) {
			continue
		}
		different = true
		tx.put(KindKey, ofRow{Of: u.Incarnation}, uri, name, hex.EncodeToString(k))
		d.own(k, name)
	}
	if different {
		d.replace(name, func(u *User) { u.Keys = kept })
		tx.changed(d.realm.URI, KindUser, name, Updated, "authorized_keys")
	}
}

// own notes that a key is a user's.
func (d *state) own(k ed25519.PublicKey, name string) {
	owners, _ := d.keys.Get(string(k))
	d.keys = d.keys.Set(string(k), append(slices.Clip(owners), name))
}

// without is a list without a member, the same one if it has it not.
func without(list []string, name string) []string {
	i := slices.Index(list, name)
	if i < 0 {
		return list
	}
	return slices.Concat(list[:i], list[i+1:])
}

// object checks that meta is a JSON object of bearable size, and makes an empty
// one nil.
func object(meta json.RawMessage) (json.RawMessage, error) {
	if len(meta) == 0 || string(meta) == "null" {
		return nil, nil
	}
	if len(meta) > maxMeta {
		return nil, wamp.Errorf(ErrRange, "meta: longer than %d bytes", maxMeta)
	}
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(meta))
	d.UseNumber() // large ones keep all their digits
	if !json.Valid(meta) || d.Decode(&m) != nil {
		return nil, invalid("meta: not an object")
	}
	if len(m) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(m) // in one order
	return b, err
}

func (tx *Tx) setMeta(d *state, name string, meta json.RawMessage) error {
	meta, err := object(meta)
	if err != nil {
		return err
	}
	u, _ := d.users.Get(name)
	if bytes.Equal(u.Meta, meta) {
		return nil
	}
	d.replace(name, func(u *User) { u.Meta = meta })
	tx.putMeta(d, rowUser, name, u.Incarnation, meta)
	tx.changed(d.realm.URI, KindUser, name, Updated, "meta")
	return nil
}

func (tx *Tx) putMeta(d *state, kind, name string, of id.Incarnation, meta json.RawMessage) {
	if meta == nil {
		tx.remove(KindMeta, string(d.realm.URI), kind, name)
		return
	}
	tx.put(KindMeta, metaRow{Of: of, Meta: meta}, string(d.realm.URI), kind, name)
}

// withHome finds a user, by name or alias, of a realm, and the realm that keeps its
// credentials, to change them.
func (tx *Tx) withHome(realm wamp.URI, name string) (d, home *state, u *User, err error) {
	if d, err = tx.draft(realm); err != nil {
		return nil, nil, nil, err
	}
	if u, err = tx.user(d, name); err != nil {
		return nil, nil, nil, err
	}
	home, err = tx.home(d, u)
	return d, home, u, err
}

// AddAlias gives a user another name to log in with.
func (tx *Tx) AddAlias(realm wamp.URI, name, alias string) error {
	d, home, u, err := tx.withHome(realm, name)
	if err != nil {
		return err
	}
	if home != d { // nobody may have it here either
		if err := tx.free(d, "aliases", alias); err != nil {
			return err
		}
	}
	return tx.addAlias(home, u.Name, alias)
}

func (tx *Tx) addAlias(d *state, name, alias string) error {
	u, _ := d.users.Get(name)
	if slices.Contains(u.Aliases, alias) {
		return nil
	}
	if err := tx.free(d, "aliases", alias); err != nil {
		return err
	}
	if len(u.Aliases) >= maxAliases {
		return wamp.Errorf(ErrRange, "aliases: %q has %d, the most there may be", name, maxAliases)
	}
	d.replace(name, func(u *User) { u.Aliases = append(slices.Clip(u.Aliases), alias) })
	d.aliases = d.aliases.Set(alias, name)
	tx.put(KindAlias, aliasRow{Of: u.Incarnation, User: name}, string(d.realm.URI), alias)
	tx.changed(d.realm.URI, KindUser, name, Updated, "aliases")
	return nil
}

// RemoveAlias takes an alias away; it is no error when the user has it not.
func (tx *Tx) RemoveAlias(realm wamp.URI, name, alias string) error {
	_, home, u, err := tx.withHome(realm, name)
	if err != nil {
		return err
	}
	if u, _ = home.users.Get(u.Name); !slices.Contains(u.Aliases, alias) {
		return nil
	}
	home.replace(u.Name, func(u *User) { u.Aliases = without(u.Aliases, alias) })
	home.aliases = home.aliases.Delete(alias)
	tx.remove(KindAlias, string(home.realm.URI), alias)
	tx.changed(home.realm.URI, KindUser, u.Name, Updated, "aliases")
	return nil
}

// DeleteUser removes a user with everything that is the user's. One whose
// credentials others use, as an SSO realm's are, goes with force alone.
func (tx *Tx) DeleteUser(realm wamp.URI, name string, force bool) error {
	d, err := tx.draft(realm)
	if err != nil {
		return err
	}
	u, err := tx.user(d, name)
	if err != nil {
		return err
	}
	if d.realm.IsSSORealm && !force {
		var users []string
		for uri := range tx.snapshot().Realms() {
			if o, ok := tx.peek(uri).users.Get(u.Name); ok && o.SSO == d.realm.URI && o.SSOIncarnation == u.Incarnation {
				users = append(users, string(uri))
			}
		}
		if len(users) > 0 {
			return wamp.Errorf(ErrInUse, "%q logs in to %s with these credentials: delete the user there first, or force it", u.Name, quoted(users))
		}
	}
	tx.removeUser(d, u)
	tx.forgetSubject(d, u.Name)
	tx.removeGrants(d, roleKey(rbac.Role{Kind: rbac.RoleUser, Name: u.Name}))
	tx.changed(d.realm.URI, KindUser, u.Name, Deleted)
	return nil
}

// removeUser takes a user and its rows away.
func (tx *Tx) removeUser(d *state, u *User) {
	uri := string(d.realm.URI)
	if u.Password != nil {
		tx.remove(KindPassword, uri, u.Name)
	}
	for _, k := range u.Keys {
		tx.remove(KindKey, uri, u.Name, hex.EncodeToString(k))
		owners, _ := d.keys.Get(string(k))
		if owners = without(owners, u.Name); len(owners) == 0 {
			d.keys = d.keys.Delete(string(k))
		} else {
			d.keys = d.keys.Set(string(k), owners)
		}
	}
	if u.Meta != nil {
		tx.remove(KindMeta, uri, rowUser, u.Name)
	}
	for _, a := range u.Aliases {
		d.aliases = d.aliases.Delete(a)
		tx.remove(KindAlias, uri, a)
	}
	for _, g := range u.Groups {
		tx.remove(KindMember, uri, rowUser, u.Name, g)
	}
	d.users = d.users.Delete(u.Name)
	d.ring = d.ring.Delete(d.ringKey(u.Name))
	tx.remove(KindUser, uri, u.Name)
}
