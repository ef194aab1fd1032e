package directory

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"bondy/core/auth"
	"bondy/core/id"
	"bondy/core/wamp"
)

// Kind is what a row is about.
type Kind string

// The kinds.
const (
	KindRealm      Kind = "realm"
	KindGroup      Kind = "group"
	KindUser       Kind = "user"
	KindPassword   Kind = "password" // of a user
	KindKey        Kind = "key"      // that a user may log in with
	KindMeta       Kind = "meta"     // of a user or group
	KindAlias      Kind = "alias"
	KindMember     Kind = "member" // that a user or group is in a group
	KindSource     Kind = "source"
	KindGrant      Kind = "grant"
	KindSigningKey Kind = "signing_key"
	KindTicket     Kind = "ticket"
)

// kinds are all kinds, those before others that refer to them.
func kinds() []Kind {
	return []Kind{
		KindRealm, KindGroup, KindUser, KindPassword, KindKey, KindMeta, KindAlias,
		KindMember, KindSource, KindGrant, KindSigningKey, KindTicket,
	}
}

// Row is a row as it is kept. Value is opaque to who keeps it.
type Row struct {
	Kind Kind
	// Key is the realm and what names the row in it, with NUL between.
	Key   string
	Stamp id.Stamp
	// Value is nil when the row was deleted.
	Value []byte
}

// Log keeps rows. Safe for concurrent use.
type Log interface {
	// Load calls f with all rows of a kind that are not deleted, in the order
	// of their keys, until it fails. Value is valid until f returns.
	Load(kind Kind, f func(Row) error) error
	// Commit puts rows in place of those with their keys: all or none. They
	// survive a crash once it has returned.
	Commit(rows []Row) error
}

// The values of rows, in JSON. In is the realm's incarnation, Of that of the
// user or group that the row belongs to.
type (
	realmRow struct {
		Incarnation id.Incarnation `json:"incarnation"`
		Created     time.Time      `json:"created"`
		Properties
	}
	groupRow struct {
		In          id.Incarnation `json:"in"`
		Incarnation id.Incarnation `json:"incarnation"`
	}
	userRow struct {
		In          id.Incarnation `json:"in"`
		Incarnation id.Incarnation `json:"incarnation"`
		Disabled    bool           `json:"disabled,omitempty"`
		SSO         wamp.URI       `json:"sso,omitempty"`
		SSOOf       id.Incarnation `json:"sso_of,omitzero"`
	}
	passwordRow struct {
		Of         id.Incarnation   `json:"of"`
		Verifier   []byte           `json:"verifier,omitempty"`
		Credential *auth.Credential `json:"credential,omitempty"`
		KDF        auth.KDF         `json:"kdf,omitempty"`
	}
	ofRow struct { // of keys and aliases
		Of id.Incarnation `json:"of"`
	}
	metaRow struct {
		Of   id.Incarnation  `json:"of"`
		Meta json.RawMessage `json:"meta"`
	}
	aliasRow struct {
		Of   id.Incarnation `json:"of"`
		User string         `json:"user"`
	}
	memberRow struct {
		Of    id.Incarnation `json:"of"`
		Group id.Incarnation `json:"group"`
	}
	sourceRow struct {
		In id.Incarnation `json:"in"`
		// Of are the incarnations of subjects, in the order of Source.Subjects.
		Of     []id.Incarnation `json:"of"`
		Source auth.Source      `json:"source"`
		Meta   json.RawMessage  `json:"meta,omitempty"`
	}
	grantRow struct {
		Of          id.Incarnation `json:"of"`
		Permissions []string       `json:"permissions"`
	}
)

// join makes a key of its parts, of which the last alone may have a NUL.
func join(parts ...string) string { return strings.Join(parts, "\x00") }

// split is the reverse, into n parts.
func split(key string, n int) ([]string, error) {
	parts := strings.SplitN(key, "\x00", n)
	if len(parts) != n {
		return nil, fmt.Errorf("the key %q has fewer than %d parts", key, n)
	}
	return parts, nil
}
