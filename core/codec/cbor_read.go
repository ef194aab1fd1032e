package codec

import "math"

// Major types and simple values of CBOR (RFC 8949, section 3), as the first
// byte of a value shows them.
const (
	cborUint     = 0x00
	cborNegative = 0x20
	cborBinary   = 0x40
	cborText     = 0x60
	cborList     = 0x80
	cborDict     = 0xa0
	cborTag      = 0xc0
	cborSimple   = 0xe0

	cborFalse     = 0xf4
	cborTrue      = 0xf5
	cborNull      = 0xf6
	cborUndefined = 0xf7
	cborFloat16   = 0xf9
	cborFloat32   = 0xfa
	cborFloat64   = 0xfb
	cborBreak     = 0xff

	cborIndefinite = 31 // additional information
)

// Tags that are understood (RFC 8949, section 3.4); others mark a value as
// foreign.
const (
	tagBignum         = 2
	tagNegativeBignum = 3
	tagUint8Array     = 64 // RFC 8746
	tagSelfDescribed  = 55799
)

// nextCBOR reads the head of a CBOR value with the tags before it. A chain of
// tags is a loop, not a recursion, and each tag counts as a value.
func (r *reader) nextCBOR() token {
	tagged := notForeign
	for {
		c, n, ok := r.cborHead()
		if !ok {
			return token{}
		}
		if c&0xe0 != cborTag {
			t := r.cborValue(c, n)
			if tagged != notForeign {
				t.foreign = tagged
			}
			return t
		}
		switch n {
		case tagSelfDescribed:
		case tagUint8Array:
			if r.i >= len(r.b) || r.b[r.i]&0xe0 != cborBinary {
				tagged = cborTagged
			}
		case tagBignum, tagNegativeBignum:
			if r.i < len(r.b) && r.b[r.i]&0xe0 == cborBinary && tagged == notForeign {
				return r.bignum(n == tagNegativeBignum)
			}
			tagged = cborTagged
		default:
			tagged = cborTagged
		}
		if r.left--; r.left < 0 {
			r.fail("more values than one message may hold")
			return token{}
		}
	}
}

// cborHead reads a first byte and its argument, unknown for an indefinite
// length.
func (r *reader) cborHead() (c byte, n uint64, ok bool) {
	if c, ok = r.lead(); !ok {
		return 0, 0, false
	}
	switch info := c & 0x1f; {
	case info < 24:
		n = uint64(info)
	case info < 28:
		n = r.bigEndian(1 << (info - 24))
		if n == unknown && c >= cborBinary && c < cborTag {
			r.fail("unexpected end: %d bytes needed, %d left", n, r.rest())
		}
	case info == cborIndefinite && c >= cborBinary && c&0xe0 != cborTag:
		n = unknown
	default:
		r.failAt(r.i-1, "0x%x starts no value", c)
	}
	return c, n, r.err == nil
}

func (r *reader) cborValue(c byte, n uint64) token {
	switch c & 0xe0 {
	case cborUint:
		return uintToken(n)
	case cborNegative:
		return negativeToken(n)
	case cborBinary:
		return r.binary(r.cborString(cborBinary, n))
	case cborText:
		return r.utf8Text(r.cborString(cborText, n))
	case cborList, cborDict:
		k := kindList
		if c >= cborDict {
			k = kindDict
		}
		if n == unknown {
			return token{kind: k, n: unknown}
		}
		return r.header(k, n)
	default:
		return r.simple(c, n)
	}
}

// simple makes the token of a simple value or a float.
func (r *reader) simple(c byte, n uint64) token {
	switch c {
	case cborFalse, cborTrue:
		return boolToken(c == cborTrue)
	case cborNull, cborUndefined:
		return token{kind: kindNull}
	case cborFloat16:
		return floatToken(float16(n))
	case cborFloat32:
		return floatToken(float64(math.Float32frombits(uint32(n)))) //nolint:gosec // four bytes
	case cborFloat64:
		return floatToken(math.Float64frombits(n))
	case cborBreak:
		r.failAt(r.i-1, "an end mark where a value must stand")
		return token{}
	}
	if c == cborSimple|24 && n < 32 {
		r.failAt(r.i-2, "simple value %d in two bytes", n)
	}
	return token{kind: kindNull, foreign: cborSimpleValue}
}

// cborString reads the content of a string; the chunks of an indefinite one
// are joined.
func (r *reader) cborString(major byte, n uint64) []byte {
	if n != unknown {
		return r.take(n)
	}
	joined := r.scratch[:0]
	for r.err == nil && !r.cborEnd() {
		at := r.i
		c, n, ok := r.cborHead()
		switch {
		case !ok:
		case c&0xe0 != major || n == unknown:
			r.failAt(at, "a chunk of another type inside a string")
		case major == cborText:
			joined = append(joined, r.textChunk(n)...)
		default:
			joined = append(joined, r.take(n)...)
		}
	}
	r.scratch = joined
	return joined
}

func (r *reader) textChunk(n uint64) []byte {
	r.utf8Text(r.take(n))
	return r.raw
}

// moreCBOR reports whether a list or dict of indefinite length goes on.
func (r *reader) moreCBOR() bool { return !r.cborEnd() && r.err == nil }

// cborEnd consumes the mark that ends an indefinite length.
func (r *reader) cborEnd() bool {
	if r.i >= len(r.b) {
		r.fail("unexpected end")
		return false
	}
	if r.b[r.i] != cborBreak {
		return false
	}
	r.i++
	return true
}

// bignum reads the byte string behind a bignum's tag; what needs more than 64
// bits is foreign.
func (r *reader) bignum(negative bool) token {
	c, size, _ := r.cborHead()
	b := r.cborString(c&0xe0, size)
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	if len(b) > 8 {
		return token{kind: kindInt, foreign: cborBeyond64}
	}
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	if negative {
		return negativeToken(n)
	}
	return uintToken(n)
}

// negativeToken makes the token of -1-n.
func negativeToken(n uint64) token {
	if n > math.MaxInt64 {
		return token{kind: kindInt, foreign: cborBeyond64}
	}
	return token{kind: kindInt, n: ^n}
}

// float16 converts a half-precision float (RFC 8949, appendix D).
func float16(n uint64) float64 {
	exponent, fraction := int(n>>10&0x1f), float64(n&0x3ff)
	var f float64
	switch exponent {
	case 0:
		f = math.Ldexp(fraction, -24)
	case 31:
		f = math.Inf(1)
		if fraction != 0 {
			f = math.NaN()
		}
	default:
		f = math.Ldexp(fraction+1024, exponent-25)
	}
	if n&0x8000 != 0 {
		f = -f
	}
	return f
}
