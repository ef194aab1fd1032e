package core

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"bondy/core/audit"
	"bondy/core/auth"
	"bondy/core/codec"
	"bondy/core/directory"
	"bondy/core/mgmt"
	"bondy/core/peer"
	"bondy/core/rate"
	"bondy/core/realm"
	"bondy/core/session"
	"bondy/core/wamp"
)

// Config is what a node tells its router.
type Config struct {
	// Directory has the realms, which the router follows; Configure gives each what is
	// the node's own. In their place Realms are fixed ones.
	Directory *directory.Directory
	Configure func(*realm.Config, *directory.Properties)
	Realms    []realm.Config
	// Procedures adds to what a realm itself answers; may be nil.
	Procedures func(*mgmt.Table, *realm.Realm)
	// HelloTimeout bounds the time from the connection to WELCOME, and that
	// in which a client must answer GOODBYE; 0 means 10 s.
	HelloTimeout time.Duration
	// Agent is what WELCOME says of this router.
	Agent string
	// Codec bounds inbound messages.
	Codec codec.Limits
	// IDKey is the secret from which the ids of subscriptions and
	// registrations, and the salts of logins, derive; empty draws one.
	IDKey []byte
	// QueueBudget bounds the bytes that wait in all queues together; 0 means
	// no bound.
	QueueBudget int64
	// MaxHelloRate is how many HELLOs a client address may send in a second,
	// and twice that at once; 0 means no bound. Loopback has none.
	MaxHelloRate int
	// Audit is told of logins, refusals and denials; nil tells nobody.
	Audit audit.Recorder
	Log   *slog.Logger
}

// Router holds the realms of a node and serves the connections to them. Safe
// for concurrent use.
type Router struct {
	log      *slog.Logger
	idKey    []byte
	session  session.Config
	counters peer.Counters
	budget   *peer.Budget

	directory *directory.Directory // nil if the realms are fixed
	configure func(*realm.Config, *directory.Properties)

	procedures func(*mgmt.Table, *realm.Realm)

	mu     sync.RWMutex
	realms map[wamp.URI]*realm.Realm
	gone   []*realm.Realm            // removed; some session may not have left yet
	conns  map[session.Conn]struct{} // without a session
	closed bool
	serves sync.WaitGroup
}

// New makes a router.
func New(cfg Config) (*Router, error) {
	r := &Router{
		log:    cfg.Log.With(slog.String("part", "router")),
		idKey:  cfg.IDKey,
		budget: peer.NewBudget(cfg.QueueBudget),
		realms: make(map[wamp.URI]*realm.Realm),
		conns:  make(map[session.Conn]struct{}),
	}
	if len(r.idKey) == 0 {
		r.idKey = make([]byte, auth.KeySize)
		_, _ = rand.Read(r.idKey) // never fails: crypto/rand ends the process instead
	}
	if cfg.HelloTimeout == 0 {
		cfg.HelloTimeout = 10 * time.Second
	}
	r.session = session.Config{
		Realm: r.Realm, HelloTimeout: cfg.HelloTimeout, Agent: cfg.Agent, Codec: cfg.Codec,
		Hellos: rate.NewTable[netip.Prefix](cfg.MaxHelloRate),
		Budget: r.budget, Counters: &r.counters, Joined: r.joined, Left: r.leave, Detached: &r.serves, Log: r.log, Audit: cfg.Audit,
	}
	r.procedures = cfg.Procedures
	if r.directory, r.configure = cfg.Directory, cfg.Configure; r.directory == nil {
		return r, r.Apply(cfg.Realms)
	}
	r.directory.Observe(r.follow)
	return r, r.Refresh()
}

// Serve serves one connection; transports call it in a goroutine of the
// connection's. It returns when that goroutine is needed no more, which may be
// long before the end: done is called with conn once, when the connection is closed and
// nothing of it is left. ctx is for the logins and does not end a connection.
func (r *Router) Serve(ctx context.Context, conn session.Conn, done func(session.Conn)) {
	if !r.enter(conn) {
		conn.Close()
		done(conn)
		return
	}
	session.Serve(ctx, conn, &r.session, done)
}

func (r *Router) enter(conn session.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.conns[conn] = struct{}{}
	r.serves.Add(1)
	return true
}

// joined notes whether conn carries a session.
func (r *Router) joined(conn session.Conn, yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if yes {
		delete(r.conns, conn)
		return
	}
	r.conns[conn] = struct{}{}
	if r.closed {
		conn.Close()
	}
}

func (r *Router) leave(conn session.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, conn)
	r.serves.Done()
}

// Peers is what a bridge shares with the router: the node's message counts and
// the budget of its queues.
func (r *Router) Peers() (*peer.Counters, *peer.Budget) { return &r.counters, r.budget }

// Realm finds a realm; the error is a *wamp.Error for a client.
func (r *Router) Realm(uri wamp.URI) (*realm.Realm, error) {
	uri = directory.Canonical(uri)
	r.mu.RLock()
	defer r.mu.RUnlock()
	if found, ok := r.realms[uri]; ok {
		return found, nil
	}
	return nil, wamp.Errorf(wamp.ErrNoSuchRealm, "there is no realm %q here", uri)
}

// Apply makes realms the realms of this router: new ones open, those that are
// there take what can change live, and those that are gone are closed. Every
// realm is validated before anything changes.
func (r *Router) Apply(realms []realm.Config) error {
	made := make(map[wamp.URI]*realm.Realm, len(realms))
	for _, cfg := range realms {
		if _, twice := made[cfg.URI]; twice {
			return fmt.Errorf("realm %s: defined twice", cfg.URI)
		}
		m, err := r.newRealm(cfg)
		if err != nil {
			return err
		}
		made[cfg.URI] = m
	}
	for _, gone := range r.replace(realms, made) {
		gone.Close(wamp.CloseRealm, "the realm was removed")
	}
	return nil
}

// newRealm makes a realm that nobody can join yet.
func (r *Router) newRealm(cfg realm.Config) (*realm.Realm, error) {
	m, err := realm.New(cfg, r.idKey, &r.counters)
	if err == nil && r.procedures != nil {
		r.procedures(&m.Procedures, m)
	}
	return m, err
}

func (r *Router) replace(realms []realm.Config, made map[wamp.URI]*realm.Realm) (gone []*realm.Realm) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for uri, old := range r.realms {
		if _, stays := made[uri]; !stays {
			gone = append(gone, old)
		}
	}
	for _, cfg := range realms {
		old, ok := r.realms[cfg.URI]
		if !ok {
			continue
		}
		if err := old.Apply(cfg); err != nil { // validated above
			r.log.Error("realm unchanged", slog.String("realm", string(cfg.URI)), slog.Any("err", err))
		}
		made[cfg.URI] = old
	}
	r.realms = made
	r.gone = append(slices.DeleteFunc(r.gone, func(m *realm.Realm) bool { return m.Sessions() == 0 }), gone...)
	return gone
}

// Shutdown refuses new sessions, says goodbye with wamp.close.system_shutdown
// to all there are, waits until they have left or ctx ends, and then cuts what
// is left. It returns when nothing is served any more.
func (r *Router) Shutdown(ctx context.Context) {
	realms := r.close()
	for _, m := range realms {
		m.Close(wamp.CloseSystemShutdown, "the router is shutting down")
	}
	r.cut()
	done := make(chan struct{})
	go func() {
		r.serves.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		for _, m := range realms {
			m.Cut()
		}
		r.cut()
		<-done
	}
}

// cut closes the connections without a session.
func (r *Router) cut() {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for conn := range r.conns {
		conn.Close()
	}
}

func (r *Router) close() []*realm.Realm {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	realms := slices.Clone(r.gone)
	for _, m := range r.realms {
		realms = append(realms, m)
	}
	return realms
}

// Stats is a moment of the router for metrics.
type Stats struct {
	Realms, Sessions, Subscriptions, Registrations int
	// Detached are the sessions that have no connection at present.
	Detached int
	// QueueBytes wait in queues that have a backlog.
	QueueBytes int64
	// Retained are the retained events of all realms, RetainedBytes what they
	// take, RetainRefused how many did not fit, and HistoryLost how many events
	// no history could take. What a realm counted goes with it.
	Retained                   int
	RetainedBytes              int64
	RetainRefused, HistoryLost uint64
	// Forgotten counts addresses whose rate was forgotten for want of room.
	Forgotten uint64
	// Counters are the message counts since the start; shared, do not modify.
	Counters *peer.Counters
}

// Stats collects the router's figures.
func (r *Router) Stats() Stats {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := Stats{Realms: len(r.realms), QueueBytes: r.budget.Used(), Forgotten: r.session.Hellos.Evicted(), Counters: &r.counters}
	for _, m := range r.realms {
		s.Sessions += m.Sessions()
		s.Detached += m.Detached()
		b := m.Broker.Stats()
		s.Subscriptions += b.Subscriptions
		s.Retained += b.Retained
		s.RetainedBytes += b.RetainedBytes
		s.RetainRefused += b.RetainRefused
		s.HistoryLost += b.HistoryLost
		s.Registrations += m.Dealer.Registrations()
	}
	return s
}
