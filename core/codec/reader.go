package codec

import (
	"fmt"
	"math"

	"bondy/core/wamp"
)

// kind is the type of a value, the same for all serializers.
type kind uint8

const (
	kindNone kind = iota // after a failure
	kindNull
	kindBool   // n is 0 or 1
	kindInt    // n is an int64 in two's complement
	kindUint   // n is above 2^63-1
	kindNumber // of JSON, not converted yet; n is 1 if it is written as a float
	kindFloat  // n is the bits of a float64
	kindText
	kindBinary
	kindList // n members, or unknown
	kindDict // n pairs, or unknown
)

// unknown is the size of a list or dict that ends with a mark.
const unknown = math.MaxUint64

// token is a scalar, or the head of a list or dict. The bytes of a string, of
// binary data and of a JSON number are the reader's raw. It is kept to two
// words: such structs travel in registers.
type token struct {
	kind kind
	// escaped means that raw is the inside of a JSON string with escapes.
	escaped bool
	foreign foreign
	n       uint64
}

// foreign is what has no counterpart outside its serializer; such a value
// passes as bytes but is never converted.
type foreign uint8

const (
	notForeign foreign = iota
	msgpackExtension
	cborTagged
	cborSimpleValue
	cborBeyond64
)

func (f foreign) String() string {
	switch f {
	case msgpackExtension:
		return "a MessagePack extension type"
	case cborTagged:
		return "a CBOR tag"
	case cborSimpleValue:
		return "a CBOR simple value"
	case cborBeyond64:
		return "an integer beyond 64 bits"
	default:
		return "a value"
	}
}

func (t token) int() int64     { return int64(t.n) } //nolint:gosec // two's complement, see kindInt
func (t token) float() float64 { return math.Float64frombits(t.n) }

// typeName is the protocol's word for the token's type.
func (t token) typeName() string {
	switch t.kind {
	case kindBool:
		return "a boolean"
	case kindInt, kindUint:
		return "an integer"
	case kindNumber:
		return "a number"
	case kindFloat:
		return "a float"
	case kindText:
		return "a string"
	case kindBinary:
		return "binary"
	case kindList:
		return "a list"
	case kindDict:
		return "a dict"
	default:
		return "null"
	}
}

// failure says what is wrong with the input and where.
type failure struct {
	at  int
	why string
}

func (f *failure) Error() string { return fmt.Sprintf("at byte %d: %s", f.at, f.why) }

// reader reads values of one serializer. The first failure stays: from then on
// next returns nothing and more ends every list, so that callers need not look
// until they have finished.
type reader struct {
	serializer wamp.Serializer
	forms      *forms // nil: everything goes through next and more
	depth      int    // of the list or dict being read
	maxDepth   int
	left       int  // how many more values are accepted
	lenient    bool // what has no counterpart is read as null
	shape      *shape
	patience   int // how many bytes may yet be learned in vain
	b          []byte
	i          int
	raw        []byte // of the last token
	scratch    []byte // where raw is not the input's
	err        *failure
}

// newReader stands at a value of unknown origin, within the default limits.
func newReader(s wamp.Serializer, b []byte) reader {
	r := reader{serializer: s, forms: formsOf(s), maxDepth: maxDepth}
	r.reset(b, maxElements)
	return r
}

// reset stands at the start of b.
func (r *reader) reset(b []byte, elements int) {
	r.b, r.raw, r.i, r.depth, r.left, r.err = b, nil, 0, 0, elements, nil
	r.patience = len(b) / 64
	if r.serializer == wamp.JSON {
		r.space()
	}
}

func (r *reader) failAt(at int, format string, args ...any) {
	if r.err == nil {
		r.err = &failure{at: at, why: fmt.Sprintf(format, args...)}
	}
}

func (r *reader) fail(format string, args ...any) { r.failAt(r.i, format, args...) }

// next scans a scalar or enters upon a list or dict, whose members group reads.
func (r *reader) next() token {
	if r.err != nil {
		return token{}
	}
	if r.left--; r.left < 0 {
		r.fail("more values than one message may hold")
		return token{}
	}
	switch r.serializer {
	case wamp.JSON:
		return r.nextJSON()
	case wamp.MessagePack:
		return r.nextMessagePack()
	case wamp.CBOR:
		return r.nextCBOR()
	default:
		r.fail("unknown serializer %d", r.serializer)
		return token{}
	}
}

// value is next with JSON's numbers and strings converted; it fails for what
// has no counterpart in the other serializers. raw is valid until the next
// call.
func (r *reader) value() token {
	at := r.i
	t := r.next()
	switch {
	case t.foreign == notForeign:
	case r.lenient && t.foreign == cborTagged:
		t.foreign = notForeign
	case r.lenient:
		return token{kind: kindNull}
	default:
		r.failAt(at, "%s has no counterpart", t.foreign)
		return token{}
	}
	switch {
	case r.serializer != wamp.JSON:
		return t
	case t.kind == kindNumber:
		return r.convertNumber(t)
	case t.kind == kindText:
		return r.convertText(t)
	default:
		return t
	}
}

// group is a list or dict whose members are being read.
type group struct {
	left    uint64 // members that follow, or unknown
	dict    bool
	started bool
}

// open starts reading the members of a list or dict.
func (r *reader) open(t token) group {
	if r.depth++; r.depth > r.maxDepth {
		r.fail("nested deeper than %d", r.maxDepth)
	}
	return group{left: t.n, dict: t.kind == kindDict}
}

// more reports whether another member follows and enters upon it.
func (r *reader) more(g *group) bool {
	if r.err != nil {
		return false
	}
	follows := false
	switch {
	case g.left != unknown:
		if follows = g.left > 0; follows {
			g.left--
		}
	case r.serializer == wamp.JSON:
		follows = r.moreJSON(g)
	default:
		follows = r.moreCBOR()
	}
	if !follows {
		r.depth--
	}
	return follows
}

// key reads the key of a dict's member, valid until the next call.
func (r *reader) key() []byte {
	at := r.i
	t := r.next()
	if r.err == nil && (t.kind != kindText || t.foreign != notForeign) {
		r.failAt(at, "a dict's key must be a string, got %s", t.typeName())
	}
	if r.serializer == wamp.JSON && r.err == nil {
		r.colon()
	}
	return r.text(t)
}

// text is the content of the string t that was just read.
func (r *reader) text(t token) []byte {
	if !t.escaped {
		return r.raw
	}
	r.scratch = unescapeJSON(r.scratch[:0], r.raw)
	return r.scratch
}

// end fails if anything stands behind the value.
func (r *reader) end() error {
	if r.serializer == wamp.JSON {
		r.space()
	}
	if r.err == nil && r.i < len(r.b) {
		r.fail("%d bytes behind the end", len(r.b)-r.i)
	}
	if r.err == nil {
		return nil
	}
	return r.err
}

// rest is how many bytes are left.
func (r *reader) rest() uint64 { return uint64(len(r.b) - r.i) } //nolint:gosec // never negative

// lead consumes the first byte of a value.
func (r *reader) lead() (c byte, ok bool) {
	if r.i >= len(r.b) {
		r.fail("unexpected end")
		return 0, false
	}
	c = r.b[r.i]
	r.i++
	return c, true
}

// take consumes the next n bytes; n comes from the input.
func (r *reader) take(n uint64) []byte {
	if n > r.rest() {
		r.fail("unexpected end: %d bytes needed, %d left", n, r.rest())
		return nil
	}
	start := r.i
	r.i += int(n) //nolint:gosec // not above the length of a slice
	return r.b[start:r.i:r.i]
}

// bigEndian consumes an integer of size bytes.
func (r *reader) bigEndian(size int) uint64 {
	return bigEndian(r.take(uint64(size))) //nolint:gosec // 1 to 8
}

// header makes the head of a list or dict that announces n members, of which
// each takes a byte at least, and of pairs each two.
func (r *reader) header(k kind, n uint64) token {
	size := n
	if k == kindDict {
		size = 2 * n
	}
	if rest := r.rest(); n > rest || size > rest {
		r.fail("%d members announced, %d bytes left", n, rest)
		return token{}
	}
	return token{kind: k, n: n}
}

// utf8Text makes the token of a string that stands as it is.
func (r *reader) utf8Text(raw []byte) token {
	if !validText(raw) {
		r.fail("string is not valid UTF-8")
	}
	r.raw = raw
	return token{kind: kindText}
}

func (r *reader) binary(raw []byte) token {
	r.raw = raw
	return token{kind: kindBinary}
}

func intToken(n int64) token { return token{kind: kindInt, n: uint64(n)} } //nolint:gosec // see kindInt

func uintToken(n uint64) token {
	if n > math.MaxInt64 {
		return token{kind: kindUint, n: n}
	}
	return token{kind: kindInt, n: n}
}

func floatToken(f float64) token { return token{kind: kindFloat, n: math.Float64bits(f)} }

func boolToken(b bool) token {
	if b {
		return token{kind: kindBool, n: 1}
	}
	return token{kind: kindBool}
}
