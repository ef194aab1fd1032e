package bridge

import (
	"encoding/binary"
	"sync"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// Link is what a bridge needs of a link between nodes; *uplink.Link is one.
type Link interface {
	// Send queues a frame on the lane of source, without waiting.
	Send(source uint64, kind uint8, body []byte) error
	// Queued is how many bytes wait on that lane.
	Queued(source uint64) int
	// AddBusy counts answers that the peer owes.
	AddBusy(delta int)
	// Abort ends the link because the peer broke the rules.
	Abort(reason string)
	// Close ends the link.
	Close(reason string)
}

// KindMessage is the kind of a frame that carries a session number and a WAMP
// message.
const KindMessage uint8 = 16

// serializer is what crosses a link.
const serializer = wamp.MessagePack

// sink is the outbound half of one bridged realm.
type sink struct {
	link   Link
	number uint64

	mu   sync.Mutex // orders what Flush finds out
	owed func() int // answers that the peer owes
	busy int
}

var _ peer.Sink = (*sink)(nil)

// Serializer implements peer.Sink.
func (*sink) Serializer() wamp.Serializer { return serializer }

// Append implements peer.Sink.
func (s *sink) Append(msg []byte, _ *peer.Buffer) error {
	body := binary.AppendUvarint(make([]byte, 0, len(msg)+binary.MaxVarintLen64), s.number)
	if s.link.Send(s.number, KindMessage, append(body, msg...)) != nil {
		return peer.ErrClosed
	}
	return nil
}

// Buffered implements peer.Sink.
func (s *sink) Buffered() int { return s.link.Queued(s.number) }

// Flush implements peer.Sink: the link writes by itself, but must know whether
// answers are owed, to notice at once when it is dead.
func (s *sink) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owed == nil {
		return
	}
	n := s.owed()
	if n != s.busy {
		s.link.AddBusy(n - s.busy)
		s.busy = n
	}
}

// watch begins to tell the link how many answers are owed.
func (s *sink) watch(owed func() int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owed = owed
}

// OnProgress implements peer.Sink. A lane's backlog is looked at when the next
// message comes.
func (*sink) OnProgress(func()) {}
