//go:build linux

package rig

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"
)

// Link joins two hosts. It is safe for concurrent use.
type Link struct {
	t    testing.TB // failed by Set
	ends [2]end
	// flows go from the first end to the second, and back.
	flows [2]*flow
}

// end is a link's device in one of its hosts.
type end struct {
	host    *Host
	device  string
	address netip.Addr
	tun     *os.File
}

// Counters count what one direction of a link did with packets. A packet under
// way is in none of them.
type Counters struct {
	// Packets and Bytes were delivered. Bytes are those of whole IP packets.
	Packets, Bytes uint64
	// Dropped packets were lost, found the queue full or the link down.
	Dropped uint64
}

// Stats are the counters of a link.
type Stats struct {
	// There counts from the first host that Net.Link was given to the second,
	// Back the other way.
	There, Back Counters
}

// newLink is link number of a net: its devices have that number in their name,
// and the first has the address at the base of a /30 plus one.
func newLink(ctx context.Context, a, b *Host, number int, base netip.Addr, p Params) (*Link, error) {
	first := base.Next()
	l := &Link{ends: [2]end{{host: a, address: first}, {host: b, address: first.Next()}}}
	for i := range l.ends {
		e := &l.ends[i]
		e.device = fmt.Sprintf("tun%d", number)
		var err error
		if e.tun, err = openTUN(e.host.ns, e.device); err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	for i, e := range l.ends {
		peer := l.ends[1-i]
		f, err := newFlow(e.tun, peer.tun, uint64(2*number+i), p) //nolint:gosec // small and positive
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
		l.flows[i] = f
		if err := e.configure(ctx, peer, number); err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	return l, nil
}

// configure brings the device up. Without IPv6 addresses of its own it sends
// nothing by itself. Of two links between the same hosts the first is used,
// except for what is sent to an address of the second.
func (e end) configure(ctx context.Context, peer end, metric int) error {
	return e.host.configure(ctx,
		fmt.Sprintf("link set dev %s mtu %d txqueuelen 10000", e.device, mtu),
		fmt.Sprintf("link set dev %s addrgenmode none", e.device),
		fmt.Sprintf("address add %s/30 dev %s", e.address, e.device),
		fmt.Sprintf("link set dev %s up", e.device),
		fmt.Sprintf("route add %s/32 via %s dev %s src %s metric %d",
			peer.host.address, peer.address, e.device, e.host.address, metric),
	)
}

// Set changes the parameters for the packets to come. Those under way keep
// their time, so that later ones may overtake them. Parameters that are out of
// range fail the test and change nothing.
func (l *Link) Set(p Params) {
	l.t.Helper()
	if err := p.Validate(); err != nil {
		l.t.Errorf("rig: %v", err)
		return
	}
	for _, f := range l.flows {
		f.set(p)
	}
}

// Down cuts the link, or mends it. A link that is down drops what it is given
// and what arrives; the hosts see nothing but silence.
func (l *Link) Down(down bool) {
	for _, f := range l.flows {
		f.down.Store(down)
	}
}

// Addr is the address that h has on this link. Host.Addr is the better one
// unless it matters which of several links is used.
func (l *Link) Addr(h *Host) netip.Addr {
	for _, e := range l.ends {
		if e.host == h {
			return e.address
		}
	}
	return netip.Addr{}
}

// Stats returns the counters; the link goes on counting meanwhile.
func (l *Link) Stats() Stats {
	count := func(f *flow) Counters {
		return Counters{Packets: f.packets.Load(), Bytes: f.bytes.Load(), Dropped: f.dropped.Load()}
	}
	return Stats{There: count(l.flows[0]), Back: count(l.flows[1])}
}

// close removes the devices, which ends the flows.
func (l *Link) close() error {
	var errs []error
	for i := range l.ends {
		if tun := l.ends[i].tun; tun != nil {
			errs = append(errs, tun.Close())
		}
		if f := l.flows[i]; f != nil {
			errs = append(errs, f.alarm.file.Close())
		}
	}
	return errors.Join(errs...)
}
