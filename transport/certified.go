package transport

import (
	"log/slog"
	"maps"
	"slices"
	"sync"

	"bondy/core/session"
)

// certified holds the open connections whose clients showed a certificate that
// may be revoked.
type certified struct {
	mu   sync.Mutex
	open map[session.Conn]struct{}
}

func (s *certified) add(c session.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[session.Conn]struct{})
	}
	s.open[c] = struct{}{}
}

func (s *certified) remove(c session.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

func (s *certified) all() []session.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.open))
}

// believed takes note of a connection with a client certificate and reports
// whether it still holds: an HTTP connection may be older than what it opens.
func (l *Listener) believed(c session.Conn) bool {
	if l.cfg.TLS == nil || l.cfg.TLS.Revoked == nil {
		return true
	}
	state := c.Info().TLS
	if state == nil || len(state.PeerCertificates) == 0 {
		return true
	}
	l.known.add(c)
	return l.stillBelieved(c)
}

func (l *Listener) stillBelieved(c session.Conn) bool {
	info := c.Info()
	err := l.cfg.TLS.Check(info.TLS)
	if err != nil {
		l.log.Info("connection of a revoked certificate closed", slog.String("remote", info.Remote.String()), slog.Any("err", err))
	}
	return err == nil
}

// Recheck closes the connections whose client certificates are revoked by now.
func (l *Listener) Recheck() {
	for _, c := range l.known.all() {
		if !l.stillBelieved(c) {
			c.Close()
		}
	}
}
