package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"
)

// TrustConfig says whom a node trusts.
type TrustConfig struct {
	// CA is a PEM file with the certificates of the authorities. It is read
	// once.
	CA string
	// CRL is a PEM file with their revocation lists. It must exist and is
	// followed. "" is revoked.crl beside CA, which may also appear later.
	CRL string
	// Floor is a time that has certainly passed: a clock that says less
	// counts as unset, and Floor as now.
	Floor time.Time
	// Log gets what happens when files change; nil for nothing.
	Log *slog.Logger
}

// Trust decides whether to believe a certificate. It is safe for concurrent
// use.
type Trust struct {
	follower

	cfg         TrustConfig
	authorities []*x509.Certificate
	roots       *x509.CertPool
	revoked     atomic.Pointer[lists]
}

// LoadTrust reads the files.
func LoadTrust(cfg TrustConfig) (*Trust, error) {
	data, err := readFile(cfg.CA, maxCertificate)
	if err != nil {
		return nil, err
	}
	t := &Trust{cfg: cfg, roots: x509.NewCertPool()}
	if t.authorities, err = decodeAuthorities(data); err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.CA, err)
	}
	for _, c := range t.authorities {
		t.roots.AddCert(c)
	}
	if t.cfg.CRL == "" {
		t.cfg.CRL = filepath.Join(filepath.Dir(cfg.CA), listFile)
	}
	if t.cfg.Log == nil {
		t.cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.CRL == "" {
		t.revoked.Store(&lists{})
	}
	t.follower = follower{paths: []string{t.cfg.CRL}, load: t.loadRevocations, log: t.cfg.Log}
	if err := t.Reload(); err != nil {
		return nil, err
	}
	return t, nil
}

// loadRevocations replaces the list.
func (t *Trust) loadRevocations() error {
	revoked, err := t.revoked.Load().renewed(t.cfg.CRL, func() ([]*x509.Certificate, error) { return t.authorities, nil })
	if err != nil {
		return err
	}
	t.revoked.Store(revoked)
	return nil
}

// Verify says who holds the first certificate of chain, whose others are
// intermediates, and whether it is, at the time now, good for the role wanted.
// Its errors are ErrUnknownCA, ErrExpired, ErrRevoked, ErrRole and ErrInvalid.
// A link that stands can be checked again at any time.
func (t *Trust) Verify(chain []*x509.Certificate, want Role, now time.Time) (Identity, error) {
	if len(chain) == 0 {
		return Identity{}, fmt.Errorf("%w: there is none", ErrInvalid)
	}
	t.follow()
	opts := x509.VerifyOptions{
		Roots: t.roots, Intermediates: x509.NewCertPool(), CurrentTime: t.atLeastFloor(now),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, // both roles dial
	}
	for _, c := range chain[1:] {
		opts.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(opts); err != nil {
		return Identity{}, reason(err)
	}
	id, err := identify(chain[0])
	if err != nil {
		return Identity{}, err
	}
	if err := t.revoked.Load().check(chain); err != nil {
		return Identity{}, err
	}
	if id.Role != want {
		return Identity{}, fmt.Errorf("%w: %s is of role %s, want %s", ErrRole, id.Name, id.Role, want)
	}
	return id, nil
}

// reason sorts an error of x509.
func reason(err error) error {
	kind := ErrInvalid
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		kind = ErrExpired
	} else if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		kind = ErrUnknownCA
	}
	return fmt.Errorf("%w: %w", kind, err)
}

func (t *Trust) atLeastFloor(now time.Time) time.Time {
	if now.Before(t.cfg.Floor) {
		return t.cfg.Floor
	}
	return now
}
