//go:build unix

package systest_test

import (
	"net"
	"syscall"
)

// deaf makes a connection with a receive buffer so small that what its client
// does not read soon waits in the node. It must be small from the start: Linux
// drops what comes beyond a window that shrank, with the acknowledgments in it, and
// the connection may stall in both directions.
func deaf(d *net.Dialer) {
	d.Control = func(_, _ string, c syscall.RawConn) (err error) {
		controlErr := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
		if controlErr != nil {
			return controlErr
		}
		return err
	}
}
