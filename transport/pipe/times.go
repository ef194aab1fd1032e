package pipe

import (
	"os"
	"time"

	"bondy/core/session"
)

// times is what a Stream does when nothing is received for a while. Times are
// those of Shared.now; 0 is never.
type times struct {
	// until is the session's deadline while restless, and while awake the time to
	// look whether a message came.
	until time.Duration

	interval time.Duration // of keepalive
	ping     string
	next     time.Duration // ping
	received bool          // since the last ping
	missed   int8          // intervals without anything received

	idle   idleness
	active bool // a message came since until was set
}

// idleness says whether a Peek that finds nothing may end with ErrIdle.
type idleness uint8

const (
	restless idleness = iota // no: in a handshake, or where none may sleep
	awake                    // after some time without a message
	drowsy                   // at once: the connection was woken up and no message came
)

// maxMissed is the number of silent intervals after which a peer is gone.
const maxMissed = 2

// pingSpread is the part of its interval by which the ping of a connection
// that sleeps may be late, so that many are sent together.
const pingSpread = 8

// Keepalive appends ping every interval and ends Peek with ErrSilent when
// nothing at all was received for two of them; 0 turns it off. It goes on while
// the connection sleeps.
func (s *Stream) Keepalive(interval time.Duration, ping string) error {
	s.interval, s.ping, s.next = interval, ping, 0
	if interval > 0 {
		s.next = s.now() + interval
	}
	return s.arm()
}

// SetReadDeadline ends Peek with os.ErrDeadlineExceeded at t, whatever
// arrives until then; the zero time lifts it, and so does Sleep. It also keeps Peek
// from returning session.ErrIdle until Sleep is called again.
func (s *Stream) SetReadDeadline(t time.Time) error {
	s.idle, s.until = restless, 0
	if !t.IsZero() {
		s.until = max(t.Sub(s.pipe.shared.epoch), 1)
	}
	return s.arm()
}

// Active notes that a whole message was received.
func (s *Stream) Active() { s.active = true }

// Sleep implements session.Conn; held says that the framing holds something
// that the session has not read.
func (s *Stream) Sleep(held bool) bool {
	if held || s.in.len() > 0 {
		_ = s.stay() // fails only on a connection that is closed, which reading notices
		return false
	}
	if s.idle != drowsy {
		s.pipe.shared.settled()
	}
	s.idle, s.until, s.active = drowsy, 0, false
	s.in.release()
	s.pipe.sock.Load().in.release()
	if s.tls != nil && s.out.claim() {
		s.out.release()
	}
	if s.pipe.sleep(s.alarm()) {
		return true
	}
	if s.pipe.shared.watch == nil && s.arm() == nil && s.pipe.nap() {
		return true
	}
	_ = s.stay()
	return false
}

// alarm is when a ping is due if the connection sleeps.
func (s *Stream) alarm() time.Duration {
	if s.next == 0 {
		return 0
	}
	part := max(s.interval/pingSpread, 1)
	return (s.next + part - 1).Truncate(part)
}

// stay keeps the connection awake until no message came for some time.
func (s *Stream) stay() error {
	s.idle, s.until, s.active = restless, 0, false
	if quiet := s.pipe.shared.quiet; quiet > 0 {
		s.idle, s.until = awake, s.now()+quiet
	}
	return s.arm()
}

func (s *Stream) now() time.Duration { return s.pipe.shared.now() }

// expired does what is due after a read that ended without anything.
func (s *Stream) expired(now time.Duration) error {
	over := s.until > 0 && now >= s.until
	if over && s.idle == restless {
		return os.ErrDeadlineExceeded
	}
	if s.next > 0 && now >= s.next {
		if err := s.probe(now); err != nil {
			return err
		}
	}
	switch {
	case s.idle == drowsy:
		return session.ErrIdle
	case over:
		if !s.active && s.in.len() == 0 {
			return session.ErrIdle
		}
		return s.stay()
	default:
		return s.arm()
	}
}

// probe sends a ping, unless there was no answer to those before.
func (s *Stream) probe(now time.Duration) error {
	s.missed++
	if s.received {
		s.received, s.missed = false, 0
	}
	if s.missed >= maxMissed {
		return ErrSilent
	}
	s.next = now + s.interval
	if err := s.Reply([]byte(s.ping), nil); err != nil {
		return err
	}
	s.Flush() // what waits would keep the connection awake
	return nil
}

// arm sets the socket's deadline to the earliest of ours.
func (s *Stream) arm() error {
	at := s.until
	if s.next > 0 && (at == 0 || s.next < at) {
		at = s.next
	}
	if at == 0 {
		return s.pipe.setReadDeadline(time.Time{})
	}
	return s.pipe.setReadDeadline(s.pipe.shared.epoch.Add(at))
}
