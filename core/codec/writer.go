package codec

import (
	"fmt"
	"slices"

	"bondy/core/wamp"
)

// writer appends values in one serializer. The first failure stays.
type writer struct {
	serializer wamp.Serializer
	dst        []byte
	err        error
}

func (w *writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// scalar appends what t and raw hold: no list, dict or unconverted number.
func (w *writer) scalar(t token, raw []byte) {
	switch {
	case t.kind == kindText:
		w.text(raw)
	case w.serializer == wamp.JSON:
		w.scalarJSON(t, raw)
	case w.serializer == wamp.MessagePack:
		w.dst = appendMessagePack(w.dst, t, raw)
	case w.serializer == wamp.CBOR:
		w.dst = appendCBOR(w.dst, t, raw)
	default:
		w.fail("unknown serializer %d", w.serializer)
	}
}

// text appends a string. Callers convert theirs, which copies nothing because s
// is not changed and does not escape.
func (w *writer) text(s []byte) {
	if w.serializer == wamp.JSON {
		w.textJSON(s)
		return
	}
	if !validText(s) {
		w.fail("string is not valid UTF-8")
	}
	w.head(kindText, uint64(len(s)))
	w.dst = append(w.dst, s...)
}

// head appends what stands before the content of a string, list or dict that
// is not JSON.
func (w *writer) head(k kind, n uint64) {
	switch w.serializer {
	case wamp.MessagePack:
		w.dst = appendHeadMessagePack(w.dst, k, n)
	case wamp.CBOR:
		w.dst = appendHeadCBOR(w.dst, k, n)
	default:
		w.fail("unknown serializer %d", w.serializer)
	}
}

// span is a list or dict that is being written.
type span struct {
	kind  kind
	start int    // where its head stands
	size  uint64 // what the head says
	n     uint64 // members so far
}

// open starts a list or dict of size members; if that is unknown, close
// corrects the head.
func (w *writer) open(k kind, size uint64) span {
	s := span{kind: k, start: len(w.dst), size: size}
	switch {
	case w.serializer != wamp.JSON && size == unknown:
		s.size = 0
		w.head(k, 0)
	case w.serializer != wamp.JSON:
		w.head(k, size)
	case k == kindDict:
		w.dst = append(w.dst, '{')
	default:
		w.dst = append(w.dst, '[')
	}
	return s
}

// member starts the next member of s.
func (w *writer) member(s *span) {
	if s.n > 0 && w.serializer == wamp.JSON {
		w.dst = append(w.dst, ',')
	}
	s.n++
}

// key appends a key in a dict.
func (w *writer) key(k []byte) {
	w.text(k)
	if w.serializer == wamp.JSON {
		w.dst = append(w.dst, ':')
	}
}

// close ends s.
func (w *writer) close(s span) {
	switch {
	case w.serializer == wamp.JSON && s.kind == kindDict:
		w.dst = append(w.dst, '}')
	case w.serializer == wamp.JSON:
		w.dst = append(w.dst, ']')
	case s.n != s.size && w.err == nil:
		end := len(w.dst)
		w.head(s.kind, s.n)
		var room [9]byte
		head := room[:copy(room[:], w.dst[end:])]
		w.dst = slices.Replace(w.dst[:end], s.start, s.start+1, head...)
	}
}
