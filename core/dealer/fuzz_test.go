package dealer_test

import (
	"testing"

	"bondy/core/codec"
	"bondy/core/dealer"
	"bondy/core/wamp"
)

// Whatever stands in the options, nothing breaks and every error is one for the
// peer.
func FuzzOptions(f *testing.F) {
	for _, seed := range []string{
		`{"progress":true,"receive_progress":true,"timeout":1000,"disclose_me":true,"rkey":"a","runmode":"partition"}`,
		`{"invoke":"jch","concurrency":1,"_max_waiting":3,"disclose_caller":true,"x_disclose_session_info":true,"match":"prefix"}`,
		`{"timeout":-9223372036854775808,"_routing_key":9223372036854775807,"force_reregister":true}`,
		`{"timeout":9223372036854775807}`, `{"mode":"kill"}`, `{"x_concurrency":1e3}`,
		`{"ppt_scheme":"x","ppt_serializer":"cbor","ppt_keyid":1,"progress":true}`, `{"procedure":"a.b","_hops":2,"caller":null}`, `{}`,
	} {
		f.Add([]byte(seed), seed == `{}`)
	}
	f.Fuzz(func(t *testing.T, text []byte, announced bool) {
		p := wamp.Payload{Serializer: wamp.JSON, Args: append(append([]byte{'['}, text...), ']')}
		args, err := codec.DecodeArgs(p)
		if err != nil || len(args) != 1 {
			return
		}
		options, ok := args[0].(map[string]any)
		if !ok {
			return
		}
		cfg := dealer.Config{}
		if announced {
			cfg.Features = dealer.Announced
		}
		r := newRig(t, cfg)
		callee, caller := r.callee("a.b", dict{"invoke": "jch"}), r.join(all)
		caller.sink.discard, callee.sink.discard = true, true
		shown := func(err error) {
			if err != nil && wamp.AsError(err).URI == wamp.ErrInternal {
				t.Errorf("%v", err)
			}
		}
		_, err = caller.try("a.b", options)
		shown(err)
		shown(caller.piece(caller.request, "a.b", options))
		shown(callee.Session.Yield(callee.batch, &wamp.Yield{Request: 1, Options: options}))
		shown(callee.tryRegister("a.c", options))
		shown(caller.Cancel(caller.batch, &wamp.Cancel{Request: 1, Options: options}))
		shown(link(r).forward(&wamp.Invocation{Request: 1, Details: options}))
		caller.leave()
		callee.leave()
	})
}
