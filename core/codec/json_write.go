package codec

import (
	"encoding/base64"
	"math"
	"strconv"
)

// scalarJSON appends a scalar other than a string.
func (w *writer) scalarJSON(t token, raw []byte) {
	switch t.kind {
	case kindBool:
		w.dst = strconv.AppendBool(w.dst, t.n == 1)
	case kindInt:
		w.dst = strconv.AppendInt(w.dst, t.int(), 10)
	case kindUint:
		w.dst = strconv.AppendUint(w.dst, t.n, 10)
	case kindFloat:
		w.floatJSON(t.float())
	case kindBinary:
		w.dst = append(w.dst, `"\u0000`...)
		w.dst = base64.StdEncoding.AppendEncode(w.dst, raw)
		w.dst = append(w.dst, '"')
	default:
		w.dst = append(w.dst, "null"...)
	}
}

// floatJSON appends a float so that it is not read as an integer.
func (w *writer) floatJSON(f float64) {
	size := math.Abs(f)
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		w.fail("JSON has no number %v", f)
	case size != 0 && (size < 1e-6 || size >= 1e21):
		w.dst = strconv.AppendFloat(w.dst, f, 'e', -1, 64)
	default:
		w.dst = strconv.AppendFloat(w.dst, f, 'f', -1, 64)
		if f == math.Trunc(f) {
			w.dst = append(w.dst, ".0"...)
		}
	}
}

// textJSON appends a string between quotes.
func (w *writer) textJSON(s []byte) {
	w.dst = append(w.dst, '"')
	wide := false
	for start := 0; ; {
		i, high := plain(s, start)
		wide = wide || high
		w.dst = append(w.dst, s[start:i]...)
		if i == len(s) {
			break
		}
		w.escape(s[i])
		start = i + 1
	}
	if wide && !validText(s) {
		w.fail("string is not valid UTF-8")
	}
	w.dst = append(w.dst, '"')
}

// escape appends a quote, a backslash or a control character.
func (w *writer) escape(c byte) {
	const hex = "0123456789abcdef"
	switch c {
	case '\n':
		c = 'n'
	case '\r':
		c = 'r'
	case '\t':
		c = 't'
	case '\b':
		c = 'b'
	case '\f':
		c = 'f'
	case '"', '\\':
	default:
		w.dst = append(w.dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		return
	}
	w.dst = append(w.dst, '\\', c)
}
