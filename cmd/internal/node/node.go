// Package node builds a node from its parts: the composition root, and the one
// package that sees all others. Edge and Core are the two recipes; the parts
// know only the small interfaces that they declare themselves.
//
// (The mode "core" is the recipe Core. The package bondy/core is the router of
// both modes.)
package node

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"bondy/cmd/internal/config"
	"bondy/cmd/internal/pki"
	"bondy/core"
	changes "bondy/core/admin"
	"bondy/core/audit"
	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/id"
	"bondy/core/realm"
	"bondy/core/ticket"
	"bondy/core/ticket/book"
	"bondy/core/wamp"
	"bondy/gateway/admin"
	"bondy/store"
	files "bondy/store/audit"
	"bondy/store/history"
	"bondy/store/rows"
	"bondy/store/seal"
	"bondy/transport"
	tlsconf "bondy/transport/tls"
	"bondy/uplink"
	"bondy/uplink/bridge"
)

// Options are what a node is told beside its configuration.
type Options struct {
	// Version is what the node calls itself.
	Version string
	// Log is the node's log, Level its severity, which a reload may change.
	Log   *slog.Logger
	Level *slog.LevelVar
	// Secret is given the password of the administrator that the first start makes;
	// nil makes one without password. It is not called again.
	Secret func(user, password string) error
	// NewNodeKey makes a node key in place of one that is lost. The signing keys that
	// it had sealed are dropped, and their tickets revoked.
	NewNodeKey bool
	// Reload reads the configuration again; nil on a node without a file.
	Reload func() (config.Config, error)
	// Notify tells the service manager of a change of state such as
	// "READY=1"; nil tells nobody.
	Notify func(state string)
}

// Node is a running node. New acquires what it needs, Run serves.
type Node struct {
	opts      Options
	log       *slog.Logger
	gate      *auth.Gate
	guard     *auth.Guard
	db        *store.DB
	rows      *rows.Log
	directory *directory.Directory
	box       *seal.Box
	dropped   []wamp.URI         // realms whose keys the start dropped
	born      []directory.Change // what the first start made
	book      *book.Book
	tickets   *ticket.Authority
	logins    *logins
	limits    atomic.Pointer[config.Limits]
	pace      *changes.Pace
	life      context.Context //nolint:containedctx // ends with Run, for management calls that wait
	end       context.CancelFunc
	past      *store.DB // of history
	history   *history.Store
	idKey     []byte
	trail     *files.Log     // the audit log; nil without one
	audit     audit.Recorder // the same, for those who record
	router    *core.Router
	events    *changes.Events // told on topics
	metrics   *prometheus.Registry
	reclaim   *reclaimer

	clients []*transport.Listener // where clients connect
	admins  []*transport.Listener // the admin socket and listeners of admin alone

	links    []uplinkEnd
	edges    []edgeUplink     // of an edge
	core     *bridge.Core     // of a core where edges arrive, as arrivals
	arrivals *uplink.Listener // nil elsewhere

	cfg       config.Config // what runs, whatever was loaded since; limits has what changes live
	reloading sync.Mutex
	draining  atomic.Bool
	err       error // the first of New
}

// New builds the node that cfg describes; the address of every listener is
// bound when it returns.
func New(ctx context.Context, cfg config.Config, opts Options) (*Node, error) {
	if cfg.Mode == config.ModeCore {
		return Core(ctx, cfg, opts)
	}
	return Edge(ctx, cfg, opts)
}

// Edge builds a router for a gateway next to the devices.
func Edge(ctx context.Context, cfg config.Config, opts Options) (*Node, error) {
	n := newNode(cfg, opts)
	n.dataDir()
	n.openStore()
	n.route()
	n.uplinks()
	n.listen(ctx)
	return n.finish()
}

// Core builds a router for the cloud.
func Core(ctx context.Context, cfg config.Config, opts Options) (*Node, error) {
	n := newNode(cfg, opts)
	n.dataDir()
	n.openStore()
	n.route()
	n.uplinkListener(ctx)
	n.listen(ctx)
	return n.finish()
}

// Check reports what would keep a node from being built from cfg, or is broken,
// without acquiring anything. It warns of what may still come.
func Check(cfg *config.Config) (warnings []string, err error) {
	docs, err := check(cfg)
	if err != nil {
		return nil, err
	}
	missing, broken := issuerKeys(docs)
	if len(broken) > 0 {
		err = errors.New(strings.Join(broken, "\n"))
	}
	return missing, err
}

// check reports what would keep a node from being built, and returns the realms that
// cfg defines.
func check(cfg *config.Config) ([]directory.Document, error) {
	d, err := directory.Open(nowhere{}, id.NewClock(1), func(wamp.URI) []byte { return make([]byte, auth.KeySize) })
	if err != nil {
		return nil, err
	}
	docs, err := documents(cfg)
	if err != nil {
		return nil, err
	}
	if _, _, err := d.Merge(directory.Actor{}, docs); err != nil {
		return nil, err
	}
	n := newNode(*cfg, Options{Log: slog.New(slog.DiscardHandler)})
	n.directory = d
	if _, err = core.New(core.Config{Directory: d, Configure: n.configure, Log: n.opts.Log}); err != nil {
		return nil, err
	}
	return docs, checkFiles(cfg)
}

// nowhere is a directory.Log that keeps nothing.
type nowhere struct{}

func (nowhere) Load(directory.Kind, func(directory.Row) error) error { return nil }
func (nowhere) Commit([]directory.Row) error                         { return nil }

// checkFiles reports the files that the configuration names and that cannot be
// used.
func checkFiles(cfg *config.Config) error {
	var errs []error
	for i := range cfg.Listeners {
		if t := cfg.Listeners[i].TLS; t != nil {
			cfg, err := tlsFiles(t, slog.New(slog.DiscardHandler))
			if err == nil {
				_, err = tlsconf.New(*cfg, slog.New(slog.DiscardHandler))
			}
			errs = append(errs, err)
		}
	}
	if l := cfg.UplinkListener; l != nil {
		_, _, err := identity(&l.TLS, pki.RoleNode, slog.New(slog.DiscardHandler))
		errs = append(errs, err)
	}
	for i := range cfg.Uplinks {
		u := &cfg.Uplinks[i]
		_, _, err := identity(&u.TLS, pki.RoleEdge, slog.New(slog.DiscardHandler))
		errs = append(errs, err)
		for j := range u.Realms {
			_, err := bridgedRealm(&u.Realms[j])
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func newNode(cfg config.Config, opts Options) *Node {
	if opts.Notify == nil {
		opts.Notify = func(string) {}
	}
	life, end := context.WithCancel(context.Background())
	n := &Node{
		life: life, end: end, logins: newLogins(opts.Log),
		opts: opts, cfg: cfg, gate: auth.NewGate(0), guard: auth.NewGuard(), metrics: prometheus.NewRegistry(), reclaim: newReclaimer(),
		log: opts.Log.With(slog.String("node", cfg.Node)), pace: changes.NewPace(cfg.Limits.MaxChangesPerSecondPerRealm),
	}
	n.limits.Store(&cfg.Limits)
	return n
}

// try runs a step of building unless one before it failed.
func (n *Node) try(step func() error) {
	if n.err == nil {
		n.err = step()
	}
}

// finish gives everything back if a step failed.
func (n *Node) finish() (*Node, error) {
	if n.err != nil {
		n.end()
		for _, l := range n.listeners() {
			l.Drain()
		}
		if n.arrivals != nil {
			_ = n.arrivals.Close() // the error that matters is n.err
		}
		if n.db != nil {
			_ = n.db.Close() // the error that matters is n.err
		}
		if n.past != nil {
			_ = n.past.Close() // the error that matters is n.err
		}
		_ = n.closeAudit() // the error that matters is n.err
		return nil, n.err
	}
	return n, nil
}

// openStore opens the node's rows, which no other node may have open.
func (n *Node) openStore() {
	n.try(func() (err error) {
		n.db, err = store.Open(filepath.Join(n.cfg.DataDir, "bondy.db"), store.Options{
			OnLost: func(rows int, err error) {
				n.log.Error("rows were not stored", slog.Int("rows", rows), slog.Any("err", err))
			},
		})
		if err != nil {
			return err
		}
		n.past, err = store.Open(filepath.Join(n.cfg.DataDir, "history.db"), store.Options{})
		if err != nil {
			return err
		}
		n.history = history.New(n.past, history.Config{Log: n.log})
		return n.openDirectory()
	})
	n.openAudit()
	n.try(func() error {
		n.administered("bondy.node.bootstrap", n.born)
		return n.tellDropped()
	})
}

// openDirectory reads the realms and who is in them.
func (n *Node) openDirectory() (err error) {
	n.rows = rows.New(n.db)
	if n.idKey, err = n.rows.Secret("id_key", auth.KeySize); err != nil {
		return err
	}
	self, err := n.rows.Secret("node_id", 8)
	if err != nil {
		return err
	}
	if _, err := n.rows.Prune(); err != nil {
		return err
	}
	clock := id.NewClock(id.NodeID(binary.BigEndian.Uint64(self)))
	n.directory, err = directory.Open(n.rows, clock, func(uri wamp.URI) []byte { return realm.SaltKey(n.idKey, uri) })
	if err != nil {
		return err
	}
	if n.box, err = n.openBox(); err != nil {
		return err
	}
	n.directory.Bound(n.quota)
	n.directory.Observe(n.forget)
	n.book = book.New(n.directory)
	n.tickets = ticket.New(n.book, n.box, n.book)
	if err := n.dropKeys(); err != nil {
		return err
	}
	return n.bootstrap()
}

func (n *Node) route() {
	n.try(func() error {
		if _, err := n.merge(&n.cfg); err != nil {
			return err
		}
		n.tellFull()
		var err error
		n.router, err = core.New(core.Config{
			Directory: n.directory, Configure: n.configure, Procedures: n.procedures,
			HelloTimeout: n.cfg.Limits.HelloTimeout, Agent: "bondy-" + n.opts.Version, MaxHelloRate: n.cfg.Limits.MaxHellosPerSecondPerAddress,
			IDKey: n.idKey, QueueBudget: int64(n.cfg.Limits.QueueBudget), Log: n.log, Audit: n.audit,
		})
		if err == nil {
			n.events = n.newEvents()
			n.directory.Observe(n.events.Observe)
			err = n.history.Prune()
		}
		if err == nil {
			n.metrics.MustRegister(admin.RouterCollector(n.router.Stats), admin.RateCollector(n.limited), newListenerCollector(n), newUplinkCollector(n), newQuotaCollector(n),
				admin.GuardCollector(n.guard, n.gate))
		}
		return err
	})
}

func (n *Node) listeners() []*transport.Listener {
	return append(append([]*transport.Listener{}, n.clients...), n.admins...)
}

// ready returns why the node cannot serve clients.
func (n *Node) ready() []string {
	if n.draining.Load() {
		return []string{"the node is shutting down"}
	}
	return nil
}

// Run serves until ctx ends, then drains: it stops accepting, says GOODBYE to
// all sessions, gives them the configured grace, and stops the rest. It
// returns after every goroutine of the node has ended.
func (n *Node) Run(ctx context.Context) error {
	serve, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, failed := errgroup.WithContext(serve)
	for _, l := range n.listeners() {
		g.Go(func() error { return l.Run(serve) })
	}
	g.Go(func() error { return n.reclaim.run(serve) })
	g.Go(func() error { return n.history.Run(serve) })
	g.Go(func() error { return n.runAudit(serve) })
	g.Go(func() error { return n.purgeTickets(serve) })
	n.runLinks(serve, g.Go)
	n.opts.Notify("READY=1")
	n.log.Info("ready", slog.String("mode", string(n.cfg.Mode)), slog.String("version", n.opts.Version))
	select {
	case <-ctx.Done():
	case <-failed.Done():
	}
	n.drain(ctx)
	n.end()
	stop()
	err := errors.Join(g.Wait(), n.db.Close(), n.past.Close(), n.closeAudit())
	n.log.Info("stopped")
	return err
}

func (n *Node) drain(ctx context.Context) {
	n.draining.Store(true)
	n.opts.Notify("STOPPING=1")
	n.log.Info("shutting down", slog.Int("sessions", n.router.Stats().Sessions))
	for _, l := range n.clients {
		l.Drain()
	}
	n.events.Node(n.cfg.Node, "stopped") // while there are sessions to hear it
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.limits.Load().ShutdownGrace)
	defer cancel()
	n.router.Shutdown(ctx)
}

// Reload reads the configuration file again and applies what can change live:
// realms with their users and grants, the log level and certificates. It
// returns, and logs, what did not take effect; also which keys of issuers cannot be
// used. On an error the old configuration stays.
func (n *Node) Reload() ([]string, error) {
	n.reloading.Lock()
	defer n.reloading.Unlock()
	if n.opts.Reload == nil {
		return nil, admin.ErrNoFile
	}
	n.opts.Notify("RELOADING=1")
	defer n.opts.Notify("READY=1")
	cfg, err := n.opts.Reload()
	var notes []string
	if err == nil {
		notes, err = n.apply(cfg)
	}
	if err != nil {
		n.log.Error("configuration refused, the old one stays", slog.Any("err", err))
		return nil, err
	}
	n.tell("bondy.node.reloaded")
	n.events.Node(n.cfg.Node, "reloaded")
	n.log.Info("configuration reloaded")
	return notes, nil
}

func (n *Node) apply(cfg config.Config) ([]string, error) {
	docs, err := check(&cfg)
	if err != nil {
		return nil, err
	}
	notes, err := n.merge(&cfg)
	if err != nil {
		return nil, err
	}
	limits := cfg.Limits
	n.limits.Store(&limits)
	n.pace.Set(limits.MaxChangesPerSecondPerRealm)
	n.tellFull()
	if err := n.router.Refresh(); err != nil {
		return nil, err
	}
	n.opts.Level.Set(Level(cfg.Log.Level))
	if needs := restartNeeded(&n.cfg, &cfg); len(needs) > 0 {
		n.log.Warn("some changes take effect after a restart", slog.Any("keys", needs))
		notes = append(notes, "after a restart: "+strings.Join(needs, ", "))
	}
	missing, broken := issuerKeys(docs)
	notes = slices.Concat(notes, missing, broken)
	var errs []error
	for _, l := range n.listeners() {
		errs = append(errs, l.ReloadTLS())
	}
	return notes, errors.Join(errs...)
}
