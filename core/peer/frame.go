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
	encoded [wamp.NumSerializers][]byte
	scratch [wamp.NumSerializers][]byte
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
	f.encoded = [wamp.NumSerializers][]byte{}
}

// Free gives the frame back to the pool.
func (f *Frame) Free() {
	f.msg = nil
	f.Event, f.Invocation, f.Result = wamp.Event{}, wamp.Invocation{}, wamp.Result{}
	f.encoded = [wamp.NumSerializers][]byte{}
	frames.Put(f)
}

// bytes is the message in serializer s. The error is a *wamp.Error that says
// what s cannot express.
func (f *Frame) bytes(s wamp.Serializer) ([]byte, error) {
	if b := f.encoded[s]; b != nil {
		return b, nil
	}
	b, err := codec.Append(f.scratch[s][:0], s, f.msg)
	if err != nil {
		return nil, err
	}
	if len(b) < ShareSize {
		f.scratch[s] = b // a longer message may be kept by its receivers
	}
	f.encoded[s] = b
	return b, nil
}
