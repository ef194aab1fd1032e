package wamp

// MessageType is the integer that starts every message (sections "Message
// Codes and Direction" and "Additional Messages").
type MessageType uint8

// The message types of both profiles.
const (
	TypeHello        MessageType = 1
	TypeWelcome      MessageType = 2
	TypeAbort        MessageType = 3
	TypeChallenge    MessageType = 4
	TypeAuthenticate MessageType = 5
	TypeGoodbye      MessageType = 6
	TypeError        MessageType = 8
	TypePublish      MessageType = 16
	TypePublished    MessageType = 17
	TypeSubscribe    MessageType = 32
	TypeSubscribed   MessageType = 33
	TypeUnsubscribe  MessageType = 34
	TypeUnsubscribed MessageType = 35
	TypeEvent        MessageType = 36
	TypeCall         MessageType = 48
	TypeCancel       MessageType = 49
	TypeResult       MessageType = 50
	TypeRegister     MessageType = 64
	TypeRegistered   MessageType = 65
	TypeUnregister   MessageType = 66
	TypeUnregistered MessageType = 67
	TypeInvocation   MessageType = 68
	TypeInterrupt    MessageType = 69
	TypeYield        MessageType = 70
)

// MaxMessageType is the highest message type in use.
const MaxMessageType = TypeYield

// String is the message's name in the specification, or "unknown".
func (t MessageType) String() string {
	switch t {
	case TypeHello:
		return "HELLO"
	case TypeWelcome:
		return "WELCOME"
	case TypeAbort:
		return "ABORT"
	case TypeChallenge:
		return "CHALLENGE"
	case TypeAuthenticate:
		return "AUTHENTICATE"
	case TypeGoodbye:
		return "GOODBYE"
	case TypeError:
		return "ERROR"
	case TypePublish:
		return "PUBLISH"
	case TypePublished:
		return "PUBLISHED"
	case TypeSubscribe:
		return "SUBSCRIBE"
	case TypeSubscribed:
		return "SUBSCRIBED"
	case TypeUnsubscribe:
		return "UNSUBSCRIBE"
	case TypeUnsubscribed:
		return "UNSUBSCRIBED"
	case TypeEvent:
		return "EVENT"
	case TypeCall:
		return "CALL"
	case TypeCancel:
		return "CANCEL"
	case TypeResult:
		return "RESULT"
	case TypeRegister:
		return "REGISTER"
	case TypeRegistered:
		return "REGISTERED"
	case TypeUnregister:
		return "UNREGISTER"
	case TypeUnregistered:
		return "UNREGISTERED"
	case TypeInvocation:
		return "INVOCATION"
	case TypeInterrupt:
		return "INTERRUPT"
	case TypeYield:
		return "YIELD"
	default:
		return "unknown"
	}
}

// Message is a pointer to one of the message structs of this package.
type Message interface {
	// Type is the message's type code.
	Type() MessageType
}
