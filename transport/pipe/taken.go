package pipe

import (
	"errors"
	"os"
	"syscall"
)

// Mark is a position in the bytes that were written to a Pipe. The zero value
// is where a Pipe begins, and what Mark returns where the system does not tell.
type Mark uint64

// tally is how far a connection has come.
type tally struct {
	written Mark // handed to the kernel
	acked   Mark // of them, what the other side's kernel has
	broken  bool // the connection is no more
}

// Mark returns the position behind everything written so far, for Taken. It
// is for a Pipe that passes through.
func (p *Pipe) Mark() Mark {
	p.marked.Store(true)
	t, _ := p.tally()
	return t.written
}

// Taken tells what has become of what was written up to m: whether the other
// side's system acknowledged all of it, and whether the connection was reset,
// which is what happens when the other side closes without having read all that
// it got. Where the system does not tell, which is everywhere but for TCP on
// Linux, all is acknowledged. Where neither holds it may still become so. It may
// be called from any goroutine, also when the Pipe was closed.
func (p *Pipe) Taken(m Mark) (acked, reset bool) {
	t, ok := p.tally()
	if !ok {
		last := p.last.Load()
		if last == nil {
			return true, p.reset.Load()
		}
		t = *last
	} else if t.broken && !p.told.Load() {
		return false, false // who read the reason is about to tell
	}
	return t.acked >= m, p.reset.Load()
}

// Abort closes the socket of a Pipe that passes through at once, and nothing that
// still waits in it is sent.
func (p *Pipe) Abort() {
	if s := p.sock.Load(); s != nil {
		if l, ok := s.conn.(interface{ SetLinger(sec int) error }); ok {
			_ = l.SetLinger(0) // fails only on a closed socket
		}
	}
	_ = p.Close() // it may be closed already
}

// tally asks the kernel; false if it does not tell.
func (p *Pipe) tally() (t tally, ok bool) {
	s := p.sock.Load()
	if s == nil || s.raw == nil {
		return t, false
	}
	err := s.raw.Control(func(fd uintptr) {
		t, ok = readTally(int(fd))
		if ok {
			p.failed(pending(int(fd)))
		}
	})
	return t, ok && err == nil
}

// failed notes an error of the socket, which tells of a reset only once. A reset
// of a connection that the other side had closed in order is another error.
func (p *Pipe) failed(err error) {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	if errors.Is(err, syscall.ECONNRESET) {
		p.reset.Store(true)
	}
	p.told.Store(true)
}

// closes remembers where a marked Pipe ended.
func (p *Pipe) closes() {
	if !p.marked.Load() {
		return
	}
	if t, ok := p.tally(); ok {
		p.last.Store(&t)
	}
}
