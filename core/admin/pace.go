package admin

import (
	"sync/atomic"

	"bondy/core/mgmt"
	"bondy/core/rate"
	"bondy/core/wamp"
)

// Pace bounds how often the sessions of a realm change something, together: each
// change waits for the disk, and for the changes of others. What users change of
// themselves, passwords and tickets, has a bound of its own, so that they do not shut
// out the administrator. Those who manage all realms have none. A nil Pace allows
// everything. It is safe for concurrent use.
type Pace struct {
	perSecond int
	table     *rate.Table[pacer]
	refused   atomic.Uint64
}

type pacer struct {
	realm wamp.URI
	own   bool
}

// NewPace allows so many changes in a second; nil for 0 or less, which is no bound.
func NewPace(perSecond int) *Pace {
	if perSecond <= 0 {
		return nil
	}
	return &Pace{perSecond: perSecond, table: rate.NewTable[pacer](perSecond)}
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
	if p == nil || !proc.changes || manager(r) || p.table.Take(pacer{r.Realm, proc.reach == own || proc.users}) {
		return nil
	}
	p.refused.Add(1)
	return wamp.Errorf(wamp.ErrTooManyRequests, "the sessions of a realm change %d things per second: send slower", p.perSecond)
}
