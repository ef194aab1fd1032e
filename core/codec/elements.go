package codec

import "bondy/core/wamp"

// elements reads or writes the elements of a message one after the other: the
// layout of each message stands once, in message, for both directions and all
// serializers. Exactly one of its fields is set.
type elements struct {
	in  *Decoder
	out *encoder
}

// message goes through the elements of m behind the type (sections "Message
// Definitions" and "Additional Messages"). It reports whether it knows m.
func (e elements) message(m wamp.Message) bool {
	switch m := m.(type) {
	case *wamp.Publish:
		e.id("Request", &m.Request)
		e.dict("Options", &m.Options)
		e.uri("Topic", &m.Topic)
		e.payload(&m.Payload)
	case *wamp.Event:
		e.id("SUBSCRIBED.Subscription", &m.Subscription)
		e.id("PUBLISHED.Publication", &m.Publication)
		e.details(&m.Details, toldAs(m.Type()), m.Topic)
		e.payload(&m.Payload)
	case *wamp.Call:
		e.id("Request", &m.Request)
		e.dict("Options", &m.Options)
		e.uri("Procedure", &m.Procedure)
		e.payload(&m.Payload)
	case *wamp.Invocation:
		e.id("Request", &m.Request)
		e.id("REGISTERED.Registration", &m.Registration)
		e.details(&m.Details, toldAs(m.Type()), m.Procedure)
		e.payload(&m.Payload)
	case *wamp.Yield:
		e.id("INVOCATION.Request", &m.Request)
		e.dict("Options", &m.Options)
		e.payload(&m.Payload)
	case *wamp.Result:
		e.id("CALL.Request", &m.Request)
		e.dict("Details", &m.Details)
		e.payload(&m.Payload)
	case *wamp.ErrorMessage:
		e.requestType("REQUEST.Type", &m.RequestType)
		e.id("REQUEST.Request", &m.Request)
		e.dict("Details", &m.Details)
		e.uri("Error", &m.Error)
		e.payload(&m.Payload)
	default:
		return e.request(m) || e.lifecycle(m)
	}
	return true
}

// request goes through requests and answers that carry no payload.
func (e elements) request(m wamp.Message) bool {
	switch m := m.(type) {
	case *wamp.Published:
		e.id("PUBLISH.Request", &m.Request)
		e.id("Publication", &m.Publication)
	case *wamp.Subscribe:
		e.id("Request", &m.Request)
		e.dict("Options", &m.Options)
		e.uri("Topic", &m.Topic)
	case *wamp.Subscribed:
		e.id("SUBSCRIBE.Request", &m.Request)
		e.id("Subscription", &m.Subscription)
	case *wamp.Unsubscribe:
		e.id("Request", &m.Request)
		e.id("SUBSCRIBED.Subscription", &m.Subscription)
	case *wamp.Unsubscribed:
		e.revocation("UNSUBSCRIBE.Request", &m.Request, &m.Details)
	case *wamp.Cancel:
		e.id("CALL.Request", &m.Request)
		e.dict("Options", &m.Options)
	case *wamp.Interrupt:
		e.id("INVOCATION.Request", &m.Request)
		e.dict("Options", &m.Options)
	case *wamp.Register:
		e.id("Request", &m.Request)
		e.dict("Options", &m.Options)
		e.uri("Procedure", &m.Procedure)
	case *wamp.Registered:
		e.id("REGISTER.Request", &m.Request)
		e.id("Registration", &m.Registration)
	case *wamp.Unregister:
		e.id("Request", &m.Request)
		e.id("REGISTERED.Registration", &m.Registration)
	case *wamp.Unregistered:
		e.revocation("UNREGISTER.Request", &m.Request, &m.Details)
	default:
		return false
	}
	return true
}

// lifecycle goes through the messages that open and close a session.
func (e elements) lifecycle(m wamp.Message) bool {
	switch m := m.(type) {
	case *wamp.Hello:
		e.uri("Realm", &m.Realm)
		e.dict("Details", &m.Details)
	case *wamp.Welcome:
		e.id("Session", &m.Session)
		e.dict("Details", &m.Details)
	case *wamp.Abort:
		e.dict("Details", &m.Details)
		e.uri("Reason", &m.Reason)
		e.payload(&m.Payload)
	case *wamp.Challenge:
		e.text("AuthMethod", &m.AuthMethod)
		e.dict("Extra", &m.Extra)
	case *wamp.Authenticate:
		e.text("Signature", &m.Signature)
		e.dict("Extra", &m.Extra)
	case *wamp.Goodbye:
		e.dict("Details", &m.Details)
		e.uri("Reason", &m.Reason)
	default:
		return false
	}
	return true
}

func (e elements) id(name string, id *wamp.ID) {
	if e.in != nil {
		*id = e.in.id(name, 1)
	} else {
		e.out.id(name, *id, 1)
	}
}

func (e elements) uri(name string, u *wamp.URI) {
	if e.in != nil {
		*u = e.in.uri(name)
	} else {
		e.out.text(string(*u))
	}
}

func (e elements) text(name string, s *string) {
	if e.in != nil {
		*s = string(e.in.text(name))
	} else {
		e.out.text(*s)
	}
}

func (e elements) dict(name string, d *wamp.Dict) {
	if e.in != nil {
		*d = e.in.dict(name)
	} else {
		e.out.dict(*d)
	}
}

// details is a dict into which the URI goes that the message has in a field of
// its own when it is written.
func (e elements) details(d *wamp.Dict, key string, uri wamp.URI) {
	if e.in != nil || uri == "" {
		e.dict("Details", d)
	} else {
		e.out.details(*d, key, uri)
	}
}

func (e elements) requestType(name string, t *wamp.MessageType) {
	if e.in != nil {
		*t = e.in.requestType(name)
	} else {
		e.out.integer(uint64(*t))
	}
}

func (e elements) payload(p *wamp.Payload) {
	if e.in != nil {
		e.in.payload(p)
	} else {
		e.out.payload(p)
	}
}

// revocation is the end of UNSUBSCRIBED and UNREGISTERED: request 0 and
// details when nobody asked (sections "Subscription Revocation" and
// "Registration Revocation").
func (e elements) revocation(name string, id *wamp.ID, details *wamp.Dict) {
	if e.in != nil {
		*id = e.in.id(name, 0)
		*details = e.in.optionalDict("Details")
		return
	}
	e.out.id(name, *id, 0)
	if *id == 0 || len(*details) > 0 {
		e.out.dict(*details)
	}
}
