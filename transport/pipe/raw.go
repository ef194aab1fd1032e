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
func (p *Pipe) readOnce(fd uintptr) bool {
	b := p.in.space(p.need)
	for {
		n, err := unix.Read(int(fd), b)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			p.in.release()
			return false
		case err != nil:
			p.readErr = err
		case n == 0:
			p.readErr = io.EOF
		default:
			p.in.filled(n)
			p.shared.BytesIn.Add(int64(n))
			return true
		}
		p.in.release()
		return true
	}
}

// writeOnce is called by RawConn.Write, which waits for the socket when the
// answer is false.
func (p *Pipe) writeOnce(fd uintptr) bool {
	j := &p.job
	for {
		var err error
		if len(j.batch) == 1 {
			j.n, err = unix.Write(int(fd), j.batch[0])
		} else {
			j.n, err = unix.Writev(int(fd), j.batch)
		}
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			j.n = 0
			return !j.park
		case err != nil:
			j.n, j.err = 0, err
		}
		return true
	}
}

// rawWriter writes once, without blocking unless it may park.
type rawWriter struct{ p *Pipe }

func (w rawWriter) write(batch [][]byte, park bool) (int, error) {
	p := w.p
	p.job = writeJob{batch: batch, park: park}
	err := p.raw.Write(p.onWrite)
	n := p.job.n
	if err == nil {
		err = p.job.err
	}
	p.job = writeJob{}
	p.shared.BytesOut.Add(int64(n))
	return n, err
}
