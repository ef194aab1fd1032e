package pipe

import "golang.org/x/sys/unix"

// tcpClose is the state of a TCP socket without a connection.
const tcpClose = 7

func readTally(fd int) (t tally, ok bool) {
	i, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return t, false // a unix socket
	}
	return tally{
		written: Mark(i.Bytes_sent - i.Bytes_retrans + uint64(i.Notsent_bytes)),
		acked:   Mark(i.Bytes_acked),
		broken:  i.State == tcpClose,
	}, true
}

// pending takes the error that the socket would report next.
func pending(fd int) error {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil || n == 0 {
		return err
	}
	return unix.Errno(n)
}
