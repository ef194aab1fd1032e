package codec

import (
	"strconv"

	"bondy/core/wamp"

	"github.com/tinylib/msgp/msgp"
)

// appendQuick appends a message of the hot path that has no options, and a
// payload of the same serializer. For any other, and for what is not valid, it
// returns nil.
func appendQuick(dst []byte, s wamp.Serializer, m wamp.Message) []byte {
	e := slotsOf(m)
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
	dst = append(dst, ",{}"...)
	if e.uri != nil {
		end, wide := plain([]byte(*e.uri), 0)
		if end < len(*e.uri) || wide {
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
	dst = append(dst, dict)
	if e.uri != nil {
		if !validText([]byte(*e.uri)) {
			return nil
		}
		dst = append(appendTextHead(dst, s, uint64(len(*e.uri))), *e.uri...)
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

// appendTextHead appends what stands before a string.
func appendTextHead(dst []byte, s wamp.Serializer, n uint64) []byte {
	if s == wamp.MessagePack {
		return appendHeadMessagePack(dst, kindText, n)
	}
	return appendHeadCBOR(dst, kindText, n)
}
