package pipe

import (
	"net"
	"syscall"
	"time"
)

// conn is what a socket needs of a net.Conn, or of an *os.File on a socket.
type conn interface {
	Read(b []byte) (int, error)
	Write(b []byte) (int, error)
	Close() error
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// socket moves the bytes of a Pipe that is awake. What belongs to reading is
// used by the one goroutine that reads, what belongs to writing by the one that
// writes.
type socket struct {
	p    *Pipe
	conn conn
	raw  syscall.RawConn // nil where only blocking calls exist

	in      inbound
	onRead  func(fd uintptr) bool
	need    int // the size that the reader is waiting for, if known
	wait    bool
	readErr error // of the last system call

	onWrite func(fd uintptr) bool
	job     writeJob
}

// writeJob is what onWrite works on.
type writeJob struct {
	batch [][]byte
	park  bool
	n     int
	err   error
}

func newSocket(p *Pipe, c conn) *socket {
	s := &socket{p: p, conn: c}
	s.in.shared = p.shared
	if sc, ok := c.(syscall.Conn); ok && rawIO {
		if raw, err := sc.SyscallConn(); err == nil {
			s.raw = raw
			s.onRead, s.onWrite = s.readOnce, s.writeOnce
		}
	}
	return s
}

// fill reads once into the Pipe's buffer. Unless wait is set it returns
// errNothing instead of waiting.
func (s *socket) fill(need int, wait bool) error {
	if s.raw != nil {
		s.need, s.wait, s.readErr = need, wait, nil
		if err := s.raw.Read(s.onRead); err != nil {
			return err
		}
		return s.readErr
	}
	n, err := s.conn.Read(s.in.space(need))
	if n > 0 {
		s.in.filled(n)
		s.p.shared.BytesIn.Add(int64(n))
		return nil
	}
	s.in.release()
	return err
}

// await returns when there is something to read, when the read deadline passes,
// or when there is an error, which reading finds again.
func (s *socket) await() {
	_ = s.raw.Read(readable)
}

// write writes once. Only a write that may park waits for the other side.
func (s *socket) write(batch [][]byte, park bool) (int, error) {
	if s.raw == nil {
		if !park {
			return 0, nil
		}
		n, err := s.conn.Write(batch[0])
		s.p.shared.BytesOut.Add(int64(n))
		return n, err
	}
	s.job = writeJob{batch: batch, park: park}
	err := s.raw.Write(s.onWrite)
	n := s.job.n
	if err == nil {
		err = s.job.err
	}
	s.job = writeJob{}
	s.p.shared.BytesOut.Add(int64(n))
	return n, err
}

// closeWrite tells the other side that nothing follows, if that is possible.
func (s *socket) closeWrite() bool {
	if s.raw != nil {
		return s.shutdown()
	}
	half, ok := s.conn.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}

var _ conn = net.Conn(nil)
