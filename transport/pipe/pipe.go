package pipe

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"bondy/core/peer"
)

const (
	// flushTimeout bounds how long a closing connection tries to get rid of
	// what was appended.
	flushTimeout = 5 * time.Second
	// drainTimeout bounds how long it then waits for the other side to close,
	// so that bytes still on their way here do not reset the connection
	// before the other side has read the farewell.
	drainTimeout = time.Second
)

// Pipe is an accepted connection. As a net.Conn it passes through until
// NewStream takes it over; it must not be copied.
type Pipe struct {
	conn    net.Conn
	raw     syscall.RawConn // nil where only blocking calls exist
	shared  *Shared
	onClose func()
	remote  netip.AddrPort

	queueing bool
	in       inbound
	need     int // the size that the reader is waiting for, if known
	out      outbound
	readErr  error // of the last system call
	onRead   func(fd uintptr) bool
	onWrite  func(fd uintptr) bool
	job      writeJob
	appData  atomic.Bool // while queueing: TLS writes for us, not on its own account
	over     bool        // the other side is gone: nothing to wait for

	deadline sync.Mutex // guards ended and the read deadline
	ended    bool

	closing sync.Once
}

// writeJob is what onWrite works on; it belongs to the goroutine that writes.
type writeJob struct {
	batch [][]byte
	park  bool
	n     int
	err   error
}

// New wraps an accepted connection. onClose, which may be nil, is called once
// when the socket has been closed.
func New(conn net.Conn, shared *Shared, onClose func()) *Pipe {
	p := &Pipe{conn: conn, shared: shared, onClose: onClose, remote: addrPort(conn.RemoteAddr())}
	p.in.shared = shared
	p.out.shared = shared
	p.out.failed = p.interrupt
	p.out.w = blockingWriter{p}
	if sc, ok := conn.(syscall.Conn); ok && rawIO {
		if raw, err := sc.SyscallConn(); err == nil {
			p.raw = raw
			p.out.w = rawWriter{p}
			p.onRead, p.onWrite = p.readOnce, p.writeOnce
		}
	}
	return p
}

// Remote is the client's address, the zero value for a unix socket.
func (p *Pipe) Remote() netip.AddrPort { return p.remote }

// SetRemote replaces the client's address by the one that a proxy named. It
// must be called before the Pipe is shared.
func (p *Pipe) SetRemote(a netip.AddrPort) { p.remote = a }

// Unread puts bytes back that were read ahead, in front of what comes from
// the socket. It must be called before anything else was put back and before
// NewStream.
func (p *Pipe) Unread(b []byte) { p.in.put(b) }

// Read implements net.Conn. While queueing it is for TLS alone and returns
// what was read from the socket already, or an error that says to try later.
func (p *Pipe) Read(b []byte) (int, error) {
	if n := p.in.take(b); n > 0 {
		return n, nil
	}
	p.in.release()
	if p.queueing {
		return 0, wouldBlockError{}
	}
	n, err := p.conn.Read(b)
	p.shared.BytesIn.Add(int64(n))
	return n, err
}

// Write implements net.Conn. While queueing it is for TLS alone, appends and
// never blocks; what TLS says on its own account, because the other side made
// it, has the bound of replies.
func (p *Pipe) Write(b []byte) (int, error) {
	if p.queueing {
		var err error
		if p.appData.Load() {
			err = p.out.append(b, nil, nil)
		} else {
			err = p.out.reply(b, nil)
		}
		if err != nil {
			return 0, err
		}
		return len(b), nil
	}
	n, err := p.conn.Write(b)
	p.shared.BytesOut.Add(int64(n))
	return n, err
}

// Close closes the socket at once, whatever waits.
func (p *Pipe) Close() error {
	err := net.ErrClosed
	p.closing.Do(func() {
		err = p.conn.Close()
		if p.onClose != nil {
			p.onClose()
		}
	})
	return err
}

// LocalAddr implements net.Conn.
func (p *Pipe) LocalAddr() net.Addr { return p.conn.LocalAddr() }

// RemoteAddr implements net.Conn. After the PROXY protocol it is the address
// that the proxy named.
func (p *Pipe) RemoteAddr() net.Addr {
	if p.remote.IsValid() {
		return net.TCPAddrFromAddrPort(p.remote)
	}
	return p.conn.RemoteAddr()
}

// SetDeadline implements net.Conn; while queueing it does nothing.
func (p *Pipe) SetDeadline(t time.Time) error {
	if p.queueing {
		return nil
	}
	return p.conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn; while queueing it does nothing.
func (p *Pipe) SetReadDeadline(t time.Time) error {
	if p.queueing {
		return nil
	}
	return p.conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn; while queueing it does nothing.
func (p *Pipe) SetWriteDeadline(t time.Time) error {
	if p.queueing {
		return nil
	}
	return p.conn.SetWriteDeadline(t)
}

// fill reads once from the socket, waiting until there is something. need is
// what space wants.
func (p *Pipe) fill(need int) error {
	var err error
	if p.raw != nil {
		p.need, p.readErr = need, nil
		if err = p.raw.Read(p.onRead); err == nil {
			err = p.readErr
		}
	} else {
		var n int
		if n, err = p.conn.Read(p.in.space(need)); n > 0 {
			p.in.filled(n)
			p.shared.BytesIn.Add(int64(n))
			return nil
		}
		p.in.release()
	}
	if err == nil {
		return nil
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		p.over = true
		return err
	}
	p.deadline.Lock()
	defer p.deadline.Unlock()
	if p.ended {
		return peer.ErrClosed
	}
	return os.ErrDeadlineExceeded
}

// setReadDeadline is for the reader; an interrupt is final.
func (p *Pipe) setReadDeadline(t time.Time) error {
	p.deadline.Lock()
	defer p.deadline.Unlock()
	if p.ended {
		return peer.ErrClosed
	}
	_ = p.conn.SetReadDeadline(t) // fails only on a closed socket, which reading notices
	return nil
}

// interrupt ends the reader's waiting for good.
func (p *Pipe) interrupt() {
	p.deadline.Lock()
	defer p.deadline.Unlock()
	p.ended = true
	_ = p.conn.SetReadDeadline(time.Unix(1, 0)) // fails only on a closed socket
}

// linger ends a connection from which nobody reads any more: what waits is
// written, then the other side gets a moment to close if it took that.
func (p *Pipe) linger() {
	p.out.finish(nil)
	if p.out.wait() != nil {
		p.over = true // there is no farewell to read
	}
	if half, ok := p.conn.(interface{ CloseWrite() error }); ok && !p.over && half.CloseWrite() == nil {
		_ = p.conn.SetReadDeadline(time.Now().Add(drainTimeout)) // a closed socket fails the read as well
		b := p.shared.get(smallSize)
		for {
			if _, err := p.conn.Read(b); err != nil {
				break
			}
		}
		p.shared.put(b)
	}
	p.in.drop()
	_ = p.Close() // nothing can be done about it
}

// blockingWriter writes with calls that block: only ever in the goroutine.
type blockingWriter struct{ p *Pipe }

func (w blockingWriter) write(batch [][]byte, park bool) (int, error) {
	if !park {
		return 0, nil
	}
	n, err := w.p.conn.Write(batch[0])
	w.p.shared.BytesOut.Add(int64(n))
	return n, err
}

// wouldBlockError is the error of a read that found nothing. It is temporary,
// so that TLS can go on after it.
type wouldBlockError struct{}

func (wouldBlockError) Error() string   { return "nothing to read yet" }
func (wouldBlockError) Timeout() bool   { return true }
func (wouldBlockError) Temporary() bool { return true }

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

var _ net.Conn = (*Pipe)(nil)
