package codec

import (
	"encoding/binary"

	"bondy/core/wamp"
)

// form is what the first byte of a value says about it, as far as the quick
// path cares.
type form struct {
	class class
	width uint8 // bytes behind the first that belong to the head
	n     uint8 // what the head says if width is 0
	like  uint8 // which bits of it others must share for a head of that class and width
}

// class tells the values apart that the quick path passes by itself.
type class uint8

const (
	classOther  class = iota // for the general reader
	classUint                // the head is the number
	classFixed               // a scalar of which the head is all
	classText                // the head is the length
	classBinary              // the head is the length
	classList                // the head is the number of members
	classDict                // the head is the number of pairs
	classNumber              // of JSON
	classWord                // of JSON: true, false, null
)

// forms has the form of each first byte of one serializer.
type forms [256]form

// formsOf returns the table of s, nil if there is none.
func formsOf(s wamp.Serializer) *forms {
	switch s {
	case wamp.JSON:
		return &formsJSON
	case wamp.MessagePack:
		return &formsMessagePack
	case wamp.CBOR:
		return &formsCBOR
	default:
		return nil
	}
}

// The tables are constants that the language cannot write down.
//
//nolint:gochecknoglobals // never written after they are made
var (
	formsJSON        = makeFormsJSON()
	formsMessagePack = makeFormsMessagePack()
	formsCBOR        = makeFormsCBOR()
)

// near adds values whose head is the first byte alone.
func (f *forms) near(first, last int, c class) {
	for i := first; i <= last; i++ {
		f[i] = form{class: c, n: uint8(i - first)} //nolint:gosec // below 128
	}
}

// far adds values whose heads have so many bytes behind the first.
func (f *forms) far(first int, c class, widths ...uint8) {
	for i, w := range widths {
		f[first+i] = form{class: c, width: w}
	}
}

// alike completes the table of a serializer in which numbers have heads.
func (f *forms) alike() {
	for i := range f {
		size := 1
		for f.uniform(i&(-2*size), 2*size) {
			size *= 2
		}
		f[i].like = uint8(-size) //nolint:gosec // the upper bits
	}
}

// uniform reports whether so many first bytes from one on differ in n alone.
func (f *forms) uniform(first, n int) bool {
	for _, g := range f[first : first+n] {
		if g.class != f[first].class || g.width != f[first].width {
			return false
		}
	}
	return true
}

func makeFormsJSON() (f forms) {
	f.near('"', '"', classText)
	f.near('-', '-', classNumber)
	f.near('0', '9', classNumber)
	f.near('[', '[', classList)
	f.near('{', '{', classDict)
	f['t'] = form{class: classWord, n: uint8(len("true"))}
	f['f'] = form{class: classWord, n: uint8(len("false"))}
	f['n'] = form{class: classWord, n: uint8(len("null"))}
	return f
}

func makeFormsMessagePack() (f forms) {
	f.near(0x00, 0x7f, classUint)
	f.near(0x80, 0x8f, classDict)
	f.near(0x90, 0x9f, classList)
	f.near(0xa0, 0xbf, classText)
	f.far(0xc0, classFixed, 0)
	f.far(0xc2, classFixed, 0, 0)
	f.far(0xc4, classBinary, 1, 2, 4)
	f.far(0xca, classFixed, 4, 8)
	f.far(0xcc, classUint, 1, 2, 4, 8)
	f.far(0xd0, classFixed, 1, 2, 4, 8)
	f.far(0xd9, classText, 1, 2, 4)
	f.far(0xdc, classList, 2, 4)
	f.far(0xde, classDict, 2, 4)
	f.near(0xe0, 0xff, classFixed)
	f.alike()
	return f
}

func makeFormsCBOR() (f forms) {
	for major, c := range map[int]class{
		cborUint: classUint, cborNegative: classFixed, cborBinary: classBinary,
		cborText: classText, cborList: classList, cborDict: classDict,
	} {
		f.near(major, major+23, c)
		f.far(major+24, c, 1, 2, 4, 8)
	}
	f.far(cborFalse, classFixed, 0, 0, 0, 0) // also true, null and undefined
	f.far(cborFloat16, classFixed, 2, 4, 8)
	f.alike()
	return f
}

// bigEndian is the integer in 1, 2, 4 or 8 bytes.
func bigEndian(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(b))
	case 4:
		return uint64(binary.BigEndian.Uint32(b))
	case 8:
		return binary.BigEndian.Uint64(b)
	default:
		return 0
	}
}
