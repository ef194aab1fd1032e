package peer

import (
	"sync"

	"bondy/core/codec"
	"bondy/core/wamp"
)

// Frame is one outbound message on its way to one or many receivers. It is
// encoded at most once per serializer, when the first receiver that speaks it
// comes along, and the bytes are shared by all of them. A Frame belongs to the
// goroutine that made it and is given back with Free after the last Send.
//
// The message must not change after the first Send. Event, Invocation and
// Result are room for the messages of the hot path, so that sending one
// allocates nothing: fill the field and pass its address to Set.
type Frame struct {
	Event      wamp.Event
	Invocation wamp.Invocation
	Result     wamp.Result

	msg     wamp.Message
	encoded [wamp.NumSerializers]encoded
	scratch [wamp.NumSerializers][]byte // for short messages
}

// encoded is a message in one serializer.
type encoded struct {
	msg  []byte
	keep *Buffer // that holds msg if it is long enough to be shared
}

var frames = sync.Pool{New: func() any { return new(Frame) }} //nolint:gochecknoglobals // a pool is shared by nature and holds no state

// NewFrame takes a frame from the pool; m may be nil if Set follows.
func NewFrame(m wamp.Message) *Frame {
	f := frames.Get().(*Frame) // the pool holds nothing else
	f.msg = m
	return f
}

// Set makes m the frame's message and forgets what was encoded before.
func (f *Frame) Set(m wamp.Message) {
	f.msg = m
	f.forget()
}

// Free gives the frame back to the pool.
func (f *Frame) Free() {
	f.msg = nil
	f.Event, f.Invocation, f.Result = wamp.Event{}, wamp.Invocation{}, wamp.Result{}
	f.forget()
	frames.Put(f)
}

func (f *Frame) forget() {
	for i := range f.encoded {
		if e := &f.encoded[i]; e.msg != nil {
			if e.keep != nil {
				e.keep.Release()
			}
			*e = encoded{}
		}
	}
}

// in is the message in serializer s. The error is a *wamp.Error that says what s
// cannot express.
func (f *Frame) in(s wamp.Serializer) (encoded, error) {
	if e := f.encoded[s]; e.msg != nil {
		return e, nil
	}
	if payloadLen(f.msg) < ShareSize {
		b, err := codec.Append(f.scratch[s][:0], s, f.msg)
		if err != nil {
			return encoded{}, err
		}
		f.scratch[s] = b
		f.encoded[s] = encoded{msg: b}
		return f.encoded[s], nil
	}
	k := newBuffer()
	b, err := codec.Append(k.b[:0], s, f.msg)
	if err != nil {
		k.Release()
		return encoded{}, err
	}
	k.b = b
	f.encoded[s] = encoded{msg: b, keep: k}
	return f.encoded[s], nil
}

// payloadLen is the size in bytes of the payload that m carries, if it is of a
// kind that may carry a long one.
func payloadLen(m wamp.Message) int {
	switch m := m.(type) {
	case *wamp.Event:
		return m.Payload.Len()
	case *wamp.Invocation:
		return m.Payload.Len()
	case *wamp.Result:
		return m.Payload.Len()
	case *wamp.ErrorMessage:
		return m.Payload.Len()
	default:
		return 0
	}
}
