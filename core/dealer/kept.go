package dealer

import (
	"bondy/core/peer"
	"bondy/core/wamp"
)

// kept is what the router remembers of some calls beyond their record: of one
// that may be re-routed or that waits, the message; of one in pieces, the
// details. It is guarded by the caller's callMu; what waiting needs, by the
// registration's lock.
type kept struct {
	caller    *Session
	request   wamp.ID
	reg       *registration
	options   callOptions
	procedure wamp.URI
	payload   wamp.Payload // in buf
	buf       []byte
	weight    int       // in the caller's bytes
	details   wamp.Dict // of a call in pieces: frozen by the first

	rest     []*callee // that were not asked yet, once rerouted is set
	rerouted bool
	pooled   bool // only the record refers to it: it is used again

	waits      bool
	prev, next *kept
}

// maxKept bounds what is kept for one caller, in bytes. A call beyond it is not
// re-routed, and does not wait.
const maxKept = 4 << 20

// record is what a kept call weighs beside its texts and its payload, in bytes,
// rounded up.
const record = 512

// weigh is how much of maxKept the call takes.
func weigh(m *wamp.Call, o *callOptions) int {
	n := record + len(m.Procedure) + len(o.key) + m.Payload.Len()
	for _, d := range [...]wamp.Dict{o.passthru, o.caller} {
		for _, v := range d {
			if text, ok := v.(string); ok {
				n += len(text)
			}
		}
	}
	return n
}

// keepLocked copies a call, nil when too much is kept already.
func (s *Session) keepLocked(m *wamp.Call, o *callOptions, r *registration) *kept {
	n := weigh(m, o)
	if s.bytes+n > maxKept {
		return nil
	}
	s.bytes += n
	k := s.d.pool.Get().(*kept) // the pool holds nothing else
	k.caller, k.request, k.reg, k.options, k.procedure = s, m.Request, r, *o, m.Procedure
	k.rest, k.rerouted, k.pooled, k.weight = nil, false, true, n
	if cap(k.buf) > small+4*m.Payload.Len() {
		k.buf = nil // a short call does not hold on to what a long one needed
	}
	k.buf = append(append(k.buf[:0], m.Args...), m.Kwargs...)
	k.payload = wamp.Payload{Serializer: m.Serializer}
	at := len(m.Args)
	if m.Args != nil {
		k.payload.Args = k.buf[:at:at]
	}
	if m.Kwargs != nil {
		k.payload.Kwargs = k.buf[at:]
	}
	return k
}

// reusable is the longest buffer that the pool keeps; one that is small serves
// any call. Both are in bytes.
const (
	reusable = 64 << 10
	small    = 1 << 10
)

// dropLocked gives back what was kept for a call that ended.
func (s *Session) dropLocked(c *call) {
	k := c.kept
	s.bytes -= k.weight
	if !k.pooled {
		return
	}
	c.kept = nil
	if cap(k.buf) > reusable {
		k.buf = nil
	}
	s.d.pool.Put(k)
}

// call is the message that was kept.
func (k *kept) call() *wamp.Call {
	return &wamp.Call{Request: k.request, Procedure: k.procedure, Payload: k.payload}
}

// fail ends the call, if it is still under way, with an error of the router's.
func (k *kept) fail(b *peer.Batch, err error) {
	if k.end() {
		k.caller.reply(b, wamp.AsError(err).Reply(wamp.TypeCall, k.request))
	}
}

func (k *kept) end() bool {
	k.caller.callMu.Lock()
	defer k.caller.callMu.Unlock()
	c := k.caller.calls.get(k.request)
	if c == nil || c.kept != k {
		return false
	}
	k.caller.endLocked(k.request, c)
	return true
}
