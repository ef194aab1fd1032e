package dealer

import (
	"bondy/core/peer"
	"bondy/core/wamp"
)

// Yield passes a callee's result to the caller (sections "RESULT" and
// "Progressive Call Results"). A result for a call that ended meanwhile is
// dropped; one for an invocation that was never made is a violation.
func (s *Session) Yield(b *peer.Batch, m *wamp.Yield) error {
	progress := false
	if len(m.Options) > 0 {
		var err error
		if progress, err = m.Options.Bool("progress"); err != nil {
			return err
		}
	}
	if progress {
		return s.yieldProgress(b, m)
	}
	c, err := s.take(m.Request, "YIELD")
	if c == nil {
		return err
	}
	c.undelivered(b, c.result(b, m, nil))
	return nil
}

// yieldProgress holds the lock while it sends, so that nothing overtakes the
// result on its way: no answer to a cancel, no timeout.
func (s *Session) yieldProgress(b *peer.Batch, m *wamp.Yield) error {
	s.invMu.Lock()
	defer s.invMu.Unlock()
	c := s.invs.get(m.Request)
	if c == nil {
		return s.unknownLocked(m.Request, "YIELD")
	}
	if !c.progress {
		return nil
	}
	status := c.result(b, m, wamp.Dict{"progress": true})
	switch {
	case status != peer.Sent:
		c.giveUpLocked(b, true)
		c.undelivered(b, status)
	case c.timer != nil:
		c.startTimerLocked()
	}
	return nil
}

// result queues the RESULT.
func (c *call) result(b *peer.Batch, m *wamp.Yield, details wamp.Dict) peer.Status {
	f := peer.NewFrame(nil)
	defer f.Free()
	f.Result = wamp.Result{Request: c.request, Details: details, Payload: m.Payload}
	f.Set(&f.Result)
	return c.caller.peer.Send(b, f, peer.Reply, nil)
}

// undelivered sees to an answer that the caller did not get: what it cannot be
// given becomes an error, and a client that does not read its results is ended.
func (c *call) undelivered(b *peer.Batch, status peer.Status) {
	switch status {
	case peer.TooLong:
		c.fail(b, wamp.ErrPayloadSizeExceeded, "the answer is longer than this client accepts")
	case peer.Untranslatable:
		c.fail(b, wamp.ErrInvalidArgument, "the answer cannot be expressed in this client's serializer "+c.caller.peer.Serializer().String())
	case peer.Full:
		if c.caller.peer.Via != nil { // many callers share the way
			c.fail(b, wamp.ErrUnavailable, "the link to "+c.caller.peer.Via.Name+" has no room for the answer")
			return
		}
		c.caller.peer.Doom(b)
	case peer.Sent, peer.Closed, peer.Shut, peer.Dropped:
	}
}

// Error passes a callee's error to the caller: URI, arguments and keywords as
// they are.
func (s *Session) Error(b *peer.Batch, m *wamp.ErrorMessage) error {
	if m.RequestType != wamp.TypeInvocation {
		return wamp.Violationf("ERROR for %s: a client may answer INVOCATION alone", m.RequestType)
	}
	c, err := s.take(m.Request, "ERROR")
	if c == nil {
		return err
	}
	answer := &wamp.ErrorMessage{RequestType: wamp.TypeCall, Request: c.request, Error: m.Error, Payload: m.Payload}
	f := peer.NewFrame(answer)
	defer f.Free()
	c.undelivered(b, c.caller.peer.Send(b, f, peer.Reply, nil))
	return nil
}

// take ends the call of invocation id and returns it, nil when it ended before.
func (s *Session) take(id wamp.ID, what string) (*call, error) {
	s.invMu.Lock()
	defer s.invMu.Unlock()
	c := s.invs.get(id)
	if c == nil {
		return nil, s.unknownLocked(id, what)
	}
	s.invs.remove(id)
	c.finishLocked()
	return c, nil
}

// unknownLocked tells an invocation that ended from one that never was.
func (s *Session) unknownLocked(id wamp.ID, what string) error {
	if id > s.lastInv {
		return wamp.Violationf("%s: this session was sent no INVOCATION %d", what, id)
	}
	return nil
}
