// Package realm joins what belongs to one realm: its policies, who may join,
// who may do what, its broker and dealer, and the table of its sessions.
//
// Lock order: Realm.mu is taken alone.
package realm

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"bondy/core/auth"
	"bondy/core/broker"
	"bondy/core/dealer"
	"bondy/core/inproc"
	"bondy/core/meta"
	"bondy/core/mgmt"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// Config is one realm as an operator describes it.
type Config struct {
	URI    wamp.URI
	Auth   auth.Config
	Access rbac.Config
	// RefuseConnections keeps clients out while the realm stays defined.
	RefuseConnections bool
	// StrictURIs demands the recommended alphabet in URIs.
	StrictURIs bool
	// Queue bounds what waits for each session.
	Queue peer.Limits
	// CallTimeout ends calls that name none, MaxCallTimeout caps what callers
	// ask for; 0 means none.
	CallTimeout, MaxCallTimeout time.Duration
	Routing
	// Most that one session may hold; 0 means no bound.
	MaxSubscriptions, MaxRegistrations, MaxCalls int
	// OpenHistory gives the History of a rule that wants a disk; where it is
	// nil, memory serves.
	OpenHistory func(broker.HistoryRule) broker.History
}

// Routing is how a realm treats messages, where realms differ. A store keeps it
// as it is.
type Routing struct {
	// Features says what sessions may do that they did not announce.
	Features dealer.FeaturePolicy `json:"features,omitempty"`
	// NoDisclosure refuses whoever asks to be disclosed, and callees that ask
	// for it.
	NoDisclosure bool `json:"no_disclosure,omitempty"`
	// Trust is the trust level of sessions by authrole; 0 is not told.
	Trust map[string]int `json:"trust,omitempty"`
	// History names the topics whose events are kept, Retention bounds what
	// publishers ask to be retained.
	History   []broker.HistoryRule `json:"history,omitempty"`
	Retention broker.Retention     `json:"retention"`
	// AnyRequestIDs takes request ids in any order.
	AnyRequestIDs bool `json:"any_request_ids,omitempty"`
	// ResumeTimeout is how long a session may be without its connection if its
	// client asked for that, MaxDetached how many may be so at a time, of which
	// one Holder has a tenth, and at least one; 0 means none.
	ResumeTimeout time.Duration `json:"resume_timeout,omitempty"`
	MaxDetached   int           `json:"max_detached,omitempty"`
	Limits
}

// Policy is what may change while the realm lives: a session takes the
// present one when it joins.
type Policy struct {
	Auth              *auth.Authenticator
	Queue             peer.Limits
	StrictURIs        bool
	RefuseConnections bool
	SecurityDisabled  bool
	Features          dealer.FeaturePolicy
	Trust             map[string]int
	AnyRequestIDs     bool
	ResumeTimeout     time.Duration
	Limits            Limits
}

// Realm is a routing domain of its own. Safe for concurrent use.
type Realm struct {
	URI    wamp.URI
	Broker *broker.Broker
	Dealer *dealer.Dealer
	Access *rbac.Authorizer
	// Procedures are those that the router itself answers.
	Procedures mgmt.Table
	// Events tells of sessions, subscriptions and registrations.
	Events *meta.Events
	// Caller lets the router itself call what clients have registered.
	Caller *inproc.Client

	broker broker.Config // without what Apply changes
	dealer dealer.Config
	salt   []byte // from which the salts of logins derive
	policy atomic.Pointer[Policy]
	doubts doubts

	mu          sync.RWMutex
	sessions    map[wamp.ID]*meta.Session
	alike       map[*rbac.Rights][]*meta.Session // the sessions by their rights
	bridges     map[wamp.ID]bridge
	closed      bool
	mark        *Mark // the last
	limits      limiter
	detached    map[Holder]int // sessions without connection
	allDetached int
	maxDetached int
}

// New makes a realm. idKey is the secret from which the cluster derives
// subscription and registration ids; counters are the node's.
func New(cfg Config, idKey []byte, counters *peer.Counters) (*Realm, error) {
	r := &Realm{
		URI: cfg.URI, sessions: make(map[wamp.ID]*meta.Session), alike: make(map[*rbac.Rights][]*meta.Session), bridges: make(map[wamp.ID]bridge),
		detached: make(map[Holder]int), mark: new(Mark),
	}
	r.salt = SaltKey(idKey, cfg.URI)
	r.broker = broker.Config{ID: r.ids(idKey, "subscription"), Counters: counters}
	r.dealer = dealer.Config{ID: r.ids(idKey, "registration"), Counters: counters}
	r.Broker, r.Dealer = broker.New(r.broker), dealer.New(r.dealer)
	r.Caller = inproc.New(r.Dealer, counters)
	r.Events = meta.NewEvents(r.Broker, r.mayHear)
	r.broker.Events, r.dealer.Events = r.Events.Subscriptions(), r.Events.Registrations()
	meta.Register(&r.Procedures, r, r.Broker, r.Dealer)
	access, err := cfg.access()
	if err != nil {
		return nil, err
	}
	if r.Access, err = rbac.New(access); err != nil {
		return nil, fmt.Errorf("realm %s: %w", cfg.URI, err)
	}
	return r, r.Apply(cfg)
}

// Apply changes what can change live. Grants, call timeouts and bounds act on
// open sessions at their next message; the rest on sessions that join from now
// on, of the limits also the bounds on how many sessions there are and the rates that
// were off. Sessions that were let in without security end when it is switched on. An
// error leaves everything as it was.
func (r *Realm) Apply(cfg Config) error {
	if !cfg.URI.Valid(wamp.MatchExact, false) {
		return fmt.Errorf("realm %q: not a valid URI", cfg.URI)
	}
	cfg.Auth.Realm, cfg.Auth.Key = cfg.URI, r.salt
	if cfg.Auth.Caller == nil {
		cfg.Auth.Caller = r.Caller
	}
	a, err := auth.New(cfg.Auth)
	if err != nil {
		return fmt.Errorf("realm %s: %w", cfg.URI, err)
	}
	access, err := cfg.access()
	if err != nil {
		return err
	}
	changed, err := r.Access.Set(access)
	if err != nil {
		return fmt.Errorf("realm %s: %w", cfg.URI, err)
	}
	b, d := r.broker, r.dealer
	b.MaxSubscriptions, b.History, b.Retention = cfg.MaxSubscriptions, cfg.History, cfg.Retention
	b.OpenHistory = cfg.OpenHistory
	d.MaxRegistrations, d.MaxCalls = cfg.MaxRegistrations, cfg.MaxCalls
	d.Timeout, d.MaxTimeout = cfg.CallTimeout, cfg.MaxCallTimeout
	d.Features = cfg.Features
	b.NoDisclosure, d.NoDisclosure = cfg.NoDisclosure, cfg.NoDisclosure
	r.Broker.Configure(b)
	r.Dealer.Configure(d)
	r.bound(cfg.MaxDetached, cfg.Limits)
	old := r.policy.Swap(&Policy{
		Auth: a, Queue: cfg.Queue,
		StrictURIs: cfg.StrictURIs, RefuseConnections: cfg.RefuseConnections, SecurityDisabled: cfg.Auth.SecurityDisabled,
		Features: cfg.Features, Trust: cfg.Trust,
		AnyRequestIDs: cfg.AnyRequestIDs, ResumeTimeout: cfg.ResumeTimeout, Limits: cfg.Limits,
	})
	if old != nil && old.SecurityDisabled && !cfg.Auth.SecurityDisabled {
		r.secure()
	}
	r.recheck(changed)
	return nil
}

// Policy is the present policy; immutable.
func (r *Realm) Policy() *Policy { return r.policy.Load() }

// ids derives ids that every node of a cluster computes alike: 1 + 53 bits of
// an HMAC over realm, kind, match and URI.
func (r *Realm) ids(key []byte, kind string) func(wamp.Match, wamp.URI) wamp.ID {
	return func(m wamp.Match, u wamp.URI) wamp.ID {
		sum := derive(key, string(r.URI), kind, m.String(), string(u))
		return wamp.ID(binary.BigEndian.Uint64(sum)>>11) + 1
	}
}

// SaltKey is the secret of a realm from which the salts of its logins derive.
func SaltKey(idKey []byte, uri wamp.URI) []byte { return derive(idKey, string(uri), "salt") }

// derive is an HMAC-SHA-256 over parts, each with its length.
func derive(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range parts {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(part))) //nolint:gosec // URIs and names are short
		h.Write(n[:])
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}
