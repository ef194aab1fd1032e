package directory

import (
	"cmp"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"bondy/core/auth"
	"bondy/core/id"
	"bondy/core/realm"
	"bondy/core/ticket"
	"bondy/core/unit"
	"bondy/core/wamp"
)

// Master is the realm from which a node is administered, MasterAlias its name
// in the predecessor.
const (
	Master      wamp.URI = "bondy"
	MasterAlias wamp.URI = "com.leapsight.bondy"
)

// Administrators is the group of the master realm whose users administer the node.
const Administrators = "bondy.administrators"

// Canonical is the name under which a realm is kept.
func Canonical(uri wamp.URI) wamp.URI {
	if uri == MasterAlias {
		return Master
	}
	return uri
}

// Realm is a realm. It never changes; a change makes another.
type Realm struct {
	URI         wamp.URI
	Incarnation id.Incarnation
	Created     time.Time
	Properties
}

// Properties are what an administrator says of a realm. Where a pointer or a
// list is nil, the prototype's word counts, and then the default.
type Properties struct {
	Description string `json:"description,omitempty"`
	// IsPrototype realms are there for others to inherit from: nobody joins them.
	IsPrototype  bool     `json:"is_prototype,omitempty"`
	PrototypeURI wamp.URI `json:"prototype_uri,omitempty"`
	// IsSSORealm realms keep credentials of users of other realms.
	IsSSORealm  bool     `json:"is_sso_realm,omitempty"`
	SSORealmURI wamp.URI `json:"sso_realm_uri,omitempty"`
	// AllowConnections is true by default, SecurityEnabled too.
	AllowConnections *bool    `json:"allow_connections,omitempty"`
	SecurityEnabled  *bool    `json:"security_enabled,omitempty"`
	AuthMethods      []string `json:"authmethods,omitzero"` // an empty list lets nobody in
	// Managed says that a file has the last word.
	Managed bool `json:"managed,omitempty"`
	// Info is free data of the administrator's, a JSON object.
	Info json.RawMessage `json:"info,omitempty"`
	Settings
}

// Settings are the properties that no realm inherits.
type Settings struct {
	StrictURIs     bool          `json:"strict_uris,omitempty"`
	CloseSlow      bool          `json:"close_slow,omitempty"`
	CallTimeout    time.Duration `json:"call_timeout,omitempty"`
	CallTimeoutMax time.Duration `json:"call_timeout_max,omitempty"`
	Routing        realm.Routing `json:"routing"`
	Login          Login         `json:"login"`
	Tickets        ticket.Policy `json:"tickets,omitzero"`
}

// Login is what the authentication methods of a realm need beside users.
type Login struct {
	CertName   auth.CertName       `json:"cert_name,omitempty"`
	Issuers    []Issuer            `json:"issuers,omitempty"`
	Dynamic    map[string]wamp.URI `json:"dynamic,omitempty"`
	Trustroots []auth.Trustroot    `json:"trustroots,omitempty"`
	// RouterKeyFile has the hex seed of the key with which the router signs
	// cryptosign challenges.
	RouterKeyFile string `json:"router_key_file,omitempty"`
	// Authorizer is the procedure that decides what no grant allows.
	Authorizer      wamp.URI      `json:"authorizer,omitempty"`
	AuthorizerCache time.Duration `json:"authorizer_cache,omitempty"`
}

// Deciders are the procedures that say who clients are.
func (l *Login) Deciders() []wamp.URI { return slices.Collect(maps.Values(l.Dynamic)) }

// Issuer is an auth.Issuer as it is kept: with where its keys are.
type Issuer struct {
	Issuer      string              `json:"issuer"`
	Audience    string              `json:"audience"`
	JWKSURL     string              `json:"jwks_url,omitempty"`
	JWKSFile    string              `json:"jwks_file,omitempty"`
	Refresh     unit.Duration       `json:"refresh,omitempty"`
	Keep        unit.Duration       `json:"keep,omitempty"`
	Algorithms  []string            `json:"algorithms,omitempty"`
	Leeway      unit.Duration       `json:"leeway,omitempty"`
	Require     map[string]string   `json:"require,omitempty"`
	AuthID      string              `json:"authid_claim,omitempty"`
	Prefix      string              `json:"authid_prefix,omitempty"`
	GroupsClaim string              `json:"groups_claim,omitempty"`
	GroupsMap   map[string][]string `json:"groups_map,omitempty"`
	Groups      []string            `json:"groups,omitempty"`
}

// Same tells whether a token means the same under both, however their keys are
// fetched.
func (i Issuer) Same(o Issuer) bool {
	i.Refresh, i.Keep = o.Refresh, o.Keep
	return reflect.DeepEqual(i, o)
}

// Bounds of properties.
const (
	maxDescription = 512
	maxInfo        = 64 << 10
	maxMeta        = 16 << 10
	maxAliases     = 5
	maxKeys        = 64
	maxGroups      = 256
	maxSource      = 256     // of each list of a source
	maxGrants      = 4096    // of a role
	maxProperties  = 1 << 20 // bytes of all properties of a realm
)

// validate checks what can be checked without other realms.
func (p *Properties) validate(uri wamp.URI) error {
	switch {
	case !uri.Valid(wamp.MatchExact, false) || strings.Contains(string(uri), "\x00"):
		return wamp.Errorf(wamp.ErrInvalidURI, "%q is not a valid realm URI", uri)
	case len(p.Description) > maxDescription:
		return invalid("description: longer than %d bytes", maxDescription)
	case len(p.Info) > maxInfo:
		return invalid("info: longer than %d bytes", maxInfo)
	case p.Info != nil && (!json.Valid(p.Info) || !strings.HasPrefix(strings.TrimSpace(string(p.Info)), "{")):
		return invalid("info: not an object")
	case p.IsPrototype && p.PrototypeURI != "":
		return inconsistent("a prototype cannot have a prototype: leave out is_prototype or prototype_uri")
	case p.IsSSORealm && p.SSORealmURI != "":
		return inconsistent("an SSO realm cannot use another one: leave out is_sso_realm or sso_realm_uri")
	case p.PrototypeURI == uri:
		return inconsistent("a realm cannot be its own prototype")
	case p.SSORealmURI == uri:
		return inconsistent("a realm cannot be its own SSO realm")
	case uri == Master && (p.IsPrototype || p.PrototypeURI != "" || p.IsSSORealm || p.SSORealmURI != ""):
		return inconsistent("the realm %q can neither be nor have a prototype or SSO realm", Master)
	case uri == Master && p.SecurityEnabled != nil && !*p.SecurityEnabled:
		return inconsistent("the security of the realm %q cannot be disabled", Master)
	case uri == Master && slices.Contains(p.AuthMethods, auth.MethodAnonymous):
		return inconsistent("authmethods: the realm %q cannot offer anonymous: nobody administers a node without saying who it is", Master)
	}
	for i, m := range p.AuthMethods {
		if !slices.Contains(auth.Methods(), m) {
			return invalid("authmethods[%d]: unknown method %q", i, m)
		}
		if slices.Contains(p.AuthMethods[:i], m) {
			return invalid("authmethods[%d]: %q is there twice", i, m)
		}
	}
	return p.validateSettings()
}

// Effective are the properties of the realm with what it inherits.
func (v *View) Effective() Properties {
	p := v.realm.realm.Properties
	yes := true
	if v.proto != nil {
		from := &v.proto.realm.Properties
		p.AllowConnections = cmp.Or(p.AllowConnections, from.AllowConnections)
		p.SecurityEnabled = cmp.Or(p.SecurityEnabled, from.SecurityEnabled)
		p.SSORealmURI = cmp.Or(p.SSORealmURI, from.SSORealmURI)
		if p.AuthMethods == nil {
			p.AuthMethods = from.AuthMethods
		}
	}
	if p.AuthMethods == nil {
		p.AuthMethods = defaultMethods()
	}
	if v.realm.realm.URI == Master {
		p.AuthMethods = without(p.AuthMethods, auth.MethodAnonymous)
	}
	p.AllowConnections = cmp.Or(p.AllowConnections, &yes)
	p.SecurityEnabled = cmp.Or(p.SecurityEnabled, &yes)
	if p.IsPrototype || len(p.AuthMethods) == 0 {
		no := false
		p.AllowConnections = &no
	}
	return p
}
