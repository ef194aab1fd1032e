package wamp

// Publish asks the broker to send an event: [PUBLISH, Request|id,
// Options|dict, Topic|uri, Arguments|list, ArgumentsKw|dict], the last two
// optional.
type Publish struct {
	Request ID
	Options Dict
	Topic   URI
	Payload
}

// Published acknowledges a Publish: [PUBLISHED, PUBLISH.Request|id, Publication|id].
type Published struct {
	Request     ID
	Publication ID
}

// Subscribe asks for events: [SUBSCRIBE, Request|id, Options|dict, Topic|uri].
type Subscribe struct {
	Request ID
	Options Dict
	Topic   URI
}

// Subscribed grants a Subscribe: [SUBSCRIBED, SUBSCRIBE.Request|id, Subscription|id].
type Subscribed struct {
	Request      ID
	Subscription ID
}

// Unsubscribe ends a subscription: [UNSUBSCRIBE, Request|id, SUBSCRIBED.Subscription|id].
type Unsubscribe struct {
	Request      ID
	Subscription ID
}

// Unsubscribed confirms an Unsubscribe: [UNSUBSCRIBED, UNSUBSCRIBE.Request|id];
// with request 0 and Details it tells of a subscription that the router
// revoked (section "Subscription Revocation").
type Unsubscribed struct {
	Request ID
	Details Dict
}

// Event is a publication on its way to a subscriber: [EVENT, Subscription|id,
// Publication|id, Details|dict, Arguments|list, ArgumentsKw|dict], the last
// two optional.
type Event struct {
	Subscription ID
	Publication  ID
	// Topic goes into the details as "topic" when the message is encoded,
	// unless it is empty; Details must not have it too. A decoder leaves it in
	// Details.
	Topic   URI
	Details Dict
	Payload
}

// Type implements Message.
func (*Publish) Type() MessageType { return TypePublish }

// Type implements Message.
func (*Published) Type() MessageType { return TypePublished }

// Type implements Message.
func (*Subscribe) Type() MessageType { return TypeSubscribe }

// Type implements Message.
func (*Subscribed) Type() MessageType { return TypeSubscribed }

// Type implements Message.
func (*Unsubscribe) Type() MessageType { return TypeUnsubscribe }

// Type implements Message.
func (*Unsubscribed) Type() MessageType { return TypeUnsubscribed }

// Type implements Message.
func (*Event) Type() MessageType { return TypeEvent }
