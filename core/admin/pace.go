package admin

import (
	"sync/atomic"

	"bondy/core/meta"
	"bondy/core/mgmt"
	"bondy/core/rate"
	"bondy/core/wamp"
)

// Pace bounds how often the sessions of a realm change something, together: each
// change waits for the disk, and for the changes of others. What users change of
// themselves, passwords and tickets, has a bound of its own, so that they do not shut
// out the administrator; and each of them a tenth of that, so that none shuts out
// the others. Those who manage all realms have none. A nil Pace allows everything. It
// is safe for concurrent use.
type Pace struct {
	bound   atomic.Pointer[bound]
	refused atomic.Uint64
}

type bound struct {
	perSecond int
	table     *rate.Table[pacer]
	single    *rate.Table[single]
}

type pacer struct {
	realm wamp.URI
	own   bool
}

// single is a user.
type single struct {
	realm wamp.URI
	name  string
}

// NewPace allows so many changes in a second; 0 or less is no bound.
func NewPace(perSecond int) *Pace {
	p := &Pace{}
	p.Set(perSecond)
	return p
}

// Set allows so many from now on, and forgets those that were made unless that is
// what it allows already. p must not be nil.
func (p *Pace) Set(perSecond int) {
	if b := p.bound.Load(); b != nil && b.perSecond == perSecond {
		return
	}
	b := &bound{perSecond: perSecond}
	if perSecond > 0 {
		b.table, b.single = rate.NewTable[pacer](perSecond), rate.NewTable[single](max(1, perSecond/10))
	}
	p.bound.Store(b)
}

// Refused is how many calls came too fast.
func (p *Pace) Refused() uint64 {
	if p == nil {
		return 0
	}
	return p.refused.Load()
}

// admit counts a call of a session, or refuses it.
func (p *Pace) admit(proc *procedure, r *mgmt.Request) error {
	if p == nil || !proc.changes || manager(r) {
		return nil
	}
	b := p.bound.Load()
	if b.take(r, proc.reach == own || proc.users) {
		return nil
	}
	p.refused.Add(1)
	return wamp.Errorf(wamp.ErrTooManyRequests, "the sessions of a realm change %d things per second, and a user a tenth of that of its own: send slower", b.perSecond)
}

// take reports whether a call may be made now. Who is no user has nothing of its own.
func (b *bound) take(r *mgmt.Request, own bool) bool {
	if own {
		s, ok := r.Caller.About.(*meta.Session)
		if !ok || s.Principal == nil {
			return true
		}
		if !b.single.Take(single{r.Realm, s.Principal.Name}) {
			return false
		}
	}
	return b.table.Take(pacer{r.Realm, own})
}
