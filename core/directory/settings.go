package directory

import (
	"net/netip"
	"net/url"
	"slices"
	"time"

	"bondy/core/auth"
	"bondy/core/broker"
	"bondy/core/realm"
	"bondy/core/ticket"
	"bondy/core/wamp"
)

// DefaultSettings are the Settings of a realm of which nothing is said.
func DefaultSettings() Settings {
	return Settings{Routing: realm.Routing{
		MaxDetached: 1000,
		Retention:   broker.Retention{MaxEvents: 10_000, MaxBytes: 32 << 20, MaxSize: 64 << 10},
	}, Tickets: ticket.Policy{MaxLifetime: ticket.MaxLifetime, MaxPerUser: ticket.DefaultPerUser}}
}

// defaultMethods are the authentication methods of a realm of which nothing is
// said.
func defaultMethods() []string {
	return []string{auth.MethodAnonymous, auth.MethodCryptosign, auth.MethodTicket, auth.MethodWAMPCRA}
}

// maxResume bounds Routing.ResumeTimeout.
const maxResume = 24 * time.Hour

// validateSettings checks what a realm inherits from nobody.
func (p *Properties) validateSettings() error {
	s := &p.Settings
	for name, n := range map[string]int64{
		"call_timeout": int64(s.CallTimeout), "call_timeout_max": int64(s.CallTimeoutMax),
		"resume_timeout": int64(s.Routing.ResumeTimeout), "max_detached_sessions": int64(s.Routing.MaxDetached),
		"max_sessions": int64(s.Routing.MaxSessions), "max_sessions_per_user": int64(s.Routing.MaxUserSessions),
		"max_messages_per_second":          int64(s.Routing.MaxRate),
		"max_messages_per_second_per_user": int64(s.Routing.MaxUserRate),
		"max_messages_per_second_total":    int64(s.Routing.MaxTotalRate),
		"retention.max_bytes":              s.Routing.Retention.MaxBytes, "retention.max_size": int64(s.Routing.Retention.MaxSize),
		"retention.ttl": int64(s.Routing.Retention.TTL), "authorizer_cache": int64(s.Login.AuthorizerCache),
	} {
		if n < 0 {
			return invalid("%s: must not be negative", name)
		}
	}
	switch {
	case s.CallTimeoutMax > 0 && s.CallTimeout > s.CallTimeoutMax:
		return invalid("call_timeout: %s is above call_timeout_max, %s", s.CallTimeout, s.CallTimeoutMax)
	case s.Routing.ResumeTimeout > maxResume:
		return invalid("resume_timeout: %s is above %s", s.Routing.ResumeTimeout, maxResume)
	}
	for i, h := range s.Routing.History {
		switch {
		case !h.URI.Valid(h.Match, s.StrictURIs):
			return invalid("history[%d].uri: %q is not valid with match %q", i, h.URI, h.Match)
		case h.MaxEvents < 0 || h.MaxBytes < 0 || h.MaxAge < 0:
			return invalid("history[%d]: bounds must not be negative", i)
		case slices.ContainsFunc(s.Routing.History[:i], func(o broker.HistoryRule) bool { return o.URI == h.URI && o.Match == h.Match }):
			return invalid("history[%d].uri: %q is there twice", i, h.URI)
		}
	}
	for role, level := range s.Routing.Trust {
		if level < 0 || role == "" {
			return invalid("trust: want names of roles, and levels that are not negative")
		}
	}
	if err := s.Tickets.Validate(); err != nil {
		return invalid("tickets.%v", err)
	}
	return s.Login.validate(p.AuthMethods)
}

// validate checks what is said of logging in. methods are those that the realm
// names itself: they must have what they need.
func (l *Login) validate(methods []string) error {
	cfg := auth.Config{Trustroots: l.Trustroots, CertName: l.CertName, Dynamic: l.Dynamic, Caller: nobody{}}
	if l.CertName != "" {
		name := auth.Config{Methods: []string{auth.MethodTLS}, CertName: l.CertName}
		if err := name.Validate(); err != nil {
			return invalid("tls.authid: %q is none of cn, dns, email and uri", l.CertName)
		}
	}
	for i := range l.Issuers {
		if err := l.Issuers[i].validate(); err != nil {
			return at(err, "issuers[%d]", i)
		}
		cfg.Issuers = append(cfg.Issuers, l.Issuers[i].Auth(auth.NewKeySet(nil, 0, 0)))
	}
	if err := cfg.Validate(); err != nil {
		return invalid("%v", err)
	}
	switch {
	case slices.Contains(methods, auth.MethodTLS) && l.CertName == "":
		return invalid("authmethods: tls needs tls.authid, the name in a certificate that is the authid")
	case slices.Contains(methods, auth.MethodJWT) && len(l.Issuers) == 0:
		return invalid("authmethods: jwt needs issuers")
	case l.Authorizer != "" && !l.Authorizer.Valid(wamp.MatchExact, false):
		return wamp.Errorf(wamp.ErrInvalidURI, "authorizer: %q is not a valid URI", l.Authorizer)
	}
	return nil
}

// nobody stands for who calls procedures where nothing is called.
type nobody struct{ auth.Caller }

// Auth is the issuer as package auth takes it, with keys.
func (i *Issuer) Auth(keys *auth.KeySet) auth.Issuer {
	return auth.Issuer{
		Issuer: i.Issuer, Audience: i.Audience, Keys: keys, Algorithms: i.Algorithms, Leeway: time.Duration(i.Leeway),
		Require: i.Require, AuthID: i.AuthID, Prefix: i.Prefix,
		GroupsClaim: i.GroupsClaim, GroupsMap: i.GroupsMap, Groups: i.Groups,
	}
}

// validate checks where the keys are; auth.Config checks the rest.
func (i *Issuer) validate() error {
	if (i.JWKSURL == "") == (i.JWKSFile == "") {
		return invalid("want either jwks_url or jwks_file")
	}
	if i.JWKSURL == "" {
		return nil
	}
	u, err := url.Parse(i.JWKSURL)
	if err != nil || !KeysFrom(u) {
		return invalid("jwks_url: want https://, or http:// to a loopback address")
	}
	return nil
}

// KeysFrom tells whether an issuer's keys may be fetched from a URL: over TLS, or
// from this machine.
func KeysFrom(u *url.URL) bool {
	if u.Host == "" || u.User != nil {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && addr.Unmap().IsLoopback())
}
