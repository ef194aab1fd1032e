package pki

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
)

// Revocations are the revoked certificates of the clients of a listener, followed
// in revoked.crl beside its authorities, which may also appear later. Unlike a
// [Trust] it has no opinion of a certificate's role or chain. It is safe for
// concurrent use.
type Revocations struct {
	follower

	ca, list string
	revoked  atomic.Pointer[lists]
}

// LoadRevocations reads the list beside ca, a PEM file with the certificates of
// the authorities that sign it. What happens when the files change goes to log.
func LoadRevocations(ca string, log *slog.Logger) (*Revocations, error) {
	r := &Revocations{ca: ca, list: filepath.Join(filepath.Dir(ca), listFile)}
	r.revoked.Store(&lists{})
	r.follower = follower{paths: []string{r.ca, r.list}, load: r.loadList, log: log}
	if err := r.Reload(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Revocations) loadList() error {
	revoked, err := r.revoked.Load().renewed(r.list, func() ([]*x509.Certificate, error) {
		data, err := readFile(r.ca, maxCertificate)
		if err != nil {
			return nil, err
		}
		authorities, err := decodeAuthorities(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.ca, err)
		}
		return authorities, nil
	})
	if err != nil {
		return err
	}
	r.revoked.Store(revoked)
	return nil
}

// Check refuses, with ErrRevoked, a chain of which any certificate is revoked by
// now.
func (r *Revocations) Check(chain []*x509.Certificate) error {
	r.follow()
	return r.revoked.Load().check(chain)
}
