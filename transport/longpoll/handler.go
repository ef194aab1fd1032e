// Package longpoll is the router's side of WAMP over HTTP long-poll (section
// "HTTP Longpoll Transport" of the specification), for clients to which the
// way is open for plain requests alone.
//
// A [Handler] serves the requests. One to /open makes a transport, which is a
// [Conn] for the session and an unguessable id for the client; from then on who
// knows the id is the client, whatever connection its requests come by.
//
// # Sending
//
// A send carries one message or, with a batched subprotocol, several. Sends are
// handled one at a time in the order in which they have come in whole, and each is
// answered when the session has handled its messages: a client that waits for the
// answer is held to the pace of the router and keeps its order. Of several at a
// time the network decides which comes first.
//
// # Receiving
//
// A receive is answered as soon as messages wait, with one or a batch of them,
// and otherwise empty after a while. A second one takes the place of the first,
// which is then answered empty, because a client whose connection broke comes
// back before we know. A client without a receive for too long is gone.
//
// HTTP has no acknowledgment of answers. So messages that were handed out stay,
// in front of all others, until the next receive. Then it is asked what TCP says
// of the connection that carried them (see pipe.Pipe.Taken). If writing the answer
// failed, the connection was reset before all of the answer was read, or nothing
// acknowledged it for a second, that connection is closed and all of the answer is
// handed out again, otherwise it is forgotten. So nothing is lost, and nothing
// comes twice, as far as the other end of the TCP connection: the client or a
// proxy in front. A client that has read an answer to its end and then resets the
// connection, instead of closing it, may be given it again.
//
// Lock order: a Conn's lock is innermost, under that of the peer.Queue that
// appends to it, and never held together with the Handler's. The function of
// OnProgress is called without either.
package longpoll

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"bondy/transport/web"
)

// ErrOpen means that the body of an open is not what it should be.
var ErrOpen = errors.New(`the body is not like {"protocols": ["wamp.2.json"]}`)

// Defaults of a Config.
const (
	DefaultMaxMessageSize = 16 << 20
	// DefaultPoll is less than the 12 s that autobahn-js waits for an answer.
	DefaultPoll    = 10 * time.Second
	DefaultSilence = time.Minute
	DefaultTimeout = 30 * time.Second
)

const (
	idSize      = 16      // octets at random
	maxOpen     = 4 << 10 // bytes of an open's body
	maxSends    = 16      // sends of one transport at a time
	maxBatch    = 1 << 20 // bytes of messages after which a batch ends
	preflight   = "86400" // seconds for which a browser may remember our answer
	contentType = "Content-Type"
)

// Config says how transports are made.
type Config struct {
	// Accept takes charge of a new transport: it has it served on a goroutine
	// of its own, which calls Conn.Wait in the end. An error refuses it and is
	// told to the client.
	Accept func(*Conn) error
	// Refused, which may be nil, is told of each open that failed, but those
	// that Accept refused, and of requests from pages that may not connect:
	// ErrOpen, web.ErrSubprotocol, web.ErrOrigin.
	Refused func(error)
	// MaxMessageSize is the longest message accepted, in bytes, and as much is
	// a batch; 0 means 16 MiB.
	MaxMessageSize int
	// Origins lists web pages that may connect; see web.ParseOrigins.
	Origins []string
	// Poll is how long a receive waits for messages; 0 means 10 s.
	Poll time.Duration
	// Silence is how long a client may be without a receive; 0 means 1 min.
	Silence time.Duration
	// Timeout is how long a client may take to read each started MiB of an
	// answer; 0 means 30 s. How long a request may take to come in is the
	// server's to bound.
	Timeout time.Duration
}

// Handler serves the requests under one base path, which is stripped before
// (http.StripPrefix). It is safe for concurrent use.
type Handler struct {
	cfg     Config
	origins web.Origins
	mux     *http.ServeMux
	closed  chan struct{} // by Close
	once    sync.Once

	mu    sync.Mutex
	conns map[string]*Conn
}

// New checks cfg.
func New(cfg Config) (*Handler, error) {
	origins, err := web.ParseOrigins(cfg.Origins)
	if err != nil {
		return nil, err
	}
	if cfg.Refused == nil {
		cfg.Refused = func(error) {}
	}
	cfg.MaxMessageSize = cmp.Or(cfg.MaxMessageSize, DefaultMaxMessageSize)
	cfg.Poll = cmp.Or(cfg.Poll, DefaultPoll)
	cfg.Silence = cmp.Or(cfg.Silence, DefaultSilence)
	cfg.Timeout = cmp.Or(cfg.Timeout, DefaultTimeout)
	h := &Handler{cfg: cfg, origins: origins, mux: http.NewServeMux(), closed: make(chan struct{}), conns: map[string]*Conn{}}
	h.mux.HandleFunc("POST /open", h.open)
	h.mux.HandleFunc("POST /{transport}/send", h.known((*Conn).serveSend))
	h.mux.HandleFunc("POST /{transport}/receive", h.known((*Conn).serveReceive))
	h.mux.HandleFunc("POST /{transport}/close", h.known((*Conn).serveClose))
	return h, nil
}

// Close refuses new transports, and no longer waits for clients to fetch what
// was left by sessions that ended. It does not end sessions.
func (h *Handler) Close() { h.once.Do(func() { close(h.closed) }) }

// ServeHTTP implements http.Handler. The server's connections must have come
// through web.ConnContext, or whether messages arrived is known less well.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Add("Vary", "Origin")
	if !h.origins.Allow(r) {
		h.cfg.Refused(web.ErrOrigin)
		http.Error(w, web.ErrOrigin.Error(), http.StatusForbidden)
		return
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Allow-Credentials", "true") // autobahn-js sends cookies, which nobody here looks at
	}
	if r.Method == http.MethodOptions {
		header.Set("Access-Control-Allow-Methods", http.MethodPost)
		header.Set("Access-Control-Allow-Headers", contentType)
		header.Set("Access-Control-Max-Age", preflight)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	h.mux.ServeHTTP(w, r)
}

// open makes a transport.
func (h *Handler) open(w http.ResponseWriter, r *http.Request) {
	select {
	case <-h.closed:
		http.Error(w, "The router is shutting down.", http.StatusServiceUnavailable)
		return
	default:
	}
	sub, err := negotiate(http.MaxBytesReader(w, r.Body, maxOpen))
	if err != nil {
		h.cfg.Refused(err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c := newConn(h, sub, r)
	h.put(c)
	if err := h.cfg.Accept(c); err != nil {
		h.remove(c)
		c.end(err)
		web.Busy(w, err)
		return
	}
	w.Header().Set(contentType, "application/json")
	_ = json.NewEncoder(w).Encode(struct { // who does not get it does not join
		Protocol  string `json:"protocol"`
		Transport string `json:"transport"`
	}{sub.Name(), c.id})
}

// negotiate reads the body of an open.
func negotiate(body io.Reader) (web.Subprotocol, error) {
	var wanted struct {
		Protocols []string `json:"protocols"`
	}
	b, err := io.ReadAll(body)
	if err != nil || json.Unmarshal(b, &wanted) != nil || len(wanted.Protocols) == 0 {
		return web.Subprotocol{}, ErrOpen
	}
	return web.Choose(wanted.Protocols)
}

// known finds the transport that a request is for.
func (h *Handler) known(serve func(*Conn, http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		c := h.conns[r.PathValue("transport")]
		h.mu.Unlock()
		if c == nil {
			gone(w)
			return
		}
		serve(c, w, r)
	}
}

func gone(w http.ResponseWriter) {
	http.Error(w, "There is no such transport, or no more: open another.", http.StatusNotFound)
}

func (h *Handler) put(c *Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns[c.id] = c
}

func (h *Handler) remove(c *Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c.id)
}

func newID() string {
	b := make([]byte, idSize)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// success answers a request that has nothing to say. The specification has 202
// for it, which autobahn-js, the client in browsers, takes for a failure.
func success(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") != "" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}
