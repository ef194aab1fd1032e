package pki

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// State is what became of a certificate.
type State string

// The states.
const (
	Valid   State = "valid"
	Expired State = "expired"
	Revoked State = "revoked"
)

// Certificate is one that the authority issued.
type Certificate struct {
	Identity

	Addresses []string  `json:"addresses,omitempty"`
	NotBefore time.Time `json:"not_before"`
	State     State     `json:"state"`
	// RevokedAt is when it was revoked, or zero.
	RevokedAt time.Time `json:"revoked_at,omitzero"`
}

// describe is what a list says of c.
func describe(c *x509.Certificate, revoked revocations) (Certificate, error) {
	id, err := identify(c)
	if err != nil {
		return Certificate{}, err
	}
	out := Certificate{Identity: id, Addresses: slices.Clone(c.DNSNames), NotBefore: c.NotBefore, State: Valid}
	for _, ip := range c.IPAddresses {
		out.Addresses = append(out.Addresses, ip.String())
	}
	if at, ok := revoked[id.Serial]; ok {
		out.State, out.RevokedAt = Revoked, at
	} else if time.Now().After(c.NotAfter) {
		out.State = Expired
	}
	return out, nil
}

// List is every certificate that the authority issued, by name and age. With
// an error, it is those that could be read.
func (a *Authority) List() ([]Certificate, error) {
	revoked, _, err := readRevocations(a.listPath(), a.cert)
	if err != nil {
		return nil, err
	}
	return a.records(revoked)
}

func (a *Authority) records(revoked revocations) ([]Certificate, error) {
	dir := filepath.Join(a.dir, recordDir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var out []Certificate
	errs := []error{err}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), certificateSuffix) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		c, err := a.readRecord(path, revoked)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
			continue
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(x, y Certificate) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), x.NotBefore.Compare(y.NotBefore), strings.Compare(x.Serial, y.Serial))
	})
	return out, errors.Join(errs...)
}

func (a *Authority) readRecord(path string, revoked revocations) (Certificate, error) {
	data, err := readFile(path, maxCertificate)
	if err != nil {
		return Certificate{}, err
	}
	blocks, err := decode(typeCertificate, data)
	if err != nil {
		return Certificate{}, err
	}
	cert, err := x509.ParseCertificate(blocks[0])
	if err != nil {
		return Certificate{}, err
	}
	if err := cert.CheckSignatureFrom(a.cert); err != nil {
		return Certificate{}, fmt.Errorf("%w: %w", ErrUnknownCA, err)
	}
	return describe(cert, revoked)
}

// listPath is where the revocation list is.
func (a *Authority) listPath() string { return filepath.Join(a.dir, listFile) }
