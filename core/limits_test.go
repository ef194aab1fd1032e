package core_test

import (
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/coretest"
	"bondy/core/peer"
	"bondy/core/wamp"
)

func TestRequestIDs(t *testing.T) {
	t.Run("sequential", func(t *testing.T) {
		c := coretest.Join(t, coretest.Router(t))
		c.Send(&wamp.Subscribe{Request: 7, Topic: "a.b"})
		abort := c.ExpectAbort(wamp.ErrProtocolViolation)
		want := `SUBSCRIBE.Request is 7, the next in sequence is 1: the realm takes other ids if it has request_ids = "any"`
		if got := abort.Details["message"]; got != want {
			t.Errorf("message %q, want %q", got, want)
		}
	})
	t.Run("any", func(t *testing.T) {
		cfg := coretest.Realm("realm1")
		cfg.AnyRequestIDs = true
		r := coretest.Router(t, cfg)
		c := coretest.Join(t, r)
		for _, id := range []wamp.ID{7, 3, 3, wamp.MaxID} {
			c.Send(&wamp.Subscribe{Request: id, Topic: "a.b"})
			if m := coretest.Expect[*wamp.Subscribed](c); m.Request != id {
				t.Errorf("answer to %d, want %d", m.Request, id)
			}
		}
		coretest.Join(t, r).Register("a.b", nil)
		c.Send(&wamp.Call{Request: 9, Procedure: "a.b"})
		c.Send(&wamp.Call{Request: 9, Procedure: "a.b"})
		c.ExpectAbort(wamp.ErrProtocolViolation)
		c = coretest.Join(t, r)
		c.Put([]byte("\x94\x20\x00\x80\xa3a.b"))
		c.ExpectAbort(wamp.ErrProtocolViolation)
	})
}

func TestMessageRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := coretest.Realm("realm1")
		cfg.MaxRate = 5
		r := coretest.Router(t, cfg)
		c := coretest.Join(t, r)
		for range 10 {
			c.Subscribe("a.b", nil)
		}
		for _, m := range []wamp.Message{
			&wamp.Subscribe{Request: c.Next(), Topic: "a.b"}, &wamp.Unsubscribe{Request: c.Next(), Subscription: 1},
			&wamp.Register{Request: c.Next(), Procedure: "a.b"}, &wamp.Unregister{Request: c.Next(), Registration: 1},
			&wamp.Call{Request: c.Next(), Procedure: "a.b"},
			&wamp.Publish{Request: c.Next(), Topic: "a.b", Options: wamp.Dict{"acknowledge": true}},
		} {
			c.Send(m)
			c.ExpectError(wamp.ErrTooManyRequests)
		}
		time.Sleep(time.Second)
		for range 5 {
			c.Subscribe("a.b", nil)
		}
		c.Send(&wamp.Publish{Request: c.Next(), Topic: "a.b"})
		c.ExpectAbort(wamp.ErrTooManyRequests)
		if n := r.Stats().Counters.Limited[peer.RateSession].Load(); n != 7 {
			t.Errorf("%d messages refused, want 7", n)
		}
		// leaving is always possible
		c = coretest.Join(t, r)
		for range 10 {
			c.Subscribe("a.b", nil)
		}
		c.Send(&wamp.Goodbye{Reason: wamp.CloseRealm})
		coretest.Expect[*wamp.Goodbye](c)
	})
}
