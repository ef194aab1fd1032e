//go:build linux

package rig

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"testing"
)

const (
	mostLinks = 1 << 13 // each has four addresses of 10.98.0.0/17
	mostHosts = 1 << 13 // each has one of 10.98.128.0/17
)

// Net is a set of hosts and links that belong to a test and end with it. Its
// addresses are from 10.98.0.0/16, the same ones in every Net. The methods that
// add to it are for the goroutine of the test, which they fail if they cannot.
type Net struct {
	t       testing.TB
	hosts   map[string]*Host
	links   []*Link
	running sync.WaitGroup
}

// New makes a Net without hosts, after Need. The test's cleanup closes it: what
// is to stop before is started after New, or with the test's context.
func New(t testing.TB) *Net {
	t.Helper()
	Need(t)
	n := &Net{t: t, hosts: map[string]*Host{}}
	t.Cleanup(n.close)
	return n
}

// Need skips the test if the rig cannot work here, and says why. Where CI is
// set in the environment the test fails instead.
func Need(t testing.TB) {
	t.Helper()
	err := probe()
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("the link emulator cannot work here, and CI is set: %v", err)
	default:
		t.Skipf("the link emulator cannot work here: %v", err)
	}
}

// probe tries all that the rig needs.
func probe() error {
	for _, program := range []string{"ip", "nsenter"} {
		if _, err := exec.LookPath(program); err != nil {
			return err
		}
	}
	ns, err := newNamespace()
	if err != nil {
		return fmt.Errorf("root is needed: %w", err)
	}
	defer func() { _ = ns.file.Close() }()
	tun, err := openTUN(ns, "tun0")
	if err != nil {
		return err
	}
	return tun.Close()
}

// Host returns the host of that name, which it makes the first time.
func (n *Net) Host(name string) *Host {
	n.t.Helper()
	if h, ok := n.hosts[name]; ok {
		return h
	}
	if len(n.hosts) == mostHosts {
		n.t.Fatalf("rig: more than %d hosts", mostHosts)
	}
	h, err := newHost(name, n.address(128, len(n.hosts)+1))
	if err != nil {
		n.t.Fatalf("rig: host %s: %v", name, err)
	}
	n.hosts[name] = h
	if err := h.configure(n.t.Context(), "link set dev lo up", fmt.Sprintf("address add %s/32 dev lo", h.address)); err != nil {
		n.t.Fatalf("rig: %v", err)
	}
	return h
}

// Link joins two hosts, so that each reaches the other at its Host.Addr.
func (n *Net) Link(a, b *Host, p Params) *Link {
	n.t.Helper()
	if err := p.Validate(); err != nil {
		n.t.Fatalf("rig: %v", err)
	}
	number := len(n.links)
	if number == mostLinks {
		n.t.Fatalf("rig: more than %d links", mostLinks)
	}
	l, err := newLink(n.t.Context(), a, b, number, n.address(0, 4*number), p)
	if err != nil {
		n.t.Fatalf("rig: link from %s to %s: %v", a.name, b.name, err)
	}
	l.t = n.t
	n.links = append(n.links, l)
	for _, f := range l.flows {
		n.run(f.take)
		n.run(f.bring)
	}
	return l
}

// Spoke is an edge of a Star, and its link, which goes from the core to it.
type Spoke struct {
	*Host
	Link *Link
}

// Star joins the host "core" to hosts "edge1", "edge2" and so on, by a link
// each. The edges reach the core at its Host.Addr, and one another not at all.
func (n *Net) Star(edges int, p Params) (core *Host, spokes []Spoke) {
	n.t.Helper()
	core = n.Host("core")
	for i := range edges {
		edge := n.Host(fmt.Sprintf("edge%d", i+1))
		spokes = append(spokes, Spoke{edge, n.Link(core, edge, p)})
	}
	return core, spokes
}

// address is number i of 10.98.third.0 and up.
func (n *Net) address(third, i int) netip.Addr {
	i += third << 8
	return netip.AddrFrom4([4]byte{10, 98, byte(i >> 8), byte(i)}) //nolint:gosec // the callers' bounds keep i below 1 << 16
}

// run keeps a part of a link going until the link is closed.
func (n *Net) run(part func() error) {
	n.running.Go(func() {
		if err := part(); err != nil {
			n.t.Errorf("rig: %v", err)
		}
	})
}

func (n *Net) close() {
	var errs []error
	for _, l := range n.links {
		errs = append(errs, l.close())
	}
	n.running.Wait()
	for _, h := range n.hosts {
		errs = append(errs, h.ns.file.Close())
	}
	if err := errors.Join(errs...); err != nil {
		n.t.Errorf("rig: close: %v", err)
	}
}
