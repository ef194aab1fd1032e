package broker_test

import (
	"testing"

	"bondy/core/broker"
	"bondy/core/codec"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// FuzzOptions gives what anybody may send as options and details. A refused
// message changes nothing, and a violation is an error, not a panic.
func FuzzOptions(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"match":"prefix","get_retained":true,"nkey":"n"}`, `{"acknowledge":true,"retain":true,"_retained_ttl":1}`,
		`{"exclude":[1,2.5,"x"],"eligible":[]}`, `{"eligible_authid":["x"],"exclude_authrole":[null]}`,
		`{"topic":"com.topic","_hops":1,"publisher":1,"_rkey":"r","exclude_me":0}`, `{"rkey":"r","disclose_me":true}`,
		`{"ppt_scheme":"x","ppt_keyid":"k","ppt_cipher":null,"retain":true}`, `{"x_retained_ttl":-1,"_retained_ttl":99999999999999999}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := codec.DecodeValue(wamp.JSON, b)
		if err != nil {
			t.Skip()
		}
		d, ok := v.(map[string]any)
		if !ok {
			t.Skip()
		}
		r := newRig(t, historyOf(broker.HistoryRule{URI: "com.topic"}))
		s, bridge := r.join("x"), r.joinAs(&peer.Peer{Via: &peer.Bridge{}, Topics: func(wamp.URI) bool { return true }})
		before := r.Stats()
		if s.trySubscribe("com.topic", d) != nil && r.Stats() != before {
			t.Errorf("a refused SUBSCRIBE left something")
		}
		before = r.Stats()
		if s.tryPublish("com.topic", d, "x") != nil && r.Stats() != before {
			t.Errorf("a refused PUBLISH left something")
		}
		_ = bridge.Forward(bridge.batch, &wamp.Event{Publication: 1, Details: d}, func(wamp.URI) error { return nil })
		s.got()
		bridge.got()
	})
}
