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
	"bondy/core/meta"
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
	member *meta.Session

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

// leave gives back everything that the session holds, after its last will.
func (s *Session) leave() {
	s.queue.Close()
	s.mu.Lock()
	s.leaving.Store(true)
	if s.cut != nil {
		s.cut.Stop()
	}
	s.mu.Unlock()
	s.bequeath(meta.Detached)
	s.bequeath(meta.Destroyed)
	s.routing = true
	s.broker.Leave(s.batch)
	s.dealer.Leave(s.batch)
	s.realm.Leave(s.id)
	s.realm.Events.Left(s.batch, s.member)
	s.routing = false
	s.cfg.Log.Debug("session closed", slog.Any("", s))
}

// Goodbye implements meta.Conn: the client has HelloTimeout to answer.
func (s *Session) Goodbye(reason wamp.URI, message string) {
	s.dismiss(reason, message, func() { s.cut = time.AfterFunc(s.cfg.HelloTimeout, s.conn.Close) })
}

// Kill implements meta.Conn.
func (s *Session) Kill(reason wamp.URI, message string) bool {
	return s.dismiss(reason, message, func() {
		s.queue.Close() // nothing follows GOODBYE
		s.conn.Close()
	})
}

// dismiss says GOODBYE and then does what ends the session if the client does
// not. It reports whether the session was not ending already.
func (s *Session) dismiss(reason wamp.URI, message string, end func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving.Swap(true) {
		return false
	}
	var details wamp.Dict
	if message != "" {
		details = wamp.Dict{"message": message}
	}
	b := peer.NewBatch(s.cfg.Counters)
	defer b.Flush()
	f := peer.NewFrame(&wamp.Goodbye{Details: details, Reason: reason})
	defer f.Free()
	s.queue.Reply(b, f)
	end()
	return true
}

// LogValue implements slog.LogValuer with the attributes of the connection and
// of the session on it.
func (s *Session) LogValue() slog.Value {
	attrs := s.door.LogValue().Group()
	if s.peer != nil {
		attrs = append(attrs, slog.String("realm", string(s.realm.URI)), slog.Uint64("session", uint64(s.id)))
	}
	return slog.GroupValue(attrs...)
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
		s.cfg.Log.Error("request failed", slog.Any("", s), slog.String("message", t.String()), slog.Any("err", err))
		we = wamp.Errorf(wamp.ErrInternal, "internal error")
	}
	if we.URI == wamp.ErrProtocolViolation {
		return we
	}
	s.send(we.Reply(t, request))
	return nil
}
