package dealer

import (
	"slices"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// pieces remembers which calls in pieces ended before their last piece came
// (section "Continuations on Completed Calls"), in a ring: the specification's
// grace period, counted in calls.
type pieces struct {
	over []wamp.ID
	next int
}

// maxOver is how many such calls are remembered.
const maxOver = 256

func (p *pieces) end(request wamp.ID) {
	if len(p.over) < maxOver {
		p.over = append(p.over, request)
		return
	}
	p.over[p.next] = request
	p.next = (p.next + 1) % maxOver
}

// discards reports whether a piece came too late. After the last one the id is
// forgotten.
func (p *pieces) discards(request wamp.ID, more bool) bool {
	i := slices.Index(p.over, request)
	if i >= 0 && !more {
		p.over[i] = 0
	}
	return i >= 0
}

// Continues reports whether request is a call of this session that is open for
// more pieces, or was until it ended lately: then Call takes a CALL under that
// id for a further piece and not for a new call. It takes no lock until the
// session makes a call in pieces.
func (s *Session) Continues(request wamp.ID) bool {
	if s.pieces == nil {
		return false
	}
	s.callMu.Lock()
	defer s.callMu.Unlock()
	if c := s.calls.get(request); c != nil {
		return c.more
	}
	return slices.Contains(s.pieces.over, request)
}

// resume takes m if it is a further piece of a call. The options are those of
// the first, and the callee is the same (sections "Freezing of Options" and
// "Progressive Call Invocations and Shared Registration").
func (s *Session) resume(b *peer.Batch, m *wamp.Call) (known bool, err error) {
	more, err := m.Options.Bool("progress")
	if err != nil {
		return true, err
	}
	status, c, known, err := s.piece(b, m, more)
	if status == peer.Sent {
		return known, err
	}
	if err = c.callee.refusal(status, m.Procedure); err == nil {
		err = wamp.Errorf(wamp.ErrUnavailable, "the callee of %q does not read", m.Procedure)
	}
	c.abandon(b, wamp.AsError(err).URI, true)
	return true, err
}

// piece sends a further INVOCATION of the same id. It ends the call when the
// callee cannot have it; a callee that is gone answers by leaving.
func (s *Session) piece(b *peer.Batch, m *wamp.Call, more bool) (status peer.Status, c call, known bool, err error) {
	s.callMu.Lock()
	defer s.callMu.Unlock()
	open := s.calls.get(m.Request)
	switch {
	case open == nil:
		return peer.Sent, c, s.pieces.discards(m.Request, more), nil
	case !open.more, open.kept.procedure != m.Procedure && s.peer.Lasting():
		return peer.Sent, c, true, s.underWay(m.Request)
	case open.kept.procedure != m.Procedure:
		return peer.Sent, c, true, wamp.Violationf("CALL.Procedure is %q in a further piece of a call of %q", m.Procedure, open.kept.procedure)
	}
	if !more {
		open.more = false
		delete(open.kept.details, "progress")
	}
	h := open.callee
	f := peer.NewFrame(nil)
	defer f.Free()
	f.Invocation = wamp.Invocation{
		Request: open.inv, Registration: h.reg.id, Procedure: h.untold(m.Procedure), Details: open.kept.details, Payload: m.Payload,
	}
	f.Set(&f.Invocation)
	switch status = h.sess.peer.Send(b, f, peer.Reply, nil); status {
	case peer.TooLong, peer.Untranslatable, peer.Full:
		return status, s.endLocked(m.Request, open), true, nil
	case peer.Sent, peer.Closed, peer.Shut, peer.Dropped:
	}
	if open.due != 0 {
		s.startLocked(open)
	}
	return peer.Sent, c, true, nil
}
