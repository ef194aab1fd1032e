package pki_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"bondy/cmd/internal/pki"
)

// FuzzList: no revocation list panics, and one that is accepted is signed, so
// that it revokes what it was made for.
func FuzzList(f *testing.F) {
	a, dir := authority(f)
	issue(f, a, pki.Request{Name: "a"})
	if _, err := a.Revoke("a", ""); err != nil {
		f.Fatal(err)
	}
	crl := read(f, filepath.Join(dir, "revoked.crl"))
	f.Add(crl)
	f.Add(append(append([]byte("text\n"), crl...), crl...))
	f.Add(read(f, filepath.Join(dir, "ca.crt")))
	cert, file := chain(f, dir, "a"), filepath.Join(f.TempDir(), "fuzz.crl")
	f.Fuzz(func(t *testing.T, data []byte) {
		write(t, file, data)
		tr, err := pki.LoadTrust(pki.TrustConfig{CA: filepath.Join(dir, "ca.crt"), CRL: file})
		if err != nil {
			return
		}
		if _, err := tr.Verify(cert, pki.RoleNode, time.Now()); !errors.Is(err, pki.ErrRevoked) {
			t.Errorf("a list that was accepted does not revoke: %v", err)
		}
	})
}

// FuzzAuthorities: no file of authorities panics, and what it trusts is what
// it holds.
func FuzzAuthorities(f *testing.F) {
	a, dir := authority(f)
	issue(f, a, pki.Request{Name: "a", Algorithm: pki.P256})
	ca := read(f, filepath.Join(dir, "ca.crt"))
	f.Add(ca)
	f.Add(append(append([]byte("text\n"), ca...), ca...))
	f.Add(read(f, filepath.Join(dir, "a.crt")))
	f.Add(read(f, filepath.Join(dir, "ca.key")))
	cert, file := chain(f, dir, "a"), filepath.Join(f.TempDir(), "fuzz.crt")
	f.Fuzz(func(t *testing.T, data []byte) {
		write(t, file, data)
		tr, err := pki.LoadTrust(pki.TrustConfig{CA: file})
		if err != nil {
			return
		}
		_, err = tr.Verify(cert, pki.RoleNode, time.Now())
		if err != nil && !errors.Is(err, pki.ErrUnknownCA) && !errors.Is(err, pki.ErrExpired) && !errors.Is(err, pki.ErrInvalid) {
			t.Errorf("Verify = %v", err)
		}
	})
}

// FuzzCertificate: a certificate that the authority did not sign is refused,
// whatever it says.
func FuzzCertificate(f *testing.F) {
	a, dir := authority(f)
	issue(f, a, pki.Request{Name: "a"})
	good := chain(f, dir, "a")[0].Raw
	f.Add(good)
	f.Add(chain(f, dir, "ca")[0].Raw)
	tr := trust(f, dir)
	f.Fuzz(func(t *testing.T, der []byte) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		if _, err := tr.Verify([]*x509.Certificate{cert}, pki.RoleNode, time.Now()); err == nil && !bytes.Equal(der, good) {
			t.Errorf("took a certificate that was not issued")
		}
	})
}
