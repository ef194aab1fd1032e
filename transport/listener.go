package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"bondy/core/session"
	"bondy/transport/longpoll"
	"bondy/transport/pipe"
	"bondy/transport/rawsocket"
	tlsconf "bondy/transport/tls"
	"bondy/transport/web"
	"bondy/transport/websocket"
)

// Handler begins to serve a connection, on a goroutine of the connection's, and
// calls done with it once when it is over, on any goroutine; the connection is closed
// after it. ctx ends when the listener's does, and reading from the connection
// then.
type Handler func(ctx context.Context, c session.Conn, done func(session.Conn))

// Listener accepts connections and serves each on goroutines of its own.
type Listener struct {
	cfg     Config
	handler Handler
	log     *slog.Logger

	ln       net.Listener
	tls      *tlsconf.Source // nil in the clear
	tlsConf  *tls.Config
	upgrader *websocket.Upgrader

	shared   *pipe.Shared
	conns    *connSet[*pipe.Pipe]
	polls    *connSet[*longpoll.Conn]
	known    certified
	arrivals arrivals
	proxies  web.Proxies        // of HTTP, that are believed
	onClose  func(*pipe.Pipe)   // takes a connection out of conns
	ended    func(session.Conn) // that a handler is done with
	counters *counters
	serving  sync.WaitGroup
	drain    sync.Once
	drained  chan struct{} // closed by Drain
}

// New binds the address and loads the certificates. The listener accepts once
// Run is called; without Run, Drain gives the address back.
func New(ctx context.Context, cfg Config, handler Handler, log *slog.Logger) (*Listener, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	l := &Listener{
		cfg:      cfg,
		handler:  handler,
		log:      log.With(slog.String("part", "listener"), slog.String("address", cfg.Address)),
		shared:   pipe.NewShared(),
		conns:    newConnSet[*pipe.Pipe](cfg),
		polls:    newConnSet[*longpoll.Conn](cfg),
		arrivals: newArrivals(cfg),
		proxies:  cfg.TrustedProxies,
		counters: newCounters(),
		drained:  make(chan struct{}),
	}
	l.shared.Settled = cfg.Settled
	l.onClose = func(p *pipe.Pipe) { l.conns.remove(p, p.Remote) }
	l.ended = l.over
	var err error
	if l.upgrader, err = websocket.NewUpgrader(cfg.web()); err != nil {
		return nil, fmt.Errorf("listener %s: %w", cfg.Address, err)
	}
	if cfg.TLS != nil {
		files := *cfg.TLS
		if !cfg.rawSocket() {
			files.NextProtos = []string{"http/1.1"}
		}
		if l.tls, err = tlsconf.New(files, l.log); err != nil {
			return nil, fmt.Errorf("listener %s: %w", cfg.Address, err)
		}
		l.tlsConf = l.tls.Server()
	}
	if l.ln, err = listen(ctx, cfg); err != nil {
		return nil, err
	}
	return l, nil
}

// ListenAddr is the address bound, with the port that was chosen for port 0.
func (l *Listener) ListenAddr() net.Addr { return l.ln.Addr() }

// ReloadTLS loads the certificate files again; on error the old ones stay. It
// does nothing on a listener without TLS.
func (l *Listener) ReloadTLS() error {
	if l.tls == nil {
		return nil
	}
	return l.tls.Reload()
}

// Drain stops accepting at once and leaves open connections alone. It may be
// called more than once and from any goroutine.
func (l *Listener) Drain() {
	l.drain.Do(func() {
		close(l.drained)
		if err := l.ln.Close(); err != nil {
			l.log.Warn("closing the listening socket failed", slog.Any("err", err))
		}
	})
}

// Run serves until ctx ends. Then it drains, waits until the connections have
// ended, for Config.Grace at most, closes those that are left and returns once
// all handlers have.
func (l *Listener) Run(ctx context.Context) error {
	inner, stop := context.WithCancel(context.WithoutCancel(ctx)) // of HTTP requests
	defer stop()
	defer l.hibernate()()
	queue := &handoff{addr: l.ln.Addr(), conns: make(chan net.Conn), closed: make(chan struct{})}
	server, err := l.httpServer(ctx, inner)
	if err != nil {
		return err
	}

	var loops sync.WaitGroup
	loops.Go(func() { l.accept(ctx, queue) })
	if !l.cfg.rawSocket() {
		loops.Go(func() {
			if err := server.Serve(queue); !errors.Is(err, http.ErrServerClosed) {
				l.log.Error("HTTP server ended", slog.Any("err", err))
			}
		})
	}
	<-ctx.Done()
	l.Drain()
	for _, p := range l.conns.all() {
		p.Interrupt()
	}
	for _, c := range l.polls.all() {
		c.Close()
	}

	grace, cancel := context.WithTimeout(inner, l.cfg.Grace)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Shutdown(grace) // it says only that the grace is over
		loops.Wait()
		l.serving.Wait()
	}()
	select {
	case <-ended:
	case <-grace.Done():
		l.log.Warn("closing the connections that did not end in time", slog.Int("open", l.conns.len()))
	}
	stop()
	_ = server.Close() // after it only connections of sessions are left
	for _, p := range l.conns.all() {
		_ = p.Close() // it may be closed already
	}
	<-ended
	return nil
}

// Backoff of accepting after an error, such as too many open files.
const (
	minBackoff = 5 * time.Millisecond
	maxBackoff = time.Second
)

// accept takes connections until the listener is drained.
func (l *Listener) accept(ctx context.Context, queue *handoff) {
	backoff := minBackoff
	for {
		c, err := l.ln.Accept()
		if err == nil {
			backoff = minBackoff
			l.start(ctx, c, queue)
			continue
		}
		select {
		case <-l.drained:
			return
		default:
		}
		l.log.Error("accepting a connection failed", slog.Any("err", err), slog.Duration("retry_in", backoff))
		timer := time.NewTimer(backoff)
		select {
		case <-timer.C:
		case <-l.drained:
			timer.Stop()
			return
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// start serves c on a goroutine of its own.
func (l *Listener) start(ctx context.Context, c net.Conn, queue *handoff) {
	l.counters.accepted.Add(1)
	p := pipe.New(c, l.shared, l.onClose)
	if !l.conns.add(p) {
		l.counters.refused[RefusedFull].Add(1)
		_ = p.Close() // nothing was said yet
		return
	}
	l.serving.Go(func() {
		if err := l.open(ctx, p, queue); err != nil {
			l.log.Debug("connection refused", slog.String("remote", p.RemoteAddr().String()), slog.Any("err", err))
			_ = p.Close() // it may be closed already
		}
	})
}

// open does what comes before the service, and then the service.
func (l *Listener) open(ctx context.Context, p *pipe.Pipe, queue *handoff) error {
	if why := l.arrivals.any(); why != "" {
		return l.turnAway(p, why)
	}
	if web.Proxies(l.cfg.ProxyProtocol).Contains(p.Remote().Addr()) {
		if err := readProxyHeader(p, l.cfg.HandshakeTimeout); err != nil {
			return l.refuse(RefusedProxy, err)
		}
	}
	addr := p.Remote().Addr()
	if l.proxies.Contains(addr) {
		addr = netip.Addr{} // its requests have addresses
	}
	if why := l.arrivals.from(addr); why != "" {
		return l.turnAway(p, why)
	}
	full := l.conns.admit(p, addr)
	if full != "" && (l.tlsConf != nil || !l.cfg.rawSocket()) {
		return l.turnAway(p, full)
	}
	var c net.Conn = p
	if l.tlsConf != nil {
		t := tls.Server(p, l.tlsConf)
		if err := l.handshakeTLS(ctx, t); err != nil {
			return l.refuse(RefusedTLS, err)
		}
		c = t
	}
	switch {
	case !l.cfg.rawSocket():
		queue.put(c)
	case full != "":
		rawsocket.Refuse(c, l.cfg.raw())
		return l.refuse(full, full.err())
	default:
		raw, err := rawsocket.Accept(c, l.cfg.raw())
		if err != nil {
			return l.refuse(RefusedHandshake, err)
		}
		l.session(ctx, raw)
	}
	return nil
}

// turnAway refuses a connection before any handshake.
func (l *Listener) turnAway(p *pipe.Pipe, why Refusal) error {
	if l.tlsConf == nil && !l.cfg.rawSocket() {
		refuseHTTP(p, why.err())
	}
	return l.refuse(why, why.err())
}

// refuse counts a refusal and passes its cause on.
func (l *Listener) refuse(why Refusal, err error) error {
	l.counters.refused[why].Add(1)
	return err
}

func (l *Listener) handshakeTLS(ctx context.Context, c *tls.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.HandshakeTimeout)
	defer cancel()
	return c.HandshakeContext(ctx)
}

// conn is a session.Conn of ours; Wait closes it for good.
type conn interface {
	session.Conn
	Wait()
}

// session begins to serve a connection; Run waits for its end.
func (l *Listener) session(ctx context.Context, c conn) {
	l.counters.sessions.Add(1)
	l.serving.Add(1)
	if ctx.Err() != nil || !l.believed(c) {
		c.Close() // Run and Recheck have closed the others
	}
	l.handler(ctx, c, l.ended)
}

// over closes a connection for good whose handler is done.
func (l *Listener) over(c session.Conn) {
	c.Close()
	c.(conn).Wait() //nolint:forcetypeassert // it is what session was given
	if c, ok := c.(*longpoll.Conn); ok {
		l.polls.remove(c, c.Remote)
	}
	l.known.remove(c)
	l.counters.sessions.Add(-1)
	l.serving.Done()
}

// hibernate lets idle sessions sleep until the function that it returns is
// called.
func (l *Listener) hibernate() (stop func()) {
	if l.cfg.HibernateAfter > 0 {
		stop, err := l.shared.Hibernate(l.cfg.HibernateAfter)
		if err == nil {
			return stop
		}
		l.log.Info("idle sessions stay awake", slog.Any("err", err))
	}
	return func() {}
}
