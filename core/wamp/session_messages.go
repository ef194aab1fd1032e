package wamp

// Hello opens a session: [HELLO, Realm|uri, Details|dict].
type Hello struct {
	Realm   URI
	Details Dict
}

// Welcome accepts a session: [WELCOME, Session|id, Details|dict].
type Welcome struct {
	Session ID
	Details Dict
}

// Abort ends a session or its opening without an answer:
// [ABORT, Details|dict, Reason|uri, Arguments|list, ArgumentsKw|dict], the
// last two optional.
type Abort struct {
	Details Dict
	Reason  URI
	Payload
}

// Challenge asks for proof of identity: [CHALLENGE, AuthMethod|string, Extra|dict].
type Challenge struct {
	AuthMethod string
	Extra      Dict
}

// Authenticate answers a Challenge: [AUTHENTICATE, Signature|string, Extra|dict].
type Authenticate struct {
	Signature string
	Extra     Dict
}

// Goodbye closes a session and is echoed: [GOODBYE, Details|dict, Reason|uri].
type Goodbye struct {
	Details Dict
	Reason  URI
}

// ErrorMessage answers a request that failed: [ERROR, REQUEST.Type|int,
// REQUEST.Request|id, Details|dict, Error|uri, Arguments|list,
// ArgumentsKw|dict], the last two optional.
type ErrorMessage struct {
	RequestType MessageType
	Request     ID
	Details     Dict
	Error       URI
	Payload
}

// Type implements Message.
func (*Hello) Type() MessageType { return TypeHello }

// Type implements Message.
func (*Welcome) Type() MessageType { return TypeWelcome }

// Type implements Message.
func (*Abort) Type() MessageType { return TypeAbort }

// Type implements Message.
func (*Challenge) Type() MessageType { return TypeChallenge }

// Type implements Message.
func (*Authenticate) Type() MessageType { return TypeAuthenticate }

// Type implements Message.
func (*Goodbye) Type() MessageType { return TypeGoodbye }

// Type implements Message.
func (*ErrorMessage) Type() MessageType { return TypeError }
