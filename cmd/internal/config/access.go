package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"bondy/core/ticket"
	"bondy/core/wamp"
)

// Source says who may use which authentication methods from where.
type Source struct {
	// ID names it; empty makes a name of what it says.
	ID string `toml:"id"`
	// Subjects are users, groups, RoleAll or RoleAnonymous.
	Subjects []string `toml:"subjects"`
	// CIDRs are the addresses; none means all of them.
	CIDRs []netip.Prefix `toml:"cidrs"`
	// Methods are the methods; none means all that the realm offers but trust.
	Methods []AuthMethod `toml:"methods"`
	// Action is whether they may or may not.
	Action Action `toml:"action"`
}

// setDefaults prepares a source for decoding.
func (s *Source) setDefaults() { s.Action = ActionAllow }

// Action is what a source does.
type Action string

// The actions.
const (
	ActionAllow Action = "allow"
	ActionDeny  Action = "deny"
)

// RealmTLS says how the method tls reads client certificates.
type RealmTLS struct {
	// AuthID is the name that is the authid: cn, dns, email or uri.
	AuthID string `toml:"authid"`
}

// Issuer is one whose tokens the method jwt accepts.
type Issuer struct {
	// Issuer and Audience are what the claims iss and aud must say.
	Issuer   string `toml:"issuer"`
	Audience string `toml:"audience"`
	// JWKSURL or JWKSFile is where the issuer's public keys are.
	JWKSURL  string `toml:"jwks_url"`
	JWKSFile string `toml:"jwks_file"`
	// Refresh is the age from which keys are fetched again, Keep the one up to which
	// they serve while that fails; 0 means 1h and 24h.
	Refresh time.Duration `toml:"refresh"`
	Keep    time.Duration `toml:"keep"`
	// Algorithms are the signatures accepted; none means those of today.
	Algorithms []string `toml:"algorithms"`
	// Leeway is how far clocks may be apart; 0 means 30s.
	Leeway time.Duration `toml:"leeway"`
	// Require are claims with the value that they must have.
	Require map[string]string `toml:"require"`
	// AuthID is the claim that becomes the authid, sub if empty, with Prefix before it.
	AuthID string `toml:"authid_claim"`
	Prefix string `toml:"authid_prefix"`
	// GroupsClaim is a claim whose values GroupsMap maps to groups; Groups are for
	// everybody with a token.
	GroupsClaim string              `toml:"groups_claim"`
	GroupsMap   map[string][]string `toml:"groups_map"`
	Groups      []string            `toml:"groups"`
}

// Trustroot is one whose certificates cryptosign accepts in place of keys.
type Trustroot struct {
	// Address, Contract and Realm are addresses: 0x and 40 hex digits.
	Address  string `toml:"address"`
	ChainID  int    `toml:"chain_id"`
	Contract string `toml:"contract"`
	Realm    string `toml:"realm"`
	// Block is the height of the chain; 0 takes certificates from any.
	Block int `toml:"block"`
	// Groups are the roles of who comes with its certificates.
	Groups []string `toml:"groups"`
}

// Tickets says which tickets the users of a realm may draw.
type Tickets struct {
	// MaxLifetime bounds what clients ask for, and is what those get who do not.
	MaxLifetime time.Duration `toml:"max_lifetime"`
	// Methods are those by which a session must have logged in to get one; nil are
	// all that prove who a user is.
	Methods []AuthMethod `toml:"methods"`
	// MaxPerUser is how many live ones a user may have.
	MaxPerUser int `toml:"max_per_user"`
}

// Policy is the same as the router takes it.
func (t *Tickets) Policy() ticket.Policy {
	p := ticket.Policy{MaxLifetime: t.MaxLifetime, MaxPerUser: t.MaxPerUser}
	if t.Methods != nil {
		p.Methods = make([]string, len(t.Methods))
		for i, m := range t.Methods {
			p.Methods[i] = string(m)
		}
	}
	return p
}

func (t *Tickets) check(p *problems, key string) {
	positive(p, join(key, "max_lifetime"), t.MaxLifetime)
	positive(p, join(key, "max_per_user"), t.MaxPerUser)
	policy := t.Policy()
	if err := policy.Validate(); err != nil {
		at, what, _ := strings.Cut(err.Error(), ": ")
		p.addf(join(key, at), "%s", what)
	}
}

// checkLogin checks what says who may log in how.
func (r *Realm) checkLogin(p *problems, key string) {
	if r.TLS != nil {
		oneOf(p, join(key, "tls.authid"), r.TLS.AuthID, nil, "cn", "dns", "email", "uri")
	} else if i := slices.Index(r.AuthMethods, AuthTLS); i >= 0 {
		p.addf(element(join(key, "authmethods"), i), "tls needs tls.authid, the name in a certificate that is the authid")
	}
	if i := slices.Index(r.AuthMethods, AuthJWT); i >= 0 && len(r.Issuers) == 0 {
		p.addf(element(join(key, "authmethods"), i), "jwt needs a [[realm.issuers]]")
	}
	for i := range r.Issuers {
		r.Issuers[i].check(p, element(join(key, "issuers"), i))
	}
	for i, t := range r.Trustroots {
		at := element(join(key, "trustroots"), i)
		notNegative(p, join(at, "chain_id"), t.ChainID)
		notNegative(p, join(at, "block"), t.Block)
		if len(t.Groups) == 0 {
			p.addf(join(at, "groups"), "want at least one")
		}
	}
	for method, procedure := range r.Dynamic {
		oneOf(p, join(join(key, "dynamic"), method), AuthMethod(method), nil, AuthTicket, AuthPassword, AuthWAMPCRA, AuthSCRAM, AuthCryptosign)
		checkURI(p, join(join(key, "dynamic"), method), procedure)
	}
	if r.Authorizer != "" {
		checkURI(p, join(key, "authorizer"), r.Authorizer)
	}
	notNegative(p, join(key, "authorizer_cache"), r.AuthorizerCache)
	r.Tickets.check(p, join(key, "tickets"))
}

func checkURI(p *problems, key, uri string) {
	if !wamp.URI(uri).Valid(wamp.MatchExact, false) {
		p.addf(key, "%q is no URI", uri)
	}
}

func (i *Issuer) check(p *problems, key string) {
	if i.Issuer == "" {
		p.addf(join(key, "issuer"), "must not be empty")
	}
	if i.Audience == "" {
		p.addf(join(key, "audience"), "must not be empty: tokens for others would be accepted")
	}
	switch {
	case (i.JWKSURL == "") == (i.JWKSFile == ""):
		p.addf(join(key, "jwks_url"), "want either jwks_url or jwks_file")
	case i.JWKSURL != "" && !overTLS(i.JWKSURL):
		p.addf(join(key, "jwks_url"), "want https://, or http:// to a loopback address")
	}
	notNegative(p, join(key, "refresh"), i.Refresh)
	notNegative(p, join(key, "keep"), i.Keep)
	notNegative(p, join(key, "leeway"), i.Leeway)
}

// overTLS tells whether what is at a URL comes over TLS, or from this machine.
func overTLS(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.Unmap().IsLoopback())
}

// checkSources checks who may log in from where; known are the users and groups,
// nil if there may be others.
func (r *Realm) checkSources(p *problems, key string, known []string) {
	for i, s := range r.Sources {
		at := element(join(key, "sources"), i)
		if len(s.Subjects) == 0 {
			p.addf(join(at, "subjects"), "want a user, a group, all or anonymous")
		}
		for j, name := range s.Subjects {
			checkKnown(p, element(join(at, "subjects"), j), "user or group", name, known)
		}
		for j, m := range s.Methods {
			oneOf(p, element(join(at, "methods"), j), m, laterAuthMethods(), authMethods()...)
		}
		oneOf(p, join(at, "action"), s.Action, nil, ActionAllow, ActionDeny)
		if slices.Contains(s.Methods, AuthTrust) && s.Action == ActionAllow && len(s.CIDRs) == 0 {
			p.addf(join(at, "cidrs"), "a source for trust must name the addresses that are trusted")
		}
		for j, o := range r.Sources[:i] {
			if s.ID != "" && o.ID == s.ID {
				p.addf(join(at, "id"), "%s is already the id of sources[%d]", s.ID, j)
			}
		}
	}
}
