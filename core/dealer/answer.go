package dealer

import (
	"maps"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// Yield passes a callee's result to the caller (sections "RESULT",
// "Progressive Call Results" and "Payload Passthru Mode"). A result for a call
// that ended meanwhile is dropped; one for an invocation that was never made is
// a violation.
func (s *Session) Yield(b *peer.Batch, m *wamp.Yield) error {
	progress, passthru, err := readYield(m.Options)
	if err != nil {
		return err
	}
	i, err := s.answered(m.Request, !progress, "YIELD")
	if i.caller == nil {
		return err
	}
	refused := passthru != nil && !s.d.cfg.Load().takesPassthru(i.caller.peer, peer.CallerPassthru)
	if progress && !refused {
		i.yieldProgress(b, s, m, passthru)
		return nil
	}
	c, ok := i.end(s, m.Request)
	switch {
	case !ok:
	case refused:
		i.fail(b, wamp.ErrFeatureNotSupported, "the result came in payload passthru mode, which this client did not announce")
		c.abandon(b, wamp.ErrFeatureNotSupported, progress)
	default:
		i.undelivered(b, i.result(b, m, passthru))
		c.callee.release(b)
	}
	return nil
}

// readYield reads YIELD.Options: whether more follows, and what the caller is
// told of the payload.
func readYield(d wamp.Dict) (progress bool, passthru wamp.Dict, err error) {
	if len(d) == 0 {
		return false, nil, nil
	}
	if progress, err = d.Bool("progress"); err != nil {
		return false, nil, err
	}
	passthru, err = d.Passthru()
	return progress, passthru, err
}

// answered returns whose call an answer is for, and forgets it if that is the
// last. There is no caller if the call ended before.
func (s *Session) answered(inv wamp.ID, final bool, what string) (invocation, error) {
	s.invMu.Lock()
	defer s.invMu.Unlock()
	p := s.invs.get(inv)
	if p == nil {
		if inv > s.lastInv {
			return invocation{}, wamp.Violationf("%s: this session was sent no INVOCATION %d", what, inv)
		}
		return invocation{}, nil
	}
	i := *p
	if final {
		s.invs.remove(inv)
	}
	return i, nil
}

func (i invocation) yieldProgress(b *peer.Batch, callee *Session, m *wamp.Yield, passthru wamp.Dict) {
	details := wamp.Dict{"progress": true}
	maps.Copy(details, passthru)
	if status, c := i.progress(b, callee, m, details); status != peer.Sent {
		c.abandon(b, wamp.ErrCanceled, true)
		i.undelivered(b, status)
	}
}

// progress sends a progressive result, or ends the call whose caller cannot
// have it. It holds the lock while it sends, so that nothing overtakes the
// result on its way: no answer to a cancel, no timeout.
func (i invocation) progress(b *peer.Batch, callee *Session, m *wamp.Yield, details wamp.Dict) (peer.Status, call) {
	i.caller.callMu.Lock()
	defer i.caller.callMu.Unlock()
	c := i.awaitsLocked(callee, m.Request)
	if c == nil || !c.progress {
		return peer.Sent, call{}
	}
	if status := i.result(b, m, details); status != peer.Sent {
		return status, i.caller.endLocked(i.request, c)
	}
	c.begun = true
	if c.due != 0 {
		i.caller.startLocked(c)
	}
	return peer.Sent, call{}
}

// result queues the RESULT.
func (i invocation) result(b *peer.Batch, m *wamp.Yield, details wamp.Dict) peer.Status {
	f := peer.NewFrame(nil)
	defer f.Free()
	f.Result = wamp.Result{Request: i.request, Details: details, Payload: m.Payload}
	f.Set(&f.Result)
	return i.caller.peer.Send(b, f, peer.Reply, nil)
}

// undelivered sees to an answer that the caller did not get: what it cannot be
// given becomes an error, and a client that does not read its results is ended.
func (i invocation) undelivered(b *peer.Batch, status peer.Status) {
	to := i.caller.peer
	switch status {
	case peer.TooLong:
		i.fail(b, wamp.ErrPayloadSizeExceeded, "the answer is longer than this client accepts")
	case peer.Untranslatable:
		i.fail(b, wamp.ErrInvalidArgument, "the answer cannot be expressed in this client's serializer "+to.Serializer().String())
	case peer.Full:
		if to.Via != nil { // many callers share the way
			i.fail(b, wamp.ErrUnavailable, "the link to "+to.Via.Name+" has no room for the answer")
			return
		}
		to.Doom(b)
	case peer.Sent, peer.Closed, peer.Shut, peer.Dropped:
	}
}

// Error passes a callee's error to the caller: URI, arguments, keywords and what
// is told of them as they are, but the URI of a canceled call in one spelling. The error
// unavailable sends the call to another callee instead (section "Call
// Re-Routing").
func (s *Session) Error(b *peer.Batch, m *wamp.ErrorMessage) error {
	if m.RequestType != wamp.TypeInvocation {
		return wamp.Violationf("ERROR for %s: a client may answer INVOCATION alone", m.RequestType)
	}
	passthru, err := m.Details.Passthru()
	if err != nil {
		return err
	}
	i, err := s.answered(m.Request, true, "ERROR")
	if i.caller == nil {
		return err
	}
	uri := m.Error
	switch uri {
	case wamp.ErrUnavailable:
		h, k := i.move(s, m.Request)
		if k != nil {
			h.release(b)
			k.reroute(b, h)
			return nil
		}
		if h != nil {
			uri = wamp.ErrNoAvailableCallee
		}
	case "wamp.error.cancelled":
		uri = wamp.ErrCanceled
	default:
	}
	if c, ok := i.end(s, m.Request); ok {
		f := peer.NewFrame(&wamp.ErrorMessage{
			RequestType: wamp.TypeCall, Request: i.request, Details: passthru, Error: uri, Payload: m.Payload,
		})
		defer f.Free()
		i.undelivered(b, i.caller.peer.Send(b, f, peer.Reply, nil))
		c.callee.release(b)
	}
	return nil
}
