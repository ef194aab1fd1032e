package codec

import (
	"strconv"

	"bondy/core/wamp"

	"github.com/tinylib/msgp/msgp"
)

// Append appends m to dst. A payload of another serializer is converted as
// Transcode does; one of the same serializer is copied unread. An error is a
// *wamp.Error with wamp.ErrInvalidArgument; dst is then returned as it was. Safe
// for concurrent use as long as nobody changes m.
func Append(dst []byte, s wamp.Serializer, m wamp.Message) ([]byte, error) {
	if out := appendQuick(dst, s, m); out != nil {
		return out, nil
	}
	return appendGeneral(dst, s, m)
}

// appendGeneral appends any message, and says what is wrong with what is none.
func appendGeneral(dst []byte, s wamp.Serializer, m wamp.Message) ([]byte, error) {
	e := encoder{w: writer{serializer: s, dst: dst}, start: len(dst)}
	e.integer(uint64(m.Type()))
	if !(elements{out: &e}).message(m) {
		e.w.fail("not a message of the protocol")
	}
	e.end()
	if e.w.err != nil {
		return dst, invalid("%s in %s: %v", m.Type(), s, e.w.err)
	}
	return e.w.dst, nil
}

// encoder writes the elements of one message.
type encoder struct {
	w        writer
	start    int // of the message
	elements int // so far
}

// element starts the next element. The first one opens the list, which in the
// binary serializers is one byte with room for the number of its elements: no
// message has more than the 15 that it can say.
func (e *encoder) element() {
	lead := byte(',')
	switch {
	case e.w.serializer == wamp.JSON:
		if e.elements == 0 {
			lead = '['
		}
	case e.elements > 0:
		e.elements++
		return
	case e.w.serializer == wamp.MessagePack:
		lead = msgpackList
	default:
		lead = cborList
	}
	e.elements++
	e.w.dst = append(e.w.dst, lead)
}

// end closes the list.
func (e *encoder) end() {
	if e.w.serializer == wamp.JSON {
		e.w.dst = append(e.w.dst, ']')
	} else {
		e.w.dst[e.start] |= byte(e.elements) //nolint:gosec // 7 at most
	}
}

// integer appends an integer that is not negative.
func (e *encoder) integer(n uint64) {
	e.element()
	switch e.w.serializer {
	case wamp.JSON:
		e.w.dst = strconv.AppendUint(e.w.dst, n, 10)
	case wamp.MessagePack:
		e.w.dst = msgp.AppendUint64(e.w.dst, n)
	case wamp.CBOR:
		e.w.dst = appendArgumentCBOR(e.w.dst, cborUint, n)
	default:
		e.w.fail("unknown serializer %d", e.w.serializer)
	}
}

func (e *encoder) id(name string, id wamp.ID, least wamp.ID) {
	if id < least || id > wamp.MaxID {
		e.w.fail("%s %d is not an id", name, id)
	}
	e.integer(uint64(id))
}

func (e *encoder) text(s string) {
	e.element()
	e.w.text([]byte(s))
}

func (e *encoder) dict(d wamp.Dict) {
	e.element()
	switch {
	case len(d) > 0:
		e.w.dict(d, 1)
	case e.w.serializer == wamp.JSON:
		e.w.dst = append(e.w.dst, "{}"...)
	default:
		e.w.head(kindDict, 0)
	}
}

// details appends a dict with one pair more.
func (e *encoder) details(d wamp.Dict, key string, uri wamp.URI) {
	e.element()
	s := e.w.open(kindDict, uint64(len(d))+1)
	e.w.member(&s)
	e.w.key([]byte(key))
	e.w.text([]byte(uri))
	e.w.pairs(&s, d, 1)
	e.w.close(s)
}

func (e *encoder) payload(p *wamp.Payload) {
	switch {
	case p.Args != nil:
		e.raw(p.Serializer, p.Args)
	case p.Kwargs != nil:
		e.element()
		e.w.close(e.w.open(kindList, 0))
	}
	if p.Kwargs != nil {
		e.raw(p.Serializer, p.Kwargs)
	}
}

// raw appends an encoded value.
func (e *encoder) raw(s wamp.Serializer, value []byte) {
	e.element()
	if s == e.w.serializer {
		e.w.dst = append(e.w.dst, value...)
		return
	}
	dst, err := transcode(e.w.dst, e.w.serializer, s, value)
	if err != nil {
		e.w.fail("%s payload: %w", s, err)
		return
	}
	e.w.dst = dst
}
