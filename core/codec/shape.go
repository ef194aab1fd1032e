package codec

import "math/bits"

// shape is the form of a value. A payload that takes long to check is as a rule
// a list whose members have the same keys in the same order, and values as long
// as those of the member before, or nearly so. What has the form of a value that
// was checked is right as well, and to compare forms takes an eighth of the time:
// it goes by words, not by values, and knows where the next one is.
type shape struct {
	forms *forms
	json  bool
	size  int
	// model is the value. same has a 1 for each bit of it that others must
	// share, odd what else is asked of a byte. What stands behind the value asks
	// nothing.
	model, same, odd [maxShape + block]byte
}

const (
	maxShape = 512 // the size of the largest model
	block    = 32  // how many bytes are compared together
)

// What odd says of a byte; all but the first of JSON alone.
const (
	oddStart = 0x40 // a value, key, bracket or separator starts here
	oddDigit = 0x10 // must be a digit
	oddZero  = 0x20 // must not be 0
	oddText  = 0x80 // must not be special
)

// learn makes the shape of the value b, at most maxShape bytes, which was
// checked. It reports false if that holds what only the general functions know.
func (s *shape) learn(b []byte) bool {
	s.size = copy(s.model[:maxShape], b)
	clear(s.same[s.size : s.size+block])
	clear(s.odd[s.size : s.size+block])
	for i := 0; i < s.size; {
		end := s.learnToken(i)
		if end == 0 {
			return false
		}
		s.odd[i] |= oddStart
		i = end
	}
	return true
}

// learnToken learns the scalar, the head or the mark at i and returns the index
// behind it.
func (s *shape) learnToken(i int) (end int) {
	f := s.forms[s.model[i]]
	end = s.scalar(s.model[:s.size], i)
	switch {
	case f.class == classNumber:
		end++ // the mark behind it, which is where a longer one differs
	case end > 0:
	case f.class == classText || f.class == classOther && !s.json:
		return 0
	default:
		end = i + 1 + int(f.width)
	}
	b, same, odd := s.model[i:end], s.same[i:end], s.odd[i:end]
	clear(odd)
	for k := range same {
		same[k] = 0xff
	}
	head := 1 + int(f.width)
	switch f.class {
	case classUint, classFixed:
		same[0] = f.like
		clear(same[1:])
	case classBinary:
		clear(same[head:])
	case classText:
		if s.json {
			b = b[:len(b)-1]
		}
		for k, c := range b[head:] {
			if c < 0x80 {
				same[head+k], odd[head+k] = 0x80, oddText
			}
		}
	case classNumber:
		first := 0
		if b[0] == '-' {
			first = 1
		}
		for k, c := range b {
			if isDigit(c) {
				same[k], odd[k] = 0xf0, oddDigit
			}
		}
		if isDigit(b[first+1]) {
			odd[first] |= oddZero
		}
	default:
	}
	return end
}

// scalar returns the index behind the scalar at i. It returns 0 for anything
// else, and for a scalar that is wrong or that only the general functions know.
func (s *shape) scalar(b []byte, i int) (end int) {
	f := s.forms[b[i]]
	end = i + 1 + int(f.width)
	switch f.class {
	case classNumber:
		end, _ = numberJSON(b, i)
		return max(end, 0)
	case classWord:
		return wordJSON(b, i, int(f.n))
	case classUint, classFixed:
		if end <= len(b) {
			return end
		}
	case classText, classBinary:
		if s.json {
			return textJSON(b, i)
		}
		if end > len(b) {
			return 0
		}
		n := uint64(f.n)
		if f.width > 0 {
			n = bigEndian(b[i+1 : end])
		}
		if n <= uint64(len(b)-end) && (f.class == classBinary || validText(b[end:end+int(n)])) { //nolint:gosec // not negative
			return end + int(n) //nolint:gosec // not above the length of a slice
		}
	default:
	}
	return 0
}

// pass passes values of this shape, most at the most. It returns how many there
// are from i on, and the index behind them.
func (s *shape) pass(b []byte, i, most int) (end, n int) {
	for equal := true; n < most; n++ {
		if equal {
			k := s.passEqual(b, i, most-n)
			if i, n = i+k*s.size, n+k; n == most {
				break
			}
		}
		next := s.passSimilar(b, i)
		if next == 0 {
			break
		}
		equal = next-i == s.size // as those that follow may be
		i = next
	}
	return i, n
}

// passEqual counts the values at i in which all is as long as in the model.
func (s *shape) passEqual(b []byte, i, most int) (n int) {
	size, json := s.size, s.json
	for ; n < most && len(b)-i >= size+block; n++ {
		x, differ := b[i:], uint64(0)
		for t := 0; t < size && t < maxShape; t += block {
			x, y, same := x[t:t+block], s.model[t:t+block], s.same[t:t+block]
			x0, x1, x2, x3 := word(x), word(x[8:]), word(x[16:]), word(x[24:])
			differ |= (x0^word(y))&word(same) | (x1^word(y[8:]))&word(same[8:]) |
				(x2^word(y[16:]))&word(same[16:]) | (x3^word(y[24:]))&word(same[24:])
			if json {
				is := s.odd[t : t+block]
				differ |= odd(x0)&word(is) | odd(x1)&word(is[8:]) | odd(x2)&word(is[16:]) | odd(x3)&word(is[24:])
			}
		}
		if differ != 0 {
			break
		}
		i += size
	}
	return n
}

// passSimilar returns the index behind the value at i, in which a few scalars
// may be longer or shorter than in the model, or of another type. It returns 0
// if they are many, or if anything else differs.
func (s *shape) passSimilar(b []byte, i int) (end int) {
	from := 0
	for few := s.size / 24; ; few-- {
		t, differ := from, uint64(0)
		for ; t < s.size && t < maxShape; t, i = t+8, i+8 {
			if len(b)-i < 8 {
				return 0
			}
			x := word(b[i:])
			if differ = (x ^ word(s.model[t:])) & word(s.same[t:]); s.json {
				differ |= odd(x) & word(s.odd[t:])
			}
			if differ != 0 {
				break
			}
		}
		if differ == 0 {
			return i - (t - s.size)
		}
		at := t + bits.TrailingZeros64(differ)/8
		for s.odd[at]&oddStart == 0 {
			at--
		}
		if i += at - t; at < from || few == 0 {
			return 0
		}
		if s.forms[s.model[at]].class == classText && s.forms[b[i]].class != classText {
			return 0 // a key must be a text
		}
		from, i = s.scalar(s.model[:s.size], at), s.scalar(b, i)
		if from == 0 || i == 0 {
			return 0
		}
	}
}

// odd has in each byte of x the bits of what it is: special, no digit, or 0. It
// errs for some bytes behind a special one, to the safe side.
func odd(x uint64) uint64 {
	digit := x & (ones * 0x0f)
	return special(x)&(ones*oddText) | digit + ones*6 | (ones*oddZero-digit)&(ones*oddZero)
}
