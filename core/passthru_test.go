package core_test

import (
	"maps"
	"reflect"
	"strings"
	"testing"

	"bondy/core/broker"
	"bondy/core/coretest"
	"bondy/core/dealer"
	"bondy/core/wamp"
)

// ppt is what a client says of a payload in passthru mode.
func ppt() wamp.Dict {
	return wamp.Dict{"ppt_scheme": "x_test", "ppt_serializer": "cbor", "ppt_cipher": "xsalsa20poly1305", "ppt_keyid": "k1"}
}

// with is d and one thing more.
func with(d wamp.Dict, key string, v any) wamp.Dict {
	d[key] = v
	return d
}

// passed checks that details say what ppt does, beside rest, and that the payload is octets.
func passed(t *testing.T, what string, details, rest wamp.Dict, p wamp.Payload, octets []byte) {
	t.Helper()
	want := ppt()
	maps.Copy(want, rest)
	if !reflect.DeepEqual(details, want) {
		t.Errorf("%s: details %v, want %v", what, details, want)
	}
	if a := args(t, p); len(a) != 1 || !reflect.DeepEqual(a[0], octets) {
		t.Errorf("%s: arguments %v, want the octets", what, a)
	}
}

func TestPayloadPassthru(t *testing.T) {
	r := coretest.Router(t)
	octets := []byte{0, 1, 2, 0xff, 0x80}
	serializers := []wamp.Serializer{wamp.JSON, wamp.MessagePack, wamp.CBOR}
	for _, from := range serializers {
		for _, to := range serializers {
			a, b := coretest.JoinWith(t, r, from, coretest.Roles()), coretest.JoinWith(t, r, to, coretest.Roles())
			b.Register("a.b", wamp.Dict{"match": "prefix"})
			a.Call("a.b.c", with(ppt(), "receive_progress", true), octets)
			inv := coretest.Expect[*wamp.Invocation](b)
			passed(t, "INVOCATION", inv.Details, wamp.Dict{"procedure": "a.b.c", "receive_progress": true}, inv.Payload, octets)
			b.Send(&wamp.Yield{Request: inv.Request, Options: with(ppt(), "progress", true), Payload: b.Args(octets)})
			part := coretest.Expect[*wamp.Result](a)
			passed(t, "progressive RESULT", part.Details, wamp.Dict{"progress": true}, part.Payload, octets)
			b.Send(&wamp.Yield{Request: inv.Request, Options: ppt(), Payload: b.Args(octets)})
			last := coretest.Expect[*wamp.Result](a)
			passed(t, "RESULT", last.Details, nil, last.Payload, octets)

			a.Call("a.b.c", nil)
			inv = coretest.Expect[*wamp.Invocation](b)
			b.Send(&wamp.ErrorMessage{RequestType: wamp.TypeInvocation, Request: inv.Request, Details: ppt(), Error: "my.error", Payload: b.Args(octets)})
			failed := a.ExpectError("my.error")
			passed(t, "ERROR", failed.Details, nil, failed.Payload, octets)

			b.Subscribe("a.b", nil)
			b.Subscribe("a", wamp.Dict{"match": "prefix"})
			a.Publish("a.b", ppt(), octets)
			for range 2 {
				e := coretest.Expect[*wamp.Event](b)
				var rest wamp.Dict
				if e.Details["topic"] != nil {
					rest = wamp.Dict{"topic": "a.b"}
				}
				passed(t, "EVENT", e.Details, rest, e.Payload, octets)
			}
			b.Drop()
		}
	}
}

// What is kept is told with what belongs to it.
func TestPayloadPassthruIsKept(t *testing.T) {
	cfg := coretest.Realm("realm1")
	cfg.History = []broker.HistoryRule{{URI: "a.b"}}
	r := coretest.Router(t, cfg)
	p, s := coretest.Join(t, r), coretest.Join(t, r)
	octets := []byte{0xff, 0}
	p.Publish("a.b", with(ppt(), "retain", true), octets)
	id := s.Subscribe("a.b", wamp.Dict{"get_retained": true})
	e := coretest.Expect[*wamp.Event](s)
	passed(t, "retained EVENT", e.Details, wamp.Dict{"retained": true}, e.Payload, octets)
	s.Call("wamp.subscription.get_events", nil, id)
	past := args(t, coretest.Expect[*wamp.Result](s).Payload)
	if len(past) != 1 || !reflect.DeepEqual(past[0].(map[string]any)["details"], map[string]any(ppt())) {
		t.Errorf("history %v", past)
	}
}

// announcing is Roles with payload passthru mode announced for one role.
func announcing(role string) wamp.Dict {
	d := coretest.Roles()
	announced := d["roles"].(map[string]any)[role].(map[string]any)
	features, ok := announced["features"].(map[string]any)
	if !ok {
		features = map[string]any{}
		announced["features"] = features
	}
	features["payload_passthru_mode"] = true
	return d
}

func TestPayloadPassthruIsAnnounced(t *testing.T) {
	cfg := coretest.Realm("realm1")
	cfg.Features = dealer.Announced
	r := coretest.Router(t, cfg)
	join := func(role string) *coretest.Client { return coretest.JoinWith(t, r, wamp.CBOR, announcing(role)) }

	for _, m := range []wamp.Message{
		&wamp.Call{Request: 1, Procedure: "a.none", Options: ppt()},
		&wamp.Publish{Request: 1, Topic: "a.b", Options: ppt()},
		&wamp.Yield{Request: 1, Options: ppt()},
	} {
		c := coretest.Join(t, r)
		c.Send(m)
		c.ExpectAbort(wamp.ErrProtocolViolation)
	}
	plain, caller := coretest.Join(t, r), join("caller")
	plain.Register("a.plain", nil)
	caller.Call("a.plain", ppt())
	caller.ExpectError(wamp.ErrFeatureNotSupported)
	plain.Nothing()

	callee := join("callee")
	callee.Register("a.passing", nil)
	caller.Call("a.passing", ppt())
	inv := coretest.Expect[*wamp.Invocation](callee)
	callee.Send(&wamp.Yield{Request: inv.Request, Options: ppt()})
	coretest.Expect[*wamp.Result](caller)
	for _, more := range []bool{false, true} { // the caller cannot have the answer
		plain.Call("a.passing", wamp.Dict{"receive_progress": true})
		inv = coretest.Expect[*wamp.Invocation](callee)
		callee.Send(&wamp.Yield{Request: inv.Request, Options: with(ppt(), "progress", more)})
		plain.ExpectError(wamp.ErrFeatureNotSupported)
		if more {
			coretest.Expect[*wamp.Interrupt](callee)
		}
	}

	plain.Subscribe("a.b", nil)
	join("publisher").Publish("a.b", ppt())
	coretest.Expect[*wamp.Event](plain)
}

func TestPayloadPassthruAttributes(t *testing.T) {
	r := coretest.Router(t)
	for name, options := range map[string]wamp.Dict{
		"scheme no string":     {"ppt_scheme": int64(1)},
		"serializer no string": with(ppt(), "ppt_serializer", true),
		"keyid too long":       with(ppt(), "ppt_keyid", strings.Repeat("k", 1025)),
	} {
		t.Run(name, func(t *testing.T) {
			caller, callee := pair(t, r, wamp.Dict{"invoke": "last"})
			caller.Call("a.b", nil)
			inv := coretest.Expect[*wamp.Invocation](callee)
			callee.Send(&wamp.Yield{Request: inv.Request, Options: options})
			callee.ExpectAbort(wamp.ErrProtocolViolation)
			caller.ExpectError(wamp.ErrCanceled)
			publisher := coretest.Join(t, r)
			publisher.Send(&wamp.Publish{Request: 1, Topic: "a.b", Options: options})
			publisher.ExpectAbort(wamp.ErrProtocolViolation)
			caller.Call("a.b", options)
			caller.ExpectAbort(wamp.ErrProtocolViolation)
		})
	}
	t.Run("no scheme", func(t *testing.T) {
		s := coretest.Join(t, r)
		s.Subscribe("a.b", nil)
		for _, scheme := range []any{nil, ""} {
			coretest.Join(t, r).Publish("a.b", with(ppt(), "ppt_scheme", scheme))
			if e := coretest.Expect[*wamp.Event](s); e.Details != nil {
				t.Errorf("details %v, want none without a scheme", e.Details)
			}
		}
	})
	t.Run("the router's own procedures", func(t *testing.T) {
		c := coretest.Join(t, r)
		c.Call("wamp.session.nothing", ppt(), "x")
		c.ExpectError(wamp.ErrFeatureNotSupported)
	})
}
