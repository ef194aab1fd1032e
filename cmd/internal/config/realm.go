package config

import (
	"cmp"
	"time"

	"bondy/core/ticket"
)

// Realm is one realm; the keys are those of bondy.realm.create.
type Realm struct {
	// URI is the name of the realm.
	URI string `toml:"uri"`
	// Manage is who has the last word on the realm once it exists.
	Manage Manage `toml:"manage"`
	// Description is free text.
	Description string `toml:"description"`
	// IsPrototype makes it a realm for others to inherit from, which nobody joins,
	// PrototypeURI is the one that it inherits from itself.
	IsPrototype  bool   `toml:"is_prototype"`
	PrototypeURI string `toml:"prototype_uri"`
	// IsSSORealm makes it one that keeps credentials of other realms' users,
	// SSORealmURI is the one that keeps those of its own users who name it.
	IsSSORealm  bool   `toml:"is_sso_realm"`
	SSORealmURI string `toml:"sso_realm_uri"`
	// SecurityEnabled false admits anonymous clients alone and allows them
	// everything; nil is the prototype's word, or true.
	SecurityEnabled *bool `toml:"security_enabled"`
	// AllowConnections false refuses every HELLO; nil is as for SecurityEnabled.
	AllowConnections *bool `toml:"allow_connections"`
	// AuthMethods are the authentication methods that the realm offers; nil are the
	// prototype's, or anonymous, cryptosign, ticket and wampcra.
	AuthMethods []AuthMethod `toml:"authmethods"`
	// TLS, Issuers and Trustroots belong to the methods tls, jwt and cryptosign.
	TLS        *RealmTLS   `toml:"tls"`
	Issuers    []Issuer    `toml:"issuers"`
	Trustroots []Trustroot `toml:"trustroots"`
	// Dynamic names, by method, procedures that decide in place of users.
	Dynamic map[string]string `toml:"dynamic"`
	// RouterKeyFile has the hex Ed25519 seed with which the router signs cryptosign
	// challenges; empty for none.
	RouterKeyFile string `toml:"router_key_file"`
	// Authorizer is the procedure that decides what no grant allows, and
	// AuthorizerCache how long its answers hold.
	Authorizer      string        `toml:"authorizer"`
	AuthorizerCache time.Duration `toml:"authorizer_cache"`
	// Tickets says which tickets users may draw.
	Tickets Tickets `toml:"tickets"`
	// SlowConsumer is what happens to a client that does not read.
	SlowConsumer SlowConsumer `toml:"slow_consumer"`
	// URIStrictness is which URIs the realm accepts.
	URIStrictness URIStrictness `toml:"uri_strictness"`
	// CallTimeout applies to calls that name none; 0 is none.
	CallTimeout time.Duration `toml:"call_timeout"`
	// CallTimeoutMax bounds what a call may name; 0 is no bound.
	CallTimeoutMax time.Duration `toml:"call_timeout_max"`
	// Features says whether clients must announce what they use.
	Features FeaturePolicy `toml:"features"`
	// RequestIDs says which ids clients may give their requests.
	RequestIDs RequestIDs `toml:"request_ids"`
	// MaxMessagesPerSecond bounds what one session may send, with a burst of
	// twice as many; 0 is no bound.
	MaxMessagesPerSecond int `toml:"max_messages_per_second"`
	// MaxMessagesPerSecondPerUser bounds what all sessions of one user may send,
	// MaxMessagesPerSecondTotal what all of the realm may; 0 is no bound.
	MaxMessagesPerSecondPerUser int `toml:"max_messages_per_second_per_user"`
	MaxMessagesPerSecondTotal   int `toml:"max_messages_per_second_total"`
	// MaxSessions bounds the sessions, MaxSessionsPerUser those of one user;
	// 0 is no bound.
	MaxSessions        int `toml:"max_sessions"`
	MaxSessionsPerUser int `toml:"max_sessions_per_user"`
	// ResumeTimeout is how long sessions whose clients ask for it outlive their
	// connections, at most 24h; 0 is not at all.
	ResumeTimeout time.Duration `toml:"resume_timeout"`
	// MaxDetachedSessions is how many sessions may be without connection, more
	// than 0; one authid, or address of anonymous clients, has a tenth of them.
	MaxDetachedSessions int `toml:"max_detached_sessions"`
	// Disclosure false refuses whoever asks to be disclosed to others.
	Disclosure bool `toml:"disclosure"`
	// Retention bounds the events that publishers ask to be retained.
	Retention Retention `toml:"retention"`
	// History names the topics whose events are kept.
	History []History `toml:"history"`
	// Trust gives sessions a trust level by their authrole.
	Trust []Trust `toml:"trust"`
	// Users are who may authenticate.
	Users []User `toml:"users"`
	// Groups are the roles that users share.
	Groups []Group `toml:"groups"`
	// Sources say who may use which methods from where; without any, everybody may
	// use all but trust.
	Sources []Source `toml:"sources"`
	// Grants are what users and groups may do; nothing else is allowed.
	Grants []Grant `toml:"grants"`
}

// setDefaults prepares a realm for decoding.
func (r *Realm) setDefaults() {
	r.Manage = ManageNode
	r.SlowConsumer = SlowDrop
	r.URIStrictness = URILoose
	r.Features = FeaturesUsed
	r.RequestIDs = RequestIDsSequential
	r.MaxDetachedSessions = 1000
	r.Disclosure = true
	r.Tickets = Tickets{MaxLifetime: ticket.MaxLifetime, MaxPerUser: ticket.DefaultPerUser}
	r.Retention = Retention{MaxEvents: 10_000, MaxBytes: 32 << 20, MaxSize: 64 << 10}
}

// FeaturePolicy says whether clients must announce what they use.
type FeaturePolicy string

// The policies for features.
const (
	// FeaturesUsed takes the use of a feature for its announcement.
	FeaturesUsed FeaturePolicy = "used"
	// FeaturesAnnounced enforces the specification's word.
	FeaturesAnnounced FeaturePolicy = "announced"
)

// RequestIDs says which ids clients may give their requests.
type RequestIDs string

// The rules for request ids.
const (
	// RequestIDsSequential wants 1, 2, 3 and so on, as the specification does.
	RequestIDsSequential RequestIDs = "sequential"
	// RequestIDsAny takes any that is not the one of a call under way.
	RequestIDsAny RequestIDs = "any"
)

// Retention bounds the retained events of a realm.
type Retention struct {
	// MaxEvents is how many there may be; 0 retains none.
	MaxEvents int `toml:"max_events"`
	// MaxBytes is what all of them may take, MaxSize what one may.
	MaxBytes Size `toml:"max_bytes"`
	MaxSize  Size `toml:"max_size"`
	// TTL is how long an event lives that says nothing itself; 0 for ever.
	TTL time.Duration `toml:"ttl"`
}

// History is a topic or pattern whose events are kept.
type History struct {
	// URI and Match name the topics.
	URI   string `toml:"uri"`
	Match Match  `toml:"match"`
	// MaxEvents and MaxBytes bound what is kept, MaxAge for how long; 0 is no
	// bound of age.
	MaxEvents int           `toml:"max_events"`
	MaxBytes  Size          `toml:"max_bytes"`
	MaxAge    time.Duration `toml:"max_age"`
	// Storage is where it is kept.
	Storage Storage `toml:"storage"`
}

// setDefaults prepares a rule for decoding.
func (h *History) setDefaults() {
	h.Match, h.MaxEvents, h.MaxBytes, h.Storage = MatchExact, 1000, 4<<20, StorageMemory
}

// Storage is where history is kept.
type Storage string

// The storages.
const (
	StorageMemory Storage = "memory"
	// StorageDisk outlives the process.
	StorageDisk Storage = "disk"
)

// Trust is the trust level of sessions with a role.
type Trust struct {
	// Role is their authrole.
	Role string `toml:"role"`
	// Level is what events and invocations tell; 0 tells nothing.
	Level int `toml:"level"`
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
	// AuthPassword takes the password and keeps it with Argon2id.
	AuthPassword AuthMethod = "password"
	// AuthSCRAM proves on both sides who knows the password.
	AuthSCRAM AuthMethod = "wamp-scram"
	// AuthTrust takes the address for proof.
	AuthTrust AuthMethod = "trust"
	// AuthTLS takes the client certificate of the connection.
	AuthTLS AuthMethod = "tls"
	// AuthJWT takes tokens of Issuers.
	AuthJWT AuthMethod = "jwt"
)

// authMethods are all methods, in the order of their names.
func authMethods() []AuthMethod {
	return []AuthMethod{
		AuthAnonymous, AuthCryptosign, AuthJWT, AuthPassword, AuthTicket, AuthTLS, AuthTrust, AuthWAMPCRA, AuthSCRAM,
	}
}

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
	// Password is the secret of ticket, password, wampcra and wamp-scram.
	Password Secret `toml:"password"`
	// PasswordHash is what an export has in the place of Password.
	PasswordHash Secret `toml:"password_hash"`
	// KDF is how the password is kept; empty means by PBKDF2 until the user
	// logs in with the method password, then by Argon2id.
	KDF KDF `toml:"kdf"`
	// AuthorizedKeys are the hex Ed25519 public keys of the method cryptosign.
	AuthorizedKeys []string `toml:"authorized_keys"`
	// Groups are the groups of the user; the first is its default role.
	Groups []string `toml:"groups"`
	// Aliases are other names to log in with.
	Aliases []string `toml:"aliases"`
	// SSORealmURI is the realm that keeps the credentials; empty is this one.
	SSORealmURI string `toml:"sso_realm_uri"`
	// Enabled false refuses the user.
	Enabled bool `toml:"enabled"`
	// Meta is free data about the user: TOML values, which are string,
	// int64, float64, bool, time.Time, []any and map[string]any.
	Meta map[string]any `toml:"meta"`
}

// setDefaults prepares a user for decoding.
func (u *User) setDefaults() { u.Enabled = true }

// KDF is how a password is kept, and what wamp-scram asks clients to compute.
type KDF string

// The key derivation functions.
const (
	KDFPBKDF2   KDF = "pbkdf2"
	KDFArgon2id KDF = "argon2id13"
)

// Group is a role that users share.
type Group struct {
	// Name is the name of the group.
	Name string `toml:"name"`
	// Groups are those that it is in itself.
	Groups []string `toml:"groups"`
	// Meta is free data, as that of a user.
	Meta map[string]any `toml:"meta"`
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
