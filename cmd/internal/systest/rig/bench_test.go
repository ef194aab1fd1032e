//go:build linux && e2e

package rig_test

import (
	"net"
	"net/netip"
	"testing"

	"bondy/cmd/internal/systest/rig"
)

// BenchmarkRoundTrip is what the emulator itself adds to a packet and its echo.
func BenchmarkRoundTrip(b *testing.B) {
	b.ReportAllocs()
	n := rig.New(b)
	near, far := n.Host("near"), n.Host("far")
	n.Link(near, far, rig.Params{})
	from, to := listen(b, near), listen(b, far)
	go func() {
		buf := make([]byte, 100)
		for {
			n, peer, err := to.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = to.WriteTo(buf[:n], peer)
		}
	}()
	buf := make([]byte, 64)
	for b.Loop() {
		if _, err := from.WriteTo(buf, to.LocalAddr()); err != nil {
			b.Fatal(err)
		}
		if _, _, err := from.ReadFrom(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStream is what a TCP connection carries over a link without limits.
func BenchmarkStream(b *testing.B) {
	n := rig.New(b)
	near, far := n.Host("near"), n.Host("far")
	link := n.Link(near, far, rig.Params{})
	var listener net.Listener
	if err := far.Do(func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(far.Addr(), 0).String())
		return err
	}); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	from, err := near.DialContext(b.Context(), "tcp", listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	to, err := listener.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = to.Close() }()
	go func() {
		buf := make([]byte, 1<<16)
		for {
			if _, err := to.Read(buf); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 1<<16)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		if _, err := from.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
	if dropped := link.Stats().There.Dropped; dropped > 0 {
		b.Errorf("%d packets were dropped", dropped)
	}
}
