package dealer

import (
	"time"

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
	s.callMu.Lock()
	c := s.calls.get(m.Request)
	s.callMu.Unlock()
	if c == nil {
		return nil
	}
	if mode == kill && c.callee.peer.Features.Has(peer.CalleeCanceling) {
		c.kill(b)
	} else if c.giveUp(b, mode != skip) {
		c.fail(b, wamp.ErrCanceled, "the call was canceled")
	}
	return nil
}

// kill interrupts the callee and leaves the call to its answer.
func (c *call) kill(b *peer.Batch) {
	c.callee.invMu.Lock()
	defer c.callee.invMu.Unlock()
	if c.done || c.killed {
		return
	}
	c.killed = true
	c.interruptLocked(b, kill)
}

// giveUp ends the call without the callee's answer and reports whether it was
// still under way.
func (c *call) giveUp(b *peer.Batch, interrupt bool) bool {
	c.callee.invMu.Lock()
	defer c.callee.invMu.Unlock()
	return c.giveUpLocked(b, interrupt)
}

func (c *call) giveUpLocked(b *peer.Batch, interrupt bool) bool {
	if c.done {
		return false
	}
	c.callee.invs.remove(c.inv)
	c.finishLocked()
	if interrupt && c.callee.peer.Features.Has(peer.CalleeCanceling) {
		c.interruptLocked(b, killNoWait)
	}
	return true
}

func (c *call) interruptLocked(b *peer.Batch, mode string) {
	f := peer.NewFrame(&wamp.Interrupt{Request: c.inv, Options: wamp.Dict{"mode": mode}})
	defer f.Free()
	c.callee.peer.Send(b, f, peer.Reply, nil)
}

// startTimerLocked starts the call's timeout, or starts it again after a
// progressive result (section "Call Timeouts").
func (c *call) startTimerLocked() {
	c.expiry++
	expiry := c.expiry
	if c.timer != nil {
		c.timer.Stop()
	}
	c.timer = time.AfterFunc(c.timeout, func() { c.expire(expiry) })
}

// expire runs in the timer's goroutine.
func (c *call) expire(expiry uint64) {
	b := peer.NewBatch(c.caller.d.cfg.Load().Counters)
	defer b.Flush()
	if c.expired(b, expiry) {
		c.fail(b, wamp.ErrTimeout, "no answer within "+c.timeout.String())
	}
}

func (c *call) expired(b *peer.Batch, expiry uint64) bool {
	c.callee.invMu.Lock()
	defer c.callee.invMu.Unlock()
	return c.expiry == expiry && c.giveUpLocked(b, true)
}
