package wamp

// Call asks the dealer for a procedure: [CALL, Request|id, Options|dict,
// Procedure|uri, Arguments|list, ArgumentsKw|dict], the last two optional.
type Call struct {
	Request   ID
	Options   Dict
	Procedure URI
	Payload
}

// Cancel gives up a call: [CANCEL, CALL.Request|id, Options|dict].
type Cancel struct {
	Request ID
	Options Dict
}

// Result answers a Call: [RESULT, CALL.Request|id, Details|dict,
// Arguments|list, ArgumentsKw|dict], the last two optional.
type Result struct {
	Request ID
	Details Dict
	Payload
}

// Register offers a procedure: [REGISTER, Request|id, Options|dict, Procedure|uri].
type Register struct {
	Request   ID
	Options   Dict
	Procedure URI
}

// Registered grants a Register: [REGISTERED, REGISTER.Request|id, Registration|id].
type Registered struct {
	Request      ID
	Registration ID
}

// Unregister withdraws a registration: [UNREGISTER, Request|id, REGISTERED.Registration|id].
type Unregister struct {
	Request      ID
	Registration ID
}

// Unregistered confirms an Unregister: [UNREGISTERED, UNREGISTER.Request|id];
// with request 0 and Details it tells of a registration that the router
// revoked (section "Registration Revocation").
type Unregistered struct {
	Request ID
	Details Dict
}

// Invocation carries a call to a callee: [INVOCATION, Request|id,
// Registration|id, Details|dict, Arguments|list, ArgumentsKw|dict], the last
// two optional.
type Invocation struct {
	Request      ID
	Registration ID
	// Procedure goes into the details as "procedure" when the message is
	// encoded, unless it is empty; Details must not have it too. A decoder
	// leaves it in Details.
	Procedure URI
	Details   Dict
	Payload
}

// Interrupt asks a callee to stop: [INTERRUPT, INVOCATION.Request|id, Options|dict].
type Interrupt struct {
	Request ID
	Options Dict
}

// Yield answers an Invocation: [YIELD, INVOCATION.Request|id, Options|dict,
// Arguments|list, ArgumentsKw|dict], the last two optional.
type Yield struct {
	Request ID
	Options Dict
	Payload
}

// Type implements Message.
func (*Call) Type() MessageType { return TypeCall }

// Type implements Message.
func (*Cancel) Type() MessageType { return TypeCancel }

// Type implements Message.
func (*Result) Type() MessageType { return TypeResult }

// Type implements Message.
func (*Register) Type() MessageType { return TypeRegister }

// Type implements Message.
func (*Registered) Type() MessageType { return TypeRegistered }

// Type implements Message.
func (*Unregister) Type() MessageType { return TypeUnregister }

// Type implements Message.
func (*Unregistered) Type() MessageType { return TypeUnregistered }

// Type implements Message.
func (*Invocation) Type() MessageType { return TypeInvocation }

// Type implements Message.
func (*Interrupt) Type() MessageType { return TypeInterrupt }

// Type implements Message.
func (*Yield) Type() MessageType { return TypeYield }
