package pipe

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// watch looks after the connections that sleep, with one goroutine and one
// epoll instance for all of them. The instance is itself watched by the
// runtime's poller, so that no thread waits. Its lock is taken after a Pipe's.
type watch struct {
	shared *Shared
	file   *os.File // the epoll instance
	raw    syscall.RawConn
	epoll  int

	dups sync.Mutex // see dup; taken alone

	mu   sync.Mutex
	beds []bed         // by descriptor
	next time.Duration // the earliest due, or 0; the read deadline of file
}

// bed is where a connection sleeps.
type bed struct {
	p   *Pipe
	due time.Duration // when to wake it up though nothing came; 0 is never
}

// maxEvents is how many connections are woken up before those get a turn.
const maxEvents = 64

func newWatch(shared *Shared) (*watch, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd) // the first error says more
		return nil, os.NewSyscallError("fcntl", err)
	}
	w := &watch{shared: shared, epoll: fd, file: os.NewFile(uintptr(fd), "epoll")}
	if w.raw, err = w.file.SyscallConn(); err == nil {
		err = w.file.SetReadDeadline(time.Time{}) // fails if the runtime cannot watch it
	}
	if err != nil {
		_ = w.file.Close() // the first error says more
		return nil, err
	}
	return w, nil
}

// dup is socket.dup for one goroutine at a time: while the kernel enlarges the
// table of descriptors it holds up everybody who wants one, and each would keep
// a thread.
func (w *watch) dup(s *socket) (fd int, ok bool) {
	w.dups.Lock()
	defer w.dups.Unlock()
	return s.dup()
}

// add begins to watch fd, the socket of p, which wakes up at due at the
// latest; p's lock is held. It reports false if the system refuses.
func (w *watch) add(fd int, p *Pipe, due time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for fd >= len(w.beds) {
		w.beds = append(w.beds, bed{})
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: int32(fd)} //nolint:gosec // a descriptor
	if unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &ev) != nil {
		return false
	}
	w.beds[fd] = bed{p, due}
	w.shared.Asleep.Add(1)
	if due > 0 && (w.next == 0 || due < w.next) {
		w.alarmLocked(due)
	}
	return true
}

// remove ends the watching of fd; the Pipe's lock is held.
func (w *watch) remove(fd int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.beds[fd] = bed{}
	w.shared.Asleep.Add(-1)
	w.shared.Wakeups.Add(1)
	_ = unix.EpollCtl(w.epoll, unix.EPOLL_CTL_DEL, fd, nil) // fails only if it is not watched
}

// alarmLocked sets the time at which run looks who is due.
func (w *watch) alarmLocked(due time.Duration) {
	w.next = due
	var t time.Time
	if due > 0 {
		t = time.Now().Add(due - w.shared.now())
	}
	_ = w.file.SetReadDeadline(t) // fails only on a closed instance
}

// run wakes connections up until close is called.
func (w *watch) run() {
	var events [maxEvents]unix.EpollEvent
	var n int
	var failed error
	poll := func(epoll uintptr) bool {
		for {
			if n, failed = unix.EpollWait(int(epoll), events[:], 0); !errors.Is(failed, unix.EINTR) {
				return n != 0
			}
		}
	}
	for {
		n = 0
		err := errors.Join(w.raw.Read(poll), failed)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			w.alarm()
			continue
		case err != nil:
			return
		}
		w.mu.Lock()
		woken := make([]*Pipe, 0, maxEvents)
		for _, ev := range events[:n] {
			woken = append(woken, w.beds[ev.Fd].p)
		}
		w.mu.Unlock()
		rouse(woken)
	}
}

// alarm wakes those up whose time has come.
func (w *watch) alarm() {
	now := w.shared.now()
	var woken []*Pipe
	var next time.Duration
	w.mu.Lock()
	for _, b := range w.beds {
		switch {
		case b.due == 0:
		case b.due <= now:
			woken = append(woken, b.p)
		case next == 0 || b.due < next:
			next = b.due
		}
	}
	w.alarmLocked(next)
	w.mu.Unlock()
	rouse(woken)
}

// rouse wakes pipes up, and gives way to them now and then so that they are
// not all awake at once.
func rouse(pipes []*Pipe) {
	for i, p := range pipes {
		if p != nil { // else it was woken up meanwhile
			p.rouse()
		}
		if i%maxEvents == maxEvents-1 {
			runtime.Gosched()
		}
	}
}

// close ends run.
func (w *watch) close() { _ = w.file.Close() } // nothing to be done about it
