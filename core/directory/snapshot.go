package directory

import (
	"crypto/ed25519"
	"encoding/json"
	"iter"
	"slices"
	"strings"

	"github.com/benbjohnson/immutable"

	"bondy/core/auth"
	"bondy/core/id"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// User is a user of a realm. It never changes; a change makes another.
type User struct {
	Name        string
	Incarnation id.Incarnation
	Disabled    bool
	// SSO is the realm that keeps the user's credentials; empty if this one does.
	SSO wamp.URI
	// SSOIncarnation is that of the user there.
	SSOIncarnation id.Incarnation
	// Password is nil for a user without one.
	Password *Password
	Keys     []ed25519.PublicKey
	Aliases  []string
	// Groups are those that the user is in directly, in the order of their names.
	Groups []string
	// Meta is a JSON object, nil when it is empty.
	Meta json.RawMessage
}

// Password is what is kept of a password.
type Password struct {
	Verifier   []byte
	Credential *auth.Credential
	KDF        auth.KDF
}

// Group is a group of a realm. It never changes.
type Group struct {
	Name        string
	Incarnation id.Incarnation
	// Groups are those that it is in directly.
	Groups []string
	Meta   json.RawMessage
}

// Source is a source with its data.
type Source struct {
	auth.Source
	Meta json.RawMessage
}

// table is an immutable map in the order of its keys.
type table[V any] = *immutable.SortedMap[string, V]

func newTable[V any]() table[V] { return immutable.NewSortedMap[string, V](nil) }

// state is one realm; immutable but while it is a Tx's.
type state struct {
	realm   *Realm
	salt    []byte // of the realm's logins
	users   table[*User]
	aliases table[string]   // to the name of the user
	keys    table[[]string] // to the names of their users
	groups  table[*Group]
	sources table[*Source]          // by id
	grants  table[[]rbac.RoleGrant] // by role
	ring    table[string]           // names of users by auth.Place
	signing table[[]byte]           // by key id
	tickets table[[]byte]           // by ticket id
	usage   Usage                   // as it was when the last change was made
}

func newState(r *Realm, salt []byte) *state {
	return &state{
		realm: r, salt: salt, users: newTable[*User](), aliases: newTable[string](), keys: newTable[[]string](),
		groups: newTable[*Group](), sources: newTable[*Source](), grants: newTable[[]rbac.RoleGrant](),
		ring: newTable[string](), signing: newTable[[]byte](), tickets: newTable[[]byte](),
	}
}

// Snapshot is everything at one moment. It never changes.
type Snapshot struct {
	realms table[*state]
	salt   func(wamp.URI) []byte
}

// Realms goes through the URIs of all realms, in order.
func (s *Snapshot) Realms() iter.Seq[wamp.URI] {
	return func(yield func(wamp.URI) bool) {
		it := s.realms.Iterator()
		for !it.Done() {
			if uri, _, _ := it.Next(); !yield(wamp.URI(uri)) {
				return
			}
		}
	}
}

// View is a realm as it is seen from inside.
type View struct {
	snapshot *Snapshot
	realm    *state
	proto    *state // nil without prototype
	sso      *state // the realm's own, or its prototype's; nil without
}

// View returns a realm; the error is a *wamp.Error.
func (s *Snapshot) View(uri wamp.URI) (*View, error) {
	st, ok := s.realms.Get(string(Canonical(uri)))
	if !ok {
		return nil, noSuchRealm(uri)
	}
	v := &View{snapshot: s, realm: st}
	if p := st.realm.PrototypeURI; p != "" {
		v.proto, _ = s.realms.Get(string(p))
	}
	if p := v.Effective().SSORealmURI; p != "" {
		v.sso, _ = s.realms.Get(string(p))
	}
	return v, nil
}

// Realm is the realm without what it inherits.
func (v *View) Realm() *Realm { return v.realm.realm }

// FindUser finds a user of the realm by name or alias.
func (v *View) FindUser(name string) (*User, error) {
	if u := v.find(name); u != nil {
		return u, nil
	}
	return nil, noSuchUser(name)
}

// find is FindUser without the words for who is not there.
func (v *View) find(name string) *User {
	if u := v.local(name); u != nil {
		return u
	}
	if v.sso != nil {
		if canonical, ok := v.sso.aliases.Get(name); ok {
			if u, ok := v.realm.users.Get(canonical); ok && u.SSO != "" && v.Home(u) != nil {
				return u
			}
		}
	}
	return nil
}

// local finds a user by a name or alias of this realm.
func (v *View) local(name string) *User {
	if u, ok := v.realm.users.Get(name); ok {
		return u
	}
	if canonical, ok := v.realm.aliases.Get(name); ok {
		u, _ := v.realm.users.Get(canonical)
		return u
	}
	return nil
}

// FindGroup finds a group of the realm or, where it has none of that name, of
// its prototype.
func (v *View) FindGroup(name string) (*Group, bool) {
	if g, ok := v.realm.groups.Get(name); ok {
		return g, true
	}
	if v.proto != nil {
		return v.proto.groups.Get(name)
	}
	return nil, false
}

// Users goes through users in the order of their names, those after a name.
func (v *View) Users(after string) iter.Seq[*User] { return from(v.realm.users, after) }

// Groups goes through the realm's own groups.
func (v *View) Groups(after string) iter.Seq[*Group] { return from(v.realm.groups, after) }

// Sources goes through the realm's own sources, by id.
func (v *View) Sources(after string) iter.Seq[*Source] { return from(v.realm.sources, after) }

// Source finds a source by its id.
func (v *View) Source(id string) (*Source, bool) { return v.realm.sources.Get(id) }

// UserCount is the number of users of the realm.
func (v *View) UserCount() int { return v.realm.users.Len() }

// Inherited are the sources that come from the prototype: those for all.
func (v *View) Inherited() []auth.Source {
	if v.proto == nil {
		return nil
	}
	var out []auth.Source
	for s := range from(v.proto.sources, "") {
		if slices.Contains(s.Subjects, auth.SubjectAll) {
			one := s.Source
			one.Subjects = []string{auth.SubjectAll}
			out = append(out, one)
		}
	}
	return out
}

// Role has what one role is granted in the realm itself.
type Role struct {
	Role   rbac.Role
	Grants []rbac.RoleGrant
}

// Roles goes through the roles of the realm that have grants, from one on, or with
// the zero value all: groups, then users, in the order of their names.
func (v *View) Roles(begin rbac.Role) iter.Seq[Role] {
	return func(yield func(Role) bool) {
		it := v.realm.grants.Iterator()
		if begin != (rbac.Role{}) {
			it.Seek(roleKey(begin))
		}
		for !it.Done() {
			if key, grants, _ := it.Next(); !yield(Role{roleOf(key), grants}) {
				return
			}
		}
	}
}

// SigningKeys goes through the values of the realm's signing keys.
func (v *View) SigningKeys() iter.Seq[[]byte] { return from(v.realm.signing, "") }

// Tickets goes through the realm's tickets by id, with their values.
func (v *View) Tickets(after string) iter.Seq2[string, []byte] { return pairs(v.realm.tickets, after) }

// Ticket finds a ticket by its id.
func (v *View) Ticket(id string) ([]byte, bool) { return v.realm.tickets.Get(id) }

// from goes through what follows a key.
func from[V any](t table[V], after string) iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, v := range pairs(t, after) {
			if !yield(v) {
				return
			}
		}
	}
}

// pairs is from with the keys.
func pairs[V any](t table[V], after string) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		it := t.Iterator()
		if after != "" {
			it.Seek(after + "\x00")
		}
		for !it.Done() {
			if key, v, _ := it.Next(); !yield(key, v) {
				return
			}
		}
	}
}

// Kinds of roles in keys of rows and of state.grants.
const (
	rowUser  = "user"
	rowGroup = "group"
)

func roleKey(r rbac.Role) string {
	if r.Kind == rbac.RoleUser {
		return join(rowUser, r.Name)
	}
	return join(rowGroup, r.Name)
}

func roleOf(key string) rbac.Role {
	kind, name, _ := strings.Cut(key, "\x00")
	if kind == rowUser {
		return rbac.Role{Kind: rbac.RoleUser, Name: name}
	}
	return rbac.Role{Kind: rbac.RoleGroup, Name: name}
}
