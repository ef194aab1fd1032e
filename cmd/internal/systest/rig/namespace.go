//go:build linux

package rig

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// threadNamespace is the network namespace of the calling thread.
const threadNamespace = "/proc/thread-self/ns/net"

// namespace is a network namespace that lives as long as this file is open or
// a process is in it.
type namespace struct{ file *os.File }

// newNamespace makes an empty namespace; the caller closes its file.
func newNamespace() (ns namespace, err error) {
	enter := func() error { return unix.Unshare(unix.CLONE_NEWNET) }
	err = away(enter, func() error {
		ns.file, err = os.Open(threadNamespace)
		return err
	})
	return ns, err
}

// do runs fn in the namespace.
func (ns namespace) do(fn func() error) error {
	return away(func() error { return setns(ns.file) }, fn)
}

// away runs fn on a thread that enter has moved to another namespace, and
// moves the thread back.
func away(enter, fn func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open(threadNamespace)
	if err != nil {
		return err
	}
	defer func() { _ = home.Close() }()
	if err := enter(); err != nil {
		return fmt.Errorf("enter a network namespace: %w", err)
	}
	defer func() {
		if err := setns(home); err != nil {
			panic(fmt.Sprintf("rig: the thread is stuck in a network namespace: %v", err))
		}
	}()
	return fn()
}

func setns(f *os.File) error { return unix.Setns(int(f.Fd()), unix.CLONE_NEWNET) }
