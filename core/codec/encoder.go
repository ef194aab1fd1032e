package codec

import "bondy/core/wamp"

// Append appends m to dst. A payload of another serializer is converted as
// Transcode does; one of the same serializer is copied unread. An error is a
// *wamp.Error with wamp.ErrInvalidArgument; dst is then returned as it was. Safe
// for concurrent use as long as nobody changes m.
func Append(dst []byte, s wamp.Serializer, m wamp.Message) ([]byte, error) {
	e := encoder{w: writer{serializer: s, dst: dst}}
	e.list = e.w.open(kindList, unknown)
	e.w.member(&e.list)
	e.w.scalar(token{kind: kindInt, n: uint64(m.Type())}, nil)
	if !(elements{out: &e}).message(m) {
		e.w.fail("not a message of the protocol")
	}
	e.w.close(e.list)
	if e.w.err != nil {
		return dst, invalid("%s in %s: %v", m.Type(), s, e.w.err)
	}
	return e.w.dst, nil
}

// encoder writes the elements of one message.
type encoder struct {
	w    writer
	list span
}

func (e *encoder) id(name string, id wamp.ID, least wamp.ID) {
	if id < least || id > wamp.MaxID {
		e.w.fail("%s %d is not an id", name, id)
	}
	e.w.member(&e.list)
	e.w.scalar(uintToken(uint64(id)), nil)
}

func (e *encoder) text(s string) {
	e.w.member(&e.list)
	appendText(&e.w, s)
}

func (e *encoder) dict(d wamp.Dict) {
	e.w.member(&e.list)
	e.w.dict(d, 1)
}

func (e *encoder) requestType(t wamp.MessageType) {
	e.w.member(&e.list)
	e.w.scalar(token{kind: kindInt, n: uint64(t)}, nil)
}

func (e *encoder) payload(p wamp.Payload) {
	switch {
	case p.Args != nil:
		e.raw(p.Serializer, p.Args)
	case p.Kwargs != nil:
		e.w.member(&e.list)
		e.w.close(e.w.open(kindList, 0))
	}
	if p.Kwargs != nil {
		e.raw(p.Serializer, p.Kwargs)
	}
}

// raw appends an encoded value.
func (e *encoder) raw(s wamp.Serializer, value []byte) {
	e.w.member(&e.list)
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
