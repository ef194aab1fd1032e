package directory

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"

	"bondy/core/auth"
	"bondy/core/strict"
	"bondy/core/unit"
	"bondy/core/wamp"
)

// Document is a realm with what is in it, as JSON in the predecessor's shape. Of
// what is absent it says nothing, what is null is inherited, the default, or
// nothing.
type Document struct {
	URI wamp.URI `json:"uri"`
	// Manage is who has the last word on the realm, of documents in files of a
	// node; see Directory.Merge.
	Manage Manage `json:"manage,omitempty"`

	Description      strict.Field[string]          `json:"description,omitzero"`
	IsPrototype      strict.Field[bool]            `json:"is_prototype,omitzero"`
	PrototypeURI     strict.Field[wamp.URI]        `json:"prototype_uri,omitzero"`
	IsSSORealm       strict.Field[bool]            `json:"is_sso_realm,omitzero"`
	SSORealmURI      strict.Field[wamp.URI]        `json:"sso_realm_uri,omitzero"`
	AllowConnections strict.Field[bool]            `json:"allow_connections,omitzero"`
	SecurityEnabled  strict.Field[bool]            `json:"security_enabled,omitzero"`
	AuthMethods      strict.Field[[]string]        `json:"authmethods,omitzero"`
	Info             strict.Field[json.RawMessage] `json:"info,omitzero"`
	DocumentSettings

	Groups  strict.Field[[]GroupDocument]  `json:"groups,omitzero"`
	Users   strict.Field[[]UserDocument]   `json:"users,omitzero"`
	Sources strict.Field[[]SourceDocument] `json:"sources,omitzero"`
	Grants  strict.Field[[]GrantDocument]  `json:"grants,omitzero"`
}

// Manage is who has the last word on a realm of which a file of the node has a
// Document.
type Manage string

// The managers of a realm.
const (
	// ManageNode creates the realm where it is missing and then leaves it to
	// the administration of the node. It is the default.
	ManageNode Manage = "node"
	// ManageFile makes the realm follow the file, also when it goes from it.
	ManageFile Manage = "file"
)

// DocumentSettings are the Settings of a Document.
type DocumentSettings struct {
	SlowConsumer    strict.Field[string]              `json:"slow_consumer,omitzero"`
	URIStrictness   strict.Field[string]              `json:"uri_strictness,omitzero"`
	CallTimeout     strict.Field[unit.Duration]       `json:"call_timeout,omitzero"`
	CallTimeoutMax  strict.Field[unit.Duration]       `json:"call_timeout_max,omitzero"`
	Features        strict.Field[string]              `json:"features,omitzero"`
	RequestIDs      strict.Field[string]              `json:"request_ids,omitzero"`
	MaxSessions     strict.Field[int]                 `json:"max_sessions,omitzero"`
	MaxUserSessions strict.Field[int]                 `json:"max_sessions_per_user,omitzero"`
	MaxRate         strict.Field[int]                 `json:"max_messages_per_second,omitzero"`
	MaxUserRate     strict.Field[int]                 `json:"max_messages_per_second_per_user,omitzero"`
	MaxTotalRate    strict.Field[int]                 `json:"max_messages_per_second_total,omitzero"`
	ResumeTimeout   strict.Field[unit.Duration]       `json:"resume_timeout,omitzero"`
	MaxDetached     strict.Field[int]                 `json:"max_detached_sessions,omitzero"`
	Disclosure      strict.Field[bool]                `json:"disclosure,omitzero"`
	Retention       strict.Field[RetentionDocument]   `json:"retention,omitzero"`
	History         strict.Field[[]HistoryDocument]   `json:"history,omitzero"`
	Trust           strict.Field[[]TrustDocument]     `json:"trust,omitzero"`
	TLS             strict.Field[TLSDocument]         `json:"tls,omitzero"`
	Issuers         strict.Field[[]Issuer]            `json:"issuers,omitzero"`
	Dynamic         strict.Field[map[string]wamp.URI] `json:"dynamic,omitzero"`
	Trustroots      strict.Field[[]TrustrootDocument] `json:"trustroots,omitzero"`
	RouterKeyFile   strict.Field[string]              `json:"router_key_file,omitzero"`
	Authorizer      strict.Field[wamp.URI]            `json:"authorizer,omitzero"`
	AuthorizerCache strict.Field[unit.Duration]       `json:"authorizer_cache,omitzero"`
	Tickets         strict.Field[TicketsDocument]     `json:"tickets,omitzero"`
}

// TicketsDocument is a ticket.Policy; what is absent has its default.
type TicketsDocument struct {
	MaxLifetime strict.Field[unit.Duration] `json:"max_lifetime,omitzero"`
	Methods     strict.Field[[]string]      `json:"methods,omitzero"`
	MaxPerUser  strict.Field[int]           `json:"max_per_user,omitzero"`
}

// RetentionDocument bounds retained events; what is absent has its default.
type RetentionDocument struct {
	MaxEvents strict.Field[int]           `json:"max_events,omitzero"`
	MaxBytes  strict.Field[unit.Size]     `json:"max_bytes,omitzero"`
	MaxSize   strict.Field[unit.Size]     `json:"max_size,omitzero"`
	TTL       strict.Field[unit.Duration] `json:"ttl,omitzero"`
}

// HistoryDocument names topics whose events are kept; zero bounds are the
// default ones.
type HistoryDocument struct {
	URI       wamp.URI      `json:"uri"`
	Match     string        `json:"match,omitempty"`
	MaxEvents int           `json:"max_events,omitempty"`
	MaxBytes  unit.Size     `json:"max_bytes,omitempty"`
	MaxAge    unit.Duration `json:"max_age,omitempty"`
	Storage   string        `json:"storage,omitempty"`
}

// TrustDocument is the trust level of a role.
type TrustDocument struct {
	Role  string `json:"role"`
	Level int    `json:"level"`
}

// TLSDocument says which name in a client certificate is the authid.
type TLSDocument struct {
	AuthID auth.CertName `json:"authid"`
}

// TrustrootDocument is an auth.Trustroot.
type TrustrootDocument struct {
	Address  string   `json:"address"`
	ChainID  uint64   `json:"chain_id"`
	Contract string   `json:"contract"`
	Realm    string   `json:"realm"`
	Block    uint64   `json:"block,omitempty"`
	Groups   []string `json:"groups"`
}

// GroupDocument is a group of a Document.
type GroupDocument struct {
	Name   string                        `json:"name"`
	Groups strict.Field[[]string]        `json:"groups,omitzero"`
	Meta   strict.Field[json.RawMessage] `json:"meta,omitzero"`
}

// UserDocument is a user of a Document. Password and PasswordHash exclude each
// other.
type UserDocument struct {
	Username string `json:"username"`
	// Password is never exported. What is stored stays as it is when it was made
	// of the same password.
	Password       strict.Field[auth.Secret]     `json:"password,omitzero"`
	PasswordHash   strict.Field[PasswordHash]    `json:"password_hash,omitzero"`
	KDF            strict.Field[auth.KDF]        `json:"kdf,omitzero"`
	AuthorizedKeys strict.Field[[]PublicKey]     `json:"authorized_keys,omitzero"`
	Groups         strict.Field[[]string]        `json:"groups,omitzero"`
	Aliases        strict.Field[[]string]        `json:"aliases,omitzero"`
	SSORealmURI    strict.Field[wamp.URI]        `json:"sso_realm_uri,omitzero"`
	Enabled        strict.Field[bool]            `json:"enabled,omitzero"`
	Meta           strict.Field[json.RawMessage] `json:"meta,omitzero"`
}

// SourceDocument is a source of a Document: in the predecessor's form, with
// usernames, one authmethod and one cidr, or in the other one. Without addresses it
// is about all of them, without methods about all that the realm offers.
type SourceDocument struct {
	ID       string         `json:"id,omitempty"`
	Subjects Names          `json:"subjects,omitempty"`
	CIDRs    []netip.Prefix `json:"cidrs,omitempty"`
	Methods  []string       `json:"methods,omitempty"`
	// Action is "allow", the default, or "deny".
	Action string                        `json:"action,omitempty"`
	Meta   strict.Field[json.RawMessage] `json:"meta,omitzero"`

	Usernames  Names        `json:"usernames,omitempty"`
	AuthMethod string       `json:"authmethod,omitempty"`
	CIDR       netip.Prefix `json:"cidr,omitzero"`
}

// GrantDocument is a grant of a Document. Roles may have user/ or group/ before
// their names.
type GrantDocument struct {
	Roles       Names              `json:"roles"`
	Permissions []string           `json:"permissions"`
	Resources   []ResourceDocument `json:"resources,omitempty"`
	// URI and Match are the short form for one resource.
	URI   strict.Field[wamp.URI] `json:"uri,omitzero"`
	Match strict.Field[string]   `json:"match,omitzero"`
	// Meta is accepted and dropped, as the predecessor does.
	Meta strict.Field[json.RawMessage] `json:"meta,omitzero"`
}

// ResourceDocument is a URI or pattern. Without Match it is exact if the URI can
// be, else a wildcard if it can be that, else a prefix; "" and "*" are the prefix of
// every URI.
type ResourceDocument struct {
	URI   wamp.URI             `json:"uri"`
	Match strict.Field[string] `json:"match,omitzero"`
}

// Names are names, of which one alone may stand without brackets in JSON.
type Names []string

// UnmarshalJSON implements json.Unmarshaler.
func (n *Names) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*n = Names{one}
		return nil
	}
	var list []string
	if json.Unmarshal(text, &list) != nil {
		return fmt.Errorf("want a name or a list of names")
	}
	*n = list
	return nil
}

// PublicKey is an Ed25519 public key, in hex.
type PublicKey ed25519.PublicKey

// MarshalText implements encoding.TextMarshaler.
func (k PublicKey) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, k), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *PublicKey) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != ed25519.PublicKeySize {
		return fmt.Errorf("want an Ed25519 public key, %d hex digits", 2*ed25519.PublicKeySize)
	}
	*k = b
	return nil
}

// ParseDocuments reads one Document, or an array of them. The error joins a
// *strict.Error for each thing that does not fit; to a peer the first is shown.
func ParseDocuments(text []byte) ([]Document, error) {
	dec := strict.Decoder{Explain: map[string]string{
		"private_keys":        "keys are made here and never taken from documents: leave it out",
		"encryption_keys":     "keys are made here and never taken from documents: leave it out",
		"usage":               "follows from what the realm holds: leave it out",
		"public_keys":         "follows from the keys that are made here: leave it out",
		"security_status":     "follows from security_enabled: leave it out",
		"password_opts":       "how passwords are kept is said by kdf, for each user: leave it out",
		"has_password":        "follows from password_hash: leave it out",
		"has_authorized_keys": "follows from authorized_keys: leave it out",
		"password_kdfs":       "follows from password_hash: leave it out",
	}}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		list := make([]Document, 1)
		if err := dec.Decode(text, &list[0]); err != nil {
			return nil, err
		}
		return list, nil
	}
	var list []Document
	if err := dec.Decode(text, &list); err != nil {
		return nil, err
	}
	return list, nil
}
