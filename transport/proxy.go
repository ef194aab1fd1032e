package transport

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"

	"bondy/transport/pipe"
	"bondy/transport/web"
)

// readProxyHeader takes the client's address from the PROXY header. One of type
// LOCAL, for connections of the proxy itself, or of a loopback address leaves it as
// it is.
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
	client := p.Remote()
	if src, ok := h.SourceAddr.(*net.TCPAddr); ok && !h.Command.IsLocal() {
		if a := src.AddrPort(); web.Remote(a.Addr().Unmap()) {
			client = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		}
	}
	p.SetRemote(client)
	return p.SetReadDeadline(time.Time{})
}
