package pki

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	day = 24 * time.Hour

	// authorityLifetime is how long an authority is valid unless told
	// otherwise.
	authorityLifetime = 10 * 365 * day

	// skew is how much earlier than now a certificate begins, for holders
	// whose clocks are late.
	skew = 5 * time.Minute
)

// The names in an authority's folder.
const (
	authorityName = "ca"
	listFile      = "revoked.crl"
	recordDir     = "issued"

	certificateSuffix = ".crt"
	keySuffix         = ".key"
)

// Authority is a certificate authority in a folder. It is safe for concurrent
// use, also by several processes on systems that can lock a folder.
type Authority struct {
	dir  string
	cert *x509.Certificate
}

// Init makes an authority in dir, which is created with mode 0700 if need be,
// for the given time; 0 is 10 years. It does not replace one.
func Init(dir string, algorithm Algorithm, lifetime time.Duration) (*Authority, error) {
	if lifetime == 0 {
		lifetime = authorityLifetime
	}
	if lifetime < 0 {
		return nil, errors.New("a lifetime is not negative")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	a := &Authority{dir: dir}
	if err := a.checkFree(authorityName); err != nil {
		return nil, fmt.Errorf("%w: there is an authority already, which init does not replace", err)
	}
	key, err := algorithm.generate()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "bondy CA"},
		NotBefore: now.Add(-skew), NotAfter: now.Add(lifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return a, a.writePair(authorityName, der, key)
}

// Open finds the authority in dir.
func Open(dir string) (*Authority, error) {
	a := &Authority{dir: dir}
	data, err := readFile(a.certificatePath(authorityName), maxCertificate)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no authority in %s: make one with bondy pki init --dir %s", dir, dir)
	}
	if err != nil {
		return nil, err
	}
	certs, err := decodeAuthorities(data)
	if err == nil && len(certs) != 1 {
		err = fmt.Errorf("it has %d certificates, want one", len(certs))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.certificatePath(authorityName), err)
	}
	a.cert = certs[0]
	return a, nil
}

// NotAfter is when the authority's own certificate expires.
func (a *Authority) NotAfter() time.Time { return a.cert.NotAfter }

// certificatePath and keyPath are where the pair of name is.
func (a *Authority) certificatePath(name string) string {
	return filepath.Join(a.dir, name+certificateSuffix)
}

func (a *Authority) keyPath(name string) string { return filepath.Join(a.dir, name+keySuffix) }

// checkFree says which file of the pair of name is there already.
func (a *Authority) checkFree(name string) error {
	for _, path := range []string{a.certificatePath(name), a.keyPath(name)} {
		if exists(path) {
			return fmt.Errorf("%s exists", path)
		}
	}
	return nil
}

func (a *Authority) writePair(name string, der []byte, key crypto.Signer) error {
	pair, err := encodeKey(key)
	if err != nil {
		return err
	}
	if err := writeFile(a.keyPath(name), pair, keyMode); err != nil {
		return err
	}
	return writeFile(a.certificatePath(name), encode(typeCertificate, der), certificateMode)
}

// key reads the authority's key, which only signing needs.
func (a *Authority) key() (crypto.Signer, error) {
	path := a.keyPath(authorityName)
	data, err := readFile(path, maxCertificate)
	if err != nil {
		return nil, err
	}
	key, err := decodeKey(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if !bytes.Equal(public, a.cert.RawSubjectPublicKeyInfo) {
		return nil, fmt.Errorf("%s is not the key of %s", path, a.certificatePath(authorityName))
	}
	return key, nil
}
