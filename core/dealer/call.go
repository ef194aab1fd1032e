package dealer

import (
	"errors"
	"time"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// call is one call under way, in the table of its caller and guarded by the
// caller's callMu.
type call struct {
	callee  *callee // nil while the call waits or goes from one callee to another
	inv     wamp.ID // of the callee's INVOCATION
	kept    *kept   // nil for most
	timeout time.Duration
	due     tick // when it times out; 0 means never

	progress bool // the caller takes progressive results
	begun    bool // a progressive result went out
	more     bool // open for further pieces
	killed   bool // canceled with mode kill: the callee's answer is awaited
}

// invocation says whose call a callee is to answer.
type invocation struct {
	caller  *Session
	request wamp.ID
}

// Call routes m to one callee, whose INVOCATION it queues, or returns the
// error for the caller (sections "Caller Identification", "Call Timeouts",
// "Progressive Call Results", "Progressive Call Invocations" and "Payload
// Passthru Mode"). The caller has checked the URI.
func (s *Session) Call(b *peer.Batch, m *wamp.Call) error {
	if s.pieces != nil {
		if known, err := s.resume(b, m); known {
			return err
		}
	}
	o := callOptions{cfg: s.d.cfg.Load(), trust: int64(s.peer.Trust)}
	if len(m.Options) > 0 {
		if err := o.read(s.peer.Features, m.Options); err != nil {
			return err
		}
	}
	return s.route(b, m, &o)
}

// route finds the registration and a callee of it, or waits for one.
func (s *Session) route(b *peer.Batch, m *wamp.Call, o *callOptions) error {
	if o.timeout == 0 {
		o.timeout = o.cfg.Timeout
	}
	if limit := o.cfg.MaxTimeout; limit > 0 && (o.timeout == 0 || o.timeout > limit) {
		o.timeout = limit
	}
	var h *callee
	found := nobody
	r, ok := s.d.index.Get(wamp.MatchExact, m.Procedure)
	if ok {
		h, found = r.pick(m.Procedure, s.peer.Via, o)
	}
	if found == nobody {
		r, h, found = s.d.best(m.Procedure, s.peer.Via, o)
	}
	switch found {
	case callable:
		return s.assign(b, h, m, o, nil)
	case busy:
		return s.wait(b, r, m, o)
	case keyless:
		return wamp.Errorf(wamp.ErrInvalidArgument,
			"calls of %q go by a key: give CALL.Options.rkey or _routing_key, a string or an integer", m.Procedure)
	case nobody:
	}
	return noSuchProcedure(m.Procedure)
}

// best looks among the patterns; apart, because it costs closures.
func (d *Dealer) best(procedure wamp.URI, via *peer.Bridge, o *callOptions) (r *registration, h *callee, found outcome) {
	r, _ = d.index.Best(procedure, func(r *registration) bool {
		h, found = r.pick(procedure, via, o)
		return found != nobody
	})
	return r, h, found
}

func noSuchProcedure(uri wamp.URI) error {
	return wamp.Errorf(wamp.ErrNoSuchProcedure, "no callee has registered %q", uri)
}

// assign has h take the call, which may be kept already, or else another
// callee of the registration. h's place in its load is taken.
func (s *Session) assign(b *peer.Batch, h *callee, m *wamp.Call, o *callOptions, k *kept) error {
	status, err := s.invoke(b, h, m, o, k)
	if status == peer.Sent {
		return nil
	}
	h.release(b)
	if err != nil {
		return err
	}
	return s.offer(b, h.reg.others(h, m.Procedure, s.peer.Via), m, o, k, status)
}

// offer asks callees in turn. status is the worst so far.
func (s *Session) offer(b *peer.Batch, list []*callee, m *wamp.Call, o *callOptions, k *kept, status peer.Status) error {
	full := false
	for i, h := range list {
		if !h.reserve() {
			full = true
			continue
		}
		if k != nil {
			k.rest, k.rerouted = list[i+1:], true // before h can answer
		}
		next, err := s.invoke(b, h, m, o, k)
		if next == peer.Sent {
			return nil
		}
		h.release(b)
		if err != nil {
			return err
		}
		status = max(status, next)
	}
	switch {
	case status == peer.Full:
		return wamp.Errorf(wamp.ErrUnavailable, "the callee of %q does not read", m.Procedure)
	case full:
		return tooMany(m.Procedure)
	}
	return noSuchProcedure(m.Procedure)
}

func tooMany(uri wamp.URI) error {
	return wamp.Errorf(wamp.ErrMaxConcurrency, "every callee of %q has as many calls as it takes: try again", uri)
}

// errEnded says that a kept call ended before it found a callee: nobody is to
// be told anything.
var errEnded = errors.New("the call ended")

// invoke queues the INVOCATION at h. A status other than Sent means that h
// cannot take the call; an error that no callee can.
func (s *Session) invoke(b *peer.Batch, h *callee, m *wamp.Call, o *callOptions, k *kept) (peer.Status, error) {
	if o.more && !h.takesPieces(o.cfg) {
		return peer.Shut, wamp.Errorf(wamp.ErrFeatureNotSupported, "the callee of %q takes no calls in pieces", m.Procedure)
	}
	if o.passthru != nil && !o.cfg.takesPassthru(h.sess.peer, peer.CalleePassthru) {
		return peer.Shut, wamp.Errorf(wamp.ErrFeatureNotSupported,
			"the callee of %q did not announce payload_passthru_mode: send the arguments as they are", m.Procedure)
	}
	progress := o.progress && h.takesProgress(o.cfg)
	forward := o.timeout > 0 && h.forwardTimeout && h.sess.peer.Features.Has(peer.CalleeTimeout)
	f := peer.NewFrame(nil)
	defer f.Free()
	f.Invocation = wamp.Invocation{
		Registration: h.reg.id, Procedure: h.untold(m.Procedure), Details: s.details(h, o, progress, forward), Payload: m.Payload,
	}
	c := call{callee: h, progress: progress, more: o.more, timeout: o.timeout}
	if forward {
		c.timeout = 0
	}
	status, err := s.begin(b, f, c, m, o, k)
	if err == nil {
		err = h.refusal(status, m.Procedure)
	}
	return status, err
}

// refusal is the error for a message that its receiver can never take.
func (h *callee) refusal(status peer.Status, procedure wamp.URI) error {
	switch status {
	case peer.TooLong:
		return wamp.Errorf(wamp.ErrPayloadSizeExceeded, "the callee of %q accepts no message of this size", procedure)
	case peer.Untranslatable:
		return wamp.Errorf(wamp.ErrInvalidArgument, "the arguments cannot be expressed in the callee's serializer %s", h.sess.peer.Serializer())
	case peer.Sent, peer.Shut, peer.Closed, peer.Dropped, peer.Full:
	}
	return nil
}

// begin queues the INVOCATION in f and enters the call in both tables, in one
// step for who answers and who cancels.
func (s *Session) begin(b *peer.Batch, f *peer.Frame, c call, m *wamp.Call, o *callOptions, k *kept) (peer.Status, error) {
	to := c.callee.sess
	to.invMu.Lock()
	defer to.invMu.Unlock()
	s.callMu.Lock()
	defer s.callMu.Unlock()
	if err := s.admitLocked(m.Request, o.cfg.MaxCalls, k); err != nil {
		return peer.Shut, err
	}
	c.inv = to.lastInv.Next()
	f.Invocation.Request = c.inv
	f.Set(&f.Invocation)
	if to.left {
		return peer.Closed, nil
	}
	if status := to.peer.Send(b, f, peer.Reply, &c.callee.gate); status != peer.Sent {
		return status, nil
	}
	to.lastInv = c.inv
	to.invs.put(c.inv, invocation{s, m.Request})
	if k != nil { // in the table already, and its time runs
		old := s.calls.get(m.Request)
		if c.kept, c.due = k, old.due; c.timeout == 0 {
			c.due = 0
		} else if c.due == 0 {
			s.startLocked(&c)
		}
		*old = c
		return peer.Sent, nil
	}
	switch {
	case o.more:
		if s.pieces == nil {
			s.pieces = new(pieces)
		}
		c.kept = &kept{procedure: m.Procedure, details: f.Invocation.Details}
	case o.spare && c.callee.reroutes(o.cfg):
		c.kept = s.keepLocked(m, o, c.callee.reg)
	}
	s.startLocked(s.calls.put(m.Request, c))
	return peer.Sent, nil
}

// admitLocked refuses a call too many, one under the id of another, and one
// that was kept but ended.
func (s *Session) admitLocked(request wamp.ID, limit int, k *kept) error {
	c := s.calls.get(request)
	switch {
	case k != nil:
		if c == nil || c.kept != k {
			return errEnded
		}
	case c != nil:
		return s.underWay(request)
	case limit > 0 && s.calls.n >= limit:
		return wamp.Errorf(wamp.ErrUnavailable, "this session has %d calls under way, the most it may", s.calls.n)
	}
	return nil
}

// underWay is the error for a call under the id of another. Who came back to a
// session may count anew, and meets calls of before: that breaks no rule.
func (s *Session) underWay(request wamp.ID) error {
	if s.peer.Lasting() {
		return wamp.Errorf(wamp.ErrInvalidArgument, "CALL.Request %d is the id of a call under way: call again under the next id", request)
	}
	return wamp.Violationf("CALL.Request %d is the id of a call under way", request)
}

// endLocked takes a call out of the table and returns what it was.
func (s *Session) endLocked(request wamp.ID, c *call) call {
	last := *c
	s.calls.remove(request)
	if last.more {
		s.pieces.end(request)
	}
	if last.kept != nil {
		s.dropLocked(&last)
	}
	return last
}

// end takes the call out of the caller's table if callee's INVOCATION inv is
// the one that it waits for.
func (i invocation) end(callee *Session, inv wamp.ID) (call, bool) {
	i.caller.callMu.Lock()
	defer i.caller.callMu.Unlock()
	c := i.awaitsLocked(callee, inv)
	if c == nil {
		return call{}, false
	}
	return i.caller.endLocked(i.request, c), true
}

// awaitsLocked is the call if it waits for callee's INVOCATION inv, else nil.
func (i invocation) awaitsLocked(callee *Session, inv wamp.ID) *call {
	c := i.caller.calls.get(i.request)
	if c == nil || c.inv != inv || c.callee == nil || c.callee.sess != callee {
		return nil
	}
	return c
}

// fail answers the caller with an error of the router's.
func (i invocation) fail(b *peer.Batch, uri wamp.URI, text string) {
	e := &wamp.Error{URI: uri, Message: text}
	i.caller.reply(b, e.Reply(wamp.TypeCall, i.request))
}
