package codec

import (
	"bytes"
	"encoding/base64"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// binaryMark starts a JSON string that holds binary data in base64 (appendix
// "Binary support in JSON").
const binaryMark = '\x00'

// nextJSON reads a scalar or the opening bracket of a list or dict (RFC 8259).
// The reader stands at the value: the white space before it has been passed.
func (r *reader) nextJSON() token {
	if r.i >= len(r.b) {
		r.fail("unexpected end")
		return token{}
	}
	switch c := r.b[r.i]; c {
	case '"':
		return r.stringJSON()
	case '[':
		r.i++
		return token{kind: kindList, n: unknown}
	case '{':
		r.i++
		return token{kind: kindDict, n: unknown}
	case 'n':
		return r.literal("null", token{kind: kindNull})
	case 't':
		return r.literal("true", boolToken(true))
	case 'f':
		return r.literal("false", boolToken(false))
	default:
		if c != '-' && !isDigit(c) {
			r.fail("unexpected character %q", c)
			return token{}
		}
		return r.number()
	}
}

// moreJSON reads the comma or the closing bracket of a list or dict, with the
// white space around it.
func (r *reader) moreJSON(g *group) bool {
	r.space()
	if r.i >= len(r.b) {
		r.fail("unexpected end")
		return false
	}
	end := closing(g.dict)
	switch c := r.b[r.i]; {
	case c == end:
		r.i++
		return false
	case !g.started:
		g.started = true
	case c == ',':
		r.i++
		r.space()
	default:
		r.fail("expected ',' or '%c', got %q", end, c)
		return false
	}
	return true
}

// colon reads what stands between a key and its value.
func (r *reader) colon() {
	r.space()
	if r.i >= len(r.b) || r.b[r.i] != ':' {
		r.fail("expected ':' behind a key")
		return
	}
	r.i++
	r.space()
}

// space passes white space.
func (r *reader) space() { r.i = spaceJSON(r.b, r.i) }

func (r *reader) literal(word string, t token) token {
	if !bytes.HasPrefix(r.b[r.i:], []byte(word)) {
		r.fail("expected %s", word)
		return token{}
	}
	r.i += len(word)
	return t
}

// stringJSON checks a string; its token holds what stands between the quotes.
func (r *reader) stringJSON() token {
	start := r.i + 1
	escaped, wide := false, false
	for i := start; ; {
		var high bool
		i, high = plain(r.b, i)
		wide = wide || high
		if i == len(r.b) {
			r.failAt(i, "unterminated string")
			return token{}
		}
		switch r.b[i] {
		case '"':
			r.i = i + 1
			raw := r.b[start:i:i]
			if wide && !utf8.Valid(raw) {
				r.failAt(start, "string is not valid UTF-8")
				return token{}
			}
			r.raw = raw
			return token{kind: kindText, escaped: escaped}
		case '\\':
			escaped = true
			n := escapeLen(r.b[i:])
			if n == 0 {
				r.failAt(i, "not a valid escape")
				return token{}
			}
			i += n
		default:
			r.failAt(i, "control character %q in a string", r.b[i])
			return token{}
		}
	}
}

// escapeLen is the length of the escape that starts b, 0 if it is not valid: a
// surrogate stands only in a pair.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	}
	switch r := hexRune(b); {
	case r < 0:
		return 0
	case !utf16.IsSurrogate(r):
		return 6
	case utf16.DecodeRune(r, hexRune(b[6:])) != utf8.RuneError:
		return 12
	default:
		return 0
	}
}

// hexRune reads \uXXXX, or returns -1.
func hexRune(b []byte) rune {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	var n rune
	for _, c := range b[2:6] {
		switch {
		case isDigit(c):
			n = n<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			n = n<<4 | rune(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return n
}

// unescapeJSON appends the content of a string that was checked.
func unescapeJSON(dst, raw []byte) []byte {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:i]...)
		n := escapeLen(raw[i:])
		switch c := raw[i+1]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hexRune(raw[i:])
			if n == 12 {
				r = utf16.DecodeRune(r, hexRune(raw[i+6:]))
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
		raw = raw[i+n:]
	}
}

// convertText unescapes a string and recognizes binary data.
func (r *reader) convertText(t token) token {
	content := r.text(t)
	if t.escaped && len(content) > 0 && content[0] == binaryMark && !bytes.ContainsAny(content, "\r\n") {
		// In place: decoded bytes never overtake the base64 they come from.
		n, err := base64.StdEncoding.Decode(content, content[1:])
		if err == nil {
			return r.binary(content[:n])
		}
		content = r.text(t) // a string after all
	}
	r.raw = content
	return token{kind: kindText}
}

// number checks a number.
func (r *reader) number() token {
	end, integer := numberJSON(r.b, r.i)
	if end < 0 {
		r.failAt(-end, "expected a digit")
		return token{}
	}
	r.raw = r.b[r.i:end:end]
	r.i = end
	if integer {
		return token{kind: kindNumber}
	}
	return token{kind: kindNumber, n: 1}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// convertNumber makes an integer of what is written as one and fits 64 bits,
// else a float.
func (r *reader) convertNumber(t token) token {
	if t.n == 0 {
		if n, ok := parseInteger(r.raw); ok {
			return n
		}
	}
	f, err := strconv.ParseFloat(string(r.raw), 64)
	if err != nil {
		r.failAt(r.i-len(r.raw), "number beyond the range of a float")
		return token{}
	}
	return floatToken(f)
}

func parseInteger(raw []byte) (t token, ok bool) {
	digits, negative := bytes.CutPrefix(raw, []byte("-"))
	var n uint64
	for _, c := range digits {
		high, low := bits.Mul64(n, 10)
		sum, carry := bits.Add64(low, uint64(c-'0'), 0)
		if high|carry != 0 {
			return token{}, false
		}
		n = sum
	}
	switch {
	case !negative:
		return uintToken(n), true
	case n > math.MaxInt64+1:
		return token{}, false
	default:
		return intToken(-int64(n)), true // -2^63 wraps to itself
	}
}
