package pki

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	nodeLifetime = 365 * day
	edgeLifetime = 30 * day
)

// Request says what certificate to issue.
type Request struct {
	// Name is who will hold it: 1 to 63 of a-z, 0-9, '.' and '-', the first
	// a letter or digit.
	Name string
	// Role is what the holder may be; the zero Role asks for RoleNode.
	Role Role
	// Addresses are host names and IP addresses under which the holder is
	// dialed, beside Name itself.
	Addresses []string
	// Algorithm is the kind of key; the zero Algorithm is Ed25519.
	Algorithm Algorithm
	// Lifetime is how long it is valid; 0 is 30 days for an edge and a year
	// for a node.
	Lifetime time.Duration
	// Replace lets the pair of that name be overwritten. The certificate
	// replaced stays valid until it expires or is revoked.
	Replace bool
}

// withDefaults is r with what was left out, or why r can't be issued.
func (r Request) withDefaults() (Request, error) {
	if err := checkName(r.Name); err != nil {
		return r, err
	}
	if r.Name == authorityName {
		return r, fmt.Errorf("the name %q is the authority's own", authorityName)
	}
	if r.Role == "" {
		r.Role = RoleNode
	}
	if err := r.Role.UnmarshalText([]byte(r.Role)); err != nil {
		return r, err
	}
	if r.Lifetime < 0 {
		return r, errors.New("a lifetime is not negative")
	}
	if r.Lifetime == 0 {
		r.Lifetime = nodeLifetime
		if r.Role == RoleEdge {
			r.Lifetime = edgeLifetime
		}
	}
	return r, nil
}

// template is the certificate to sign.
func (r Request) template() (*x509.Certificate, error) {
	now := time.Now()
	c := &x509.Certificate{
		Subject:   pkix.Name{CommonName: r.Name},
		NotBefore: now.Add(-skew), NotAfter: now.Add(r.Lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		URIs:                  []*url.URL{{Scheme: "bondy", Opaque: "role:" + string(r.Role)}},
	}
	if r.Role == RoleNode {
		c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	hosts := r.Addresses
	if isHost(r.Name) {
		hosts = append([]string{r.Name}, hosts...)
	}
	for _, host := range hosts {
		ip, err := netip.ParseAddr(host)
		switch {
		case err == nil && ip.Zone() == "":
			c.IPAddresses = append(c.IPAddresses, net.IP(ip.AsSlice()))
		case err == nil || !isHost(host):
			return nil, fmt.Errorf("address %q is neither a host name nor an IP address (and has no port)", host)
		case !slices.Contains(c.DNSNames, host):
			c.DNSNames = append(c.DNSNames, host)
		}
	}
	return c, nil
}

// Issue makes a key and a certificate for it, and writes both to the
// authority's folder as NAME.key and NAME.crt.
func (a *Authority) Issue(r Request) (Certificate, error) {
	r, err := r.withDefaults()
	if err != nil {
		return Certificate{}, err
	}
	template, err := r.template()
	if err != nil {
		return Certificate{}, err
	}
	if template.NotAfter.After(a.cert.NotAfter) {
		return Certificate{}, fmt.Errorf("the certificate would outlive the authority, which ends on %s: issue it for a shorter time",
			a.cert.NotAfter.Format(time.DateOnly))
	}
	unlock, err := lockDir(a.dir)
	if err != nil {
		return Certificate{}, err
	}
	defer unlock()
	if err := a.checkFree(r.Name); err != nil && !r.Replace {
		return Certificate{}, fmt.Errorf("%w: --force replaces it, and the certificate that was there stays valid until it expires or is revoked", err)
	}
	caKey, err := a.key()
	if err != nil {
		return Certificate{}, err
	}
	key, err := r.Algorithm.generate()
	if err != nil {
		return Certificate{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), caKey)
	if err != nil {
		return Certificate{}, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Certificate{}, err
	}
	issued, err := describe(cert, nil)
	if err != nil {
		return Certificate{}, err
	}
	// The record comes first: whatever is out there can be revoked by name.
	if err := a.record(issued.Serial, der); err != nil {
		return Certificate{}, err
	}
	return issued, a.writePair(r.Name, der, key)
}

// record keeps a copy of a certificate for List and Revoke.
func (a *Authority) record(serial string, der []byte) error {
	dir := filepath.Join(a.dir, recordDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, serial+certificateSuffix), encode(typeCertificate, der), certificateMode)
}
