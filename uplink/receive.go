package uplink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"bondy/uplink/wire"
)

// counted notes what arrives on a link.
type counted struct {
	src   io.Reader
	pulse *pulse
}

// Read reads from the lane.
func (c counted) Read(p []byte) (int, error) {
	n, err := c.src.Read(p)
	if n > 0 {
		c.pulse.heard()
	}
	return n, err
}

// acceptLanes starts a reader for each lane that the peer opens.
func (l *Link) acceptLanes() {
	l.guard(func() error {
		for {
			stream, err := l.conn.accept()
			if err != nil {
				return err
			}
			l.tasks.Go(func() { l.guard(func() error { return l.readLane(stream) }) })
		}
	})
}

func (l *Link) readLane(stream io.Reader) error {
	number, err := laneNumber(stream)
	if err != nil {
		return err
	}
	if err := l.opened.claim(number, l.cfg.Lanes); err != nil {
		return err
	}
	return l.read(wire.NewReader(counted{stream, &l.pulse}, l.cfg.MaxFrame, &l.shared.buffers), number)
}

func (l *Link) read(r *wire.Reader, number int) error {
	defer r.Close()
	c := l.counters.in(number)
	for {
		kind, body, err := r.Next()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("%w: lane %d ended", wire.ErrMalformed, number)
		case err != nil:
			return err
		case l.Err() != nil:
			return nil // aborted by the last frame: the rest is not wanted
		}
		if kind < wire.FirstKind {
			if err := l.own(number, kind, body); err != nil {
				return err
			}
			continue
		}
		c.frames.Add(1)
		c.bytes.Add(uint64(len(body)))
		l.cfg.Handler.Frame(l, number, kind, body)
	}
}

// own handles a frame of the link itself.
func (l *Link) own(number int, kind uint8, body []byte) error {
	seq, err := wire.ParsePing(body)
	switch {
	case number != wire.Control || kind != wire.KindPing && kind != wire.KindPong:
		return fmt.Errorf("%w: frame of kind %d on lane %d", wire.ErrMalformed, kind, number)
	case err != nil:
		return err
	case kind == wire.KindPong:
		l.pulse.pong(seq)
		return nil
	}
	l.ping(wire.KindPong, seq)
	return nil
}

// ping sends a ping or pong; one that finds no room is as good as lost.
func (l *Link) ping(kind uint8, seq uint64) {
	var body [binary.MaxVarintLen64]byte
	_ = l.lanes[wire.Control].put(kind, wire.AppendPing(body[:0], seq))
}

// openedLanes has a bit for each data lane that the peer opened.
type openedLanes struct{ bits atomic.Uint64 }

// claim takes a lane for a stream; each may be opened once.
func (o *openedLanes) claim(number, lanes int) error {
	if number < 1 || number > lanes {
		return fmt.Errorf("%w: no lane %d", wire.ErrMalformed, number)
	}
	if bit := uint64(1) << (number - 1); o.bits.Or(bit)&bit != 0 {
		return fmt.Errorf("%w: lane %d opened twice", wire.ErrMalformed, number)
	}
	return nil
}
