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

// of sets those that m has; none is set before. It sets them in place: a struct that is
// copied as soon as its fields are set keeps the processor waiting for them.
func (e *slots) of(m wamp.Message) {
	switch m := m.(type) {
	case *wamp.Publish:
		e.first, e.dict, e.uri, e.payload = &m.Request, &m.Options, &m.Topic, &m.Payload
	case *wamp.Event:
		e.first, e.second, e.dict, e.told, e.payload = &m.Subscription, &m.Publication, &m.Details, &m.Topic, &m.Payload
	case *wamp.Call:
		e.first, e.dict, e.uri, e.payload = &m.Request, &m.Options, &m.Procedure, &m.Payload
	case *wamp.Invocation:
		e.first, e.second, e.dict, e.told, e.payload = &m.Request, &m.Registration, &m.Details, &m.Procedure, &m.Payload
	case *wamp.Yield:
		e.first, e.dict, e.payload = &m.Request, &m.Options, &m.Payload
	case *wamp.Result:
		e.first, e.dict, e.payload = &m.Request, &m.Details, &m.Payload
	case *wamp.ErrorMessage:
		e.request, e.first, e.dict, e.uri, e.payload = &m.RequestType, &m.Request, &m.Details, &m.Error, &m.Payload
	default:
	}
}
