package core_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"bondy/core/codec"
	"bondy/core/coretest"
	"bondy/core/dealer"
	"bondy/core/wamp"
)

// What no client may send ends the session, whoever it is.
func TestMalformedMessagesAreViolations(t *testing.T) {
	r := coretest.Router(t)
	for what, messages := range map[string][]string{
		"no list":        {`{"a":1}`, `"HELLO"`, `48`, `null`, `true`},
		"no message":     {`[]`, `[0]`, `["48",1,{},"a.b"]`, `[48.5,1,{},"a.b"]`, `[1000,1]`},
		"no dict":        {`[16,1,[],"a.b"]`, `[32,1,null,"a.b"]`, `[48,1,"{}","a.b"]`, `[64,1,0,"a.b"]`, `[49,1,true]`, `[70,1,[]]`, `[8,68,1,[],"a.b"]`},
		"no boolean":     {`[16,1,{"acknowledge":1},"a.b"]`, `[16,1,{"exclude_me":0},"a.b"]`, `[16,1,{"retain":1},"a.b"]`, `[32,1,{"get_retained":1},"a.b"]`, `[48,1,{"receive_progress":1},"a.b"]`, `[48,1,{"disclose_me":0},"a.b"]`, `[64,1,{"disclose_caller":1},"a.b"]`},
		"no string":      {`[32,1,{"match":1},"a.b"]`, `[64,1,{"invoke":true},"a.b"]`, `[49,1,{"mode":{}}]`, `[16,1,{},7]`},
		"no integer":     {`[48,1,{"timeout":"100"},"a.b"]`, `[64,1,{"concurrency":1.5},"a.b"]`, `[16,"1",{},"a.b"]`, `[34,1,true]`},
		"an element too": {`[16,1,{},"a.b",[],{},0]`, `[32,1,{},"a.b",[]]`, `[34,1,2,{}]`, `[48,1,{},"a.b",[],{},[]]`, `[64,1,{},"a.b",{}]`, `[66,1,2,{}]`, `[49,1,{},[]]`, `[70,1,{},[],{},[]]`, `[6,{},"wamp.close.normal",[]]`},
		"one too few":    {`[16,1,{}]`, `[32,1]`, `[48]`, `[64,1,{}]`, `[49,1]`, `[70,1]`},
		"no arguments":   {`[48,1,{},"a.b",{}]`, `[16,1,{},"a.b",[],[]]`, `[48,1,{},"a.b",null]`},
	} {
		for _, m := range messages {
			t.Run(what+" "+m, func(t *testing.T) {
				c := coretest.JoinWith(t, r, wamp.JSON, coretest.Roles())
				c.Put([]byte(m))
				abort := c.ExpectAbort(wamp.ErrProtocolViolation)
				if text, _ := abort.Details["message"].(string); text == "" {
					t.Error("ABORT does not say what is wrong")
				}
				<-c.Closed()
			})
		}
	}
}

// strange is what an option of a later specification may hold.
func strange() wamp.Dict {
	return wamp.Dict{"_unheard_of": true, "x_of": []any{nil, map[string]any{"a": 1.5}}, "later": "y", "": int64(1)}
}

func TestUnknownOptionsAreIgnored(t *testing.T) {
	r := coretest.Router(t)
	details := strange()
	details["roles"] = map[string]any{
		"caller": map[string]any{"features": map[string]any{"telepathy": true, "call_timeout": "soon"}}, "callee": map[string]any{},
		"publisher": map[string]any{"what": int64(1)}, "subscriber": map[string]any{}, "cook": int64(1),
	}
	c := coretest.JoinWith(t, r, wamp.JSON, details)
	peer := coretest.Join(t, r)
	subscription := c.Subscribe("a.b", strange())
	registration := c.Register("a.b", strange())
	peer.Publish("a.b", strange(), "x")
	if e := coretest.Expect[*wamp.Event](c); e.Details != nil {
		t.Errorf("EVENT.Details %v", e.Details)
	}
	request := peer.Call("a.b", strange())
	inv := coretest.Expect[*wamp.Invocation](c)
	if inv.Details != nil {
		t.Errorf("INVOCATION.Details %v", inv.Details)
	}
	c.Send(&wamp.Yield{Request: inv.Request, Options: strange()})
	if res := coretest.Expect[*wamp.Result](peer); res.Details != nil {
		t.Errorf("RESULT.Details %v", res.Details)
	}
	peer.Send(&wamp.Cancel{Request: request, Options: strange()})
	c.Send(&wamp.Unsubscribe{Request: c.Next(), Subscription: subscription})
	coretest.Expect[*wamp.Unsubscribed](c)
	c.Send(&wamp.Unregister{Request: c.Next(), Registration: registration})
	coretest.Expect[*wamp.Unregistered](c)
	peer.Send(&wamp.Goodbye{Details: strange(), Reason: wamp.CloseRealm})
	coretest.Expect[*wamp.Goodbye](peer)
}

func TestUnknownValuesAreRefused(t *testing.T) {
	r := coretest.Router(t)
	c := coretest.Join(t, r)
	testament, err := codec.NewPayload(wamp.MessagePack, []any{"a.b", []any{}, map[string]any{}}, map[string]any{"scope": "later"})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []wamp.Message{
		&wamp.Subscribe{Request: 1, Topic: "a.b", Options: wamp.Dict{"match": "regex"}},
		&wamp.Register{Request: 2, Procedure: "a.b", Options: wamp.Dict{"match": "Prefix"}},
		&wamp.Register{Request: 3, Procedure: "a.b", Options: wamp.Dict{"invoke": "loudest"}},
		&wamp.Call{Request: 4, Procedure: "wamp.session.add_testament", Payload: testament},
	} {
		c.Send(m)
		c.ExpectError(wamp.ErrInvalidArgument)
	}
	// CANCEL has no answer but that of its call
	c.Send(&wamp.Cancel{Request: 5, Options: wamp.Dict{"mode": "explode"}})
	c.ExpectAbort(wamp.ErrProtocolViolation)
}

func TestCanceledHasOneSpelling(t *testing.T) {
	r := coretest.Router(t)
	caller, callee := pair(t, r, nil)
	for _, spelling := range []wamp.URI{"wamp.error.canceled", "wamp.error.cancelled"} {
		caller.Call("a.b", nil)
		inv := coretest.Expect[*wamp.Invocation](callee)
		callee.Send(&wamp.ErrorMessage{RequestType: wamp.TypeInvocation, Request: inv.Request, Error: spelling})
		caller.ExpectError("wamp.error.canceled")
	}
	british := coretest.Roles("call_canceling")
	features, err := british.Dict("roles")
	if err != nil {
		t.Fatal(err)
	}
	features["callee"].(map[string]any)["features"].(map[string]any)["call_cancelling"] = true //nolint:misspell // older clients
	older := coretest.JoinWith(t, r, wamp.JSON, british)
	older.Register("a.c", nil)
	request := caller.Call("a.c", nil)
	inv := coretest.Expect[*wamp.Invocation](older)
	caller.Send(&wamp.Cancel{Request: request})
	caller.ExpectError("wamp.error.canceled")
	if in := coretest.Expect[*wamp.Interrupt](older); in.Request != inv.Request {
		t.Errorf("INTERRUPT %+v", in)
	}
}

// Clients use what they do not announce: autobahn-js gives progressive results
// without call_canceling, Wampy.js sends calls in pieces.
func TestUseIsAnnouncement(t *testing.T) {
	bare := wamp.Dict{"roles": map[string]any{
		"caller": map[string]any{}, "callee": map[string]any{}, "publisher": map[string]any{}, "subscriber": map[string]any{},
	}}
	for policy, used := range map[dealer.FeaturePolicy]bool{dealer.Used: true, dealer.Announced: false} {
		cfg := coretest.Realm("realm1")
		cfg.Features = policy
		r := coretest.Router(t, cfg)
		caller, callee := coretest.JoinWith(t, r, wamp.JSON, bare), coretest.JoinWith(t, r, wamp.JSON, bare)
		callee.Register("a.b", nil)
		caller.Call("a.b", wamp.Dict{"receive_progress": true})
		inv := coretest.Expect[*wamp.Invocation](callee)
		if asked := inv.Details["receive_progress"] == true; asked != used {
			t.Errorf("%v: the callee was asked for progress: %v", policy, asked)
		}
		callee.Send(&wamp.Yield{Request: inv.Request, Options: wamp.Dict{"progress": true}})
		callee.Send(&wamp.Yield{Request: inv.Request, Payload: callee.Args("end")})
		if used {
			coretest.Expect[*wamp.Result](caller)
		}
		if res := coretest.Expect[*wamp.Result](caller); res.Details != nil {
			t.Errorf("%v: result %+v", policy, res)
		}
		caller.Call("a.b", wamp.Dict{"progress": true})
		if !used {
			caller.ExpectAbort(wamp.ErrProtocolViolation)
			continue
		}
		if inv := coretest.Expect[*wamp.Invocation](callee); inv.Details["progress"] != true {
			t.Errorf("first piece %+v", inv)
		}
	}
}

// JSON has no binary data: it is base64 behind a zero character there, and
// binary again in the other serializers.
func TestBinaryInJSON(t *testing.T) {
	const wire = `["\u0000EDCp/w==",{"in":"\u0000AA=="},"plain"]`
	r := coretest.Router(t)
	js := coretest.JoinWith(t, r, wamp.JSON, coretest.Roles())
	for _, s := range []wamp.Serializer{wamp.MessagePack, wamp.CBOR} {
		other := coretest.JoinWith(t, r, s, coretest.Roles())
		topic := wamp.URI("a." + s.String())
		other.Subscribe(topic, nil)
		js.Put(fmt.Appendf(nil, `[16,%d,{},%q,%s]`, js.Next(), topic, wire))
		a := args(t, coretest.Expect[*wamp.Event](other).Payload)
		if b, ok := a[0].([]byte); !ok || string(b) != "\x10\x30\xa9\xff" || string(a[1].(map[string]any)["in"].([]byte)) != "\x00" {
			t.Errorf("%s got %#v", s, a)
		}
		js.Subscribe(topic, nil)
		other.Publish(topic, nil, a...)
		e := coretest.Expect[*wamp.Event](js)
		var got, want any
		if json.Unmarshal(e.Args, &got) != nil || json.Unmarshal([]byte(wire), &want) != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("JSON got %s, want %s", e.Args, wire)
		}
	}
}

func TestURIsByStrictness(t *testing.T) {
	for _, tc := range []struct {
		uri           wamp.URI
		loose, strict bool
	}{
		{"com.example.x_1", true, true},
		{"Com.Example", true, false},
		{"com.ex-ample", true, false},
		{"com.schn\u00f6", true, false},
		{"bondyfoo.x", true, true},
		{"wampum.x", true, true},
		{"com..x", false, false},
		{"com.x y", false, false},
		{"com.#", false, false},
		{"com.x.", false, false},
		{"", false, false},
	} {
		for strict, want := range map[bool]bool{false: tc.loose, true: tc.strict} {
			cfg := coretest.Realm("realm1")
			cfg.StrictURIs = strict
			c := coretest.Join(t, coretest.Router(t, cfg))
			c.Send(&wamp.Register{Request: 1, Procedure: tc.uri})
			if want {
				coretest.Expect[*wamp.Registered](c)
			} else {
				c.ExpectError(wamp.ErrInvalidURI)
			}
		}
	}
	c := coretest.Join(t, coretest.Router(t))
	for i, uri := range []wamp.URI{"wamp.x", "bondy.x", "wamp", "bondy"} {
		c.Send(&wamp.Register{Request: wamp.ID(i) + 1, Procedure: uri})
		c.ExpectError(wamp.ErrNotAuthorized)
	}
}
