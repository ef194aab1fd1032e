package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// Algorithm is the kind of a key.
type Algorithm string

// The algorithms.
const (
	Ed25519 Algorithm = "ed25519"
	P256    Algorithm = "p256"
)

// MarshalText implements encoding.TextMarshaler.
func (a Algorithm) MarshalText() ([]byte, error) { return []byte(a), nil }

// UnmarshalText implements encoding.TextUnmarshaler; it takes the algorithms
// alone.
func (a *Algorithm) UnmarshalText(text []byte) error {
	switch alg := Algorithm(text); alg {
	case Ed25519, P256:
		*a = alg
		return nil
	default:
		return fmt.Errorf("an algorithm is ed25519 or p256, not %q", text)
	}
}

// generate makes a key; of the zero Algorithm, one of Ed25519.
func (a Algorithm) generate() (crypto.Signer, error) {
	switch a {
	case P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case Ed25519, "":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	default:
		return nil, a.UnmarshalText([]byte(a))
	}
}

// The types of PEM blocks.
const (
	typeCertificate = "CERTIFICATE"
	typeKey         = "PRIVATE KEY"
	typeCRL         = "X509 CRL"
)

func encode(blockType string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: der})
}

// decode gives the PEM blocks of data, which are all of one type and at least
// one. Text between blocks is no error.
func decode(blockType string, data []byte) ([][]byte, error) {
	var out [][]byte
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		if block.Type != blockType {
			return nil, fmt.Errorf("a PEM block is %q, want %q", block.Type, blockType)
		}
		out, data = append(out, block.Bytes), rest
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no PEM block %q in it", blockType)
	}
	return out, nil
}

// encodeKey is key as PKCS #8.
func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return encode(typeKey, der), nil
}

// decodeKey reads what encodeKey wrote. Its errors do not show the content.
func decodeKey(data []byte) (crypto.Signer, error) {
	blocks, err := decode(typeKey, data)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(blocks[0])
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T can't sign", parsed)
	}
	return key, nil
}

// decodeAuthorities reads CA certificates.
func decodeAuthorities(data []byte) ([]*x509.Certificate, error) {
	blocks, err := decode(typeCertificate, data)
	if err != nil {
		return nil, err
	}
	out := make([]*x509.Certificate, len(blocks))
	for i, der := range blocks {
		if out[i], err = x509.ParseCertificate(der); err != nil {
			return nil, err
		}
		if !out[i].BasicConstraintsValid || !out[i].IsCA {
			return nil, fmt.Errorf("certificate %q is not that of an authority", out[i].Subject)
		}
	}
	return out, nil
}
