package web

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"bondy/transport/pipe"
)

// ErrTooFast means that connections, or requests that open one, come faster than
// a listener takes them.
var ErrTooFast = errors.New("too many connections per second: try again in a few seconds")

// ErrFull means that a listener has as many connections as it takes.
var ErrFull = errors.New("too many connections: try again later")

// Status is how HTTP says ErrTooFast and ErrFull, with the value of Retry-After.
func Status(err error) (status int, after string) {
	if errors.Is(err, ErrTooFast) {
		return http.StatusTooManyRequests, "1"
	}
	return http.StatusServiceUnavailable, "10"
}

// Busy refuses a request that would open a connection.
func Busy(w http.ResponseWriter, err error) {
	status, after := Status(err)
	w.Header().Set("Retry-After", after)
	http.Error(w, err.Error(), status)
}

// Proxies are the networks of proxies whose word is taken for where requests
// come from.
type Proxies []netip.Prefix

// Contains reports whether an address is that of such a proxy.
func (p Proxies) Contains(a netip.Addr) bool {
	a = a.Unmap()
	for _, n := range p {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// Client is where a request comes from that peer delivered, and whether a proxy
// stands between, to judge by the headers: X-Forwarded-For, or Forwarded of
// RFC 7239, of which each proxy appends to the end from whom it has the request.
//
// They are read from the end, as long as it was a proxy of p that wrote, because
// what stands before may be the client's invention; so is a header that the proxies
// do not write, which is why two that differ are no evidence. Where the way is lost,
// the client has the address of the last proxy of which it is known. No client is on
// a loopback address because somebody said so.
func (p Proxies) Client(peer netip.AddrPort, h http.Header) (client netip.AddrPort, proxied bool) {
	x, f := h["X-Forwarded-For"], h["Forwarded"]
	if !p.Contains(peer.Addr()) {
		return peer, len(x)+len(f)+len(h["X-Real-Ip"])+len(h["Via"]) > 0
	}
	byX, byF := p.walk(peer, x, listed), p.walk(peer, f, forwarded)
	switch {
	case len(f) == 0, byX.Addr() == byF.Addr():
		return byX, true
	case len(x) == 0:
		return byF, true
	default:
		return peer, true
	}
}

// walk goes back along the way of a request. read returns the addresses in a line
// in order, an invalid one for what is none.
func (p Proxies) walk(client netip.AddrPort, lines []string, read func(string) []netip.AddrPort) netip.AddrPort {
	for _, line := range slices.Backward(lines) {
		for _, hop := range slices.Backward(read(line)) {
			if Remote(hop.Addr()) {
				client = hop
			}
			if !p.Contains(hop.Addr()) {
				return client
			}
		}
	}
	return client
}

// Remote reports whether a client elsewhere can have the address.
func Remote(a netip.Addr) bool {
	return a.IsValid() && !a.IsLoopback() && !a.IsUnspecified() && !a.IsMulticast()
}

// listed reads a line of X-Forwarded-For.
func listed(line string) (hops []netip.AddrPort) {
	for hop := range strings.SplitSeq(line, ",") {
		if hop = strings.TrimSpace(hop); hop != "" {
			hops = append(hops, node(hop))
		}
	}
	return hops
}

// forwarded reads a line of Forwarded. One that is not well-formed has a single,
// invalid hop.
func forwarded(line string) (hops []netip.AddrPort) {
	lost := []netip.AddrPort{{}}
	for line != "" {
		hop, some := "", false
		for more := true; more; {
			var name, value string
			var ok bool
			if name, value, more, line, ok = pair(line); !ok {
				return lost
			}
			if name == "" {
				continue
			}
			if strings.EqualFold(name, "for") {
				if hop != "" {
					return lost
				}
				hop = value
			}
			some = true
		}
		if some {
			hops = append(hops, node(hop))
		}
	}
	return hops
}

// pair reads name=value from the beginning of a line, both empty where there is
// none; more says that another follows for the same hop.
func pair(line string) (name, value string, more bool, rest string, ok bool) {
	line = strings.TrimLeft(line, " \t")
	end := strings.IndexAny(line, "=,;")
	if end >= 0 && line[end] == '=' {
		name, line = line[:end], line[end+1:]
		if name == "" {
			return "", "", false, "", false
		}
		if value, line, ok = text(line); !ok {
			return "", "", false, "", false
		}
	}
	line = strings.TrimLeft(line, " \t")
	switch {
	case line == "":
		return name, value, false, "", true
	case line[0] == ',' || line[0] == ';':
		return name, value, line[0] == ';', line[1:], true
	default:
		return "", "", false, "", false
	}
}

// text reads a token or a quoted string.
func text(line string) (value, rest string, ok bool) {
	if !strings.HasPrefix(line, `"`) {
		end := strings.IndexAny(line, " \t,;\"")
		if end < 0 {
			end = len(line)
		}
		return line[:end], line[end:], true
	}
	var b strings.Builder
	for i := 1; i < len(line); i++ {
		switch line[i] {
		case '"':
			return b.String(), line[i+1:], true
		case '\\':
			if i++; i == len(line) {
				return "", "", false
			}
		}
		b.WriteByte(line[i])
	}
	return "", "", false
}

// node reads an address with or without a port; an IPv6 address that has one
// stands in brackets.
func node(s string) netip.AddrPort {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		var addr netip.Addr
		if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
			s = s[1 : len(s)-1]
		}
		if addr, err = netip.ParseAddr(s); err != nil {
			return netip.AddrPort{}
		}
		a = netip.AddrPortFrom(addr, 0)
	}
	if a.Addr().Zone() != "" {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Keys of the values in a request's context.
type (
	pipeKey   struct{}
	sourceKey struct{}
)

// source is where a request comes from.
type source struct {
	client  netip.AddrPort
	proxied bool
}

// ConnContext is for http.Server.ConnContext: Pipe and Source need it.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		c = t.NetConn()
	}
	return context.WithValue(ctx, pipeKey{}, c)
}

// Pipe is the connection that carries r, nil if it is not known.
func Pipe(r *http.Request) *pipe.Pipe {
	p, _ := r.Context().Value(pipeKey{}).(*pipe.Pipe)
	return p
}

// Trace lets h see where requests come from by the word of these proxies: in
// http.Request.RemoteAddr and by Source.
func (p Proxies) Trace(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, before := Source(r)
		client, proxied := p.Client(peer, r.Header)
		if proxied != before || client != peer {
			r = r.WithContext(context.WithValue(r.Context(), sourceKey{}, source{client, true}))
			if client != peer {
				r.RemoteAddr = client.String()
			}
		}
		h.ServeHTTP(w, r)
	})
}

// Source is where r comes from, the zero value for a unix socket, and whether a
// proxy stands between.
func Source(r *http.Request) (client netip.AddrPort, proxied bool) {
	if s, ok := r.Context().Value(sourceKey{}).(source); ok {
		return s.client, s.proxied
	}
	if p := Pipe(r); p != nil {
		return p.Remote(), p.Proxied()
	}
	a, _ := netip.ParseAddrPort(r.RemoteAddr) // a unix socket has none
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), false
}
