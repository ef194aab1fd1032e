package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"bondy/core/wamp"
)

// queued is how many events, and how many invocations, may wait for a handler.
const queued = 1024

// Session is one joined session. It is safe for concurrent use.
type Session struct {
	cfg     Config
	link    link
	wire    *wire
	out     *outbox
	id      wamp.ID
	welcome wamp.Dict
	// ahead counts the payload bytes that were read and wait for a handler.
	ahead *semaphore.Weighted
	// events and work are sent to by the reader, which waits while they are
	// full, makes them and their consumers for the first event and the first
	// invocation, and closes them at its end.
	events      chan event
	work        chan func()
	startEvents func()
	startWork   func()
	quit        chan struct{} // closed when the session has ended
	cancel      context.CancelFunc
	// leaving is set by Close: events that wait are not delivered any more.
	leaving atomic.Bool
	group   sync.WaitGroup

	mu            sync.Mutex
	ended         bool
	err           error
	goodbye       bool // we sent GOODBYE
	lastID        wamp.ID
	pending       map[wamp.ID]*pending
	subscriptions map[wamp.ID][]*Subscription // lists are replaced, not changed
	registrations map[wamp.ID]*Registration
	invocations   map[wamp.ID]*Invocation
}

// Dial joins the realm of cfg at a router. The URL is ws://host:port/path,
// wss://..., tcp://host:port (RawSocket), tls://host:port (RawSocket over TLS;
// also tcps) or unix:/path (RawSocket). The context and cfg.HandshakeTimeout
// bound the opening alone; the session lasts until Close or until the
// connection ends.
//
// A refusal by the router is an *Error; all else is a setting that Validate
// refuses, or a network error.
func Dial(ctx context.Context, url string, cfg Config) (*Session, error) {
	addr, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	opening, stop := context.WithTimeout(ctx, cfg.HandshakeTimeout)
	defer stop()
	l, w, err := connect(opening, addr, cfg)
	if err != nil {
		if opening.Err() != nil {
			err = fmt.Errorf("connect to %s: %w", addr.target, ended(opening))
		}
		return nil, err
	}
	s := &Session{
		cfg: cfg, link: l, wire: w,
		out:           newOutbox(cfg.Serializer, cfg.SendBuffer, l.sendLimit()),
		ahead:         semaphore.NewWeighted(int64(cfg.ReadAhead)),
		quit:          make(chan struct{}),
		pending:       make(map[wamp.ID]*pending),
		subscriptions: make(map[wamp.ID][]*Subscription),
		registrations: make(map[wamp.ID]*Registration),
		invocations:   make(map[wamp.ID]*Invocation),
	}
	r := newReader(s)
	if err := s.join(opening, r); err != nil {
		_ = l.close()
		return nil, err
	}
	s.run(context.WithoutCancel(ctx), r)
	return s, nil
}

// ID is the session id that the router gave.
func (s *Session) ID() wamp.ID { return s.id }

// Details are the details of WELCOME; not to be changed.
func (s *Session) Details() wamp.Dict { return s.welcome }

// Done is closed when the session has ended, for whatever reason.
func (s *Session) Done() <-chan struct{} { return s.quit }

// Err says why the session ended: ErrClosed after Close, an *Error when the
// router ended it, else a network error. It is nil while the session lasts.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close leaves the realm: it says GOODBYE, waits for the router's answer, at
// most Config.CloseTimeout, and closes the connection. Then it waits for the
// handlers that run, whose contexts have ended; so a handler must not call it.
// When ctx ends first Close closes the connection at once and returns the
// context's error without waiting for anything. Closing a session that has ended only
// waits for its goroutines; Close may be called more than once.
func (s *Session) Close(ctx context.Context) error {
	answer, stop := context.WithTimeout(ctx, s.cfg.CloseTimeout)
	defer stop()
	if s.sayGoodbye() {
		select {
		case <-s.quit:
		case <-answer.Done():
			s.cfg.Logger.Warn("router did not answer GOODBYE")
		}
	}
	s.end(ErrClosed)
	done := make(chan struct{})
	go func() {
		s.group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		_ = s.wire.Close()
		return ended(ctx)
	}
}

// run starts the goroutines of a session that was joined.
func (s *Session) run(ctx context.Context, r *reader) {
	ctx, s.cancel = context.WithCancel(ctx)
	s.wire.start(2 * s.cfg.KeepAlive)
	s.startEvents = sync.OnceFunc(func() {
		s.events = make(chan event, queued)
		s.group.Go(func() { s.handleEvents(ctx) })
	})
	s.startWork = sync.OnceFunc(func() {
		s.work = make(chan func(), queued)
		s.group.Go(func() { s.handleInvocations(ctx) })
	})
	s.group.Go(s.write)
	s.group.Go(func() { r.run(ctx) })
}

// stopHandlers lets the handlers end when they have handled what was read.
func (s *Session) stopHandlers() {
	if s.events != nil {
		close(s.events)
	}
	if s.work != nil {
		close(s.work)
	}
}

// sayGoodbye queues GOODBYE and reports whether to wait for an answer.
func (s *Session) sayGoodbye() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.leaving.Store(true)
	if !s.goodbye {
		s.goodbye = s.out.put(&wamp.Goodbye{Reason: wamp.CloseRealm}) == nil
	}
	return s.goodbye
}

// end ends the session once: later calls change nothing.
func (s *Session) end(err error) {
	if !s.setEnded(err) {
		return
	}
	close(s.quit)
	s.cancel()
	s.out.end()
	// A writer that is blocked by a router that takes nothing.
	_ = s.wire.Conn.SetWriteDeadline(time.Now().Add(farewell))
}

func (s *Session) setEnded(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.ended, s.err = true, err
	return true
}

// pending is a request that the router has not answered yet.
type pending struct {
	reply chan reply    // the reader sends; one for the final answer, more for progress
	gone  chan struct{} // closed when nobody receives from reply any more
	// granted runs on the reader, under Session.mu, when the router says yes:
	// before anything that the grant causes is read.
	granted func(id wamp.ID, abandoned bool)
	// abandoned means that the requester gave up while the answer was due.
	abandoned bool
}

// reply is an answer of the router.
type reply struct {
	id       wamp.ID // what was granted, or the publication
	details  wamp.Dict
	payload  wamp.Payload
	progress bool
	errorURI wamp.URI // set if the answer is an ERROR
}

func (r reply) err() error {
	if r.errorURI == "" {
		return nil
	}
	return newError(r.errorURI, r.details, r.payload)
}

// Post queues the message that build makes for the next request id, and waits
// for nothing: the answer goes to Config.Intercept or is dropped. It does not
// heed Config.SendBuffer; the caller bounds what is under way. It may be
// called by Config.Intercept.
func (s *Session) Post(build func(request wamp.ID) wamp.Message) (wamp.ID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requestLocked(nil, build)
}

// Put queues a message that has no request id of its own, such as a YIELD
// for an INVOCATION that Config.Intercept took; otherwise it is like Post.
func (s *Session) Put(m wamp.Message) error { return s.out.put(m) }

// request queues the message that build makes for the next request id, and
// records p as waiting for the answer.
func (s *Session) request(ctx context.Context, p *pending, build func(wamp.ID) wamp.Message) (wamp.ID, error) {
	if err := s.out.wait(ctx); err != nil {
		return 0, fmt.Errorf("wait to send: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requestLocked(p, build)
}

func (s *Session) requestLocked(p *pending, build func(wamp.ID) wamp.Message) (wamp.ID, error) {
	if s.ended {
		return 0, s.err
	}
	if s.goodbye {
		return 0, ErrClosed
	}
	id := s.lastID.Next()
	if err := s.out.put(build(id)); err != nil {
		return 0, err
	}
	s.lastID = id
	if p != nil {
		s.pending[id] = p
	}
	return id, nil
}

// ask makes a request with one answer and waits for it.
func (s *Session) ask(ctx context.Context, granted func(wamp.ID, bool), build func(wamp.ID) wamp.Message) (reply, error) {
	p := &pending{reply: make(chan reply, 1), gone: make(chan struct{}), granted: granted}
	defer close(p.gone)
	id, err := s.request(ctx, p, build)
	if err != nil {
		return reply{}, err
	}
	select {
	case r := <-p.reply:
		return r, r.err()
	case <-s.quit:
		return s.lastReply(p)
	case <-ctx.Done():
		if s.abandon(id) {
			return reply{}, fmt.Errorf("wait for the router's answer: %w", ended(ctx))
		}
		select { // answered in this moment
		case r := <-p.reply:
			return r, r.err()
		case <-s.quit:
			return s.lastReply(p)
		}
	}
}

// lastReply takes an answer that came just before the session ended.
func (s *Session) lastReply(p *pending) (reply, error) {
	select {
	case r := <-p.reply:
		return r, r.err()
	default:
		return reply{}, s.Err()
	}
}

// abandon marks a request whose requester gave up; false means that it was
// answered.
func (s *Session) abandon(id wamp.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pending[id]
	if p == nil {
		return false
	}
	p.abandoned = true
	return true
}

// isViolation reports whether err blames the router for breaking the protocol.
func isViolation(err error) bool {
	we, ok := errors.AsType[*wamp.Error](err)
	return ok && we.URI == wamp.ErrProtocolViolation
}
