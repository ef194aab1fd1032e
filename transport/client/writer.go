package client

import (
	"fmt"
	"time"
)

// write is the session's writer: it writes batches until the session has ended
// and nothing is left, says the transport's farewell and closes the
// connection.
func (s *Session) write() {
	defer func() { _ = s.link.close() }()
	var ping <-chan time.Time
	if s.cfg.KeepAlive > 0 {
		t := time.NewTicker(s.cfg.KeepAlive)
		defer t.Stop()
		ping = t.C
	}
	var b batch
	for {
		select {
		case <-s.out.newWork:
		case <-ping:
			_ = s.out.control(framePing, nil) // a ping never fails
			continue
		}
		var last bool
		b, last = s.out.take(b)
		if err := s.writeBatch(b); err != nil {
			s.end(fmt.Errorf("connection lost: %w", err))
			return
		}
		if last {
			s.wire.batch(false) // what TLS says when it closes
			_ = s.link.write(frameClose, nil)
			return
		}
	}
}

func (s *Session) writeBatch(b batch) error {
	if err := s.setWriteDeadline(); err != nil {
		return err
	}
	start := 0
	for _, f := range b.frames {
		if err := s.link.write(f.kind, b.buf[start:f.end]); err != nil {
			return err
		}
		start = f.end
	}
	return s.wire.flush()
}

// setWriteDeadline gives the writer time for one batch, less once the session
// has ended.
func (s *Session) setWriteDeadline() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.cfg.WriteTimeout
	if s.ended {
		d = farewell
	}
	return s.wire.Conn.SetWriteDeadline(time.Now().Add(d))
}
