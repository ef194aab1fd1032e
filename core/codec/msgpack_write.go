package codec

import (
	"encoding/binary"
	"math"

	"github.com/tinylib/msgp/msgp"
)

// First bytes of a short list and a short dict, of which the lower half is the
// number of members.
const (
	msgpackDict = 0x80
	msgpackList = 0x90
)

// appendMessagePack appends a scalar other than a string in its shortest form.
func appendMessagePack(dst []byte, t token, raw []byte) []byte {
	switch t.kind {
	case kindBool:
		return msgp.AppendBool(dst, t.n == 1)
	case kindInt:
		if n := t.int(); n < 0 {
			return msgp.AppendInt64(dst, n)
		}
		return msgp.AppendUint64(dst, t.n)
	case kindUint:
		return msgp.AppendUint64(dst, t.n)
	case kindFloat:
		return msgp.AppendFloat64(dst, t.float())
	case kindBinary:
		return msgp.AppendBytes(dst, raw)
	default:
		return msgp.AppendNil(dst)
	}
}

// appendHeadMessagePack appends the head of a string, list or dict. Sizes are
// those of things in memory, of which none reaches 2^32.
func appendHeadMessagePack(dst []byte, k kind, n uint64) []byte {
	size := uint32(min(n, math.MaxUint32))
	switch k {
	case kindText:
		switch {
		case n < 32:
			return append(dst, 0xa0|byte(n))
		case n <= math.MaxUint8:
			return append(dst, 0xd9, byte(n))
		case n <= math.MaxUint16:
			return binary.BigEndian.AppendUint16(append(dst, 0xda), uint16(n))
		default:
			return binary.BigEndian.AppendUint32(append(dst, 0xdb), size)
		}
	case kindList:
		return msgp.AppendArrayHeader(dst, size)
	default:
		return msgp.AppendMapHeader(dst, size)
	}
}
