//go:build linux

package rig

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// Host is a network namespace with a loopback device, and a TUN device for each
// link. Its methods are safe for concurrent use until its Net is closed.
type Host struct {
	name    string
	address netip.Addr
	ns      namespace
}

func newHost(name string, address netip.Addr) (*Host, error) {
	ns, err := newNamespace()
	if err != nil {
		return nil, err
	}
	return &Host{name, address, ns}, nil
}

// Name is what the Net calls the host.
func (h *Host) Name() string { return h.name }

// Addr is the host's own address, under which the other end of each of its
// links reaches it, whichever link that is.
func (h *Host) Addr() netip.Addr { return h.address }

// Do runs fn in the host, on the caller's goroutine, and returns its error.
// Sockets that fn opens belong to the host for good and may be used from
// anywhere; goroutines that fn starts do not run in the host.
func (h *Host) Do(fn func() error) error { return h.ns.do(fn) }

// DialContext connects from within the host, like net.Dialer.DialContext and
// for use in its place. The address is numeric: names would be looked up from
// another goroutine.
func (h *Host) DialContext(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = h.Do(func() error {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Command is exec.CommandContext for a program that runs in the host. The
// process is the program's own, to be signaled as usual, and is killed when
// this process ends. Its outputs are for the caller to set.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	enter := fmt.Sprintf("--net=/proc/%d/fd/%d", os.Getpid(), h.ns.file.Fd())
	//nolint:gosec // running what the test says is the purpose
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{enter, "--", name}, args...)...)
	// The signal comes at the end of the thread that starts the process. The
	// runtime ends no thread but one that a goroutine ended without unlocking.
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	return cmd
}

// configure runs commands of ip in the host, until one fails.
func (h *Host) configure(ctx context.Context, commands ...string) error {
	cmd := h.Command(ctx, "ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("configure host %s with ip: %w\n%s", h.name, err, out)
	}
	return nil
}
