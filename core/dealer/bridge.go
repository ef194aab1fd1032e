package dealer

import (
	"bondy/core/peer"
	"bondy/core/wamp"
)

// MaxHops is how many bridges a call may cross; more is a loop.
const MaxHops = 4

// Forward routes an INVOCATION that came over the bridge for which the session
// stands, as a call of this session under the same id; check says whether its
// procedure may come this way. What was disclosed of the caller is disclosed
// again. An error is for the other router.
func (s *Session) Forward(b *peer.Batch, m *wamp.Invocation, check func(procedure wamp.URI) error) error {
	procedure, err := m.Details.String("procedure")
	if err != nil {
		return err
	}
	call := &wamp.Call{Request: m.Request, Options: m.Details, Procedure: wamp.URI(procedure), Payload: m.Payload}
	o := callOptions{cfg: s.d.cfg.Load()}
	if err := o.readForwarded(m.Details); err != nil {
		return err
	}
	if o.hops > MaxHops {
		return wamp.Errorf(wamp.ErrUnavailable, "call of %q crossed %d bridges", procedure, o.hops)
	}
	if err := check(call.Procedure); err != nil {
		return err
	}
	if s.pieces != nil {
		if known, err := s.resume(b, call); known {
			return err
		}
	}
	return s.route(b, call, &o)
}

// readForwarded reads the details of an INVOCATION that another router made of
// a call.
func (o *callOptions) readForwarded(d wamp.Dict) (err error) {
	for detail, v := range d {
		switch detail {
		case "_hops":
			o.hops, err = d.Int(detail)
		case "receive_progress":
			o.progress, err = d.Bool(detail)
		case "progress":
			o.more, err = d.Bool(detail)
		case "timeout":
			o.timeout, err = milliseconds(d, detail)
		case "trustlevel":
			o.trust, err = d.Int(detail)
		case "ppt_scheme":
			o.passthru, err = d.Passthru()
		case "_routing_key":
			err = o.readKey(detail, v)
		case "caller", "caller_authid", "caller_authrole":
			if o.caller == nil {
				o.caller, o.disclose = make(wamp.Dict, 3), true
			}
			o.caller[detail] = v
		}
		if err != nil {
			return err
		}
	}
	return nil
}
