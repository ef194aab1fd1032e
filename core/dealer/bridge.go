package dealer

import (
	"time"

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
	o := callOptions{timeout: s.d.cfg.Load().Timeout}
	if o.hops, err = m.Details.Int("_hops"); err != nil {
		return err
	}
	if o.hops > MaxHops {
		return wamp.Errorf(wamp.ErrUnavailable, "call of %q crossed %d bridges", procedure, o.hops)
	}
	if o.progress, err = m.Details.Bool("receive_progress"); err != nil {
		return err
	}
	if ms, err := m.Details.Int("timeout"); err != nil {
		return err
	} else if ms > 0 {
		o.timeout = time.Duration(min(ms, maxTimeoutMS)) * time.Millisecond
	}
	for _, key := range []string{"caller", "caller_authid", "caller_authrole"} {
		if v, ok := m.Details[key]; ok {
			if o.caller == nil {
				o.caller, o.disclose = make(wamp.Dict, 3), true
			}
			o.caller[key] = v
		}
	}
	if err := check(wamp.URI(procedure)); err != nil {
		return err
	}
	return s.route(b, &wamp.Call{Request: m.Request, Procedure: wamp.URI(procedure), Payload: m.Payload}, o)
}
