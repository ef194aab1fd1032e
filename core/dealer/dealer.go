// Package dealer routes calls (section "Remote Procedure Calls" and the parts
// of the advanced profile named at each function). It has no goroutines of its
// own but the timers of calls that asked for a timeout, and does no I/O: its
// methods run in the goroutine of the session that asks.
//
// Lock order: Dealer.mu, the index's writer lock, then registration.mu; and on
// the way of a call the callee's Session.invMu, then the caller's
// Session.callMu, then a queue lock. A call that has begun is guarded by its
// callee's invMu.
package dealer

import (
	"sync"
	"sync/atomic"
	"time"

	"bondy/core/pattern"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// Config is what a realm tells its dealer.
type Config struct {
	// ID derives the id of a registration, the same on every node.
	ID func(wamp.Match, wamp.URI) wamp.ID
	// Counters are the node's message counts.
	Counters *peer.Counters
	// MaxRegistrations and MaxCalls bound what one session may hold and have
	// under way; 0 means no bound.
	MaxRegistrations, MaxCalls int
	// Timeout ends calls that name none; 0 means never. MaxTimeout caps what
	// callers ask for; 0 means no cap.
	Timeout, MaxTimeout time.Duration
	// NoDisclosure refuses callers that ask to be disclosed and callees that
	// ask for it.
	NoDisclosure bool
}

// Dealer holds the registrations of a realm and the calls under way. Safe for
// concurrent use.
type Dealer struct {
	cfg   atomic.Pointer[Config]
	index pattern.Index[*registration]

	mu        sync.Mutex // held by the one who changes registrations
	byID      map[wamp.ID]*registration
	observers map[*observer]struct{}
}

// New makes a dealer without registrations.
func New(cfg Config) *Dealer {
	d := &Dealer{byID: make(map[wamp.ID]*registration), observers: make(map[*observer]struct{})}
	d.Configure(cfg)
	return d
}

// Configure changes the configuration; ID must stay the same function.
func (d *Dealer) Configure(cfg Config) { d.cfg.Store(&cfg) }

// Registrations is the number of procedures and patterns registered.
func (d *Dealer) Registrations() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.byID)
}

// Session is one peer's side of the dealer, as caller and as callee. Its
// methods belong to the goroutine that serves the peer, which calls Leave when
// it is done.
type Session struct {
	d    *Dealer
	peer *peer.Peer
	held map[wamp.ID]*callee

	callMu sync.Mutex
	calls  table // what this session called, by CALL.Request

	invMu   sync.Mutex
	left    bool
	lastInv wamp.ID // the id of the latest INVOCATION
	invs    table   // what this session is to answer, by INVOCATION.Request
}

// Join makes p known to the dealer.
func (d *Dealer) Join(p *peer.Peer) *Session {
	return &Session{d: d, peer: p}
}

// Awaited is how many answers the session still owes.
func (s *Session) Awaited() int {
	s.invMu.Lock()
	defer s.invMu.Unlock()
	return s.invs.n
}

// Leave withdraws what the session registered, answers the callers that wait
// for it and interrupts the callees that work for it. The peer's queue is
// closed already.
func (s *Session) Leave(b *peer.Batch) {
	for _, h := range s.held {
		s.d.remove(b, h)
	}
	s.held = nil
	uri, text := wamp.ErrCanceled, "the callee left before it answered"
	if s.peer.Via != nil {
		uri, text = wamp.ErrNetworkFailure, "the link to "+s.peer.Via.Name+" went down before the answer came"
	}
	for _, c := range s.leaveCallee() {
		c.fail(b, uri, text)
	}
	s.callMu.Lock()
	calls := s.calls.drain()
	s.callMu.Unlock()
	for _, c := range calls {
		c.giveUp(b, true)
	}
}

// leaveCallee takes all calls that the session was to answer.
func (s *Session) leaveCallee() []*call {
	s.invMu.Lock()
	defer s.invMu.Unlock()
	s.left = true
	calls := s.invs.drain()
	for _, c := range calls {
		c.finishLocked()
	}
	return calls
}

// reply sends an ERROR.
func (s *Session) reply(b *peer.Batch, m *wamp.ErrorMessage) {
	f := peer.NewFrame(m)
	defer f.Free()
	s.peer.Reply(b, f)
}
