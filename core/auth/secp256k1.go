package auth

import (
	"errors"
	"math/big"

	"golang.org/x/crypto/sha3"
)

// address is how certificates name who signs: the last 20 bytes of the hash of
// a public key on secp256k1.
type address [20]byte

func keccak(parts ...[]byte) []byte {
	h := sha3.NewLegacyKeccak256()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// curve is secp256k1 (SEC 2), as far as it takes to recover the key of a
// signature. It handles public values alone, so its time may depend on them.
type curve struct{ p, n, gx, gy *big.Int }

func secp256k1() curve {
	hex := func(s string) *big.Int { n, _ := new(big.Int).SetString(s, 16); return n }
	return curve{
		p:  hex("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f"),
		n:  hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"),
		gx: hex("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
		gy: hex("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"),
	}
}

// point is in Jacobian coordinates; z 0 is infinity.
type point struct{ x, y, z *big.Int }

func affine(x, y *big.Int) point { return point{x, y, big.NewInt(1)} }

// mod returns a op b modulo p.
func (c curve) mul(a, b *big.Int) *big.Int { m := new(big.Int).Mul(a, b); return m.Mod(m, c.p) }
func (c curve) sub(a, b *big.Int) *big.Int { m := new(big.Int).Sub(a, b); return m.Mod(m, c.p) }

func (c curve) double(a point) point {
	yy := c.mul(a.y, a.y)
	s := c.mul(big.NewInt(4), c.mul(a.x, yy))
	m := c.mul(big.NewInt(3), c.mul(a.x, a.x))
	x := c.sub(c.mul(m, m), c.mul(big.NewInt(2), s))
	y := c.sub(c.mul(m, c.sub(s, x)), c.mul(big.NewInt(8), c.mul(yy, yy)))
	return point{x, y, c.mul(big.NewInt(2), c.mul(a.y, a.z))}
}

func (c curve) add(a, b point) point {
	switch {
	case a.z.Sign() == 0:
		return b
	case b.z.Sign() == 0:
		return a
	}
	za, zb := c.mul(a.z, a.z), c.mul(b.z, b.z)
	u, v := c.mul(a.x, zb), c.mul(b.x, za)
	s, t := c.mul(a.y, c.mul(b.z, zb)), c.mul(b.y, c.mul(a.z, za))
	h, r := c.sub(v, u), c.sub(t, s)
	if h.Sign() == 0 {
		if r.Sign() == 0 {
			return c.double(a)
		}
		return point{new(big.Int), big.NewInt(1), new(big.Int)}
	}
	hh := c.mul(h, h)
	hhh, w := c.mul(h, hh), c.mul(u, hh)
	x := c.sub(c.sub(c.mul(r, r), hhh), c.mul(big.NewInt(2), w))
	y := c.sub(c.mul(r, c.sub(w, x)), c.mul(s, hhh))
	return point{x, y, c.mul(h, c.mul(a.z, b.z))}
}

func (c curve) times(k *big.Int, a point) point {
	out := point{new(big.Int), big.NewInt(1), new(big.Int)}
	for i := k.BitLen() - 1; i >= 0; i-- {
		out = c.double(out)
		if k.Bit(i) == 1 {
			out = c.add(out, a)
		}
	}
	return out
}

// errSignature says that nobody made a signature.
var errSignature = errors.New("not a signature")

// signerLen is the length of a signature in bytes: r, s and v.
const signerLen = 65

// signer recovers who signed a 32-byte digest (SEC 1, section 4.1.6).
func signer(digest, signature []byte) (a address, err error) {
	if len(signature) != signerLen || signature[64] != 27 && signature[64] != 28 {
		return a, errSignature
	}
	c := secp256k1()
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:64])
	half := new(big.Int).Rsh(c.n, 1) // a greater s is the same signature once more
	if r.Sign() == 0 || s.Sign() == 0 || r.Cmp(c.n) >= 0 || s.Cmp(half) > 0 {
		return a, errSignature
	}
	square := new(big.Int).Add(c.mul(r, c.mul(r, r)), big.NewInt(7))
	y := new(big.Int).ModSqrt(square.Mod(square, c.p), c.p)
	if y == nil {
		return a, errSignature
	}
	if y.Bit(0) != uint(signature[64]-27) {
		y.Sub(c.p, y)
	}
	inverse := new(big.Int).ModInverse(r, c.n)
	z := new(big.Int).SetBytes(digest)
	u := z.Mul(z.Neg(z), inverse)
	v := s.Mul(s, inverse)
	q := c.add(c.times(u.Mod(u, c.n), affine(c.gx, c.gy)), c.times(v.Mod(v, c.n), affine(r, y)))
	if q.z.Sign() == 0 {
		return a, errSignature
	}
	iz := new(big.Int).ModInverse(q.z, c.p)
	izz := c.mul(iz, iz)
	var key [64]byte
	c.mul(q.x, izz).FillBytes(key[:32])
	c.mul(q.y, c.mul(izz, iz)).FillBytes(key[32:])
	copy(a[:], keccak(key[:])[12:])
	return a, nil
}
