package dealer

import (
	"bondy/core/peer"
	"bondy/core/wamp"
)

// waiting is the calls that wait for a callee of a registration, the oldest
// first. It is guarded by the registration's lock.
type waiting struct {
	first, last *kept
	n           int
}

func (w *waiting) push(k *kept) {
	k.waits, k.prev = true, w.last
	if w.last == nil {
		w.first = k
	} else {
		w.last.next = k
	}
	w.last = k
	w.n++
}

func (w *waiting) remove(k *kept) {
	if !k.waits {
		return
	}
	if k.prev == nil {
		w.first = k.next
	} else {
		k.prev.next = k.next
	}
	if k.next == nil {
		w.last = k.prev
	} else {
		k.next.prev = k.prev
	}
	k.waits, k.prev, k.next = false, nil, nil
	w.n--
}

// wait lets a call wait until a callee of r is free, if the registration asked
// for that and has room. A call in pieces cannot wait.
func (s *Session) wait(b *peer.Batch, r *registration, m *wamp.Call, o *callOptions) error {
	if err := s.enqueue(r, m, o); err != nil {
		return err
	}
	s.d.dispatch(b, r) // a callee may have become free meanwhile
	return nil
}

func (s *Session) enqueue(r *registration, m *wamp.Call, o *callOptions) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.local.live+r.bridged.live == 0:
		return noSuchProcedure(m.Procedure)
	case o.more || r.waiting.n >= r.maxWaiting:
		return tooMany(m.Procedure)
	}
	s.callMu.Lock()
	defer s.callMu.Unlock()
	if err := s.admitLocked(m.Request, o.cfg.MaxCalls, nil); err != nil {
		return err
	}
	k := s.keepLocked(m, o, r)
	if k == nil {
		return wamp.Errorf(wamp.ErrMaxConcurrency,
			"every callee of %q has as many calls as it takes, and too much of this session waits already", m.Procedure)
	}
	k.pooled = false
	s.startLocked(s.calls.put(m.Request, call{kept: k, timeout: o.timeout}))
	r.waiting.push(k)
	return nil
}

// leave takes a call that ended out of the queue.
func (k *kept) leave() {
	k.reg.mu.Lock()
	defer k.reg.mu.Unlock()
	k.reg.waiting.remove(k)
	k.reg.settleLocked()
}

// dispatch gives waiting calls to callees that are free. One goroutine does
// this for a registration at a time, so that calls keep their order.
func (d *Dealer) dispatch(b *peer.Batch, r *registration) {
	for k, h := r.nextWaiting(false); k != nil; k, h = r.nextWaiting(true) {
		err := error(wamp.Errorf(wamp.ErrNoAvailableCallee, "no callee of %q is left", k.procedure))
		if h != nil {
			err = k.caller.assign(b, h, k.call(), &k.options, k)
		}
		if err != nil {
			k.fail(b, err)
		}
	}
}

// nextWaiting takes the next call for which a callee is free, or for which
// there is none at all: then h is nil. mine says that the caller is the one who
// dispatches.
func (r *registration) nextWaiting(mine bool) (*kept, *callee) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dispatching && !mine {
		return nil, nil
	}
	r.dispatching = false
	defer r.settleLocked()
	k := r.waiting.first
	if k == nil {
		return nil, nil
	}
	h, found := r.pickLocked(k.procedure, k.caller.peer.Via, &k.options)
	if found == busy {
		return nil, nil
	}
	r.waiting.remove(k)
	r.dispatching = true
	return k, h
}
