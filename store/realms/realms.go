// Package realms keeps the realms of a node in its store, as small rows: the
// realm's properties, each user and each grant. It turns them into what the
// router takes, and merges what a configuration file says with what is there.
package realms

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bondy/core/auth"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
	"bondy/store"
)

// Definition is a realm as a file defines it. The queue and the bounds per
// session in Realm are the node's and not stored.
type Definition struct {
	Realm       realm.Config
	Description string
	Groups      []string
	// Managed says that the file has the last word: the stored realm follows
	// it, and goes when the file no longer has it.
	Managed bool
}

// Rows of the tables. Keys of users and grants begin with the realm and a NUL.
type (
	realmRow struct {
		Description     string        `json:"description,omitempty"`
		SecurityEnabled bool          `json:"security_enabled"`
		Refuse          bool          `json:"refuse_connections,omitempty"`
		AuthMethods     []string      `json:"authmethods"`
		StrictURIs      bool          `json:"strict_uris,omitempty"`
		CloseSlow       bool          `json:"close_slow,omitempty"`
		CallTimeout     time.Duration `json:"call_timeout,omitempty"`
		CallTimeoutMax  time.Duration `json:"call_timeout_max,omitempty"`
		Groups          []string      `json:"groups,omitempty"`
		Managed         bool          `json:"managed,omitempty"`
		Routing         realm.Routing `json:"routing"`
	}
	userRow struct {
		Verifier   []byte              `json:"verifier,omitempty"`
		Credential *auth.Credential    `json:"credential,omitempty"`
		KDF        auth.KDF            `json:"kdf,omitempty"`
		Keys       []ed25519.PublicKey `json:"keys,omitempty"`
		Groups     []string            `json:"groups,omitempty"`
		Disabled   bool                `json:"disabled,omitempty"`
	}
	grantRow struct {
		Roles       []string   `json:"roles"`
		Permissions []string   `json:"permissions"`
		Resources   []resource `json:"resources"`
	}
	resource struct {
		URI   wamp.URI `json:"uri"`
		Match string   `json:"match"`
	}
)

// Store keeps realms. Safe for concurrent use.
type Store struct {
	db     *store.DB
	realms store.Table[string, realmRow]
	users  store.Table[string, userRow]
	grants store.Table[string, grantRow]
	node   store.Table[string, []byte]
}

// New uses db.
func New(db *store.DB) *Store {
	return &Store{
		db:     db,
		realms: store.NewTable[string]("realm", store.JSON[realmRow]()),
		users:  store.NewTable[string]("user", store.JSON[userRow]()),
		grants: store.NewTable[string]("grant", store.JSON[grantRow]()),
		node:   store.NewTable[string]("node", store.Raw()),
	}
}

const idKey = "id_key"

// IDKey is the secret from which the ids of subscriptions and registrations,
// and the salts of logins, derive. The first call draws it.
func (s *Store) IDKey() (key []byte, err error) {
	err = s.db.Update(func(tx *store.Tx) error {
		stored, ok, err := s.node.Get(tx, idKey)
		if ok || err != nil {
			key = stored
			return err
		}
		key = make([]byte, auth.KeySize)
		_, _ = rand.Read(key) // never fails: crypto/rand ends the process instead
		return s.node.Put(tx, idKey, key)
	})
	return key, err
}

// Merge brings the stored realms in line with what a file defines: it creates
// what is missing, lets a managed realm follow the file, removes managed realms
// that the file no longer has, and leaves every other realm alone. differ names
// what of those the file says otherwise. All of it is one transaction.
func (s *Store) Merge(defs []Definition, salt func(wamp.URI) []byte) (differ []string, err error) {
	err = s.db.Update(func(tx *store.Tx) error {
		differ = nil
		defined := make(map[string]bool, len(defs))
		for _, d := range defs {
			uri := string(d.Realm.URI)
			defined[uri] = true
			_, exists, err := s.realms.Get(tx, uri)
			if err != nil {
				return err
			}
			if !exists || d.Managed {
				err = s.put(tx, d, salt(d.Realm.URI))
			} else {
				var keys []string
				keys, err = s.differences(tx, d)
				differ = append(differ, keys...)
			}
			if err != nil {
				return fmt.Errorf("realm %s: %w", uri, err)
			}
		}
		for row, err := range s.realms.Rows(tx, "", "") {
			if err != nil {
				return err
			}
			if row.Value.Managed && !defined[row.Key] {
				if err := s.remove(tx, row.Key); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return differ, err
}

// put makes the rows of a realm those of the definition.
func (s *Store) put(tx *store.Tx, d Definition, key []byte) error {
	uri := string(d.Realm.URI)
	if err := s.realms.Put(tx, uri, realmOf(d)); err != nil {
		return err
	}
	users, grants := make(map[string]bool), make(map[string]bool)
	for _, u := range d.Realm.Auth.Users {
		row := userRow{Verifier: u.Verifier, Credential: u.Credential, KDF: u.KDF, Keys: u.Keys, Groups: u.Groups, Disabled: u.Disabled}
		if u.Password != "" {
			var err error
			if row.Verifier, err = auth.NewVerifier(key, u.Name, string(u.Password)); err != nil {
				return err
			}
			if row.Credential, err = credential(u); err != nil {
				return fmt.Errorf("user %s: %w", u.Name, err)
			}
		}
		at := member(uri, u.Name)
		users[at] = true
		if err := s.users.Put(tx, at, row); err != nil {
			return err
		}
	}
	for _, g := range d.Realm.Access.Grants {
		row := grantOf(g)
		at := member(uri, row.id())
		grants[at] = true
		if err := s.grants.Put(tx, at, row); err != nil {
			return err
		}
	}
	if err := prune(tx, s.users, uri, users); err != nil {
		return err
	}
	return prune(tx, s.grants, uri, grants)
}

// credential is what a user with a password gets beside the verifier: one with
// Argon2id if asked for.
func credential(u auth.User) (*auth.Credential, error) {
	if u.KDF != auth.KDFArgon2id {
		return nil, nil //nolint:nilnil // none is wanted
	}
	return auth.NewCredential(u.Password, u.KDF)
}

func (s *Store) remove(tx *store.Tx, uri string) error {
	if err := prune(tx, s.users, uri, nil); err != nil {
		return err
	}
	if err := prune(tx, s.grants, uri, nil); err != nil {
		return err
	}
	return s.realms.Delete(tx, uri)
}

// SetCredential stores what stands for a user's password beside the verifier,
// unless the user is gone or keeps PBKDF2.
func (s *Store) SetCredential(uri wamp.URI, user string, c *auth.Credential) error {
	return s.db.Update(func(tx *store.Tx) error {
		at := member(string(uri), user)
		row, ok, err := s.users.Get(tx, at)
		if !ok || err != nil || row.KDF == auth.KDFPBKDF2 {
			return err
		}
		row.Credential = c
		return s.users.Put(tx, at, row)
	})
}

// prune deletes the rows of a realm that are not among keep.
func prune[V any](tx *store.Tx, t store.Table[string, V], uri string, keep map[string]bool) error {
	for row, err := range t.Rows(tx, member(uri, ""), "") {
		if err != nil {
			return err
		}
		if !keep[row.Key] {
			if err := t.Delete(tx, row.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

func member(uri, name string) string { return uri + "\x00" + name }

// differences names what of a realm the definition says otherwise. Passwords
// are not compared: that would cost a derivation each.
func (s *Store) differences(tx *store.Tx, d Definition) ([]string, error) {
	uri := string(d.Realm.URI)
	var out []string
	stored, _, err := s.realms.Get(tx, uri)
	if err != nil {
		return nil, err
	}
	if !same(stored, realmOf(d)) {
		out = append(out, uri+": properties")
	}
	want := make(map[string]userRow)
	for _, u := range d.Realm.Auth.Users {
		want[member(uri, u.Name)] = userRow{KDF: u.KDF, Keys: u.Keys, Groups: u.Groups, Disabled: u.Disabled}
	}
	for row, err := range s.users.Rows(tx, member(uri, ""), "") {
		if err != nil {
			return nil, err
		}
		row.Value.Verifier, row.Value.Credential = nil, nil
		if w, ok := want[row.Key]; !ok || !same(w, row.Value) {
			out = append(out, uri+": user "+strings.TrimPrefix(row.Key, member(uri, "")))
		}
		delete(want, row.Key)
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		out = append(out, uri+": user "+strings.TrimPrefix(key, member(uri, "")))
	}
	grants := make(map[string]bool)
	for _, g := range d.Realm.Access.Grants {
		grants[member(uri, grantOf(g).id())] = true
	}
	n := 0
	for row, err := range s.grants.Rows(tx, member(uri, ""), "") {
		if err != nil {
			return nil, err
		}
		if !grants[row.Key] {
			return append(out, uri+": grants"), nil
		}
		n++
	}
	if n != len(grants) {
		out = append(out, uri+": grants")
	}
	return out, nil
}

func same(a, b any) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(x, y)
}

// Load returns all realms.
func (s *Store) Load() (out []realm.Config, err error) {
	err = s.db.View(func(tx *store.Tx) error {
		out = nil
		for row, err := range s.realms.Rows(tx, "", "") {
			if err != nil {
				return err
			}
			r, err := s.load(tx, row.Key, row.Value)
			if err != nil {
				return fmt.Errorf("realm %s: %w", row.Key, err)
			}
			out = append(out, r)
		}
		return nil
	})
	return out, err
}

func (s *Store) load(tx *store.Tx, uri string, row realmRow) (realm.Config, error) {
	r := realm.Config{
		URI:               wamp.URI(uri),
		Auth:              auth.Config{SecurityDisabled: !row.SecurityEnabled, Methods: row.AuthMethods},
		Access:            rbac.Config{SecurityDisabled: !row.SecurityEnabled},
		RefuseConnections: row.Refuse,
		StrictURIs:        row.StrictURIs,
		CallTimeout:       row.CallTimeout,
		MaxCallTimeout:    row.CallTimeoutMax,
		Routing:           row.Routing,
	}
	r.Queue.CloseSlow = row.CloseSlow
	for u, err := range s.users.Rows(tx, member(uri, ""), "") {
		if err != nil {
			return r, err
		}
		r.Auth.Users = append(r.Auth.Users, auth.User{
			Name: strings.TrimPrefix(u.Key, member(uri, "")), Verifier: u.Value.Verifier,
			Credential: u.Value.Credential, KDF: u.Value.KDF,
			Keys: u.Value.Keys, Groups: u.Value.Groups, Disabled: u.Value.Disabled,
		})
	}
	for g, err := range s.grants.Rows(tx, member(uri, ""), "") {
		if err != nil {
			return r, err
		}
		grant, err := g.Value.grant()
		if err != nil {
			return r, err
		}
		r.Access.Grants = append(r.Access.Grants, grant)
	}
	return r, nil
}

func realmOf(d Definition) realmRow {
	return realmRow{
		Description: d.Description, SecurityEnabled: !d.Realm.Access.SecurityDisabled, Refuse: d.Realm.RefuseConnections,
		AuthMethods: d.Realm.Auth.Methods, StrictURIs: d.Realm.StrictURIs, CloseSlow: d.Realm.Queue.CloseSlow,
		CallTimeout: d.Realm.CallTimeout, CallTimeoutMax: d.Realm.MaxCallTimeout, Groups: d.Groups, Managed: d.Managed,
		Routing: d.Realm.Routing,
	}
}

func grantOf(g rbac.Grant) grantRow {
	row := grantRow{Roles: g.Roles}
	for _, p := range g.Permissions {
		row.Permissions = append(row.Permissions, p.String())
	}
	for _, r := range g.Resources {
		row.Resources = append(row.Resources, resource{URI: r.URI, Match: r.Match.String()})
	}
	return row
}

// id names a grant by its content.
func (g grantRow) id() string {
	text, err := json.Marshal(g)
	if err != nil { // strings always marshal
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

func (g grantRow) grant() (rbac.Grant, error) {
	out := rbac.Grant{Roles: g.Roles}
	for _, name := range g.Permissions {
		p, ok := rbac.ParsePermission(name)
		if !ok {
			return out, fmt.Errorf("a grant of the unknown permission %q", name)
		}
		out.Permissions = append(out.Permissions, p)
	}
	for _, r := range g.Resources {
		m, ok := wamp.ParseMatch(r.Match)
		if !ok {
			return out, fmt.Errorf("a grant with the unknown matching policy %q", r.Match)
		}
		out.Resources = append(out.Resources, rbac.Resource{URI: r.URI, Match: m})
	}
	return out, nil
}
