package uplink

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/quic-go/quic-go"
)

// admission bounds the connections that are no links yet, in all and by
// address. Under load an address must prove that it is no forgery, and may
// then have a part of the places and not all.
type admission struct {
	limit int

	mu     sync.Mutex
	count  int
	places map[netip.Addr]int
}

// place is what a connection takes until it is a link or gone.
type place struct {
	of      *admission
	address netip.Addr
	once    sync.Once
}

// placeKey finds the place of a connection in its context, which is the one
// thing that QUIC hands through from its first packet to Accept.
type placeKey struct{}

// busy says that a new connection has to prove its address first.
func (a *admission) busy(net.Addr) bool { return a.pending() >= a.share() }

func (a *admission) share() int { return max(1, a.limit/4) }

// pending is how many connections are no links yet.
func (a *admission) pending() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count
}

var errBusy = errors.New("too many handshakes")

// admit gives a connection a place at its first packet.
func (a *admission) admit(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	address := addressOf(info.RemoteAddr)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count >= a.limit || info.AddrVerified && a.places[address] >= a.share() {
		return nil, errBusy
	}
	a.count++
	a.places[address]++
	p := &place{of: a, address: address}
	context.AfterFunc(ctx, p.release) // the connection's, also when no link comes of it
	return context.WithValue(ctx, placeKey{}, p), nil
}

// release gives up the place.
func (p *place) release() {
	p.once.Do(func() {
		p.of.mu.Lock()
		defer p.of.mu.Unlock()
		p.of.count--
		if p.of.places[p.address]--; p.of.places[p.address] == 0 {
			delete(p.of.places, p.address)
		}
	})
}

// placeOf is the place of a connection.
func placeOf(c *quic.Conn) *place {
	p, _ := c.Context().Value(placeKey{}).(*place)
	return p
}

// addressOf groups what one outsider can have many of: the ports of an
// address, the addresses of an IPv6 network.
func addressOf(a net.Addr) netip.Addr {
	udp, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip := udp.AddrPort().Addr().Unmap().WithZone("")
	if ip.Is6() {
		return netip.PrefixFrom(ip, 64).Masked().Addr()
	}
	return ip
}
