package dealer

import (
	"maps"
	"strconv"
	"time"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// callOptions is what a call asks for. Options that it does not know are
// ignored.
type callOptions struct {
	cfg                      *Config
	progress, more, disclose bool
	partition, keyed         bool
	spare                    bool // there is another callee beside the one picked
	key                      string
	timeout                  time.Duration
	caller                   wamp.Dict // of a caller behind a bridge, as it is disclosed
	passthru                 wamp.Dict // what the callee is told of the payload
	trust, hops              int64     // bridges crossed
}

// maxTimeoutMS is the longest timeout in milliseconds that a Duration holds.
const maxTimeoutMS = int64(1<<63-1) / int64(time.Millisecond)

// read reads CALL.Options of a caller with the given features.
func (o *callOptions) read(f peer.Features, d wamp.Dict) (err error) {
	runmode := ""
	for option, v := range d {
		switch option {
		case "receive_progress":
			o.progress, err = d.Bool(option)
		case "progress":
			o.more, err = d.Bool(option)
		case "disclose_me":
			o.disclose, err = d.Bool(option)
		case "timeout":
			o.timeout, err = milliseconds(d, option)
		case "ppt_scheme":
			o.passthru, err = d.Passthru()
		case "runmode":
			runmode, err = d.String(option)
		case "rkey", "_routing_key", "x_routing_key":
			err = o.readKey(option, v)
		}
		if err != nil {
			return err
		}
	}
	announced := o.cfg.Features == Announced
	o.progress = o.progress && (!announced || f.Has(peer.CallerProgressiveResults))
	o.partition = runmode == "partition"
	switch {
	case o.more && announced && !f.Has(peer.CallerProgressiveInvocations):
		return wamp.Violationf("CALL.Options.progress: this client did not announce progressive_call_invocations")
	case o.disclose && o.cfg.NoDisclosure:
		return wamp.Errorf(wamp.ErrDiscloseMeDisallowed, "this realm does not disclose callers")
	case runmode != "" && !o.partition:
		return wamp.Errorf(wamp.ErrInvalidArgument, "CALL.Options.runmode is %q: it must be partition, or left out", runmode)
	case o.partition && !o.keyed:
		return wamp.Errorf(wamp.ErrInvalidArgument, "CALL.Options.runmode is partition: give rkey too")
	}
	return nil
}

// readKey reads what decides between callees where a hash does.
func (o *callOptions) readKey(option string, v any) error {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		o.key = v
	case int64:
		o.key = strconv.FormatInt(v, 10)
	default:
		return wamp.Violationf("%q must be a string or an integer, got %s", option, wamp.TypeName(v))
	}
	if len(o.key) > wamp.MaxURILength {
		return wamp.Errorf(wamp.ErrInvalidArgument, "%s has %d bytes, at most %d will do", option, len(o.key), wamp.MaxURILength)
	}
	o.keyed = true
	return nil
}

func milliseconds(d wamp.Dict, option string) (time.Duration, error) {
	ms, err := d.Int(option)
	if err == nil && ms < 0 {
		err = wamp.Errorf(wamp.ErrInvalidArgument, "%q is %d: it must be 0 or a number of milliseconds", option, ms)
	}
	return time.Duration(min(ms, maxTimeoutMS)) * time.Millisecond, err
}

// details of an INVOCATION but the procedure; nil is the common case.
func (s *Session) details(h *callee, o *callOptions, progress, forward bool) wamp.Dict {
	disclose := o.disclose || h.discloseCaller
	bridged := h.sess.peer.Via != nil
	if !disclose && !progress && !forward && !bridged && !o.more && o.trust == 0 && h.sessionInfo == "" && o.passthru == nil {
		return nil
	}
	d := make(wamp.Dict, 6)
	maps.Copy(d, o.passthru)
	if bridged {
		d["_hops"] = o.hops + 1
		if o.keyed {
			d["_routing_key"] = o.key
		}
	}
	if disclose {
		maps.Copy(d, s.disclosed(o))
	}
	if h.sessionInfo != "" {
		d[h.sessionInfo] = s.info(o, h.sessionInfo)
	}
	if o.trust != 0 {
		d["trustlevel"] = o.trust
	}
	if progress {
		d["receive_progress"] = true
	}
	if o.more {
		d["progress"] = true
	}
	if forward {
		d["timeout"] = o.timeout.Milliseconds()
	}
	return d
}

// disclosed is who calls, behind a bridge if that told.
func (s *Session) disclosed(o *callOptions) wamp.Dict {
	if o.caller != nil {
		return o.caller
	}
	return s.peer.Disclosed("caller")
}

// info is the same for the detail key.
func (s *Session) info(o *callOptions, key string) map[string]any {
	if who := o.caller; who != nil {
		return map[string]any{"session": who["caller"], "authid": who["caller_authid"], "authrole": who["caller_authrole"]}
	}
	return s.peer.Info(key)
}

// registerOptions is what a registration asks for.
type registerOptions struct {
	callee *callee
	policy invoke
	force  bool
}

// maxWaiting bounds the calls that may wait for the callees of a registration.
const maxWaiting = 10_000

func readRegister(cfg *Config, d wamp.Dict) (o *registerOptions, err error) {
	h := new(callee)
	o = &registerOptions{callee: h}
	invoke := ""
	info := false
	for option := range d {
		switch option {
		case "invoke":
			invoke, err = d.String(option)
		case "disclose_caller":
			h.discloseCaller, err = d.Bool(option)
		case "forward_timeout":
			h.forwardTimeout, err = d.Bool(option)
		case "force_reregister":
			o.force, err = d.Bool(option)
		case "_prefer_local", "x_prefer_local":
			_, err = d.Bool(option) // callees of this node win in any case
		case peer.DiscloseSessionInfo:
			if info, err = d.Bool(option); info {
				h.sessionInfo = peer.SessionInfo
			}
		case peer.DiscloseSessionInfoX:
			if info, err = d.Bool(option); info {
				h.sessionInfo = peer.SessionInfoX
			}
		case "concurrency", "_concurrency", "x_concurrency":
			h.limit, err = number(d, option)
		case "_max_waiting", "x_max_waiting":
			h.maxWaiting, err = number(d, option)
		}
		if err != nil {
			return nil, err
		}
	}
	if (h.discloseCaller || h.sessionInfo != "") && cfg.NoDisclosure {
		return nil, wamp.Errorf(wamp.ErrDiscloseMeDisallowed, "this realm does not disclose callers")
	}
	h.maxWaiting = min(h.maxWaiting, maxWaiting)
	o.policy, err = parseInvoke(invoke)
	return o, err
}

func number(d wamp.Dict, option string) (int, error) {
	n, err := d.Int(option)
	if err == nil && n < 0 {
		err = wamp.Errorf(wamp.ErrInvalidArgument, "REGISTER.Options.%s is %d: it must be a number of calls, or 0", option, n)
	}
	return int(min(n, 1<<31-1)), err
}
