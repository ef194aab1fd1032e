package codec

import "math"

// nextMessagePack reads the head of a MessagePack value: short and long forms
// alike, as the specification of MessagePack (version 5) lists them.
func (r *reader) nextMessagePack() token {
	c, ok := r.lead()
	if !ok {
		return token{}
	}
	switch {
	case c < 0x80:
		return intToken(int64(c))
	case c < 0x90:
		return r.header(kindDict, uint64(c&0x0f))
	case c < 0xa0:
		return r.header(kindList, uint64(c&0x0f))
	case c < 0xc0:
		return r.utf8Text(r.take(uint64(c & 0x1f)))
	case c >= 0xe0:
		return intToken(int64(int8(c))) //nolint:gosec // the byte is the number in two's complement
	}
	switch c {
	case 0xc0:
		return token{kind: kindNull}
	case 0xc2, 0xc3:
		return boolToken(c == 0xc3)
	case 0xc4, 0xc5, 0xc6:
		return r.binary(r.take(r.bigEndian(1 << (c - 0xc4))))
	case 0xc7, 0xc8, 0xc9:
		return r.extension(r.bigEndian(1 << (c - 0xc7)))
	case 0xca:
		return floatToken(float64(math.Float32frombits(uint32(r.bigEndian(4))))) //nolint:gosec // four bytes
	case 0xcb:
		return floatToken(math.Float64frombits(r.bigEndian(8)))
	case 0xcc, 0xcd, 0xce, 0xcf:
		return uintToken(r.bigEndian(1 << (c - 0xcc)))
	case 0xd0, 0xd1, 0xd2, 0xd3:
		size := 1 << (c - 0xd0)
		unused := 64 - 8*size
		return intToken(int64(r.bigEndian(size)<<unused) >> unused) //nolint:gosec // extends the sign
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8:
		return r.extension(1 << (c - 0xd4))
	case 0xd9, 0xda, 0xdb:
		return r.utf8Text(r.take(r.bigEndian(1 << (c - 0xd9))))
	case 0xdc, 0xdd:
		return r.header(kindList, r.bigEndian(2<<(c-0xdc)))
	case 0xde, 0xdf:
		return r.header(kindDict, r.bigEndian(2<<(c-0xde)))
	default:
		r.failAt(r.i-1, "0x%x starts no value", c)
		return token{}
	}
}

// extension reads the type and the n bytes of an extension. A zero byte of type
// 0 is how encoders of JavaScript write undefined.
func (r *reader) extension(n uint64) token {
	kind, _ := r.lead()
	if b := r.take(n); kind == 0 && len(b) == 1 && b[0] == 0 {
		return token{kind: kindNull}
	}
	return token{kind: kindBinary, foreign: msgpackExtension}
}
