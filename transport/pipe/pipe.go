package pipe

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
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
// Stream.Open takes it over; it must not be copied.
type Pipe struct {
	// What everybody reads is a cache line away from what senders write in out.
	shared  *Shared
	sock    atomic.Pointer[socket] // nil while asleep
	stream  *Stream
	onClose func(*Pipe)
	remote  netip.AddrPort

	out      outbound
	last     atomic.Pointer[tally] // of a marked Pipe that was closed
	queueing atomic.Bool
	appData  atomic.Bool // while queueing: TLS writes for us, not on its own account
	marked   atomic.Bool // Mark was called
	reset    atomic.Bool // while passing through
	told     atomic.Bool // the socket has told that, or another end
	over     bool        // the other side is gone: nothing to wait for
	proxied  bool        // remote is what a proxy says

	ending bool // guarded by mu, as is what follows: there is little time left for what waits
	ended  bool // nobody shall wait for something to read any more
	closed bool
	asleep bool
	fd     int32      // of the socket while asleep
	mu     sync.Mutex // taken to fall asleep and to wake up
}

// New wraps an accepted connection. onClose, which may be nil, is called once
// when the socket has been closed.
func New(conn net.Conn, shared *Shared, onClose func(*Pipe)) *Pipe {
	p := &Pipe{shared: shared, onClose: onClose, remote: addrPort(conn.RemoteAddr())}
	p.out.pipe = p
	p.sock.Store(newSocket(p, conn))
	return p
}

// Remote is the client's address, the zero value for a unix socket.
func (p *Pipe) Remote() netip.AddrPort { return p.remote }

// SetRemote says that a proxy stands between, and replaces the client's address
// by the one that it named. Nobody may ask for them meanwhile.
func (p *Pipe) SetRemote(a netip.AddrPort) { p.remote, p.proxied = a, true }

// Proxied reports whether SetRemote was called.
func (p *Pipe) Proxied() bool { return p.proxied }

// Unread puts bytes back that were read ahead, in front of what comes from
// the socket. It must be called before anything else was put back and before
// Stream.Open.
func (p *Pipe) Unread(b []byte) { p.sock.Load().in.put(b) }

// Read implements net.Conn. While queueing it is for TLS alone and returns
// what was read from the socket already, or an error that says to try later.
func (p *Pipe) Read(b []byte) (int, error) {
	s := p.sock.Load()
	if n := s.in.take(b); n > 0 {
		return n, nil
	}
	s.in.release()
	if p.queueing.Load() {
		return 0, wouldBlockError{}
	}
	n, err := s.conn.Read(b)
	p.shared.BytesIn.Add(int64(n))
	p.failed(err)
	return n, err
}

// Write implements net.Conn. While queueing it is for TLS alone, appends and
// never blocks; what TLS says on its own account, because the other side made
// it, has the bound of replies.
func (p *Pipe) Write(b []byte) (int, error) {
	if p.queueing.Load() {
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
	n, err := p.sock.Load().conn.Write(b)
	p.shared.BytesOut.Add(int64(n))
	p.failed(err)
	return n, err
}

// Close closes the socket at once, whatever waits.
func (p *Pipe) Close() error {
	s := p.shut()
	if s == nil {
		return net.ErrClosed
	}
	p.closes()
	err := s.conn.Close()
	p.shared.settled()
	if p.onClose != nil {
		p.onClose(p)
	}
	return err
}

// shut returns the socket to the first who calls it.
func (p *Pipe) shut() *socket {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	p.rouseLocked()
	return p.sock.Load()
}

// LocalAddr implements net.Conn.
func (p *Pipe) LocalAddr() net.Addr {
	if c, ok := p.sock.Load().conn.(net.Conn); ok {
		return c.LocalAddr()
	}
	return nil
}

// RemoteAddr implements net.Conn. After the PROXY protocol it is the address
// that the proxy named.
func (p *Pipe) RemoteAddr() net.Addr {
	if p.remote.IsValid() {
		return net.TCPAddrFromAddrPort(p.remote)
	}
	if c, ok := p.sock.Load().conn.(net.Conn); ok {
		return c.RemoteAddr()
	}
	return nil
}

// SetDeadline implements net.Conn; while queueing it does nothing.
func (p *Pipe) SetDeadline(t time.Time) error {
	return errors.Join(p.SetReadDeadline(t), p.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn; while queueing it does nothing.
func (p *Pipe) SetReadDeadline(t time.Time) error {
	if p.queueing.Load() {
		return nil
	}
	return p.sock.Load().conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn; while queueing it does nothing.
func (p *Pipe) SetWriteDeadline(t time.Time) error {
	if p.queueing.Load() {
		return nil
	}
	return p.sock.Load().conn.SetWriteDeadline(t)
}

// fill reads once from the socket, waiting until there is something unless
// that is not wanted. need is what space wants.
func (p *Pipe) fill(need int, wait bool) error {
	err := p.sock.Load().fill(need, wait)
	switch {
	case err == nil, errors.Is(err, errNothing):
		return err
	case !errors.Is(err, os.ErrDeadlineExceeded):
		p.over = true
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return peer.ErrClosed
	}
	return os.ErrDeadlineExceeded
}

// setReadDeadline is for the reader; an interrupt is final.
func (p *Pipe) setReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return peer.ErrClosed
	}
	_ = p.sock.Load().conn.SetReadDeadline(t) // fails only on a closed socket, which reading notices
	return nil
}

// hurry bounds the time in which what waits has to be written.
func (p *Pipe) hurry(timeout time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending = true
	p.rouseLocked()
	_ = p.sock.Load().conn.SetWriteDeadline(time.Now().Add(timeout)) // a closed socket fails the write as well
}

// Interrupt makes the Stream on p, if there is one, return peer.ErrClosed instead
// of waiting for something to read, for good. It may be called from any goroutine.
func (p *Pipe) Interrupt() {
	if p.queueing.Load() {
		p.interrupt()
	}
}

// interrupt ends the reader's waiting for good.
func (p *Pipe) interrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.rouseLocked()
	_ = p.sock.Load().conn.SetReadDeadline(time.Unix(1, 0)) // fails only on a closed socket
}

// linger ends a connection from which nobody reads any more: what waits is
// written, then the other side gets a moment to close if it took that.
func (p *Pipe) linger() {
	p.out.finish(nil)
	if p.out.wait() != nil {
		p.over = true // there is no farewell to read
	}
	s := p.sock.Load()
	if !p.over && s.closeWrite() {
		_ = s.conn.SetReadDeadline(time.Now().Add(drainTimeout)) // a closed socket fails the read as well
		b := p.shared.get(smallSize)
		for {
			if _, err := s.conn.Read(b); err != nil {
				break
			}
		}
		p.shared.put(b)
	}
	s.in.drop()
	_ = p.Close() // nothing can be done about it
}

// sleep hands the socket to the watch of p's listener, which has a goroutine of its
// own serve p when there is something to read, at due unless that is 0, or when
// somebody needs p awake. It reports false if that is not possible now; if it
// reports true, that goroutine may be running already.
func (p *Pipe) sleep(due time.Duration) bool {
	w := p.shared.watch
	if w == nil || !p.out.claim() {
		return false
	}
	defer p.out.release()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sock.Load()
	if p.ending || p.ended || p.closed {
		return false
	}
	fd, ok := w.dup(s)
	if !ok {
		return false
	}
	_ = s.conn.Close() // the descriptor alone: the connection lives on in fd
	if !w.add(fd, p, due) {
		p.reopenLocked(fd)
		return false
	}
	p.fd, p.asleep = int32(fd), true //nolint:gosec // a descriptor
	p.sock.Store(nil)
	if p.stream.tls == nil {
		p.stream.in = nil // it is the socket's
	}
	return true
}

// rouse wakes p up if it is asleep.
func (p *Pipe) rouse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rouseLocked()
}

func (p *Pipe) rouseLocked() {
	if !p.asleep {
		return
	}
	p.asleep = false
	p.shared.watch.remove(int(p.fd))
	p.reopenLocked(int(p.fd))
	go p.stream.server.Serve()
}

// reopenLocked takes the socket back from the watch.
func (p *Pipe) reopenLocked(fd int) {
	s := newSocket(p, os.NewFile(uintptr(fd), ""))
	p.sock.Store(s)
	if p.stream.tls == nil {
		p.stream.in = &s.in
	}
}

// nap is sleep without a watch: a goroutine that has nothing but a small stack
// waits until there is something to read or the read deadline passes. It reports
// false if that is not possible.
func (p *Pipe) nap() bool {
	s := p.sock.Load()
	if s.raw == nil {
		return false
	}
	if p.out.claim() {
		p.out.release()
	}
	go func() {
		s.await()
		p.stream.server.Serve()
	}()
	return true
}

// write writes to the socket, once; only if park is set it waits for the other
// side, and wakes p up.
func (p *Pipe) write(batch [][]byte, park bool) (int, error) {
	s := p.sock.Load()
	if s == nil {
		if !park {
			return p.writeAsleep(batch)
		}
		p.rouse()
		s = p.sock.Load()
	}
	return s.write(batch, park)
}

// writeAsleep writes once without blocking and without waking up.
func (p *Pipe) writeAsleep(batch [][]byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sock.Load(); s != nil {
		return s.write(batch, false)
	}
	n, err := writeFD(int(p.fd), batch)
	p.shared.BytesOut.Add(int64(n))
	return n, err
}

// wouldBlockError is the error of a read that found nothing. It is temporary,
// so that TLS can go on after it.
type wouldBlockError struct{}

func (wouldBlockError) Error() string   { return "nothing to read yet" }
func (wouldBlockError) Timeout() bool   { return true }
func (wouldBlockError) Temporary() bool { return true }

// errNothing is the error of a read that was not to wait and found nothing.
var errNothing error = wouldBlockError{}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

var _ net.Conn = (*Pipe)(nil)
