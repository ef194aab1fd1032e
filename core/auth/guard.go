package auth

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"bondy/core/wamp"
)

// ErrTooManyRequests refuses who failed too often, whatever it sends.
const ErrTooManyRequests wamp.URI = "bondy.error.too_many_requests"

// Bounds of a Guard.
const (
	// guardEntries bounds each table. When it is full, a newcomer takes the
	// place of whichever of eight entries matters least.
	guardEntries = 16_384
	guardSample  = 8
	// guardMemory is how long failures count.
	guardMemory = 15 * time.Minute
	// After that many failures each further one doubles the wait, from one
	// second to the most.
	pairFree, pairMost       = 10, 15 * time.Minute
	addressFree, addressMost = 100, time.Minute
	userFree, userMost       = 100, time.Minute
	ipv6Site                 = 64 // bits that belong to one customer
	guardFirst               = time.Second
	guardDoublings           = 10 // 2^10 s are above every most
)

// Guard slows down who guesses. It counts failed logins per address and user,
// per address, and per user, the last for guesses from many addresses. Who has
// logged in from an address before is there in the hands of nobody else: only what
// fails there as that user counts. Loopback addresses and unix sockets are not counted
// by themselves, since many clients share them. A login counts as failed until it
// has succeeded, so that parallel guesses gain nothing. Keys and certificates cannot
// be guessed and count for the address alone.
//
// One Guard serves all realms of a node and outlives their configuration. It is
// safe for concurrent use.
type Guard struct {
	mu      sync.Mutex
	entries map[guardKey]*guardEntry
	// known are the users, each at an address, who have logged in, with when they
	// last did. Whoever fails makes no room here.
	known            map[guardKey]time.Time
	refused, evicted uint64
}

// guardKey is an address, a user of the realm that keeps its credentials, or both.
type guardKey struct {
	kind  guardKind
	from  netip.Prefix
	realm wamp.URI
	user  string
}

type guardKind uint8

const (
	guardPair guardKind = iota
	guardAddress
	guardUser
)

// limits are the failures that cost nothing, and the longest wait.
func (k guardKind) limits() (free int, most time.Duration) {
	switch k {
	case guardAddress:
		return addressFree, addressMost
	case guardUser:
		return userFree, userMost
	default:
		return pairFree, pairMost
	}
}

type guardEntry struct {
	failures int
	last     time.Time // of the last failure
	until    time.Time // refused before
}

// NewGuard makes an empty Guard.
func NewGuard() *Guard {
	return &Guard{entries: make(map[guardKey]*guardEntry), known: make(map[guardKey]time.Time)}
}

// Stats returns how many logins were refused for failures before them, and how
// many entries had to make room for others.
func (g *Guard) Stats() (refused, evicted uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused, g.evicted
}

// attempt is one login under watch.
type attempt struct {
	pair, address, user guardKey
	// guess says that the method is one where a guess can be right.
	guess   bool
	counted []counted // by start
}

// counted is that an attempt counted as failed under a key, which that locked until
// a moment if it did.
type counted struct {
	guardKey
	until time.Time
}

func newAttempt(remote netip.Addr, realm wamp.URI, user, method string) *attempt {
	from := Site(remote)
	a := &attempt{
		pair:    guardKey{guardPair, from, realm, user},
		address: guardKey{kind: guardAddress, from: from},
		user:    guardKey{kind: guardUser, realm: realm, user: user},
	}
	switch method {
	case MethodTicket, MethodPassword, MethodWAMPCRA, MethodSCRAM, methodDraftSCRAM:
		a.guess = true
	}
	return a
}

// Site is what belongs to one client: an IPv4 address or an IPv6 site; the zero
// value for no address.
func Site(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = ipv6Site
	}
	p, _ := addr.Prefix(bits)
	return p
}

// shared tells whether many clients have the address.
func (k guardKey) shared() bool { return !k.from.IsValid() || k.from.Addr().IsLoopback() }

// keysLocked are those under which an attempt counts.
func (g *Guard) keysLocked(a *attempt) []guardKey {
	_, known := g.known[a.pair]
	var keys []guardKey
	if !known && !a.address.shared() {
		keys = append(keys, a.address)
	}
	if a.guess {
		keys = append(keys, a.pair)
	}
	if a.guess && !known {
		keys = append(keys, a.user)
	}
	return keys
}

// check refuses an attempt that comes too early.
func (g *Guard) check(a *attempt) error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.checkLocked(g.keysLocked(a), time.Now())
}

// start is check, and counts the attempt as failed.
func (g *Guard) start(a *attempt) error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now, keys := time.Now(), g.keysLocked(a)
	if err := g.checkLocked(keys, now); err != nil {
		return err
	}
	a.counted = make([]counted, len(keys))
	for i, k := range keys {
		a.counted[i] = counted{k, g.failLocked(k, now)}
	}
	return nil
}

// undo takes back what start counted, for an attempt that proved nothing.
func (g *Guard) undo(a *attempt) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.undoLocked(a)
}

func (g *Guard) undoLocked(a *attempt) {
	for _, c := range a.counted {
		if e := g.entries[c.guardKey]; e != nil && e.failures > 0 {
			e.failures--
			if e.until.Equal(c.until) { // and nobody else has failed since
				e.until = time.Time{} // nothing was locked when the attempt started
			}
		}
	}
}

// succeed takes back what start counted, forgives what failed before, and
// remembers the pair.
func (g *Guard) succeed(a *attempt) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.undoLocked(a)
	if a.pair.user == "" {
		return
	}
	if a.guess {
		delete(g.entries, a.pair)
	}
	if _, known := g.known[a.pair]; !known {
		g.evicted += makeRoom(g.known, func(last time.Time) time.Time { return last })
	}
	g.known[a.pair] = time.Now()
}

// watch counts what a verifier says.
func (g *Guard) watch(a *attempt, verify verifier) verifier {
	return func(ctx context.Context, signature string, extra wamp.Dict) (*Identity, error) {
		if err := g.start(a); err != nil {
			return nil, err
		}
		id, err := verify(ctx, signature, extra)
		switch {
		case err == nil:
			g.succeed(a)
		case !refused(err): // it took too long, or the role is not the user's
			g.undo(a)
		}
		return id, err
	}
}

func (g *Guard) checkLocked(keys []guardKey, now time.Time) error {
	var wait time.Duration
	for _, k := range keys {
		if e := g.entries[k]; e != nil {
			wait = max(wait, e.until.Sub(now))
		}
	}
	if wait <= 0 {
		return nil
	}
	g.refused++
	return wamp.Errorf(ErrTooManyRequests, "too many failed logins: try again in %s", wait.Round(time.Second)+time.Second)
}

// failLocked counts a failure and returns until when the key is locked, the zero
// time if that is not.
func (g *Guard) failLocked(k guardKey, now time.Time) time.Time {
	e := g.entries[k]
	if e == nil {
		g.evicted += makeRoom(g.entries, func(e *guardEntry) time.Time { return e.matters(now) })
		e = &guardEntry{last: now}
		g.entries[k] = e
	}
	free, most := k.kind.limits()
	if now.Sub(e.last) > guardMemory {
		e.failures = 0
	}
	e.failures++
	e.last = now
	if over := e.failures - free; over >= 0 {
		e.until = now.Add(min(guardFirst<<min(over, guardDoublings), most))
	}
	return e.until
}

// makeRoom drops, if a table is full, that one of some entries which matters until
// the earliest time, and returns how many it dropped.
func makeRoom[E any](table map[guardKey]E, matters func(E) time.Time) uint64 {
	if len(table) < guardEntries {
		return 0
	}
	var victim guardKey
	var least time.Time
	n := 0
	for k, e := range table {
		if at := matters(e); n == 0 || at.Before(least) {
			victim, least = k, at
		}
		if n++; n == guardSample {
			break
		}
	}
	delete(table, victim)
	return 1
}

// matters is until when an entry is worth keeping: one that is locked the longest,
// then the one that failed last.
func (e *guardEntry) matters(now time.Time) time.Time {
	if e.until.After(now) {
		return e.until.Add(guardMemory)
	}
	return e.last
}
