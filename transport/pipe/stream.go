package pipe

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"bondy/core/peer"
	"bondy/core/session"
)

// Stream is an ordered stream of bytes in both directions, over a Pipe in the
// clear or over TLS on a Pipe; message framings are built on it. Peek,
// Discard, Active, ServedBy, SetReadDeadline, Keepalive, Sleep and Wait belong to
// the goroutine that serves the connection; the other methods may be called from any.
type Stream struct {
	pipe *Pipe
	tls  *tls.Conn // nil in the clear
	// The buffers of what the framing reads and writes: the Pipe's own in the
	// clear, those on the near side of the encryption with TLS.
	in  *inbound
	out *outbound

	server session.Server
	times
}

// ErrSilent means that nothing came from the other side for too long.
var ErrSilent = errors.New("nothing received, not even a reply to a ping")

// Open takes over c, a *Pipe or a *tls.Conn on a *Pipe that has done its
// handshake, and switches the Pipe to queueing. c must not be used any more, nor s
// before; a Stream must not be copied.
func (s *Stream) Open(c net.Conn) error {
	switch c := c.(type) {
	case *Pipe:
		s.pipe = c
		s.in, s.out = &c.sock.Load().in, &c.out
	case *tls.Conn:
		p, ok := c.NetConn().(*Pipe)
		if !ok {
			return fmt.Errorf("TLS runs on a %T, not on a Pipe", c.NetConn())
		}
		s.pipe, s.tls = p, c
		s.in = &inbound{shared: p.shared}
		s.out = &outbound{pipe: p, tls: c}
	default:
		return fmt.Errorf("connection is a %T, not a Pipe", c)
	}
	_ = s.pipe.SetDeadline(time.Time{}) // fails only on a closed socket, which reading notices
	s.pipe.stream = s
	s.pipe.queueing.Store(true)
	return nil
}

// Remote is the client's address, the zero value for a unix socket.
func (s *Stream) Remote() netip.AddrPort { return s.pipe.remote }

// Proxied reports whether that is what a proxy says.
func (s *Stream) Proxied() bool { return s.pipe.proxied }

// TLS is the state of the TLS connection, nil in the clear.
func (s *Stream) TLS() *tls.ConnectionState {
	if s.tls == nil {
		return nil
	}
	state := s.tls.ConnectionState()
	return &state
}

// Peek returns everything that was read and not discarded, at least n bytes.
// It waits for them as needed, and then first calls Flush of who serves and
// flushes. The bytes are valid until the next Peek. n must have a bound; the
// memory used follows what arrives. Errors: io.EOF when the other side closed
// and nothing is left, io.ErrUnexpectedEOF when something less than n is,
// os.ErrDeadlineExceeded, ErrSilent, peer.ErrClosed, session.ErrIdle.
func (s *Stream) Peek(n int) ([]byte, error) {
	for s.in.len() < n {
		if err := s.fill(n); err != nil {
			if errors.Is(err, io.EOF) && s.in.len() > 0 {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return s.in.bytes(), nil
}

// Discard consumes the first n bytes of what Peek returned.
func (s *Stream) Discard(n int) { s.in.r += n }

// Append puts head and body behind what waits, together. It never blocks and
// copies both, but holds keep instead of copying the body if that is not nil.
// Error: peer.ErrClosed.
func (s *Stream) Append(head, body []byte, keep *peer.Buffer) error {
	return s.out.append(head, body, keep)
}

// Reply is Append for what the other side makes us send, such as a PONG; the
// bytes are always copied. Errors: peer.ErrClosed; ErrControlFlood when more
// than 256 KiB of that would wait, which should end the connection.
func (s *Stream) Reply(head, body []byte) error { return s.out.reply(head, body) }

// Buffered is how many bytes wait that the kernel has not taken.
func (s *Stream) Buffered() int {
	n := s.out.buffered()
	if s.tls != nil {
		n += s.pipe.out.buffered()
	}
	return n
}

// Written implements peer.Wire. What TLS has encrypted and the kernel not taken
// counts as it is on the wire, which is a little more than what was appended.
func (s *Stream) Written() (taken, appended int64) {
	taken, appended = s.out.written()
	if s.tls != nil {
		sent, sealed := s.pipe.out.written()
		taken -= sealed - sent
	}
	return taken, appended
}

// Flush hands what waits to the kernel without blocking.
func (s *Stream) Flush() {
	s.out.flush()
	if s.tls != nil {
		s.pipe.out.flush() // TLS also writes on its own account
	}
}

// OnProgress sets the function that is called, with no lock held, whenever
// some of a backlog has been written.
func (s *Stream) OnProgress(f func()) { s.pipe.out.onProgress(f) }

// ServedBy implements session.Conn.
func (s *Stream) ServedBy(server session.Server) { s.server = server }

// Close appends farewell and forbids more, flushes, and ends a pending Peek
// with peer.ErrClosed. It does not block and does not close the socket: Wait
// does. It reports whether it was the first Close.
func (s *Stream) Close(farewell []byte) bool {
	if !s.out.finish(farewell) {
		return false
	}
	s.pipe.hurry(flushTimeout)
	s.Flush()
	s.pipe.interrupt()
	return true
}

// Wait closes for good, and returns when it is done: it gives what was
// appended a few seconds to leave and the other side a moment to close. It
// must be called once nobody reads any more, by whoever read.
func (s *Stream) Wait() {
	s.Close(nil)
	if s.tls != nil {
		_ = s.out.wait()       // the Pipe below tells what matters
		_ = s.tls.CloseWrite() // appends the alert; without it the farewell is lost, no more
		s.in.drop()
	}
	s.pipe.linger()
}

// Kill closes the socket at once, whatever waits.
func (s *Stream) Kill() { _ = s.pipe.Close() }

// fill reads once, waiting until there is something.
func (s *Stream) fill(need int) error {
	if s.tls == nil {
		return s.await(need)
	}
	for {
		n, err := s.tls.Read(s.in.space(need))
		if n > 0 {
			s.in.filled(n)
			return nil
		}
		s.in.release()
		if err != nil && !errors.Is(err, wouldBlockError{}) {
			s.pipe.over = errors.Is(err, io.EOF)
			return err
		}
		if err := s.await(0); err != nil {
			return err
		}
	}
}

// await reads from the socket, and keeps the peer alive while it waits.
func (s *Stream) await(need int) error {
	for {
		if s.server != nil {
			s.server.Flush()
		}
		s.Flush()
		if s.idle == drowsy && (s.active || s.in.len() > 0) {
			if err := s.stay(); err != nil {
				return err
			}
		}
		err := s.pipe.fill(need, s.idle != drowsy)
		switch {
		case err == nil:
			s.received = true
			return nil
		case errors.Is(err, errNothing):
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		}
		if err := s.expired(s.now()); err != nil {
			return err
		}
	}
}
