package directory

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"bondy/core/auth"
	"bondy/core/broker"
	"bondy/core/dealer"
	"bondy/core/strict"
	"bondy/core/ticket"
	"bondy/core/unit"
	"bondy/core/wamp"
)

// put gives a property what a document says of it, or else its default if the
// document says null or has to say everything.
func put[T any](to *T, f strict.Field[T], def T, whole bool) {
	switch {
	case f.Has():
		*to = f.Value
	case f.Present || whole:
		*to = def
	}
}

// putOptional is put for what may be left to the prototype.
func putOptional[T any](to **T, f strict.Field[T], whole bool) {
	switch {
	case f.Has():
		*to = &f.Value
	case f.Present || whole:
		*to = nil
	}
}

// putWord is put for a choice of two words, of which the first is the default.
func putWord(to *bool, f strict.Field[string], key, first, second string, whole bool) error {
	switch {
	case f.Has() && f.Value != first && f.Value != second:
		return unknown(key, f.Value, first, second)
	case f.Present || whole:
		*to = f.Value == second
	}
	return nil
}

// unknown says that a word is none of those known.
func unknown(key, word string, known ...string) error {
	return invalid("%s: unknown %q, want one of %s%s", key, word, quoted(known), strict.Suggest(word, known))
}

// patch brings properties in line with the document. A whole document says
// everything: what is absent has its default.
func (d *Document) patch(p *Properties, whole bool) error {
	put(&p.Description, d.Description, "", whole)
	put(&p.IsPrototype, d.IsPrototype, false, whole)
	put(&p.PrototypeURI, d.PrototypeURI, "", whole)
	put(&p.IsSSORealm, d.IsSSORealm, false, whole)
	put(&p.SSORealmURI, d.SSORealmURI, "", whole)
	p.PrototypeURI, p.SSORealmURI = Canonical(p.PrototypeURI), Canonical(p.SSORealmURI)
	putOptional(&p.AllowConnections, d.AllowConnections, whole)
	putOptional(&p.SecurityEnabled, d.SecurityEnabled, whole)
	put(&p.AuthMethods, d.AuthMethods, nil, whole)
	put(&p.Info, d.Info, json.RawMessage(nil), whole)
	if string(p.Info) == "{}" {
		p.Info = nil
	}
	return d.patchSettings(&p.Settings, whole)
}

func (d *DocumentSettings) patchSettings(s *Settings, whole bool) error {
	def := DefaultSettings()
	announced := s.Routing.Features == dealer.Announced
	for _, w := range []struct {
		to                 *bool
		from               strict.Field[string]
		key, first, second string
	}{
		{&s.CloseSlow, d.SlowConsumer, "slow_consumer", "drop", "close"},
		{&s.StrictURIs, d.URIStrictness, "uri_strictness", "loose", "strict"},
		{&announced, d.Features, "features", "used", "announced"},
		{&s.Routing.AnyRequestIDs, d.RequestIDs, "request_ids", "sequential", "any"},
	} {
		if err := putWord(w.to, w.from, w.key, w.first, w.second, whole); err != nil {
			return err
		}
	}
	s.Routing.Features = dealer.Used
	if announced {
		s.Routing.Features = dealer.Announced
	}
	discloses := !s.Routing.NoDisclosure
	put(&discloses, d.Disclosure, true, whole)
	s.Routing.NoDisclosure = !discloses
	putDuration(&s.CallTimeout, d.CallTimeout, whole)
	putDuration(&s.CallTimeoutMax, d.CallTimeoutMax, whole)
	putDuration(&s.Routing.ResumeTimeout, d.ResumeTimeout, whole)
	if d.MaxDetached.Has() && d.MaxDetached.Value <= 0 {
		return invalid("max_detached_sessions: must be more than 0")
	}
	put(&s.Routing.MaxDetached, d.MaxDetached, def.Routing.MaxDetached, whole)
	put(&s.Routing.MaxSessions, d.MaxSessions, 0, whole)
	put(&s.Routing.MaxUserSessions, d.MaxUserSessions, 0, whole)
	put(&s.Routing.MaxRate, d.MaxRate, 0, whole)
	put(&s.Routing.MaxUserRate, d.MaxUserRate, 0, whole)
	put(&s.Routing.MaxTotalRate, d.MaxTotalRate, 0, whole)
	if d.Retention.Present || whole {
		s.Routing.Retention = d.Retention.Value.retention(def.Routing.Retention)
	}
	if err := d.patchHistory(s, whole); err != nil {
		return err
	}
	if d.Trust.Present || whole {
		s.Routing.Trust = nil
		for _, t := range d.Trust.Value {
			if s.Routing.Trust == nil {
				s.Routing.Trust = make(map[string]int)
			}
			s.Routing.Trust[t.Role] = t.Level
		}
	}
	d.patchLogin(&s.Login, whole)
	if d.Tickets.Present || whole {
		s.Tickets = d.Tickets.Value.policy(def.Tickets)
	}
	return nil
}

func putDuration(to *time.Duration, f strict.Field[unit.Duration], whole bool) {
	put((*unit.Duration)(to), f, 0, whole)
}

func (d *DocumentSettings) patchHistory(s *Settings, whole bool) error {
	if !d.History.Present && !whole {
		return nil
	}
	s.Routing.History = nil
	for i, h := range d.History.Value {
		match, ok := wamp.ParseMatch(cmp.Or(h.Match, "exact"))
		if !ok {
			return at(unknown("match", h.Match, "exact", "prefix", "wildcard"), "history[%d]", i)
		}
		rule := broker.HistoryRule{Match: match, URI: h.URI, MaxEvents: h.MaxEvents, MaxBytes: int64(h.MaxBytes), MaxAge: time.Duration(h.MaxAge)}
		if err := putWord(&rule.Disk, strict.Some(cmp.Or(h.Storage, "memory")), "storage", "memory", "disk", true); err != nil {
			return at(err, "history[%d]", i)
		}
		s.Routing.History = append(s.Routing.History, rule.WithDefaults())
	}
	return nil
}

func (d *DocumentSettings) patchLogin(l *Login, whole bool) {
	if d.TLS.Present || whole {
		l.CertName = d.TLS.Value.AuthID
	}
	put(&l.Issuers, d.Issuers, nil, whole)
	put(&l.Dynamic, d.Dynamic, nil, whole)
	if d.Trustroots.Present || whole {
		l.Trustroots = nil
		for _, t := range d.Trustroots.Value {
			l.Trustroots = append(l.Trustroots, auth.Trustroot(t))
		}
	}
	put(&l.RouterKeyFile, d.RouterKeyFile, "", whole)
	put(&l.Authorizer, d.Authorizer, "", whole)
	putDuration(&l.AuthorizerCache, d.AuthorizerCache, whole)
	if len(l.Issuers) == 0 {
		l.Issuers = nil
	}
	if len(l.Dynamic) == 0 {
		l.Dynamic = nil
	}
}

// retention is what the document says, or has the defaults.
func (d *RetentionDocument) retention(r broker.Retention) broker.Retention {
	put(&r.MaxEvents, d.MaxEvents, r.MaxEvents, false)
	put((*unit.Size)(&r.MaxBytes), d.MaxBytes, 0, false)
	if d.MaxSize.Has() {
		r.MaxSize = int(d.MaxSize.Value)
	}
	putDuration(&r.TTL, d.TTL, false)
	if r.MaxEvents == 0 {
		r.MaxEvents = -1 // the broker's word for none
	}
	return r
}

// policy is what the document says, or has the defaults.
func (d *TicketsDocument) policy(p ticket.Policy) ticket.Policy {
	putDuration(&p.MaxLifetime, d.MaxLifetime, false)
	put(&p.Methods, d.Methods, nil, false)
	put(&p.MaxPerUser, d.MaxPerUser, 0, false)
	return p
}

// document is what properties are as a document says it, with null for what is
// inherited or nothing.
func (p *Properties) document(uri wamp.URI) Document {
	return Document{
		URI: uri, Description: strict.Some(p.Description),
		IsPrototype: strict.Some(p.IsPrototype), PrototypeURI: strict.NonZero(p.PrototypeURI),
		IsSSORealm: strict.Some(p.IsSSORealm), SSORealmURI: strict.NonZero(p.SSORealmURI),
		AllowConnections: strict.FromPointer(p.AllowConnections), SecurityEnabled: strict.FromPointer(p.SecurityEnabled),
		AuthMethods: listOrNull(p.AuthMethods), Info: listOrNull(p.Info),
		DocumentSettings: p.Settings.document(),
	}
}

func (s *Settings) document() DocumentSettings {
	r := &s.Routing
	d := DocumentSettings{
		SlowConsumer: word(s.CloseSlow, "drop", "close"), URIStrictness: word(s.StrictURIs, "loose", "strict"),
		Features:    word(r.Features == dealer.Announced, "used", "announced"),
		RequestIDs:  word(r.AnyRequestIDs, "sequential", "any"),
		CallTimeout: duration(s.CallTimeout), CallTimeoutMax: duration(s.CallTimeoutMax),
		MaxSessions: strict.Some(r.MaxSessions), MaxUserSessions: strict.Some(r.MaxUserSessions),
		MaxRate: strict.Some(r.MaxRate), MaxUserRate: strict.Some(r.MaxUserRate), MaxTotalRate: strict.Some(r.MaxTotalRate),
		ResumeTimeout: duration(r.ResumeTimeout), MaxDetached: strict.NonZero(r.MaxDetached),
		Disclosure: strict.Some(!r.NoDisclosure),
		Retention: strict.Some(RetentionDocument{
			MaxEvents: strict.Some(max(0, r.Retention.MaxEvents)), MaxBytes: strict.Some(unit.Size(r.Retention.MaxBytes)),
			MaxSize: strict.Some(unit.Size(r.Retention.MaxSize)), TTL: duration(r.Retention.TTL),
		}),
		History: strict.Null[[]HistoryDocument](), Trust: strict.Null[[]TrustDocument](),
		TLS: strict.Null[TLSDocument](), Issuers: listOrNull(s.Login.Issuers), Dynamic: strict.Null[map[string]wamp.URI](),
		Trustroots: strict.Null[[]TrustrootDocument](), RouterKeyFile: strict.NonZero(s.Login.RouterKeyFile),
		Authorizer: strict.NonZero(s.Login.Authorizer), AuthorizerCache: duration(s.Login.AuthorizerCache),
		Tickets: strict.Some(TicketsDocument{
			MaxLifetime: strict.NonZero(unit.Duration(s.Tickets.MaxLifetime)), Methods: listOrNull(s.Tickets.Methods),
			MaxPerUser: strict.NonZero(s.Tickets.MaxPerUser),
		}),
	}
	for _, h := range r.History {
		d.History = appended(d.History, HistoryDocument{
			URI: h.URI, Match: h.Match.String(), MaxEvents: h.MaxEvents, MaxBytes: unit.Size(h.MaxBytes),
			MaxAge: unit.Duration(h.MaxAge), Storage: word(h.Disk, "memory", "disk").Value,
		})
	}
	for _, role := range slices.Sorted(maps.Keys(r.Trust)) {
		d.Trust = appended(d.Trust, TrustDocument{Role: role, Level: r.Trust[role]})
	}
	if s.Login.CertName != "" {
		d.TLS = strict.Some(TLSDocument{AuthID: s.Login.CertName})
	}
	if s.Login.Dynamic != nil {
		d.Dynamic = strict.Some(s.Login.Dynamic)
	}
	for _, t := range s.Login.Trustroots {
		d.Trustroots = appended(d.Trustroots, TrustrootDocument(t))
	}
	return d
}

func listOrNull[L ~[]E, E any](list L) strict.Field[L] {
	if list == nil {
		return strict.Null[L]()
	}
	return strict.Some(list)
}

func appended[E any](f strict.Field[[]E], e E) strict.Field[[]E] {
	return strict.Some(append(f.Value, e))
}

func duration(d time.Duration) strict.Field[unit.Duration] { return strict.Some(unit.Duration(d)) }

func word(yes bool, first, second string) strict.Field[string] {
	if yes {
		return strict.Some(second)
	}
	return strict.Some(first)
}
