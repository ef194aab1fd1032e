package config

import (
	"crypto/ed25519"
	"encoding/hex"
	"slices"
	"strings"

	"bondy/core/auth"
	"bondy/core/strict"
	"bondy/core/wamp"
)

// permissions are what a grant may allow.
func permissions() []string {
	return []string{
		"wamp.call", "wamp.cancel", "wamp.register", "wamp.unregister",
		"wamp.publish", "wamp.subscribe", "wamp.unsubscribe",
		"wamp.disclose_caller", "wamp.disclose_publisher", "wamp.disclose_session_info",
		"bondy.issue", "bondy.revoke", "bondy.authenticate",
	}
}

// prototype is the one of a realm: the realm of the file, an empty one if the file
// does not have it, nil without.
func (c *Config) prototype(r *Realm) *Realm {
	if r.PrototypeURI == "" {
		return nil
	}
	for i := range c.Realms {
		if c.Realms[i].URI == r.PrototypeURI {
			return &c.Realms[i]
		}
	}
	return &Realm{}
}

func (r *Realm) check(p *problems, key string, proto *Realm) {
	uri := wamp.URI(r.URI)
	switch {
	case !uri.Valid(wamp.MatchExact, r.URIStrictness == URIStrict):
		p.addf(join(key, "uri"), "%q is no %s URI", r.URI, r.URIStrictness)
	case uri.Reserved() && uri.Canonical(wamp.MatchExact) != "bondy":
		p.addf(join(key, "uri"), "%s is a reserved name", uri)
	}
	if len(r.Description) > maxDescription {
		p.addf(join(key, "description"), "is longer than %d bytes", maxDescription)
	}
	r.checkReferences(p, key)
	if r.AuthMethods != nil && len(r.AuthMethods) == 0 && !r.IsSSORealm {
		p.addf(join(key, "authmethods"), "want at least one; leave it out for the default")
	}
	for i, m := range r.AuthMethods {
		at := element(join(key, "authmethods"), i)
		oneOf(p, at, m, laterAuthMethods(), authMethods()...)
		if slices.Contains(r.AuthMethods[:i], m) {
			p.addf(at, "%s is listed twice", m)
		}
	}
	oneOf(p, join(key, "slow_consumer"), r.SlowConsumer, nil, SlowDrop, SlowClose)
	oneOf(p, join(key, "manage"), r.Manage, nil, ManageNode, ManageFile)
	oneOf(p, join(key, "uri_strictness"), r.URIStrictness, nil, URILoose, URIStrict)
	notNegative(p, join(key, "call_timeout"), r.CallTimeout)
	notNegative(p, join(key, "call_timeout_max"), r.CallTimeoutMax)
	if r.CallTimeoutMax > 0 && r.CallTimeout > r.CallTimeoutMax {
		p.addf(join(key, "call_timeout"), "%s is above call_timeout_max, %s", r.CallTimeout, r.CallTimeoutMax)
	}
	oneOf(p, join(key, "features"), r.Features, nil, FeaturesUsed, FeaturesAnnounced)
	oneOf(p, join(key, "request_ids"), r.RequestIDs, nil, RequestIDsSequential, RequestIDsAny)
	notNegative(p, join(key, "max_messages_per_second"), r.MaxMessagesPerSecond)
	notNegative(p, join(key, "max_messages_per_second_per_user"), r.MaxMessagesPerSecondPerUser)
	notNegative(p, join(key, "max_messages_per_second_total"), r.MaxMessagesPerSecondTotal)
	notNegative(p, join(key, "max_sessions"), r.MaxSessions)
	notNegative(p, join(key, "max_sessions_per_user"), r.MaxSessionsPerUser)
	notNegative(p, join(key, "resume_timeout"), r.ResumeTimeout)
	if r.ResumeTimeout > maxResumeTimeout {
		p.addf(join(key, "resume_timeout"), "%s is above 24h, the longest that a session may wait for its client", r.ResumeTimeout)
	}
	positive(p, join(key, "max_detached_sessions"), r.MaxDetachedSessions)
	r.checkLogin(p, key)
	r.checkEvents(p, key)
	r.checkRoles(p, key, proto)
}

// checkReferences checks what is said of other realms, which may be elsewhere.
func (r *Realm) checkReferences(p *problems, key string) {
	for _, ref := range []struct{ name, uri, not string }{
		{"prototype_uri", r.PrototypeURI, "is_prototype"}, {"sso_realm_uri", r.SSORealmURI, "is_sso_realm"},
	} {
		at := join(key, ref.name)
		switch {
		case ref.uri == "":
		case ref.not == "is_prototype" && r.IsPrototype, ref.not == "is_sso_realm" && r.IsSSORealm:
			p.addf(at, "does not go with %s", ref.not)
		case ref.uri == r.URI:
			p.addf(at, "is the realm itself")
		default:
			checkURI(p, at, ref.uri)
		}
	}
}

// checkEvents checks what is said of events that are kept and of trust.
func (r *Realm) checkEvents(p *problems, key string) {
	at := join(key, "retention")
	notNegative(p, join(at, "max_events"), r.Retention.MaxEvents)
	positive(p, join(at, "max_bytes"), r.Retention.MaxBytes)
	positive(p, join(at, "max_size"), r.Retention.MaxSize)
	notNegative(p, join(at, "ttl"), r.Retention.TTL)
	for i, h := range r.History {
		at := element(join(key, "history"), i)
		oneOf(p, join(at, "match"), h.Match, nil, MatchExact, MatchPrefix, MatchWildcard)
		if m, ok := wamp.ParseMatch(string(h.Match)); ok && !wamp.URI(h.URI).Valid(m, r.URIStrictness == URIStrict) {
			p.addf(join(at, "uri"), "%q is no %s URI", h.URI, r.URIStrictness)
		}
		positive(p, join(at, "max_events"), h.MaxEvents)
		positive(p, join(at, "max_bytes"), h.MaxBytes)
		notNegative(p, join(at, "max_age"), h.MaxAge)
		oneOf(p, join(at, "storage"), h.Storage, nil, StorageMemory, StorageDisk)
		for j, o := range r.History[:i] {
			if o.URI == h.URI && o.Match == h.Match {
				p.addf(join(at, "uri"), "%s is there already, as history[%d]", h.URI, j)
			}
		}
	}
	for i, t := range r.Trust {
		at := element(join(key, "trust"), i)
		checkName(p, join(at, "role"), t.Role)
		notNegative(p, join(at, "level"), t.Level)
	}
}

// checkRoles checks the users, groups and grants, which refer to one another.
func (r *Realm) checkRoles(p *problems, key string, proto *Realm) {
	taken := map[string]string{RoleAll: "a built-in role", RoleAnonymous: "a built-in role"}
	take := func(at, name, as string) {
		checkName(p, at, name)
		if by, ok := taken[name]; ok {
			p.addf(at, "%s is already %s", name, by)
			return
		}
		taken[name] = as
	}
	groups := make([]string, len(r.Groups))
	var members []membership
	for i, g := range r.Groups {
		at := element(join(key, "groups"), i)
		members = append(members, membership{at, g.Groups})
		take(join(at, "name"), g.Name, "the group "+at)
		groups[i] = g.Name
	}
	if proto != nil {
		for _, g := range proto.Groups {
			groups = append(groups, g.Name)
		}
	}
	roles := append([]string{RoleAll, RoleAnonymous}, groups...)
	for i, u := range r.Users {
		at := element(join(key, "users"), i)
		take(join(at, "username"), u.Username, "the user "+at)
		roles = append(roles, u.Username)
		r.checkPassword(p, join(at, "password"), &u)
		if u.KDF != "" {
			oneOf(p, join(at, "kdf"), u.KDF, nil, KDFArgon2id, KDFPBKDF2)
		}
		for j, k := range u.AuthorizedKeys {
			if b, err := hex.DecodeString(k); err != nil || len(b) != ed25519.PublicKeySize {
				p.addf(element(join(at, "authorized_keys"), j), "want an Ed25519 public key, %d hex digits", 2*ed25519.PublicKeySize)
			}
		}
		for j, a := range u.Aliases {
			take(element(join(at, "aliases"), j), a, "an alias of "+u.Username)
		}
		if u.SSORealmURI != "" {
			checkURI(p, join(at, "sso_realm_uri"), u.SSORealmURI)
		}
		members = append(members, membership{at, u.Groups})
	}
	if proto != nil && proto.URI == "" {
		groups, roles = nil, nil // it is elsewhere, and so are names
	}
	for _, m := range members {
		for j, g := range m.groups {
			checkKnown(p, element(join(m.at, "groups"), j), "group", g, groups)
		}
	}
	r.checkSources(p, key, roles)
	for i := range r.Grants {
		r.Grants[i].check(p, element(join(key, "grants"), i), roles)
	}
}

// membership are the groups of what is at a path.
type membership struct {
	at     string
	groups []string
}

// checkPassword checks that a user has something to log in with, and not two
// things of which one would count.
func (r *Realm) checkPassword(p *problems, key string, u *User) {
	password := u.Password.Reveal()
	hashed := u.PasswordHash.Reveal() != ""
	without := r.PrototypeURI != "" || u.SSORealmURI != "" || hashed || len(u.AuthorizedKeys) > 0 ||
		slices.Contains(r.AuthMethods, AuthTrust) || slices.Contains(r.AuthMethods, AuthTLS)
	switch {
	case password == "" && !without:
		p.addf(key, "want a password, or authorized_keys")
	case password != "" && hashed:
		p.addf(key, "want password or password_hash, not both")
	case password != "":
		if err := auth.CheckPassword(auth.Secret(password)); err != nil {
			p.addf(key, "%v", err)
		}
	}
}

func (g *Grant) check(p *problems, key string, roles []string) {
	if len(g.Roles) == 0 {
		p.addf(join(key, "roles"), "want at least one role")
	}
	for i, role := range g.Roles {
		name := strings.TrimPrefix(strings.TrimPrefix(role, "user/"), "group/")
		checkKnown(p, element(join(key, "roles"), i), "user or group", name, roles)
	}
	if len(g.Permissions) == 0 {
		p.addf(join(key, "permissions"), "want at least one of %s", strings.Join(permissions(), ", "))
	}
	for i, permission := range g.Permissions {
		oneOf(p, element(join(key, "permissions"), i), permission, nil, permissions()...)
	}
	switch {
	case g.URI != nil && len(g.Resources) > 0:
		p.addf(join(key, "uri"), "want uri and match, or resources, not both")
	case g.URI == nil && g.Match != "":
		p.addf(join(key, "match"), "belongs to a uri")
	case len(g.Resources) == 0:
		p.addf(join(key, "resources"), "want uri and match, or resources")
	}
	for i, resource := range g.Resources {
		resource.check(p, element(join(key, "resources"), i))
	}
}

func (r Resource) check(p *problems, key string) {
	match, ok := wamp.ParseMatch(string(r.Match))
	switch {
	case !ok:
		oneOf(p, join(key, "match"), r.Match, nil, MatchExact, MatchPrefix, MatchWildcard)
	case r.URI == "" && match != wamp.MatchPrefix:
		p.addf(join(key, "uri"), `"" is every URI with match = "prefix" only`)
	case !wamp.URI(r.URI).Valid(match, false):
		p.addf(join(key, "uri"), "%q is no URI for match %s", r.URI, match)
	}
}

// checkKnown checks that name is among the known ones, unless they are nil.
func checkKnown(p *problems, key, what, name string, known []string) {
	if known != nil && !slices.Contains(known, name) {
		p.addf(key, "no %s has the name %q%s", what, name, strict.Suggest(name, known))
	}
}
