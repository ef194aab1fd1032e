//go:build unix

package transport

import (
	"errors"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// socketMode sets the permission of a unix socket before it is bound, so that
// there is no moment in which it has another (Linux; elsewhere the call fails
// and the file's mode is set after it).
func socketMode(mode fs.FileMode) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.Fchmod(int(fd), uint32(mode.Perm())) })
	}
}

// refused reports whether nobody listens on a socket.
func refused(err error) bool { return errors.Is(err, unix.ECONNREFUSED) }
