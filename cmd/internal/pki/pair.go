package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// Pair is a node's own certificate and key, followed in their files. It is
// safe for concurrent use.
type Pair struct {
	follower

	trust             *Trust
	role              Role
	certFile, keyFile string
	current           atomic.Pointer[own]
}

type own struct {
	cert tls.Certificate
	id   Identity
}

// LoadPair reads a node's own certificate and key. It refuses a certificate
// that no peer would ever take in that role. One that is expired or revoked is
// only logged: a new one may come while the node runs.
func (t *Trust) LoadPair(certFile, keyFile string, role Role) (*Pair, error) {
	p := &Pair{trust: t, role: role, certFile: certFile, keyFile: keyFile}
	p.follower = follower{paths: []string{certFile, keyFile}, load: p.loadPair, log: t.cfg.Log}
	if err := p.Reload(); err != nil {
		return nil, err
	}
	return p, nil
}

// Identity is whom the certificate in force names.
func (p *Pair) Identity() Identity { return p.current.Load().id }

func (p *Pair) loadPair() error {
	cert, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", p.certFile, p.keyFile, err)
	}
	chain := make([]*x509.Certificate, len(cert.Certificate))
	for i, der := range cert.Certificate {
		if chain[i], err = x509.ParseCertificate(der); err != nil {
			return fmt.Errorf("certificate %s: %w", p.certFile, err)
		}
	}
	id, err := p.trust.Verify(chain, p.role, time.Now())
	if errors.Is(err, ErrExpired) || errors.Is(err, ErrRevoked) {
		p.log.Error("peers will refuse the certificate of this node", slog.String("cert", p.certFile), slog.Any("err", err))
		id, err = identify(chain[0])
	}
	if err != nil {
		return fmt.Errorf("certificate %s: %w", p.certFile, err)
	}
	p.current.Store(&own{cert: cert, id: id})
	return nil
}

// certificate is what a handshake shows to the peer.
func (p *Pair) certificate() (*tls.Certificate, error) {
	p.follow()
	return &p.current.Load().cert, nil
}

// ServerConfig makes the configuration of a listener for peers of that role:
// TLS 1.3 with certificates on both sides and one of the protocols of alpn.
// Each handshake, also a resumed one, uses the pair and the revocation list
// that are in force at the time.
func (t *Trust) ServerConfig(pair *Pair, peer Role, alpn ...string) *tls.Config {
	c := t.config(peer, alpn)
	c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, t.roots
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.certificate() }
	return c
}

// ClientConfig makes the configuration to dial peers of that role with, as
// ServerConfig does. Whoever dials sets ServerName to the host name or address
// that the peer's certificate must have; without it there is no handshake.
func (t *Trust) ClientConfig(pair *Pair, peer Role, alpn ...string) *tls.Config {
	c := t.config(peer, alpn)
	c.RootCAs = t.roots
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.certificate() }
	return c
}

// config is what both sides have in common. crypto/tls checks the chain, the
// usage and the name; VerifyConnection, unlike those, runs on resumption too,
// and checks all that is ours.
func (t *Trust) config(peer Role, alpn []string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: alpn,
		Time:       func() time.Time { return t.atLeastFloor(time.Now()) },
		VerifyConnection: func(cs tls.ConnectionState) error {
			if len(alpn) > 0 && cs.NegotiatedProtocol == "" {
				return fmt.Errorf("the peer speaks none of the protocols %q", alpn)
			}
			_, err := t.Verify(cs.PeerCertificates, peer, time.Now())
			return err
		},
	}
}
