package pki

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Revoke puts certificates of that name on the revocation list: all, or the
// one with the given serial number in hexadecimal. It returns those that were
// not on it before. With a serial number, one that is not on record is revoked
// too.
func (a *Authority) Revoke(name, serial string) ([]Certificate, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	serial, err := normalize(serial)
	if err != nil {
		return nil, err
	}
	unlock, err := lockDir(a.dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	revoked, number, err := readRevocations(a.listPath(), a.cert)
	if err != nil {
		return nil, err
	}
	// A record that can't be read must not keep the others from being revoked.
	records, unread := a.records(revoked)
	chosen, err := choose(records, name, serial)
	if err != nil {
		return nil, errors.Join(err, unread)
	}
	now := time.Now().UTC().Truncate(time.Second)
	var added []Certificate
	for _, c := range chosen {
		if _, already := revoked[c.Serial]; already {
			continue
		}
		revoked[c.Serial] = now
		c.State, c.RevokedAt = Revoked, now
		added = append(added, c)
	}
	if len(added) == 0 {
		return nil, unread
	}
	key, err := a.key()
	if err != nil {
		return nil, err
	}
	list, err := revoked.sign(number.Add(number, big.NewInt(1)), a.cert, key)
	if err != nil {
		return nil, err
	}
	if err := writeFile(a.listPath(), list, certificateMode); err != nil {
		return nil, err
	}
	return added, unread
}

// choose finds what to revoke.
func choose(records []Certificate, name, serial string) ([]Certificate, error) {
	var out []Certificate
	for _, c := range records {
		switch {
		case serial == c.Serial && name != c.Name:
			return nil, fmt.Errorf("the certificate with serial number %s is that of %s, not of %s", serial, c.Name, name)
		case name == c.Name && (serial == "" || serial == c.Serial):
			out = append(out, c)
		}
	}
	if len(out) == 0 && serial != "" {
		return []Certificate{{Identity: Identity{Name: name, Serial: serial}}}, nil
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no certificate for %s was issued here", name)
	}
	return out, nil
}

// maxSerial bounds a serial number in bits (RFC 5280 section 4.1.2.2: 20
// octets).
const maxSerial = 160

// normalize gives a serial number the form that Identity has it in; colons are
// as other tools print them.
func normalize(serial string) (string, error) {
	if serial == "" {
		return "", nil
	}
	digits := strings.ReplaceAll(serial, ":", "")
	n, ok := new(big.Int).SetString(digits, 16)
	if !ok || n.Sign() <= 0 || n.BitLen() > maxSerial {
		return "", fmt.Errorf("serial number %q is not hexadecimal of at most %d digits", serial, maxSerial/4)
	}
	return n.Text(16), nil
}
