package audit

import (
	"maps"
	"net/netip"
	"time"

	"bondy/core/audit"
	"bondy/core/wamp"
)

// Who cannot log in, may not do what it tries, or does the same thing over and over,
// shall neither fill the log nor push out of it what is older.
const (
	// outsiders is how many records of refusals and denials are made in a second,
	// outsidersBurst how many at once after a pause.
	outsiders      = 20
	outsidersBurst = 1000
	// sessions and sessionsBurst bound those of all else but administration.
	sessions      = 1000
	sessionsBurst = 10_000
	// again is how many logins, logouts, or changes of its own or that failed, of one
	// account are recorded in a second, againBurst how many at once; the others are counted.
	again      = 1
	againBurst = 100
	// maxAccounts bounds how many accounts are told apart in that.
	maxAccounts = 4096
	// maxSources bounds how many are told apart whose events are counted.
	maxSources = 1024
	// window is how long events of one source are counted for one record at first;
	// it doubles while they go on, to longest windows.
	window  = time.Second
	longest = 60
)

// bucket bounds a rate.
type bucket struct {
	cost, burst time.Duration
	empty       time.Time // when what was taken until now is paid for
}

func newBucket(rate, burst int) bucket {
	cost := time.Second / time.Duration(rate)
	return bucket{cost: cost, burst: cost * time.Duration(burst)}
}

// take reports whether there is one more at that time.
func (b *bucket) take(now time.Time) bool {
	if b.empty.Before(now) {
		b.empty = now
	}
	if b.empty.Sub(now)+b.cost > b.burst {
		return false
	}
	b.empty = b.empty.Add(b.cost)
	return true
}

// source is what events have in common that go into one record.
type source struct {
	kind   audit.Kind
	realm  wamp.URI
	authid string // of who has proven it
	site   netip.Prefix
	action string
}

func newSource(e *audit.Event) source {
	s := source{kind: e.Kind, realm: e.Realm, action: e.Action}
	if e.Kind == audit.Administration {
		s.realm, s.action = "", "" // who is refused chooses them
		s.authid = e.AuthID
	} else if e.Kind != audit.Refusal && e.AuthMethod != anonymous {
		s.authid = e.AuthID
		return s
	}
	addr := e.Remote.Addr().Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64 // a site has that many addresses
	}
	s.site, _ = addr.Prefix(bits)
	return s
}

// repeats counts the events of a source since its last record.
type repeats struct {
	last  audit.Event
	count uint64
	every int // windows that are counted for a record
	left  int // of these
}

// flood counts refusals and denials of the same source within a window into one
// record each, also what an account does too often, and bounds how many records
// there are.
type flood struct {
	sources             map[source]*repeats
	accounts            map[source]*bucket
	outsiders, sessions bucket
}

func newFlood() flood {
	return flood{
		sources: make(map[source]*repeats), accounts: make(map[source]*bucket),
		outsiders: newBucket(outsiders, outsidersBurst), sessions: newBucket(sessions, sessionsBurst),
	}
}

// verdict is what becomes of an event.
type verdict int

const (
	record verdict = iota
	count          // into a later record
	begin          // to count: nothing is recorded yet
	drop
)

func (f *flood) judge(e *audit.Event, now time.Time) verdict {
	switch {
	case e.Kind == audit.Refusal, e.Kind == audit.Denial:
		return f.fold(e, func() bool { return f.outsiders.take(now) })
	case seriesOf(e) == administration:
		return record
	case !f.seldom(e, now):
		return f.fold(e, func() bool { return false })
	case !f.sessions.take(now):
		return drop
	}
	return record
}

// seldom reports whether an account has not done this too often.
func (f *flood) seldom(e *audit.Event, now time.Time) bool {
	s := newSource(e)
	b := f.accounts[s]
	if b == nil {
		if len(f.accounts) >= maxAccounts {
			return true // what everybody does together is bounded as well
		}
		fresh := newBucket(again, againBurst)
		b = &fresh
		f.accounts[s] = b
	}
	return f.sources[s] == nil && b.take(now)
}

// fold counts an event; the first of its source is recorded if there may be one more.
func (f *flood) fold(e *audit.Event, more func() bool) verdict {
	s := newSource(e)
	if r := f.sources[s]; r != nil {
		r.last = *e
		r.count++
		return count
	}
	if len(f.sources) >= maxSources {
		return drop
	}
	r := &repeats{every: 1}
	f.sources[s] = r
	if more() {
		return record
	}
	r.last, r.count = *e, 1
	return begin
}

// sweep ends a window: it gives put the records of what was counted, as many as
// the rate allows or, if all, of everything, and forgets sources that were
// silent. It ends early when put reports that it has no room.
func (f *flood) sweep(now time.Time, all bool, put func(audit.Record) bool) {
	maps.DeleteFunc(f.accounts, func(_ source, b *bucket) bool { return b.empty.Before(now) })
	for s, r := range f.sources {
		if r.left > 0 && !all {
			r.left--
			continue
		}
		if r.count == 0 {
			delete(f.sources, s)
			continue
		}
		if !all && !f.outsiders.take(now) {
			return
		}
		rec := audit.Record{Event: r.last}
		if r.count > 1 {
			rec.Repeated = r.count
		}
		if !put(rec) {
			return
		}
		every := min(2*r.every, longest)
		*r = repeats{every: every, left: every - 1}
	}
}
