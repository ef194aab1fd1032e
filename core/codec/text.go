package codec

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// Eight bytes at a time: each byte of ones is 1, each of highs has its top bit.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// validText reports whether s is valid UTF-8. A short text is as a rule ASCII,
// which a few loads that overlap tell.
func validText(s []byte) bool {
	n := len(s)
	switch {
	case n > 32:
	case n > 16:
		if (word(s)|word(s[8:])|word(s[n-16:])|word(s[n-8:]))&highs == 0 {
			return true
		}
	case n >= 8:
		if (word(s)|word(s[n-8:]))&highs == 0 {
			return true
		}
	case n >= 4:
		if (binary.LittleEndian.Uint32(s)|binary.LittleEndian.Uint32(s[n-4:]))&(highs&0xffffffff) == 0 {
			return true
		}
	case n == 0 || s[0]|s[n/2]|s[n-1] < utf8.RuneSelf:
		return true
	}
	return utf8.Valid(s)
}

func word(s []byte) uint64 { return binary.LittleEndian.Uint64(s) }

// plain returns the index from i on of the first byte of s that a JSON string
// holds only escaped, and whether bytes beyond ASCII stand before it.
func plain(s []byte, i int) (end int, wide bool) {
	for ; len(s)-i > 32; i += 32 {
		b := s[i : i+32]
		w, x, y, z := word(b), word(b[8:]), word(b[16:]), word(b[24:])
		if (special(w)|special(x)|special(y)|special(z)|w|x|y|z)&highs != 0 {
			break
		}
	}
	var seen uint64
	for ; len(s)-i >= 8; i += 8 {
		x := word(s[i:])
		if hit := special(x) &^ x & highs; hit != 0 {
			n := bits.TrailingZeros64(hit)
			return i + n/8, (seen|x&(1<<n-1))&highs != 0
		}
		seen |= x
	}
	for ; i < len(s); i++ {
		c := s[i]
		if c < ' ' || c == '"' || c == '\\' {
			break
		}
		seen |= uint64(c)
	}
	return i, seen&highs != 0
}

// special sets the top bit of each byte of x that is a control character, a
// quote or a backslash. Bytes beyond ASCII set it too, and so may those above
// one that is meant: a byte less than what is subtracted from it borrows from
// the next.
func special(x uint64) uint64 {
	// Flipping bit 1 takes the quote next to the control characters.
	return (x ^ ones*2 - ones*('"'-1)) | (x ^ ones*'\\' - ones)
}
