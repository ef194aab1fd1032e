package codec

import (
	"strconv"

	"bondy/core/wamp"

	"github.com/tinylib/msgp/msgp"
)

// appendQuick appends a message of the hot path that has no options but what a
// field of its own tells, and a payload of the same serializer. For any other, and for what is not valid, it
// returns nil.
func appendQuick(dst []byte, s wamp.Serializer, m wamp.Message) []byte {
	var e slots
	e.of(m)
	if e.payload == nil || len(*e.dict) > 0 || !e.first.Valid() || e.second != nil && !e.second.Valid() ||
		e.payload.Serializer != s && !e.payload.Empty() {
		return nil
	}
	switch s {
	case wamp.JSON:
		return e.appendJSON(dst, m.Type())
	case wamp.MessagePack, wamp.CBOR:
		return e.appendBinary(dst, s, m.Type())
	default:
		return nil
	}
}

func (e *slots) appendJSON(dst []byte, t wamp.MessageType) []byte {
	dst = strconv.AppendUint(append(dst, '['), uint64(t), 10)
	if e.request != nil {
		dst = strconv.AppendUint(append(dst, ','), uint64(*e.request), 10)
	}
	dst = strconv.AppendUint(append(dst, ','), uint64(*e.first), 10)
	if e.second != nil {
		dst = strconv.AppendUint(append(dst, ','), uint64(*e.second), 10)
	}
	if e.told != nil && *e.told != "" {
		if !bare(*e.told) {
			return nil
		}
		dst = append(append(append(dst, `,{"`...), toldAs(t)...), `":"`...)
		dst = append(append(dst, *e.told...), `"}`...)
	} else {
		dst = append(dst, ",{}"...)
	}
	if e.uri != nil {
		if !bare(*e.uri) {
			return nil
		}
		dst = append(append(append(dst, `,"`...), *e.uri...), '"')
	}
	args, kwargs := e.payload.Args, e.payload.Kwargs
	switch {
	case args != nil:
		dst = append(append(dst, ','), args...)
	case kwargs != nil:
		dst = append(dst, ",[]"...)
	}
	if kwargs != nil {
		dst = append(append(dst, ','), kwargs...)
	}
	return append(dst, ']')
}

// bare reports whether JSON holds u as it is.
func bare(u wamp.URI) bool {
	end, wide := plain([]byte(u), 0)
	return end == len(u) && !wide
}

func (e *slots) appendBinary(dst []byte, s wamp.Serializer, t wamp.MessageType) []byte {
	size := len(dst) // where the list's size goes
	list, dict, elements := byte(cborList), byte(cborDict), byte(3)
	if s == wamp.MessagePack {
		list, dict = msgpackList, msgpackDict
	}
	dst = appendUint(append(dst, list), s, uint64(t))
	if e.request != nil {
		dst = appendUint(dst, s, uint64(*e.request))
		elements++
	}
	dst = appendUint(dst, s, uint64(*e.first))
	if e.second != nil {
		dst = appendUint(dst, s, uint64(*e.second))
		elements++
	}
	if e.told != nil && *e.told != "" {
		if !validText([]byte(*e.told)) {
			return nil
		}
		dst = appendText(append(dst, dict|1), s, toldAs(t))
		dst = appendText(dst, s, string(*e.told))
	} else {
		dst = append(dst, dict)
	}
	if e.uri != nil {
		if !validText([]byte(*e.uri)) {
			return nil
		}
		dst = appendText(dst, s, string(*e.uri))
		elements++
	}
	args, kwargs := e.payload.Args, e.payload.Kwargs
	switch {
	case args != nil:
		dst = append(dst, args...)
		elements++
	case kwargs != nil:
		dst = append(dst, list)
		elements++
	}
	if kwargs != nil {
		dst = append(dst, kwargs...)
		elements++
	}
	dst[size] |= elements
	return dst
}

// appendUint appends an integer in MessagePack or CBOR, which write the small
// ones alike.
func appendUint(dst []byte, s wamp.Serializer, n uint64) []byte {
	switch {
	case n < 24:
		return append(dst, byte(n))
	case s == wamp.MessagePack:
		return msgp.AppendUint64(dst, n)
	default:
		return appendArgumentCBOR(dst, cborUint, n)
	}
}

// appendText appends a string in MessagePack or CBOR.
func appendText(dst []byte, s wamp.Serializer, text string) []byte {
	if n := uint64(len(text)); s == wamp.MessagePack {
		dst = appendHeadMessagePack(dst, kindText, n)
	} else {
		dst = appendHeadCBOR(dst, kindText, n)
	}
	return append(dst, text...)
}
