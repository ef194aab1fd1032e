package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"bondy/transport/longpoll"
	"bondy/transport/pipe"
	"bondy/transport/web"
)

const (
	// requestTimeouts is how many handshake timeouts a request may take with
	// its body, and its answer.
	requestTimeouts = 3
	idleTimeout     = 2 * time.Minute // of HTTP connections between requests
	maxHeaderBytes  = 64 << 10
	refuseTimeout   = time.Second
	maxRefused      = 4 << 10 // bytes read of a request that is refused
)

// httpServer makes the server; sessions run in ctx, requests in base. The
// deadlines for reading and writing are per request and gone after an upgrade.
func (l *Listener) httpServer(ctx, base context.Context) (*http.Server, error) {
	mux := http.NewServeMux()
	if l.cfg.HTTP != nil {
		mux.Handle("/", l.cfg.HTTP)
	}
	if slices.Contains(l.cfg.Services, ServiceWebSocket) {
		mux.HandleFunc(WebSocketPath, func(w http.ResponseWriter, r *http.Request) { l.upgrade(ctx, w, r) })
	}
	if slices.Contains(l.cfg.Services, ServiceLongPoll) {
		h, err := longpoll.New(l.cfg.poll(func(c *longpoll.Conn) error { return l.poll(ctx, c) }, l.refused))
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, h.Close)
		mux.Handle(LongPollPath+"/", http.StripPrefix(LongPollPath, h))
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           l.proxies.Trace(mux),
		Protocols:         protocols,
		ReadHeaderTimeout: l.cfg.HandshakeTimeout,
		ReadTimeout:       requestTimeouts * l.cfg.HandshakeTimeout,
		WriteTimeout:      requestTimeouts * l.cfg.HandshakeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(l.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       web.ConnContext,
		ConnState:         l.countHTTP,
	}, nil
}

// countHTTP makes Run wait for the server's connections as well. Those that
// become sessions are counted on by upgrade.
func (l *Listener) countHTTP(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		l.serving.Add(1)
	case http.StateHijacked, http.StateClosed:
		l.serving.Done()
	default:
	}
}

// upgrade starts a session on its own goroutine and returns, so that nothing
// of the request is kept.
func (l *Listener) upgrade(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	l.serving.Add(1)
	defer l.serving.Done()
	p := web.Pipe(r)
	client, proxied := web.Source(r)
	counted := false
	if l.proxies.Contains(p.Remote().Addr()) { // what open left to its requests
		why := l.arrivals.from(client.Addr())
		if why == "" {
			counted, why = l.conns.claim(client.Addr())
		}
		if why != "" {
			web.Busy(w, l.refuse(why, why.err()))
			return
		}
	}
	c, err := l.upgrader.Upgrade(w, r)
	if err != nil {
		l.conns.release(client.Addr(), counted)
		l.refused(err)
		l.log.Debug("WebSocket handshake refused", slog.String("remote", r.RemoteAddr), slog.Any("err", err))
		return
	}
	if proxied {
		l.conns.settle(p, client.Addr(), counted, func() { p.SetRemote(client) })
	}
	l.serving.Go(func() { l.session(ctx, c) })
}

// poll starts a session on a long-poll transport.
func (l *Listener) poll(ctx context.Context, c *longpoll.Conn) error {
	addr := c.Info().Remote.Addr()
	why := cmp.Or(l.arrivals.any(), l.arrivals.from(addr))
	if why == "" && !l.polls.add(c) {
		why = RefusedFull
	}
	if why == "" {
		why = l.polls.admit(c, addr)
	}
	if why != "" {
		l.polls.remove(c, c.Remote)
		return l.refuse(why, why.err())
	}
	l.serving.Go(func() { l.session(ctx, c) })
	return nil
}

// refused counts a request that did not become a session.
func (l *Listener) refused(err error) {
	why := RefusedHandshake
	switch {
	case errors.Is(err, web.ErrOrigin):
		why = RefusedOrigin
	case errors.Is(err, web.ErrSubprotocol):
		why = RefusedSubprotocol
	}
	l.counters.refused[why].Add(1)
}

// refuseHTTP tells the client why on a connection that is not served.
func refuseHTTP(p *pipe.Pipe, why error) {
	if p.SetDeadline(time.Now().Add(refuseTimeout)) != nil {
		return
	}
	if _, err := p.Read(make([]byte, maxRefused)); err != nil {
		return
	}
	status, after := web.Status(why)
	text := why.Error() + ".\n"
	_, _ = fmt.Fprintf(p, "HTTP/1.1 %d %s\r\nConnection: close\r\nRetry-After: %s\r\n"+
		"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", // who does not wait for it does not get it
		status, http.StatusText(status), after, len(text), text)
}

// handoff is the net.Listener through which the HTTP server gets connections
// that have passed the PROXY header, the limits and the TLS handshake.
type handoff struct {
	addr   net.Addr
	conns  chan net.Conn // unbuffered: closed is the only other way out
	closed chan struct{}
	once   sync.Once
}

func (h *handoff) put(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.closed:
		_ = c.Close() // nobody is left to serve it
	}
}

// Accept implements net.Listener.
func (h *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handoff) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr implements net.Listener.
func (h *handoff) Addr() net.Addr { return h.addr }
