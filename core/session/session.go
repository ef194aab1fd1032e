package session

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"bondy/core/broker"
	"bondy/core/dealer"
	"bondy/core/meta"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// Session is one joined connection, or several one after another. Its fields
// belong to the connection's goroutine; Goodbye and Kill may be called from any.
type Session struct {
	*door  // changes under mu
	realm  *realm.Realm
	policy *realm.Policy
	peer   peer.Peer
	member meta.Session // what the realm's table holds

	lastRequest wamp.ID

	rates *rates     // nil without a bound
	after *afterlife // nil if the session ends with its connection

	answers *rbac.Answers // nil until a dynamic authorizer was asked

	mu      sync.Mutex  // with leaving, orders WELCOME and GOODBYE
	leaving atomic.Bool // GOODBYE was sent
	anew    bool        // the connection is another one: the next id may be any
	cut     *time.Timer // ends a client that does not answer ours
	expiry  *expiry     // nil if its identity has no end
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
		if s.rates != nil {
			err = s.paced(m)
		} else {
			err = s.handle(m)
		}
		if err != nil {
			return err
		}
	}
}

// pubsub is the session's side of the broker.
func (s *Session) pubsub() *broker.Session {
	b := s.member.Broker.Load()
	if b == nil {
		b = s.realm.Broker.Join(&s.peer)
		s.member.Broker.Store(b)
	}
	return b
}

// rpc is the session's side of the dealer.
func (s *Session) rpc() *dealer.Session {
	d := s.member.Dealer.Load()
	if d == nil {
		d = s.realm.Dealer.Join(&s.peer)
		s.member.Dealer.Store(d)
	}
	return d
}

// bye answers the client's GOODBYE, or takes it as the answer to ours.
func (s *Session) bye(m *wamp.Goodbye) error {
	if !s.depart() {
		return errLeft
	}
	if m.Reason == closeLogout {
		s.logout()
	}
	s.send(&wamp.Goodbye{Reason: wamp.CloseGoodbyeAndOut})
	return nil
}

// depart reports whether it is the client that begins to leave; nobody else says
// GOODBYE from now on.
func (s *Session) depart() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.leaving.Swap(true)
}

// leave gives back everything that the session holds, after its last will.
func (s *Session) leave() {
	s.peer.Close()
	s.mu.Lock()
	s.leaving.Store(true)
	if s.cut != nil {
		s.cut.Stop()
	}
	s.lastsLocked()
	s.after.letGo()
	s.mu.Unlock()
	s.bequeath(meta.Detached)
	s.bequeath(meta.Destroyed)
	s.routing = true
	if b := s.member.Broker.Load(); b != nil {
		b.Leave(s.batch)
	}
	if d := s.member.Dealer.Load(); d != nil {
		d.Leave(s.batch)
	}
	s.realm.Leave(s.peer.Session)
	s.realm.Events.Left(s.batch, &s.member)
	s.routing = false
	s.closed()
	s.cfg.Log.Debug("session closed", slog.Any("", s))
}

// Goodbye implements meta.Conn: the client has HelloTimeout to answer.
func (s *Session) Goodbye(reason wamp.URI, message string) {
	s.dismiss(reason, message, false)
}

// Kill implements meta.Conn.
func (s *Session) Kill(reason wamp.URI, message string) bool {
	return s.dismiss(reason, message, true)
}

// dismiss says GOODBYE and sees to it that the session ends, at once or if the
// client does not answer. It reports whether the session was not ending already.
func (s *Session) dismiss(reason wamp.URI, message string, atOnce bool) bool {
	s.mu.Lock()
	b := peer.NewBatch(s.cfg.Counters)
	defer b.Flush() // with no lock held
	defer s.mu.Unlock()
	if s.leaving.Swap(true) {
		return false
	}
	if s.after.over() {
		return true // there is nobody to tell
	}
	var details wamp.Dict
	if message != "" {
		details = wamp.Dict{"message": message}
	}
	f := peer.NewFrame(&wamp.Goodbye{Details: details, Reason: reason})
	defer f.Free()
	s.peer.Reply(b, f)
	if atOnce {
		s.peer.Close() // nothing follows GOODBYE
		s.conn.Close()
	} else {
		s.cut = time.AfterFunc(s.cfg.HelloTimeout, s.conn.Close)
	}
	return true
}

// LogValue implements slog.LogValuer with the attributes of the connection and
// of the session on it.
func (s *Session) LogValue() slog.Value {
	attrs := s.door.LogValue().Group()
	if s.member.Peer != nil {
		attrs = append(attrs, slog.String("realm", string(s.realm.URI)), slog.Uint64("session", uint64(s.peer.Session)))
	}
	return slog.GroupValue(attrs...)
}

// send queues a message of the session's own goroutine.
func (s *Session) send(m wamp.Message) {
	f := peer.NewFrame(m)
	defer f.Free()
	s.peer.Reply(s.batch, f)
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
