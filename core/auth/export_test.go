package auth

import (
	"crypto/ed25519"
	"encoding/hex"
	"math/big"
)

// Proven lets tests check a ClientProof of the RFCs' test vectors.
func (c *Credential) Proven(proof []byte, message string) bool {
	return scramKeys{stored: c.StoredKey, server: c.ServerKey}.proven(proof, message)
}

// Signed lets tests check the signatures of the specification's test vectors.
func Signed(key ed25519.PublicKey, challenge, channel []byte, signature string) bool {
	return signed(key, bound(challenge, channel), signature)
}

// Bounds that tests reach.
const (
	GateWaiting  = gateWaiting
	GuardEntries = guardEntries
	MaxKeySet    = maxKeySet
)

// ParseKeySet, ParseVerifier and ParseAnswer let fuzz targets reach the
// parsers.
func ParseKeySet(text []byte) error {
	_, err := parseKeySet(text)
	return err
}

func ParseVerifier(text []byte) error {
	_, err := parseVerifier(text)
	return err
}

func ParseAnswer(result any) error {
	_, err := parseAnswer(result)
	return err
}

// ParseCertificate returns who signed a certificate, in hex.
func ParseCertificate(v any) (string, error) {
	c, err := parseCertificate(v)
	if err != nil {
		return "", err
	}
	return "0x" + hex.EncodeToString(c.signer[:]), nil
}

// CertSigner signs certificates.
type CertSigner struct{ Secret int64 }

// Address is that of the signer's key.
func (s CertSigner) Address() string {
	digest := make([]byte, 32)
	a, _ := signer(digest, s.sign(digest))
	return "0x" + hex.EncodeToString(a[:])
}

// Sign returns the pair of a certificate and its signature.
func (s CertSigner) Sign(certificate map[string]any) []any {
	_, digest, _ := parseStatement(certificate)
	return []any{certificate, hex.EncodeToString(s.sign(digest))}
}

func (s CertSigner) sign(digest []byte) []byte {
	c := secp256k1()
	k := big.NewInt(0x1234567890abcdef) // anything will do in a test
	point := c.times(k, affine(c.gx, c.gy))
	iz := new(big.Int).ModInverse(point.z, c.p)
	izz := c.mul(iz, iz)
	x, y := c.mul(point.x, izz), c.mul(point.y, c.mul(izz, iz))
	r := x.Mod(x, c.n)
	sum := new(big.Int).Mul(r, big.NewInt(s.Secret))
	sum.Add(sum, new(big.Int).SetBytes(digest))
	out := sum.Mul(sum, new(big.Int).ModInverse(k, c.n))
	out.Mod(out, c.n)
	v := byte(27 + y.Bit(0))
	if out.Cmp(new(big.Int).Rsh(c.n, 1)) > 0 {
		out.Sub(c.n, out)
		v = 27 + 28 - v
	}
	signature := make([]byte, signerLen)
	r.FillBytes(signature[:32])
	out.FillBytes(signature[32:64])
	signature[64] = v
	return signature
}
