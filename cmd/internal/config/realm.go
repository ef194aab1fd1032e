package config

import (
	"cmp"
	"time"
)

// Realm is one realm; the keys are those of bondy.realm.create.
type Realm struct {
	// URI is the name of the realm.
	URI string `toml:"uri"`
	// Manage is who has the last word on the realm once it exists.
	Manage Manage `toml:"manage"`
	// Description is free text.
	Description string `toml:"description"`
	// SecurityEnabled false admits anonymous clients alone and allows them
	// everything.
	SecurityEnabled bool `toml:"security_enabled"`
	// AllowConnections false refuses every HELLO.
	AllowConnections bool `toml:"allow_connections"`
	// AuthMethods are the authentication methods that the realm offers.
	AuthMethods []AuthMethod `toml:"authmethods"`
	// SlowConsumer is what happens to a client that does not read.
	SlowConsumer SlowConsumer `toml:"slow_consumer"`
	// URIStrictness is which URIs the realm accepts.
	URIStrictness URIStrictness `toml:"uri_strictness"`
	// CallTimeout applies to calls that name none; 0 is none.
	CallTimeout time.Duration `toml:"call_timeout"`
	// CallTimeoutMax bounds what a call may name; 0 is no bound.
	CallTimeoutMax time.Duration `toml:"call_timeout_max"`
	// Users are who may authenticate.
	Users []User `toml:"users"`
	// Groups are the roles that users share.
	Groups []Group `toml:"groups"`
	// Grants are what users and groups may do; nothing else is allowed.
	Grants []Grant `toml:"grants"`
}

// setDefaults prepares a realm for decoding.
func (r *Realm) setDefaults() {
	r.Manage = ManageNode
	r.SecurityEnabled = true
	r.AllowConnections = true
	r.AuthMethods = []AuthMethod{AuthAnonymous, AuthCryptosign, AuthTicket, AuthWAMPCRA}
	r.SlowConsumer = SlowDrop
	r.URIStrictness = URILoose
}

// Manage is who has the last word on a realm that exists.
type Manage string

// The managers of a realm.
const (
	// ManageNode creates the realm where it is missing and then leaves it to
	// the administration of the node.
	ManageNode Manage = "node"
	// ManageFile makes the realm follow the file, also when it goes from it.
	ManageFile Manage = "file"
)

// AuthMethod is the name of an authentication method.
type AuthMethod string

// The authentication methods.
const (
	AuthAnonymous AuthMethod = "anonymous"
	AuthTicket    AuthMethod = "ticket"
	AuthWAMPCRA   AuthMethod = "wampcra"
	// AuthCryptosign takes a signature by one of the user's keys.
	AuthCryptosign AuthMethod = "cryptosign"
)

// SlowConsumer is what happens to a client whose queue is full of events.
type SlowConsumer string

// The policies for slow consumers.
const (
	// SlowDrop drops and counts the events.
	SlowDrop SlowConsumer = "drop"
	// SlowClose closes the session.
	SlowClose SlowConsumer = "close"
)

// URIStrictness is which URIs a realm accepts (section "URIs").
type URIStrictness string

// The rules for URIs.
const (
	URILoose  URIStrictness = "loose"
	URIStrict URIStrictness = "strict"
)

// User is one who may authenticate.
type User struct {
	// Username is the authid, compared exactly.
	Username string `toml:"username"`
	// Password is the secret of the methods ticket and wampcra.
	Password Secret `toml:"password"`
	// AuthorizedKeys are the hex Ed25519 public keys of the method cryptosign.
	AuthorizedKeys []string `toml:"authorized_keys"`
	// Groups are the groups of the user; the first is its default role.
	Groups []string `toml:"groups"`
	// Enabled false refuses the user.
	Enabled bool `toml:"enabled"`
	// Meta is free data about the user: TOML values, which are string,
	// int64, float64, bool, time.Time, []any and map[string]any.
	Meta map[string]any `toml:"meta"`
}

// setDefaults prepares a user for decoding.
func (u *User) setDefaults() { u.Enabled = true }

// Group is a role that users share.
type Group struct {
	// Name is the name of the group.
	Name string `toml:"name"`
}

// RoleAll is the role that everybody has, and RoleAnonymous the one of
// anonymous sessions. Users and groups cannot have these names.
const (
	RoleAll       = "all"
	RoleAnonymous = "anonymous"
)

// Grant allows roles to do something.
type Grant struct {
	// Roles are names of users and groups, RoleAll or RoleAnonymous.
	Roles []string `toml:"roles"`
	// Permissions are names such as wamp.call.
	Permissions []string `toml:"permissions"`
	// Resources are the URIs it is about.
	Resources []Resource `toml:"resources"`
	// URI and Match are a shorthand for one resource, which Parse moves to
	// Resources: here they are nil and empty.
	URI *string `toml:"uri"`
	// Match is the policy of URI.
	Match Match `toml:"match"`
}

// spellOut replaces the shorthand where it stands alone.
func (g *Grant) spellOut() {
	if g.URI == nil || len(g.Resources) > 0 {
		return
	}
	g.Resources = []Resource{{URI: *g.URI, Match: cmp.Or(g.Match, MatchExact)}}
	g.URI, g.Match = nil, ""
}

// Resource is one URI or a pattern of URIs.
type Resource struct {
	// URI is a URI, a prefix or a wildcard pattern.
	URI string `toml:"uri"`
	// Match is how URI is compared.
	Match Match `toml:"match"`
}

// setDefaults prepares a resource for decoding.
func (r *Resource) setDefaults() { r.Match = MatchExact }

// Match is the name of a matching policy.
type Match string

// The matching policies.
const (
	MatchExact    Match = "exact"
	MatchPrefix   Match = "prefix"
	MatchWildcard Match = "wildcard"
)
