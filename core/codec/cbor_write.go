package codec

import (
	"encoding/binary"
	"math"
)

// appendCBOR appends a scalar other than a string.
func appendCBOR(dst []byte, t token, raw []byte) []byte {
	switch t.kind {
	case kindBool:
		if t.n == 1 {
			return append(dst, cborTrue)
		}
		return append(dst, cborFalse)
	case kindInt:
		if t.int() < 0 {
			return appendArgumentCBOR(dst, cborNegative, ^t.n)
		}
		return appendArgumentCBOR(dst, cborUint, t.n)
	case kindUint:
		return appendArgumentCBOR(dst, cborUint, t.n)
	case kindFloat:
		return binary.BigEndian.AppendUint64(append(dst, cborFloat64), t.n)
	case kindBinary:
		return append(appendArgumentCBOR(dst, cborBinary, uint64(len(raw))), raw...)
	default:
		return append(dst, cborNull)
	}
}

// appendHeadCBOR appends the head of a string, list or dict.
func appendHeadCBOR(dst []byte, k kind, n uint64) []byte {
	switch k {
	case kindText:
		return appendArgumentCBOR(dst, cborText, n)
	case kindList:
		return appendArgumentCBOR(dst, cborList, n)
	default:
		return appendArgumentCBOR(dst, cborDict, n)
	}
}

// appendArgumentCBOR appends a first byte and its argument in the shortest
// form.
func appendArgumentCBOR(dst []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(dst, major|byte(n))
	case n <= math.MaxUint8:
		return append(dst, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, major|27), n)
	}
}
