package wamp

// Serializer names a message serialization format. The values are those of
// the RawSocket handshake (section "RawSocket Transport").
type Serializer uint8

// The serializers that this router speaks.
const (
	JSON        Serializer = 1
	MessagePack Serializer = 2
	CBOR        Serializer = 3
)

// NumSerializers is one more than the highest Serializer: the length of a
// table indexed by it.
const NumSerializers = 4

// String is the serializer's name in a WebSocket sub-protocol: json, msgpack
// or cbor.
func (s Serializer) String() string {
	switch s {
	case JSON:
		return "json"
	case MessagePack:
		return "msgpack"
	case CBOR:
		return "cbor"
	default:
		return "unknown"
	}
}

// ParseSerializer reads a serializer's name.
func ParseSerializer(name string) (Serializer, bool) {
	switch name {
	case "json":
		return JSON, true
	case "msgpack":
		return MessagePack, true
	case "cbor":
		return CBOR, true
	default:
		return 0, false
	}
}

// Binary reports whether messages travel in binary WebSocket frames.
func (s Serializer) Binary() bool { return s != JSON }

// Payload is the application payload of a message: positional and keyword
// arguments as the bytes of the sender's serializer, already checked to be
// well-formed. Args is the encoded list and Kwargs the encoded dict; nil means
// that the element is absent. With Kwargs present and Args nil, an empty list
// stands on the wire.
type Payload struct {
	Serializer Serializer
	Args       []byte
	Kwargs     []byte
}

// Empty reports whether the message carries neither element.
func (p Payload) Empty() bool { return p.Args == nil && p.Kwargs == nil }

// Len is the size of both elements in bytes.
func (p Payload) Len() int { return len(p.Args) + len(p.Kwargs) }

// Clone copies the bytes, for a payload that outlives its buffer.
func (p Payload) Clone() Payload {
	buf := make([]byte, 0, p.Len())
	buf = append(append(buf, p.Args...), p.Kwargs...)
	n := len(p.Args)
	if p.Args != nil {
		p.Args = buf[:n:n]
	}
	if p.Kwargs != nil {
		p.Kwargs = buf[n:]
	}
	return p
}
