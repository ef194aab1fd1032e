package codec

import "bondy/core/wamp"

// slots are the elements of a message of the hot path in their order, where it
// has them: what elements says for the general path, in a form that needs no
// call per element.
type slots struct {
	request       *wamp.MessageType // of ERROR
	first, second *wamp.ID
	dict          *wamp.Dict
	told          *wamp.URI // of EVENT and INVOCATION: stands in the dict
	uri           *wamp.URI
	payload       *wamp.Payload // nil for a message off the hot path
}

// toldAs is the key under which the URI of an EVENT or INVOCATION stands in its
// details.
func toldAs(t wamp.MessageType) string {
	if t == wamp.TypeEvent {
		return "topic"
	}
	return "procedure"
}

func slotsOf(m wamp.Message) slots {
	switch m := m.(type) {
	case *wamp.Publish:
		return slots{first: &m.Request, dict: &m.Options, uri: &m.Topic, payload: &m.Payload}
	case *wamp.Event:
		return slots{first: &m.Subscription, second: &m.Publication, dict: &m.Details, told: &m.Topic, payload: &m.Payload}
	case *wamp.Call:
		return slots{first: &m.Request, dict: &m.Options, uri: &m.Procedure, payload: &m.Payload}
	case *wamp.Invocation:
		return slots{first: &m.Request, second: &m.Registration, dict: &m.Details, told: &m.Procedure, payload: &m.Payload}
	case *wamp.Yield:
		return slots{first: &m.Request, dict: &m.Options, payload: &m.Payload}
	case *wamp.Result:
		return slots{first: &m.Request, dict: &m.Details, payload: &m.Payload}
	case *wamp.ErrorMessage:
		return slots{request: &m.RequestType, first: &m.Request, dict: &m.Details, uri: &m.Error, payload: &m.Payload}
	default:
		return slots{}
	}
}
