package dealer

import (
	"bondy/core/peer"
	"bondy/core/wamp"
)

// Modes of CANCEL and INTERRUPT (section "Call Canceling").
const (
	skip       = "skip"
	kill       = "kill"
	killNoWait = "killnowait"
)

// Cancel gives up a call of this session; the default mode is killnowait. A
// callee that cannot be interrupted makes every mode skip. Canceling a call
// that is unknown or over does nothing.
func (s *Session) Cancel(b *peer.Batch, m *wamp.Cancel) error {
	mode, err := m.Options.String("mode")
	if err != nil {
		return err
	}
	switch mode {
	case "":
		mode = killNoWait
	case skip, kill, killNoWait:
	default:
		return wamp.Violationf("CANCEL.Options.mode is %q: it must be skip, kill or killnowait", mode)
	}
	if c, ok := s.cancel(b, m.Request, mode); ok {
		invocation{s, m.Request}.fail(b, wamp.ErrCanceled, "the call was canceled")
		c.abandon(b, wamp.ErrCanceled, mode != skip)
	}
	return nil
}

// cancel ends the call, or leaves it to the callee's answer.
func (s *Session) cancel(b *peer.Batch, request wamp.ID, mode string) (call, bool) {
	s.callMu.Lock()
	defer s.callMu.Unlock()
	c := s.calls.get(request)
	if c == nil {
		return call{}, false
	}
	if mode != kill || c.callee == nil || !c.callee.interruptible() {
		return s.endLocked(request, c), true
	}
	if !c.killed {
		c.killed = true
		c.interrupt(b, kill, wamp.ErrCanceled)
	}
	return call{}, false
}

func (h *callee) interruptible() bool { return h.sess.peer.Features.Has(peer.CalleeCanceling) }

func (c *call) interrupt(b *peer.Batch, mode string, reason wamp.URI) {
	f := peer.NewFrame(&wamp.Interrupt{Request: c.inv, Options: wamp.Dict{"mode": mode, "reason": string(reason)}})
	defer f.Free()
	c.callee.sess.peer.Send(b, f, peer.Reply, nil)
}

// abandon takes a call that ended from its callee, or from the queue in which
// it waited. The caller holds no lock.
func (c *call) abandon(b *peer.Batch, reason wamp.URI, interrupt bool) {
	if c.callee == nil {
		c.kept.leave()
		return
	}
	if interrupt && c.callee.interruptible() {
		c.interrupt(b, killNoWait, reason)
	}
	c.callee.sess.forget(c.inv)
	c.callee.release(b)
}

// forget drops an invocation whose answer nobody awaits.
func (s *Session) forget(inv wamp.ID) {
	s.invMu.Lock()
	defer s.invMu.Unlock()
	s.invs.remove(inv)
}
