package session

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"bondy/core/auth"
	"bondy/core/broker"
	"bondy/core/dealer"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// Session is one joined connection. Its fields belong to the connection's
// goroutine; Goodbye may be called from any.
type Session struct {
	*door
	id     wamp.ID
	realm  *realm.Realm
	policy *realm.Policy
	who    *auth.Identity
	rights *rbac.Rights
	queue  *peer.Queue
	peer   *peer.Peer
	broker *broker.Session
	dealer *dealer.Session

	lastRequest wamp.ID

	mu      sync.Mutex  // with leaving, orders WELCOME and GOODBYE
	leaving atomic.Bool // GOODBYE was sent
	cut     *time.Timer // ends a client that does not answer ours
}

// run handles messages until the session ends: nil after an orderly GOODBYE,
// else what to abort with.
func (s *Session) run() error {
	for {
		m, err := s.next()
		if err != nil {
			return err
		}
		if bye, ok := m.(*wamp.Goodbye); ok {
			return s.bye(bye)
		}
		if m.Type() == wamp.TypeAbort {
			return errLeft
		}
		if s.leaving.Load() {
			continue // section "GOODBYE": all else is ignored now
		}
		if err := s.handle(m); err != nil {
			return err
		}
	}
}

// bye answers the client's GOODBYE, or takes it as the answer to ours.
func (s *Session) bye(*wamp.Goodbye) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving.Swap(true) {
		return errLeft
	}
	s.send(&wamp.Goodbye{Reason: wamp.CloseGoodbyeAndOut})
	return nil
}

// leave gives back everything that the session holds.
func (s *Session) leave() {
	s.queue.Close()
	s.mu.Lock()
	if s.cut != nil {
		s.cut.Stop()
	}
	s.mu.Unlock()
	s.realm.Leave(s.id)
	s.routing = true
	s.broker.Leave(s.batch)
	s.dealer.Leave(s.batch)
	s.routing = false
	s.log.Debug("session closed")
}

// Goodbye implements realm.Member.
func (s *Session) Goodbye(reason wamp.URI, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving.Swap(true) {
		return
	}
	b := peer.NewBatch(s.cfg.Counters)
	defer b.Flush()
	f := peer.NewFrame(&wamp.Goodbye{Details: wamp.Dict{"message": message}, Reason: reason})
	defer f.Free()
	s.queue.Reply(b, f)
	s.cut = time.AfterFunc(s.cfg.HelloTimeout, s.conn.Close)
}

// send queues a message of the session's own goroutine.
func (s *Session) send(m wamp.Message) {
	f := peer.NewFrame(m)
	defer f.Free()
	s.queue.Reply(s.batch, f)
}

// fail answers the request with err, or returns it when it ends the session.
func (s *Session) fail(t wamp.MessageType, request wamp.ID, err error) error {
	if err == nil {
		return nil
	}
	we, ok := errors.AsType[*wamp.Error](err)
	if !ok {
		s.log.Error("request failed", slog.String("message", t.String()), slog.Any("err", err))
		we = wamp.Errorf(wamp.ErrInternal, "internal error")
	}
	if we.URI == wamp.ErrProtocolViolation {
		return we
	}
	s.send(we.Reply(t, request))
	return nil
}
