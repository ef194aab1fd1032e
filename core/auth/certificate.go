package auth

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"

	"bondy/core/wamp"
)

// CertName says which name in a client certificate is the authid.
type CertName string

// The names in a certificate.
const (
	// CertCommonName is the subject's common name.
	CertCommonName CertName = "cn"
	// CertDNS, CertEmail and CertURI are the subject's alternative names.
	CertDNS   CertName = "dns"
	CertEmail CertName = "email"
	CertURI   CertName = "uri"
)

// of returns the names of that kind.
func (n CertName) of(c *x509.Certificate) []string {
	var names []string
	switch n {
	case CertCommonName:
		names = []string{c.Subject.CommonName}
	case CertDNS:
		names = c.DNSNames
	case CertEmail:
		names = c.EmailAddresses
	case CertURI:
		for _, u := range c.URIs {
			names = append(names, u.String())
		}
	}
	return slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == "" || len(s) > MaxName })
}

func (n CertName) validate() error {
	switch n {
	case CertCommonName, CertDNS, CertEmail, CertURI:
		return nil
	}
	return fmt.Errorf("unknown name %q in a certificate: use cn, dns, email or uri", string(n))
}

// certificate logs in with the client certificate of the TLS connection, if
// the listener verified it against its own authorities. The name in it must be
// that of a user.
type certificate struct {
	name CertName
	dir  finder
}

func (m certificate) usable(req *Request) error {
	if req.TLS == nil || len(req.TLS.VerifiedChains) == 0 {
		return wamp.Errorf(wamp.ErrAuthenticationDenied, "the connection has no client certificate that was verified")
	}
	return bounded(req)
}

func (m certificate) begin(ctx context.Context, req *Request) (*Identity, *Exchange, error) {
	names := m.name.of(req.TLS.VerifiedChains[0][0])
	authid := req.AuthID
	if authid == "" && len(names) == 1 {
		authid = names[0]
	}
	c, err := m.dir.find(ctx, req, authid, MethodTLS, lacksNothing)
	if err != nil {
		return nil, nil, err
	}
	id, err := c.admit(authid != "" && slices.Contains(names, authid))
	return id, nil, err
}
