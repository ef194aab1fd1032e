//go:build linux || darwin || openbsd

package pipe

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// rawIO says that this system has calls that do not block.
const rawIO = true

// readOnce is called by the poller's RawConn.Read, which waits for the socket
// when the answer is false. It holds a buffer only while there is something
// to read.
func (s *socket) readOnce(fd uintptr) bool {
	in := &s.in
	b := in.space(s.need)
	for {
		n, err := unix.Read(int(fd), b)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			in.release()
			if s.wait {
				return false
			}
			s.readErr = errNothing
		case err != nil:
			s.readErr = err
		case n == 0:
			s.readErr = io.EOF
		default:
			in.filled(n)
			s.p.shared.BytesIn.Add(int64(n))
			return true
		}
		in.release()
		return true
	}
}

// readable reports whether a read would not wait.
func readable(fd uintptr) bool {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} //nolint:gosec // a descriptor
	n, err := unix.Poll(fds[:], 0)
	return n != 0 || err != nil
}

// writeOnce is called by RawConn.Write, which waits for the socket when the
// answer is false.
func (s *socket) writeOnce(fd uintptr) bool {
	j := &s.job
	n, err := writeFD(int(fd), j.batch)
	if n == 0 && err == nil {
		return !j.park
	}
	j.n, j.err = n, err
	return true
}

// writeFD writes once without blocking; 0 and no error means to try later.
func writeFD(fd int, batch [][]byte) (n int, err error) {
	for {
		if len(batch) == 1 {
			n, err = unix.Write(fd, batch[0])
		} else {
			n, err = unix.Writev(fd, batch)
		}
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return 0, nil
		case err != nil:
			return 0, err
		}
		return n, nil
	}
}

// dup makes another descriptor of the same connection, which the caller owns.
func (s *socket) dup() (fd int, ok bool) {
	if s.raw == nil {
		return 0, false
	}
	var err error
	if e := s.raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); e != nil {
		err = e
	}
	return fd, err == nil
}

func (s *socket) shutdown() bool {
	var err error
	e := s.raw.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), unix.SHUT_WR) })
	return err == nil && e == nil
}
