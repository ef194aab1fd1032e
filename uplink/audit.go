package uplink

import (
	"errors"
	"net"
	"net/netip"

	"github.com/quic-go/quic-go"

	"bondy/core/audit"
	"bondy/core/auth"
)

// distrusted tells of a connection that ended with cause, if that is the certificate
// of the peer.
func (l *Listener) distrusted(remote net.Addr, cause error) {
	if e, ok := errors.AsType[*quic.TransportError](cause); ok && !e.Remote && certificate(e) {
		l.refused.Add(1)
		l.deny(remote, Identity{}, explain(e))
	}
}

// ended tells of a link that ended with err, if that is who the peer is, or that
// there is no place for it. Who went, or broke the protocol, was not refused.
func (l *Listener) ended(remote net.Addr, peer Identity, err error) {
	if e, ok := errors.AsType[*CloseError](err); ok && !e.Remote && (e.Code == CodeRefused || e.Code == CodeFull) {
		l.deny(remote, peer, err)
	}
}

// deny has the audit log record who was refused.
func (l *Listener) deny(remote net.Addr, peer Identity, err error) {
	audit.Emit(l.cfg.Audit, audit.Event{
		Kind: audit.Refusal, Outcome: audit.Refused, AuthID: peer.Name, AuthMethod: auth.MethodTLS,
		Remote: addrPort(remote), Object: "uplink", Reason: err.Error(),
	})
}

// addrPort is an address of the network, invalid if it has no port.
func addrPort(a net.Addr) netip.AddrPort {
	p, _ := netip.ParseAddrPort(a.String())
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
