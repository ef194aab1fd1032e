//go:build !unix

package transport

import (
	"io/fs"
	"syscall"
)

func socketMode(fs.FileMode) func(network, address string, c syscall.RawConn) error { return nil }

// refused reports whether nobody listens on a socket.
func refused(error) bool { return true }
