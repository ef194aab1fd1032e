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

// revocations are the serial numbers of the certificates that an authority has
// revoked, with the time of revocation.
type revocations map[string]time.Time

// lists are the revocations of several authorities.
type lists map[*x509.Certificate]revocations

// decodeRevocations reads revocation lists, each signed by one of authorities, and
// the highest number among them. They are PEM blocks, or a single one in DER.
func decodeRevocations(data []byte, authorities []*x509.Certificate) (lists, *big.Int, error) {
	blocks := [][]byte{data}
	if _, err := x509.ParseRevocationList(data); err != nil {
		if blocks, err = decode(typeCRL, data); err != nil {
			return nil, nil, err
		}
	}
	all, number := lists{}, new(big.Int)
	for _, der := range blocks {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, nil, err
		}
		signer, err := checkList(list, authorities)
		if err != nil {
			return nil, nil, err
		}
		if all[signer] == nil {
			all[signer] = revocations{}
		}
		for _, e := range list.RevokedCertificateEntries {
			all[signer][e.SerialNumber.Text(16)] = e.RevocationTime
		}
		if list.Number != nil && list.Number.Cmp(number) > 0 {
			number = list.Number
		}
	}
	return all, number, nil
}

// checkList returns which of authorities signed a list. It refuses one that none of
// them did, and one that does not mean what it seems to (RFC 5280 section 5.2:
// unknown critical extensions).
func checkList(list *x509.RevocationList, authorities []*x509.Certificate) (signer *x509.Certificate, err error) {
	err = errors.New("there is no authority")
	for _, signer = range authorities {
		if err = list.CheckSignatureFrom(signer); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the revocation list is not signed by a trusted authority: %w", err)
	}
	extensions := list.Extensions
	for _, e := range list.RevokedCertificateEntries {
		extensions = append(extensions, e.Extensions...)
	}
	for _, e := range extensions {
		if e.Critical {
			return nil, fmt.Errorf("the revocation list has the unknown critical extension %v", e.Id)
		}
	}
	return signer, nil
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
	all, number, err := decodeRevocations(data, []*x509.Certificate{authority})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return all[authority], number, nil
}

// renewed reads the lists at path again. A file that was there once and is gone is
// an error, lest a revoked certificate comes back.
func (l *lists) renewed(path string, authorities func() ([]*x509.Certificate, error)) (*lists, error) {
	data, err := readFile(path, maxList)
	if l != nil && len(*l) == 0 && errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	signers, err := authorities()
	if err != nil {
		return nil, err
	}
	all, _, err := decodeRevocations(data, signers)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &all, nil
}

// check refuses a chain of which any certificate is revoked by the authority that
// signed it.
func (l *lists) check(chain []*x509.Certificate) error {
	for _, c := range chain {
		serial := c.SerialNumber.Text(16)
		for authority, revoked := range *l {
			at, listed := revoked[serial]
			if !listed || c.CheckSignatureFrom(authority) != nil {
				continue
			}
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
