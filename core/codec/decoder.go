package codec

import (
	"fmt"
	"math"

	"bondy/core/wamp"
)

// What a message may hold unless Limits asks for less.
const (
	maxDepth    = 128
	maxElements = 1 << 20
)

// maxScratch bounds what a Decoder keeps from one message to the next to
// unescape strings.
const maxScratch = 4 << 10

// Limits bounds what a Decoder accepts; a field that is zero, negative or above
// its default means the default. The size of a message is the transport's to
// bound.
type Limits struct {
	// MaxDepth is how deep lists and dicts may nest, the message itself
	// included. Default 128.
	MaxDepth int
	// MaxElements is how many values and keys one message may hold. Default
	// 2^20.
	MaxElements int
}

// Decoder decodes the messages of one connection. It is small until the first
// message arrives, and not for concurrent use.
type Decoder struct {
	r        reader
	elements int
	hot      *hot

	// The message being decoded by the general path.
	list    group
	ended   bool
	code    wamp.MessageType // 0 until it is known
	element string
}

// hot is what a Decoder keeps to decode frequent messages without allocating.
type hot struct {
	uris    uris
	payload *wamp.Payload // of the last message

	publish    wamp.Publish
	event      wamp.Event
	call       wamp.Call
	cancel     wamp.Cancel
	result     wamp.Result
	invocation wamp.Invocation
	interrupt  wamp.Interrupt
	yield      wamp.Yield
	failed     wamp.ErrorMessage
}

// NewDecoder makes a decoder for the messages of one connection.
func NewDecoder(s wamp.Serializer, l Limits) *Decoder {
	return &Decoder{
		r:        reader{serializer: s, forms: formsOf(s), maxDepth: within(l.MaxDepth, maxDepth)},
		elements: within(l.MaxElements, maxElements),
	}
}

func within(limit, most int) int {
	if limit <= 0 {
		return most
	}
	return min(limit, most)
}

// Decode parses one message of either profile. The message and all it refers to
// are valid until the next Decode or Release; Payload.Args and Payload.Kwargs
// alias b and are checked but not decoded, everything else is copied. Empty
// Options and Details are nil. An error is a *wamp.Error with
// wamp.ErrProtocolViolation that says what is wrong and where.
//
// Whether a URI is valid for its use is not checked here.
func (d *Decoder) Decode(b []byte) (wamp.Message, error) {
	if d.hot == nil {
		d.hot = new(hot)
	}
	if d.hot.payload != nil {
		*d.hot.payload = wamp.Payload{}
	}
	d.r.reset(b, d.elements)
	m, err := d.quick(), error(nil)
	if m == nil {
		m, err = d.general(b)
	}
	d.r.b, d.r.raw = nil, nil
	if cap(d.r.scratch) > maxScratch {
		d.r.scratch = nil
	}
	return m, err
}

// general reads any message, and says what is wrong with what is none.
func (d *Decoder) general(b []byte) (wamp.Message, error) {
	d.r.reset(b, d.elements)
	d.list, d.ended, d.code, d.element = group{}, false, 0, ""
	m := d.message()
	err := d.r.end()
	if err == nil {
		return m, nil
	}
	what := "message"
	if d.code != 0 {
		what = d.code.String()
	}
	if d.element != "" {
		what += ": " + d.element
	}
	return nil, wamp.Violationf("%s %v", what, err)
}

// Release gives back the memory kept from earlier messages, for a connection
// that is going to stay idle; it ends the validity of the last message.
func (d *Decoder) Release() { d.hot, d.r.scratch, d.r.shape = nil, nil, nil }

// message reads all of a message; a failure is left in the reader.
func (d *Decoder) message() wamp.Message {
	d.list = d.r.open(d.head("a list", kindList))
	m := d.blank()
	if m == nil {
		return nil
	}
	elements{in: d}.message(m)
	if d.enter("") {
		d.r.fail("more elements than this message has")
	}
	return m
}

// blank reads the type of a message and makes an empty one.
func (d *Decoder) blank() wamp.Message {
	d.require("type")
	at := d.r.i
	t := d.r.value()
	if d.r.err != nil {
		return nil
	}
	if t.kind == kindInt && t.n <= uint64(wamp.MaxMessageType) {
		m := d.hot.message(t.n)
		if m == nil {
			m = newMessage(wamp.MessageType(t.n))
		}
		if m != nil {
			d.code = wamp.MessageType(t.n)
			return m
		}
	}
	d.unfit(at, "the code of a message", t)
	return nil
}

// message makes an empty message of the hot path, nil for any other type.
func (h *hot) message(code uint64) wamp.Message {
	if code > uint64(wamp.MaxMessageType) {
		return nil
	}
	switch wamp.MessageType(code) {
	case wamp.TypePublish:
		return reuse(&h.publish)
	case wamp.TypeEvent:
		return reuse(&h.event)
	case wamp.TypeCall:
		return reuse(&h.call)
	case wamp.TypeCancel:
		return reuse(&h.cancel)
	case wamp.TypeResult:
		return reuse(&h.result)
	case wamp.TypeInvocation:
		return reuse(&h.invocation)
	case wamp.TypeInterrupt:
		return reuse(&h.interrupt)
	case wamp.TypeYield:
		return reuse(&h.yield)
	case wamp.TypeError:
		return reuse(&h.failed)
	default:
		return nil
	}
}

// newMessage makes an empty message of any other type, nil if there is none.
func newMessage(t wamp.MessageType) wamp.Message {
	switch t {
	case wamp.TypeHello:
		return new(wamp.Hello)
	case wamp.TypeWelcome:
		return new(wamp.Welcome)
	case wamp.TypeAbort:
		return new(wamp.Abort)
	case wamp.TypeChallenge:
		return new(wamp.Challenge)
	case wamp.TypeAuthenticate:
		return new(wamp.Authenticate)
	case wamp.TypeGoodbye:
		return new(wamp.Goodbye)
	case wamp.TypePublished:
		return new(wamp.Published)
	case wamp.TypeSubscribe:
		return new(wamp.Subscribe)
	case wamp.TypeSubscribed:
		return new(wamp.Subscribed)
	case wamp.TypeUnsubscribe:
		return new(wamp.Unsubscribe)
	case wamp.TypeUnsubscribed:
		return new(wamp.Unsubscribed)
	case wamp.TypeRegister:
		return new(wamp.Register)
	case wamp.TypeRegistered:
		return new(wamp.Registered)
	case wamp.TypeUnregister:
		return new(wamp.Unregister)
	case wamp.TypeUnregistered:
		return new(wamp.Unregistered)
	default:
		return nil
	}
}

func reuse[T any](m *T) *T {
	var zero T
	*m = zero
	return m
}

// enter goes to the next element if there is one.
func (d *Decoder) enter(name string) bool {
	if d.r.err == nil {
		d.element = name
	}
	if !d.ended {
		d.ended = !d.r.more(&d.list)
	}
	return !d.ended
}

// require goes to an element that must be there.
func (d *Decoder) require(name string) {
	if !d.enter(name) {
		d.r.fail("is missing")
	}
}

// head reads the head of a value of kind k.
func (d *Decoder) head(what string, k kind) token {
	at := d.r.i
	t := d.r.next()
	if t.kind != k || t.foreign != notForeign {
		d.unfit(at, what, t)
	}
	return t
}

func (d *Decoder) unfit(at int, want string, got token) {
	desc := got.typeName()
	switch {
	case got.foreign != notForeign:
		desc = got.foreign.String()
	case got.kind == kindInt:
		desc = fmt.Sprint(got.int())
	}
	d.r.failAt(at, "must be %s, got %s", want, desc)
}

// id reads an id that is at least least.
func (d *Decoder) id(name string, least uint64) wamp.ID {
	d.require(name)
	at := d.r.i
	t := d.r.value()
	if t.kind == kindFloat && d.r.serializer != wamp.JSON {
		// encoders of JavaScript write integers beyond 32 bits so
		if f := t.float(); f >= 0 && f <= float64(wamp.MaxID) && f == math.Trunc(f) {
			t = uintToken(uint64(f))
		}
	}
	if t.kind != kindInt || t.n < least || t.n > uint64(wamp.MaxID) {
		d.unfit(at, fmt.Sprintf("an integer from %d to 2^53", least), t)
		return 0
	}
	return wamp.ID(t.n)
}

// text reads a string, valid until the next value is read.
func (d *Decoder) text(name string) []byte {
	d.require(name)
	return d.string()
}

func (d *Decoder) string() []byte {
	at := d.r.i
	t := d.r.value()
	if t.kind != kindText {
		d.unfit(at, "a string", t)
		return nil
	}
	return d.r.raw
}

// uri reads a URI; one that was seen lately is not allocated again.
func (d *Decoder) uri(name string) wamp.URI {
	d.require(name)
	u, _ := d.hot.uris.intern(d.string())
	return u
}

// dict reads Options, Details or Extra, nil if empty.
func (d *Decoder) dict(name string) wamp.Dict {
	d.require(name)
	return d.openDict()
}

// openDict reads options or details. "Attributes unknown to an implementation
// MUST be ignored", also when their value means nothing to us.
func (d *Decoder) openDict() wamp.Dict {
	t := d.head("a dict", kindDict)
	left := d.r.left
	d.r.lenient, d.r.left = true, min(left, maxOptions)
	granted := d.r.left
	defer func() { d.r.lenient, d.r.left = false, left-(granted-d.r.left) }()
	return d.r.pairs(t)
}

// maxOptions bounds the values in one dict of options or details: unlike a
// payload they are decoded.
const maxOptions = 10_000

// optionalDict reads a dict that may be absent.
func (d *Decoder) optionalDict(name string) wamp.Dict {
	if !d.enter(name) {
		return nil
	}
	return d.openDict()
}

// requestType reads the type of the request that an ERROR answers.
func (d *Decoder) requestType(name string) wamp.MessageType {
	d.require(name)
	at := d.r.i
	t := d.r.value()
	if t.kind == kindInt {
		if m := requestType(t.n); m != 0 {
			return m
		}
	}
	d.unfit(at, "the code of a request", t)
	return 0
}

// requestType is the type of a request with that code, 0 if it is none.
func requestType(code uint64) wamp.MessageType {
	if code > uint64(wamp.MaxMessageType) {
		return 0
	}
	switch t := wamp.MessageType(code); t {
	case wamp.TypeSubscribe, wamp.TypeUnsubscribe, wamp.TypePublish, wamp.TypeRegister,
		wamp.TypeUnregister, wamp.TypeCall, wamp.TypeInvocation:
		return t
	default:
		return 0
	}
}

// payload checks what follows and keeps it as it is.
func (d *Decoder) payload(p *wamp.Payload) {
	p.Serializer = d.r.serializer
	d.hot.payload = p
	if d.enter("Arguments") {
		p.Args = d.raw("a list", kindList)
	}
	if d.enter("ArgumentsKw") {
		p.Kwargs = d.raw("a dict", kindDict)
	}
}

func (d *Decoder) raw(what string, k kind) []byte {
	start := d.r.i
	d.r.skipRest(d.head(what, k))
	return d.r.b[start:d.r.i:d.r.i]
}
