package dealer

import (
	"maps"
	"time"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// call is one call under way. What changes after it began is guarded by the
// callee's invMu.
type call struct {
	caller  *Session
	request wamp.ID
	callee  *Session
	inv     wamp.ID

	progress bool // the caller takes progressive results and the callee sends them
	timeout  time.Duration

	done   bool // answered, or given up
	killed bool // canceled with mode kill: the callee's answer is awaited
	timer  *time.Timer
	expiry uint64 // counts restarts of timer, so that a late firing is told apart
}

// Call routes m to one callee, whose INVOCATION it queues, or returns the
// error for the caller (sections "Caller Identification", "Call Timeouts",
// "Progressive Call Results"). The caller has checked the URI.
func (s *Session) Call(b *peer.Batch, m *wamp.Call) error {
	o, err := s.readCall(m.Options)
	if err != nil {
		return err
	}
	return s.route(b, m, o)
}

// route finds the callee and invokes it.
func (s *Session) route(b *peer.Batch, m *wamp.Call, o callOptions) error {
	if limit := s.d.cfg.Load().MaxTimeout; limit > 0 && (o.timeout == 0 || o.timeout > limit) {
		o.timeout = limit
	}
	if s.full() {
		return wamp.Errorf(wamp.ErrUnavailable, "this session has %d calls under way, the most it may", s.d.cfg.Load().MaxCalls)
	}
	via := s.peer.Via
	var h *callee
	reg, ok := s.d.index.Best(m.Procedure, func(r *registration) bool {
		h = r.pick(m.Procedure, via)
		return h != nil
	})
	if !ok {
		return noSuchProcedure(m.Procedure)
	}
	status, err := s.invoke(b, h, m, o)
	if status == peer.Sent || err != nil {
		return err
	}
	for _, h := range reg.others(h, m.Procedure, via) {
		next, err := s.invoke(b, h, m, o)
		if next == peer.Sent || err != nil {
			return err
		}
		status = max(status, next)
	}
	if status == peer.Full {
		return wamp.Errorf(wamp.ErrUnavailable, "the callee of %q does not read", m.Procedure)
	}
	return noSuchProcedure(m.Procedure)
}

func noSuchProcedure(uri wamp.URI) error {
	return wamp.Errorf(wamp.ErrNoSuchProcedure, "no callee has registered %q", uri)
}

func (s *Session) full() bool {
	if s.d.cfg.Load().MaxCalls == 0 {
		return false
	}
	s.callMu.Lock()
	defer s.callMu.Unlock()
	return s.calls.n >= s.d.cfg.Load().MaxCalls
}

// maxTimeoutMS is the longest timeout in milliseconds that a Duration holds.
const maxTimeoutMS = int64(1<<63-1) / int64(time.Millisecond)

type callOptions struct {
	progress, disclose bool
	timeout            time.Duration
	caller             wamp.Dict // of a caller behind a bridge, as it is disclosed
	hops               int64     // bridges crossed
}

func (s *Session) readCall(d wamp.Dict) (o callOptions, err error) {
	o.timeout = s.d.cfg.Load().Timeout
	if len(d) == 0 {
		return o, nil
	}
	if o.progress, err = d.Bool("receive_progress"); err != nil {
		return o, err
	}
	if more, err := d.Bool("progress"); err != nil {
		return o, err
	} else if more {
		return o, wamp.Violationf("CALL.Options.progress: this dealer does not announce progressive_call_invocations")
	}
	if o.disclose, err = d.Bool("disclose_me"); err != nil {
		return o, err
	}
	if o.disclose && s.d.cfg.Load().NoDisclosure {
		return o, wamp.Errorf(wamp.ErrDiscloseMeDisallowed, "this realm does not disclose callers")
	}
	ms, err := d.Int("timeout")
	if err != nil {
		return o, err
	}
	if ms < 0 {
		return o, wamp.Errorf(wamp.ErrInvalidArgument, "CALL.Options.timeout is %d: it must be 0 or a number of milliseconds", ms)
	}
	if ms > 0 {
		o.timeout = time.Duration(min(ms, maxTimeoutMS)) * time.Millisecond
	}
	return o, nil
}

// invoke queues the INVOCATION at h. A status other than Sent means that h
// cannot take the call; an error that no callee can.
func (s *Session) invoke(b *peer.Batch, h *callee, m *wamp.Call, o callOptions) (peer.Status, error) {
	to := h.sess
	c := &call{caller: s, request: m.Request, callee: to, timeout: o.timeout}
	c.progress = o.progress && to.peer.Features.Has(peer.CalleeProgressiveResults|peer.CalleeCanceling)
	details := c.details(h, m.Procedure, o)

	to.invMu.Lock()
	defer to.invMu.Unlock()
	if to.left {
		return peer.Closed, nil
	}
	c.inv = to.lastInv.Next()
	f := peer.NewFrame(nil)
	defer f.Free()
	f.Invocation = wamp.Invocation{Request: c.inv, Registration: h.reg.id, Details: details, Payload: m.Payload}
	f.Set(&f.Invocation)
	switch status := to.peer.Send(b, f, peer.Reply, &h.gate); status {
	case peer.Sent:
	case peer.TooLong:
		return status, wamp.Errorf(wamp.ErrPayloadSizeExceeded, "the callee of %q accepts no message of this size", m.Procedure)
	case peer.Untranslatable:
		return status, wamp.Errorf(wamp.ErrInvalidArgument, "the arguments cannot be expressed in the callee's serializer %s", to.peer.Serializer())
	case peer.Shut, peer.Closed, peer.Dropped, peer.Full:
		return status, nil
	}
	to.lastInv = c.inv
	to.invs.put(c.inv, c)
	s.callMu.Lock()
	s.calls.put(c.request, c)
	s.callMu.Unlock()
	if c.timeout > 0 {
		c.startTimerLocked()
	}
	return peer.Sent, nil
}

// details of the INVOCATION; nil is the common case. A timeout that the callee
// watches itself is taken from the dealer.
func (c *call) details(h *callee, procedure wamp.URI, o callOptions) wamp.Dict {
	forward := c.timeout > 0 && h.forwardTimeout && h.sess.peer.Features.Has(peer.CalleeTimeout)
	disclose := o.disclose || h.discloseCaller
	bridged := h.sess.peer.Via != nil
	if h.reg.match == wamp.MatchExact && !disclose && !c.progress && !forward && !bridged {
		return nil
	}
	d := make(wamp.Dict, 6)
	if h.reg.match != wamp.MatchExact || bridged {
		d["procedure"] = string(procedure)
	}
	if bridged {
		d["_hops"] = o.hops + 1
	}
	switch {
	case disclose && o.caller != nil:
		maps.Copy(d, o.caller)
	case disclose:
		maps.Copy(d, c.caller.peer.Disclosed("caller"))
	}
	if c.progress {
		d["receive_progress"] = true
	}
	if forward {
		d["timeout"] = c.timeout.Milliseconds()
		c.timeout = 0
	}
	return d
}

// finishLocked takes the call out of the caller's table and stops its timer;
// the callee's table is the business of whoever holds its lock.
func (c *call) finishLocked() {
	c.done = true
	if c.timer != nil {
		c.timer.Stop()
	}
	c.caller.callMu.Lock()
	c.caller.calls.remove(c.request)
	c.caller.callMu.Unlock()
}

// fail answers the caller with an error of the router's.
func (c *call) fail(b *peer.Batch, uri wamp.URI, text string) {
	e := &wamp.Error{URI: uri, Message: text}
	c.caller.reply(b, e.Reply(wamp.TypeCall, c.request))
}
