package realm

import "net/netip"

// Holder is to whom a session without connection is counted: an authid, or for
// anonymous clients, who have another one each time, the site they come from.
type Holder struct {
	AuthID string
	Site   netip.Prefix
}

// holderShare is the part of all places that one holder may have.
const holderShare = 10

// Detach counts a session of h that lost its connection and stays. It reports
// false if the realm or h has as many as may be, unless that is not asked.
func (r *Realm) Detach(h Holder, bounded bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if bounded && (r.allDetached >= r.maxDetached || r.detached[h] >= max(r.maxDetached/holderShare, 1)) {
		return false
	}
	r.allDetached++
	r.detached[h]++
	return true
}

// Attach takes back what Detach counted for h.
func (r *Realm) Attach(h Holder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.allDetached--
	if r.detached[h]--; r.detached[h] == 0 {
		delete(r.detached, h)
	}
}

// Detached is the number of sessions without connection.
func (r *Realm) Detached() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.allDetached
}

func (r *Realm) bound(detached int, limits Limits) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.maxDetached = detached
	r.limits.set(limits, r.sessions)
}
