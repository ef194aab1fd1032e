package codec

import (
	"math/bits"
	"unicode/utf8"
)

// skipJSON is skip for JSON.
func (r *reader) skipJSON() {
	b, i, left, forms, depth := r.b, r.i, r.left, r.forms, r.depth
	if i == len(b) || b[i] != '[' && b[i] != '{' || left == 0 || depth == r.maxDepth {
		r.skipRest(r.next())
		return
	}
	// A bit for each list or dict that is open, the innermost lowest: 1 for a
	// dict. What is deeper than there are bits gets a loop of its own.
	const nesting = 64
	open, dicts, first := 1, uint64(b[i]>>5&1), true
	i, left = i+1, left-1
	for {
		i = spaceJSON(b, i)
		dict := dicts&1 == 1
		switch {
		case i < len(b) && b[i] == closing(dict):
			i, first, dicts = i+1, false, dicts>>1
			if open--; open == 0 {
				r.i, r.left, r.depth = i, left, depth
				return
			}
			continue
		case i < len(b) && b[i] == ',' && !first:
			i = spaceJSON(b, i+1)
		case i == len(b) || !first:
			r.i, r.left, r.depth = i, left, depth+open
			r.moreJSON(&group{dict: dict, started: !first}) // says what is wrong
			return
		}
		first = false
		if dict {
			if end := keyJSON(b, i); end > 0 && left > 0 {
				i, left = end, left-1
			} else {
				r.i, r.left, r.depth = i, left, depth+open
				if r.key(); r.err != nil {
					return
				}
				i, left = r.i, r.left
			}
		}
		if i < len(b) && left > 0 {
			end := 0
			switch f := forms[b[i]]; f.class {
			case classText:
				end = textJSON(b, i)
			case classNumber:
				end, _ = numberJSON(b, i)
			case classWord:
				end = wordJSON(b, i, int(f.n))
			case classList, classDict:
				r.i, r.left, r.depth = i, left, depth+open
				if !dict && r.alike(i) {
					r.skipAlike(unknown)
					if i, left = r.i, r.left; r.err != nil {
						return
					}
					continue
				}
				if open < nesting && depth+open < r.maxDepth {
					end, first = i+1, true
					open, dicts = open+1, dicts<<1|uint64(b[i]>>5&1)
				}
			default:
			}
			if end > 0 {
				i, left = end, left-1
				continue
			}
		}
		r.i, r.left, r.depth = i, left, depth+open
		if r.skipRest(r.next()); r.err != nil {
			return
		}
		i, left = r.i, r.left
	}
}

// closing is the bracket that ends a list or a dict.
func closing(dict bool) byte {
	if dict {
		return '}'
	}
	return ']'
}

// spaceJSON returns the index from i on of what is not white space.
func spaceJSON(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// keyJSON finds a key with its colon and the white space around that. It
// returns the index behind it, or 0 if it is anything else.
func keyJSON(b []byte, i int) int {
	if i == len(b) || b[i] != '"' {
		return 0
	}
	end := textJSON(b, i)
	if end == 0 {
		return 0
	}
	if end = spaceJSON(b, end); end == len(b) || b[end] != ':' {
		return 0
	}
	return spaceJSON(b, end+1)
}

// textJSON finds the end of the string at i, 0 if it is wrong or has escapes.
func textJSON(b []byte, i int) int {
	if i+9 <= len(b) { // a short one ends here
		x := word(b[i+1:])
		n := bits.TrailingZeros64((special(x) | x) & highs)
		if end := i + 1 + n/8; n < 64 && b[end] == '"' {
			return end + 1
		}
	}
	end, wide := plain(b, i+1)
	if end == len(b) || b[end] != '"' || wide && !utf8.Valid(b[i+1:end]) {
		return 0
	}
	return end + 1
}

// wordJSON finds the end of the word of n bytes at i, 0 if it is none.
func wordJSON(b []byte, i, n int) int {
	if n > len(b)-i {
		return 0
	}
	switch string(b[i : i+n]) {
	case "true", "false", "null":
		return i + n
	default:
		return 0
	}
}

// numberJSON finds the end of the number at i and reports whether it is written
// as an integer; at its negative a digit is missing.
func numberJSON(b []byte, i int) (end int, integer bool) {
	if b[i] == '-' {
		i++
	}
	start := i
	if i < len(b) && b[i] == '0' {
		i++
	} else {
		i = digitsJSON(b, i)
	}
	if i == start {
		return -i, false
	}
	integer = true
	if i < len(b) && b[i] == '.' {
		integer, start = false, i+1
		if i = digitsJSON(b, start); i == start {
			return -i, false
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		integer, start = false, i+1
		if start < len(b) && (b[start] == '+' || b[start] == '-') {
			start++
		}
		if i = digitsJSON(b, start); i == start {
			return -i, false
		}
	}
	return i, integer
}

// digitsJSON returns the index from i on of what is not a digit.
func digitsJSON(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}
