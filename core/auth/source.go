package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"bondy/core/wamp"
)

// Subjects of a Source beside the names of users and groups.
const (
	// SubjectAll is everybody, anonymous clients too.
	SubjectAll = "all"
	// SubjectAnonymous are anonymous clients.
	SubjectAnonymous = MethodAnonymous
)

// Source says who may or may not use which methods from where. Of all sources
// that match a login the most specific one decides: the longest prefix, then a
// user before a group before SubjectAll, then one that names the method before
// one that means all, then a denial.
type Source struct {
	// ID names the source; empty makes one of the content, the same
	// everywhere and always.
	ID string
	// Subjects are users, groups, SubjectAll or SubjectAnonymous.
	Subjects []string
	// Prefixes are the addresses; none means all of them and unix sockets,
	// which have none. IPv4 addresses inside IPv6 count as IPv4.
	Prefixes []netip.Prefix
	// Methods are the methods; none means all that the realm offers, but
	// MethodTrust, which must be named.
	Methods []string
	// Deny refuses instead of allowing.
	Deny bool
}

// Decision says whether and why a client may use a method.
type Decision struct {
	Method  string
	Allowed bool
	// Source is the id of the source that decided; empty when none did.
	Source string
	// Reason is a sentence for an operator.
	Reason string
}

// id is the ID, or one that follows from what the source says.
func (s *Source) id() string {
	if s.ID != "" {
		return s.ID
	}
	c := *s
	c.Subjects, c.Methods = slices.Sorted(slices.Values(s.Subjects)), slices.Sorted(slices.Values(s.Methods))
	c.Prefixes = slices.SortedFunc(slices.Values(s.Prefixes), netip.Prefix.Compare)
	text, _ := json.Marshal(c) // strings always marshal
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Check checks the source and returns its id: its own, or one that follows from
// what it says.
func (s *Source) Check() (string, error) {
	if err := s.validate(); err != nil {
		return "", err
	}
	return s.id(), nil
}

func (s *Source) validate() error {
	if len(s.Subjects) == 0 {
		return errors.New("subjects: want a user, a group, all or anonymous")
	}
	for i, name := range s.Subjects {
		if name == SubjectAll || name == SubjectAnonymous {
			continue
		}
		if err := ValidName(name); err != nil {
			return fmt.Errorf("subjects[%d]: %w", i, err)
		}
	}
	for i, p := range s.Prefixes {
		switch {
		case !p.IsValid():
			return fmt.Errorf("cidrs[%d]: not an address prefix", i)
		case p.Addr().Is4In6():
			return fmt.Errorf("cidrs[%d]: write %s as an IPv4 prefix", i, p)
		}
	}
	for i, m := range s.Methods {
		if !slices.Contains(Methods(), m) {
			return fmt.Errorf("methods[%d]: unknown method %q", i, m)
		}
	}
	if slices.Contains(s.Methods, MethodTrust) && !s.Deny && len(s.Prefixes) == 0 {
		return errors.New("cidrs: a source for trust must name the addresses that are trusted")
	}
	return nil
}

// origin is from where a client comes.
type origin struct {
	addr    netip.Addr
	proxied bool
}

// from is the origin of a request. IPv4 inside IPv6 is IPv4, and zones count for
// nothing.
func (req *Request) from() origin {
	return origin{addr: req.Remote.Addr().Unmap().WithZone(""), proxied: req.Proxied}
}

// policy decides by sources. Without any, what the realm offers may be used by
// everybody from everywhere, but trust by nobody.
type policy struct {
	open    bool
	offered []string
	by      map[string][]rule // by subject
}

// rule is a source for one of its prefixes, or for all addresses.
type rule struct {
	*Source
	prefix netip.Prefix // the zero value is everywhere
}

func newPolicy(cfg *Config) *policy {
	p := &policy{open: len(cfg.Sources) == 0, offered: cfg.methods(), by: make(map[string][]rule)}
	for _, s := range cfg.Sources {
		s.ID = s.id()
		prefixes := s.Prefixes
		if len(prefixes) == 0 {
			prefixes = []netip.Prefix{{}}
		}
		for _, name := range s.Subjects {
			for _, prefix := range prefixes {
				p.by[name] = append(p.by[name], rule{Source: &s, prefix: prefix})
			}
		}
	}
	return p
}

// covers tells whether the rule is about a method used from an address.
func (r rule) covers(method string, from origin) bool {
	if len(r.Methods) == 0 && method == MethodTrust || len(r.Methods) > 0 && !slices.Contains(r.Methods, method) {
		return false
	}
	return !r.prefix.IsValid() || r.prefix.Contains(from.addr)
}

// Kinds of subjects, less specific ones first.
const (
	kindAll = iota
	kindGroup
	kindUser
)

// decide judges a user; the name of anonymous clients is SubjectAnonymous.
func (p *policy) decide(name string, groups []string, method string, from origin) Decision {
	d := Decision{Method: method}
	switch {
	case !slices.Contains(p.offered, method):
		d.Reason = "the realm does not offer " + method
		return d
	case method == MethodTrust && from.proxied:
		d.Reason = "nobody is trusted whose address a proxy reports"
		return d
	case p.open:
		d.Allowed = method != MethodTrust
		d.Reason = "the realm has no sources, which allows every method but trust"
		return d
	}
	var best rule
	bestRank := -1
	consider := func(subject string, kind int) {
		for _, r := range p.by[subject] {
			if !r.covers(method, from) {
				continue
			}
			if rank := r.rank(kind); rank > bestRank {
				best, bestRank = r, rank
			}
		}
	}
	consider(SubjectAll, kindAll)
	for _, g := range groups {
		consider(g, kindGroup)
	}
	if name != "" && name != SubjectAll {
		consider(name, kindUser)
	}
	if bestRank < 0 {
		d.Reason = "no source allows " + method + " from this address"
		return d
	}
	d.Allowed, d.Source = !best.Deny, best.ID
	verb := "allows"
	if best.Deny {
		verb = "denies"
	}
	d.Reason = fmt.Sprintf("source %s %s it", best.ID, verb)
	return d
}

// possible tells whether anybody may use a method from an address.
func (p *policy) possible(method string, from origin) bool {
	for _, rules := range p.by {
		for _, r := range rules {
			if !r.Deny && r.covers(method, from) {
				return true
			}
		}
	}
	return p.open
}

// rank orders rules: more is more specific.
func (r rule) rank(kind int) int {
	length := 0
	if r.prefix.IsValid() {
		length = r.prefix.Bits() + 1
	}
	rank := (length<<2 | kind) << 2
	if len(r.Methods) > 0 {
		rank |= 2
	}
	if r.Deny {
		rank |= 1
	}
	return rank
}

// Explain tells, for every method that the realm offers, whether a user may
// use it from an address and why; the invalid address is a unix socket, and
// proxied says that a proxy reports the address. The name is an authid, or
// SubjectAnonymous. It is for operators: unlike a login it tells whether the user
// exists.
func (a *Authenticator) Explain(name string, addr netip.Addr, proxied bool) []Decision {
	from := (&Request{Remote: netip.AddrPortFrom(addr, 0), Proxied: proxied}).from()
	u, known := a.people.dir.User(name)
	if known {
		name = u.Name
	}
	var out []Decision
	for _, method := range a.offered {
		d := a.people.policy.decide(name, u.Groups, method, from)
		if lack := a.lacks(&u, known, name, method); d.Allowed && lack != "" {
			d.Allowed, d.Reason = false, lack
		}
		out = append(out, d)
	}
	return out
}

// lacks is what somebody needs for a method and does not have.
func (a *Authenticator) lacks(u *User, known bool, name, method string) string {
	anonymous := method == MethodAnonymous
	switch {
	case anonymous != (name == SubjectAnonymous):
		return "anonymous clients use anonymous, users do not"
	case anonymous || a.elsewhere(method):
		return ""
	case !known:
		return "the realm has no such user"
	case u.Disabled && u.AuthRealm != "" && u.AuthRealm != a.people.uri:
		return "the user is disabled, here or in the realm " + string(u.AuthRealm)
	case u.Disabled:
		return "the user is disabled"
	}
	switch method {
	case MethodTicket:
		if a.tickets != nil {
			return "" // a signed one needs nothing else
		}
		return lacksPassword(u)
	case MethodPassword, MethodSCRAM:
		return lacksPassword(u)
	case MethodWAMPCRA:
		return lacksSecret(u)
	case MethodCryptosign:
		return lacksKeys(u)
	}
	return ""
}

// errBarred makes Begin go on with the client's next method.
var errBarred = wamp.Errorf(wamp.ErrNoMatchingAuthMethod, "none of the client's methods may be used by it from its address")
