package session

import (
	"time"

	"bondy/core/broker"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// burst is how long a session may have been silent for what it then sends at
// once.
const burst = 2 * time.Second

// bucket bounds how many messages a session sends.
type bucket struct {
	cost  time.Duration // of a message
	empty time.Time     // when what was sent until now is paid for
}

// newBucket allows that many messages a second; nil for 0, which is no bound.
func newBucket(rate int) *bucket {
	if rate <= 0 {
		return nil
	}
	return &bucket{cost: max(time.Second/time.Duration(rate), 1)}
}

// take reports whether a message may be sent now.
func (b *bucket) take(now time.Time) bool {
	if b.empty.Before(now) {
		b.empty = now
	}
	if b.empty.Sub(now)+b.cost > burst {
		return false
	}
	b.empty = b.empty.Add(b.cost)
	return true
}

// refuse answers a message that is one too many, or ends the session if there
// is no way to answer it.
func (s *Session) refuse(m wamp.Message) error {
	s.cfg.Counters.TooFast.Add(1)
	err := wamp.Errorf(wamp.ErrTooManyRequests, "this realm takes %d messages per second from a session: send slower", s.policy.MaxRate)
	var id wamp.ID
	var role peer.Features
	switch m := m.(type) {
	case *wamp.Call:
		if s.rpc().Continues(m.Request) {
			return err
		}
		id, role = m.Request, peer.Caller
	case *wamp.Publish:
		if !broker.Acknowledge(m) {
			return err
		}
		id, role = m.Request, peer.Publisher
	case *wamp.Subscribe:
		id, role = m.Request, peer.Subscriber
	case *wamp.Unsubscribe:
		id, role = m.Request, peer.Subscriber
	case *wamp.Register:
		id, role = m.Request, peer.Callee
	case *wamp.Unregister:
		id, role = m.Request, peer.Callee
	default:
		return err
	}
	if err := s.request(m.Type(), id, role); err != nil {
		return err
	}
	return s.fail(m.Type(), id, err)
}
