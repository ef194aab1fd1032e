// Package realm joins what belongs to one realm: its policies, who may join,
// who may do what, its broker and dealer, and the table of its sessions.
//
// Lock order: Realm.mu is taken alone.
package realm

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"bondy/core/auth"
	"bondy/core/broker"
	"bondy/core/dealer"
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
	// Most that one session may hold; 0 means no bound.
	MaxSubscriptions, MaxRegistrations, MaxCalls int
}

// Policy is what may change while the realm lives: a session takes the
// present one when it joins.
type Policy struct {
	Auth              *auth.Authenticator
	Queue             peer.Limits
	StrictURIs        bool
	RefuseConnections bool
}

// Member is a session in the table of its realm.
type Member interface {
	// Goodbye asks the client to leave for the given reason; it does not block.
	Goodbye(reason wamp.URI, message string)
}

// Realm is a routing domain of its own. Safe for concurrent use.
type Realm struct {
	URI    wamp.URI
	Broker *broker.Broker
	Dealer *dealer.Dealer
	Access *rbac.Authorizer

	broker broker.Config // without what Apply changes
	dealer dealer.Config
	salt   []byte // from which the salts of logins derive
	policy atomic.Pointer[Policy]

	mu       sync.Mutex
	sessions map[wamp.ID]Member
	closed   bool
}

// New makes a realm. idKey is the secret from which the cluster derives
// subscription and registration ids; counters are the node's.
func New(cfg Config, idKey []byte, counters *peer.Counters) (*Realm, error) {
	r := &Realm{URI: cfg.URI, sessions: make(map[wamp.ID]Member)}
	r.salt = SaltKey(idKey, cfg.URI)
	r.broker = broker.Config{ID: r.ids(idKey, "subscription")}
	r.dealer = dealer.Config{ID: r.ids(idKey, "registration"), Counters: counters}
	r.Broker, r.Dealer = broker.New(r.broker), dealer.New(r.dealer)
	var err error
	if r.Access, err = rbac.New(cfg.Access); err != nil {
		return nil, fmt.Errorf("realm %s: %w", cfg.URI, err)
	}
	return r, r.Apply(cfg)
}

// Apply changes what can change live. Grants, call timeouts and bounds act on
// open sessions at their next message; the rest on sessions that join from now on. An error leaves
// everything as it was.
func (r *Realm) Apply(cfg Config) error {
	if !cfg.URI.Valid(wamp.MatchExact, false) {
		return fmt.Errorf("realm %q: not a valid URI", cfg.URI)
	}
	cfg.Auth.Key = r.salt
	a, err := auth.New(cfg.Auth)
	if err != nil {
		return fmt.Errorf("realm %s: %w", cfg.URI, err)
	}
	if err := r.Access.Set(cfg.Access); err != nil {
		return fmt.Errorf("realm %s: %w", cfg.URI, err)
	}
	b, d := r.broker, r.dealer
	b.MaxSubscriptions = cfg.MaxSubscriptions
	d.MaxRegistrations, d.MaxCalls = cfg.MaxRegistrations, cfg.MaxCalls
	d.Timeout, d.MaxTimeout = cfg.CallTimeout, cfg.MaxCallTimeout
	r.Broker.Configure(b)
	r.Dealer.Configure(d)
	r.policy.Store(&Policy{
		Auth: a, Queue: cfg.Queue,
		StrictURIs: cfg.StrictURIs, RefuseConnections: cfg.RefuseConnections,
	})
	return nil
}

// Policy is the present policy; immutable.
func (r *Realm) Policy() *Policy { return r.policy.Load() }

// ErrClosed is returned by Join when the realm is going away.
var ErrClosed = errors.New("realm closed")

// ErrTaken is returned by Join when a session has the id already.
var ErrTaken = errors.New("session id taken")

// Join puts a session into the table.
func (r *Realm) Join(id wamp.ID, m Member) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	if _, ok := r.sessions[id]; ok {
		return ErrTaken
	}
	r.sessions[id] = m
	return nil
}

// Leave takes a session out of the table.
func (r *Realm) Leave(id wamp.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, id)
}

// Sessions is the number of sessions.
func (r *Realm) Sessions() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sessions)
}

// Close refuses new sessions and says goodbye to all there are.
func (r *Realm) Close(reason wamp.URI, message string) {
	for _, m := range r.shut() {
		m.Goodbye(reason, message)
	}
}

func (r *Realm) shut() []Member {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	members := make([]Member, 0, len(r.sessions))
	for _, m := range r.sessions {
		members = append(members, m)
	}
	return members
}

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
