package bench

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"bondy/core/wamp"
)

// process is a process of this machine, seen through /proc; 0 is none.
type process int

// ticks per second of the times in /proc.
const ticks = 100

// cpu is the CPU time that the process has used, in seconds, 0 if unknown.
func (p process) cpu() float64 {
	text, err := p.read("stat")
	if err != nil {
		return 0
	}
	// The name, in parentheses, may hold anything.
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const user, system = 11, 12
	if len(f) <= system {
		return 0
	}
	u, _ := strconv.ParseFloat(f[user], 64)
	s, _ := strconv.ParseFloat(f[system], 64)
	return (u + s) / ticks
}

// memory is what the process holds of the machine's memory, in KiB, 0 if
// unknown.
func (p process) memory() float64 {
	text, err := p.read("status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			kib, _ := strconv.ParseFloat(f[1], 64)
			return kib
		}
	}
	return 0
}

func (p process) read(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(int(p)), name)) //nolint:gosec // names of our own
	return string(text), err
}

// routerProcess is the process with the id pid or, if that is 0, the one that
// listens where the URL points, 0 if that is not on this machine or cannot be
// seen. This process itself is none: its time is the client's.
func routerProcess(ctx context.Context, pid int, target string) (process, error) {
	p := process(pid)
	if pid == 0 {
		p = listening(sockets(ctx, target))
	} else if _, err := p.read("stat"); err != nil {
		return 0, wamp.Errorf(wamp.ErrInvalidArgument, "no process %d to be seen in /proc: %v", pid, err)
	}
	if int(p) == os.Getpid() {
		return 0, nil
	}
	return p, nil
}

// sockets are the names that the kernel gives to the listening sockets of the
// URL in the list of a process's files.
func sockets(ctx context.Context, target string) map[string]bool {
	u, err := url.Parse(target)
	if err != nil {
		return nil
	}
	if u.Scheme == "unix" {
		return unixSockets(u.Opaque + u.Path)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || !local(ctx, u.Hostname()) {
		return nil
	}
	found := map[string]bool{}
	for _, name := range []string{"tcp", "tcp6"} {
		for _, f := range table(name) {
			const address, state, inode, listen = 1, 3, 9, "0A"
			if len(f) <= inode || f[state] != listen {
				continue
			}
			_, hexPort, _ := strings.Cut(f[address], ":")
			if p, err := strconv.ParseUint(hexPort, 16, 16); err == nil && p == number {
				found["socket:["+f[inode]+"]"] = true
			}
		}
	}
	return found
}

func unixSockets(path string) map[string]bool {
	found := map[string]bool{}
	for _, f := range table("unix") {
		const flags, inode, name, accepts = 3, 6, 7, 0x10000
		if len(f) <= name || f[name] != path {
			continue
		}
		if v, err := strconv.ParseUint(f[flags], 16, 32); err == nil && v&accepts != 0 {
			found["socket:["+f[inode]+"]"] = true
		}
	}
	return found
}

// table is a table of /proc/net, without its heading.
func table(name string) [][]string {
	text, err := os.ReadFile(filepath.Join("/proc/net", name)) //nolint:gosec // names of our own
	if err != nil {
		return nil
	}
	var rows [][]string
	for line := range strings.Lines(string(text)) {
		rows = append(rows, strings.Fields(line))
	}
	return rows[min(1, len(rows)):]
}

// local reports whether host is an address of this machine.
func local(ctx context.Context, host string) bool {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return false
	}
	own, _ := net.InterfaceAddrs() // without them loopback is left
	for _, a := range addrs {
		a = a.Unmap()
		if a.IsLoopback() {
			return true
		}
		for _, o := range own {
			if p, err := netip.ParsePrefix(o.String()); err == nil && p.Addr().Unmap() == a {
				return true
			}
		}
	}
	return false
}

// listening is the process that has one of the sockets among its files.
func listening(sockets map[string]bool) process {
	if len(sockets) == 0 {
		return 0
	}
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is good
	for _, file := range files {
		if name, err := os.Readlink(file); err == nil && sockets[name] {
			pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
			return process(pid)
		}
	}
	return 0
}
