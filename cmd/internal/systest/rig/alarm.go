//go:build linux

package rig

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// alarm is a timer of the kernel, which wakes within some 50 microseconds on an
// idle machine; the runtime's own wakes within a millisecond.
type alarm struct{ file *os.File }

func newAlarm() (alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return alarm{}, fmt.Errorf("make a timer: %w", err)
	}
	return alarm{os.NewFile(uintptr(fd), "timer")}, nil
}

// set has wait return after d, or at once if that is not positive, in place of
// what was set before.
func (a alarm) set(d time.Duration) error {
	conn, err := a.file.SyscallConn()
	if err != nil {
		return err
	}
	// Zero would turn the timer off.
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(d, 1).Nanoseconds())}
	var failed error
	if err := conn.Control(func(fd uintptr) { failed = unix.TimerfdSettime(int(fd), 0, &spec, nil) }); err != nil {
		return err
	}
	return failed
}

// wait blocks until the alarm goes off. It fails once the file is closed.
func (a alarm) wait() error {
	var times [8]byte
	_, err := a.file.Read(times[:])
	return err
}
