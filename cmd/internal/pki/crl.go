package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"time"
)

// listLifetime is how far away the next update of a list is said to be. Lists
// have no schedule: the newest one at hand is honored however old it is.
const listLifetime = 10 * 365 * 24 * time.Hour

// revocations are the serial numbers of the revoked certificates with the time
// of revocation. Serial numbers are random, so that they need no issuer beside
// them.
type revocations map[string]time.Time

// decodeRevocations reads revocation lists, each signed by one of authorities,
// and the highest number among them.
func decodeRevocations(data []byte, authorities []*x509.Certificate) (revocations, *big.Int, error) {
	blocks, err := decode(typeCRL, data)
	if err != nil {
		return nil, nil, err
	}
	revoked, number := revocations{}, new(big.Int)
	for _, der := range blocks {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, nil, err
		}
		if err := checkList(list, authorities); err != nil {
			return nil, nil, err
		}
		for _, e := range list.RevokedCertificateEntries {
			revoked[e.SerialNumber.Text(16)] = e.RevocationTime
		}
		if list.Number != nil && list.Number.Cmp(number) > 0 {
			number = list.Number
		}
	}
	return revoked, number, nil
}

// checkList refuses a list that none of authorities signed, and one that does
// not mean what it seems to (RFC 5280 section 5.2: unknown critical
// extensions).
func checkList(list *x509.RevocationList, authorities []*x509.Certificate) error {
	err := errors.New("there is no authority")
	for _, a := range authorities {
		if err = list.CheckSignatureFrom(a); err == nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("the revocation list is not signed by a trusted authority: %w", err)
	}
	extensions := list.Extensions
	for _, e := range list.RevokedCertificateEntries {
		extensions = append(extensions, e.Extensions...)
	}
	for _, e := range extensions {
		if e.Critical {
			return fmt.Errorf("the revocation list has the unknown critical extension %v", e.Id)
		}
	}
	return nil
}

// readRevocations reads the list at path. Without a file nothing is revoked.
func readRevocations(path string, authority *x509.Certificate) (revocations, *big.Int, error) {
	data, err := readFile(path, maxList)
	if errors.Is(err, fs.ErrNotExist) {
		return revocations{}, new(big.Int), nil
	}
	if err != nil {
		return nil, nil, err
	}
	revoked, number, err := decodeRevocations(data, []*x509.Certificate{authority})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return revoked, number, nil
}

// renewed reads the list at path again. A file that was there once and is gone is
// an error, lest a revoked certificate comes back.
func (r *revocations) renewed(path string, authorities func() ([]*x509.Certificate, error)) (*revocations, error) {
	data, err := readFile(path, maxList)
	if r != nil && len(*r) == 0 && errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	signers, err := authorities()
	if err != nil {
		return nil, err
	}
	revoked, _, err := decodeRevocations(data, signers)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &revoked, nil
}

// check refuses a chain of which any certificate is revoked.
func (r *revocations) check(chain []*x509.Certificate) error {
	for _, c := range chain {
		serial := c.SerialNumber.Text(16)
		if at, ok := (*r)[serial]; ok {
			return fmt.Errorf("%w: %s, serial number %s, on %s", ErrRevoked, chain[0].Subject.CommonName, serial, at.Format(time.RFC3339))
		}
	}
	return nil
}

// sign makes the revocation list with that number.
func (r revocations) sign(number *big.Int, ca *x509.Certificate, key crypto.Signer) ([]byte, error) {
	now := time.Now()
	list := x509.RevocationList{Number: number, ThisUpdate: now, NextUpdate: now.Add(listLifetime)}
	for serial, at := range r {
		n, ok := new(big.Int).SetString(serial, 16)
		if !ok {
			return nil, fmt.Errorf("serial number %q is not hexadecimal", serial)
		}
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: n, RevocationTime: at})
	}
	der, err := x509.CreateRevocationList(rand.Reader, &list, ca, key)
	if err != nil {
		return nil, err
	}
	return encode(typeCRL, der), nil
}
