// Package dealer routes calls (section "Remote Procedure Calls" and the parts
// of the advanced profile named at each function). It has no goroutines of its
// own but the one timer of calls with a timeout, and does no I/O: its methods
// run in the goroutine of the session that asks.
//
// A call belongs to its caller: its record lies in the table of the caller's
// session, under callMu, for as long as it lasts and wherever it goes. A
// callee's session keeps for each INVOCATION whose call it is. Both are found
// by id alone, and an answer, a cancel or a timeout that comes late finds
// nothing, or a record that names another invocation.
//
// Lock order: Dealer.mu, the index's writer lock, then registration.mu; on the
// way of a call the callee's Session.invMu or registration.mu, then the
// caller's Session.callMu, then timers.mu or a queue lock.
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
	// Events is told of registrations; nil tells nobody.
	Events Events
	// MaxRegistrations and MaxCalls bound what one session may hold and have
	// under way; 0 means no bound.
	MaxRegistrations, MaxCalls int
	// Timeout ends calls that name none; 0 means never. MaxTimeout caps what
	// callers ask for; 0 means no cap.
	Timeout, MaxTimeout time.Duration
	// NoDisclosure refuses callers that ask to be disclosed and callees that
	// ask for it.
	NoDisclosure bool
	// Features says what must be announced.
	Features FeaturePolicy
}

// Dealer holds the registrations of a realm and the calls under way. Safe for
// concurrent use.
type Dealer struct {
	cfg    atomic.Pointer[Config]
	index  pattern.Index[*registration]
	timers timers
	pool   sync.Pool // of *kept

	mu        sync.Mutex // held by the one who changes registrations
	byID      map[wamp.ID]*registration
	observers map[*observer]struct{}
	joined    uint64 // callees so far
}

// New makes a dealer without registrations.
func New(cfg Config) *Dealer {
	d := &Dealer{byID: make(map[wamp.ID]*registration), observers: make(map[*observer]struct{})}
	d.timers.start, d.timers.fire = time.Now(), d.expire
	d.pool.New = func() any { return new(kept) }
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
	d      *Dealer
	peer   *peer.Peer
	held   map[wamp.ID]*callee // guarded by Dealer.mu
	pieces *pieces             // nil until a call comes in pieces; then guarded by callMu

	callMu sync.Mutex
	calls  table[call] // what this session called, by CALL.Request
	wake   tick        // when the timers look at calls next; 0 means never
	bytes  int         // of what is kept for calls

	invMu   sync.Mutex
	left    bool
	lastInv wamp.ID           // the id of the latest INVOCATION
	invs    table[invocation] // what this session is to answer, by INVOCATION.Request

	due   tick // guarded, as is place, by timers.mu
	place int
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
	s.withdraw(b)
	uri, text := wamp.ErrCanceled, "the callee left before it answered"
	if s.peer.Via != nil {
		uri, text = wamp.ErrNetworkFailure, "the link to "+s.peer.Via.Name+" went down before the answer came"
	}
	s.leaveCallee(func(id wamp.ID, i invocation) {
		if c, ok := i.end(s, id); ok {
			i.fail(b, uri, text)
			c.callee.release(b)
		}
	})
	for _, e := range s.leaveCaller() {
		e.call.abandon(b, wamp.ErrCanceled, true)
	}
}

// leaveCallee takes all that the session was to answer, in order.
func (s *Session) leaveCallee(f func(wamp.ID, invocation)) {
	s.invMu.Lock()
	s.left = true
	invs := s.invs
	s.invs = table[invocation]{}
	s.invMu.Unlock()
	for id, i := range invs.sorted() {
		f(id, *i)
	}
}

// leaveCaller ends all calls of the session.
func (s *Session) leaveCaller() []ended {
	s.callMu.Lock()
	defer s.callMu.Unlock()
	var calls []ended
	for id, c := range s.calls.sorted() {
		calls = append(calls, ended{id, s.endLocked(id, c)})
	}
	s.d.timers.set(s, 0)
	return calls
}

// reply sends an ERROR.
func (s *Session) reply(b *peer.Batch, m *wamp.ErrorMessage) {
	f := peer.NewFrame(m)
	defer f.Free()
	s.peer.Reply(b, f)
}
