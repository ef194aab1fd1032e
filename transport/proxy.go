package transport

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"

	"bondy/transport/pipe"
)

// proxied reports whether a connection from a must start with a PROXY header.
func (l *Listener) proxied(a netip.Addr) bool {
	for _, p := range l.cfg.ProxyProtocol {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// readProxyHeader takes the client's address from the PROXY header. A header
// of type LOCAL, for connections of the proxy itself, leaves it as it is.
func readProxyHeader(p *pipe.Pipe, timeout time.Duration) error {
	if err := p.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	br := bufio.NewReader(p)
	h, err := proxyproto.Read(br)
	if err != nil {
		return fmt.Errorf("read PROXY header: %w", err)
	}
	ahead, err := br.Peek(br.Buffered())
	if err != nil {
		return fmt.Errorf("read PROXY header: %w", err)
	}
	p.Unread(ahead)
	if src, ok := h.SourceAddr.(*net.TCPAddr); ok && !h.Command.IsLocal() {
		a := src.AddrPort()
		p.SetRemote(netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
	}
	return p.SetReadDeadline(time.Time{})
}
