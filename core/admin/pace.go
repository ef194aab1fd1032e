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
	perSecond int
	table     *rate.Table[pacer]
	single    *rate.Table[single]
	refused   atomic.Uint64
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

// NewPace allows so many changes in a second; nil for 0 or less, which is no bound.
func NewPace(perSecond int) *Pace {
	if perSecond <= 0 {
		return nil
	}
	return &Pace{
		perSecond: perSecond, table: rate.NewTable[pacer](perSecond), single: rate.NewTable[single](max(1, perSecond/10)),
	}
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
	if p == nil || !proc.changes || manager(r) || p.take(r, proc.reach == own || proc.users) {
		return nil
	}
	p.refused.Add(1)
	return wamp.Errorf(wamp.ErrTooManyRequests, "the sessions of a realm change %d things per second, and a user a tenth of that of its own: send slower", p.perSecond)
}

// take reports whether a call may be made now. Who is no user has nothing of its own.
func (p *Pace) take(r *mgmt.Request, own bool) bool {
	if own {
		s, ok := r.Caller.About.(*meta.Session)
		if !ok || s.Principal == nil {
			return true
		}
		if !p.single.Take(single{r.Realm, s.Principal.Name}) {
			return false
		}
	}
	return p.table.Take(pacer{r.Realm, own})
}
