package core_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core"
	"bondy/core/auth"
	"bondy/core/codec"
	"bondy/core/coretest"
	"bondy/core/wamp"
)

// back is what HELLO says to go on with c's session.
func back(c *coretest.Client) wamp.Dict {
	return coretest.Resumable(wamp.Dict{"resume-session": int64(c.ID), "resume-token": c.Welcome["resume_token"]})
}

func resume(t *testing.T, r *core.Router, c *coretest.Client) *coretest.Client {
	t.Helper()
	again := coretest.JoinWith(t, r, wamp.MessagePack, back(c))
	if again.ID != c.ID || again.Welcome["resumed"] != true || again.Welcome["resumable"] != true {
		t.Fatalf("session %d resumed as %d: %v", c.ID, again.ID, again.Welcome)
	}
	if again.Welcome["resume_token"] == c.Welcome["resume_token"] {
		t.Error("the same token again")
	}
	return again
}

func TestResumedSessionKeepsWhatItHasAndMissesNothing(t *testing.T) {
	r := coretest.Router(t, coretest.Lasting("realm1", 1000))
	other := coretest.Join(t, r)
	other.Register("com.slow", nil)
	c := coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil))
	c.Subscribe("com.news", nil)
	c.Register("com.echo", nil)
	pending := c.Call("com.slow", nil)
	inv := coretest.Expect[*wamp.Invocation](other)
	c.Pause(true) // what the kernel has not taken is not lost
	other.Publish("com.news", nil, int64(0))
	c.Drop()
	for i := range 3 {
		other.Publish("com.news", nil, int64(i+1))
	}
	call := other.Call("com.echo", nil, "hello")
	other.Send(&wamp.Yield{Request: inv.Request, Payload: other.Args("done")})
	other.Publish("com.news", nil, int64(4))

	c = resume(t, r, c)
	for i := range 4 {
		if a := args(t, coretest.Expect[*wamp.Event](c).Payload); a[0] != int64(i) {
			t.Fatalf("event %v, want %d", a, i)
		}
	}
	echo := coretest.Expect[*wamp.Invocation](c)
	if m := coretest.Expect[*wamp.Result](c); m.Request != pending {
		t.Errorf("result of %d, want %d", m.Request, pending)
	}
	if a := args(t, coretest.Expect[*wamp.Event](c).Payload); a[0] != int64(4) {
		t.Errorf("event %v, want 4", a)
	}
	c.Send(&wamp.Yield{Request: echo.Request, Payload: echo.Payload})
	if m := coretest.Expect[*wamp.Result](other); m.Request != call {
		t.Errorf("result of %d, want %d", m.Request, call)
	}
	// requests begin anew, wherever the client's count is
	c.Send(&wamp.Subscribe{Request: 77, Topic: "com.more"})
	coretest.Expect[*wamp.Subscribed](c)
	c.Send(&wamp.Subscribe{Request: 79, Topic: "com.more"})
	c.ExpectAbort(wamp.ErrProtocolViolation)
	if s := r.Stats(); s.Counters.Resumed.Load() != 1 || s.Detached != 0 {
		t.Errorf("%d resumed, %d detached", s.Counters.Resumed.Load(), s.Detached)
	}
}

func TestResumeRefusedIsAFreshSession(t *testing.T) {
	ticket := coretest.Lasting("realm1", 1000)
	ticket.Auth.Methods = []string{auth.MethodAnonymous, auth.MethodTicket}
	ticket.Auth.Users = []auth.User{{Name: "joe", Password: "s3cret", Groups: []string{"user"}}}
	r := coretest.Router(t, ticket)
	wrong := func(key string, v any) func(wamp.Dict) { return func(d wamp.Dict) { d[key] = v } }
	for name, tc := range map[string]struct {
		change func(wamp.Dict)
		as     wamp.Serializer
	}{
		"unknown session":    {wrong("resume-session", int64(4711)), wamp.MessagePack},
		"wrong token":        {wrong("resume-token", "x"), wamp.MessagePack},
		"no token":           {func(d wamp.Dict) { delete(d, "resume-token") }, wamp.MessagePack},
		"another serializer": {func(wamp.Dict) {}, wamp.CBOR},
		"other features":     {wrong("roles", map[string]any{"caller": map[string]any{}}), wamp.MessagePack},
		"another identity":   {func(d wamp.Dict) { d["authmethods"], d["authid"] = []any{"ticket"}, "joe" }, wamp.MessagePack},
	} {
		t.Run(name, func(t *testing.T) {
			c := coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil))
			c.Drop()
			d := back(c)
			tc.change(d)
			late := coretest.Connect(t, r, tc.as, 0)
			late.Send(&wamp.Hello{Realm: "realm1", Details: d})
			if d["authid"] != nil {
				coretest.Expect[*wamp.Challenge](late)
				late.Send(&wamp.Authenticate{Signature: "s3cret"})
			}
			w := coretest.Expect[*wamp.Welcome](late)
			if w.Session == c.ID || w.Details["resumed"] != false || w.Details["resumable"] != true {
				t.Errorf("session %d: %v", w.Session, w.Details)
			}
			resume(t, r, c).Drop() // it is still there for the one to whom it belongs
		})
	}
	t.Run("a token is good once", func(t *testing.T) {
		c := coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil))
		c.Drop()
		resume(t, r, c)
		if again := coretest.JoinWith(t, r, wamp.MessagePack, back(c)); again.Welcome["resumed"] != false {
			t.Errorf("%v", again.Welcome)
		}
	})
	t.Run("not where it is off", func(t *testing.T) {
		c := coretest.JoinWith(t, coretest.Router(t), wamp.MessagePack, coretest.Resumable(nil))
		if c.Welcome["resumable"] != false || c.Welcome["resumed"] != false || c.Welcome["resume_token"] != nil {
			t.Errorf("%v", c.Welcome)
		}
	})
	t.Run("not for those who did not ask", func(t *testing.T) {
		c := coretest.Join(t, r)
		if _, told := c.Welcome["resumable"]; told {
			t.Errorf("%v", c.Welcome)
		}
		c.Drop()
		if again := coretest.JoinWith(t, r, wamp.MessagePack, back(c)); again.Welcome["resumed"] != false {
			t.Errorf("%v", again.Welcome)
		}
	})
	for _, d := range []wamp.Dict{{"resumable": int64(1)}, {"resume_session": "x"}, {"resume_token": int64(1)}} {
		c := coretest.Connect(t, r, wamp.JSON, 0)
		c.Send(&wamp.Hello{Realm: "realm1", Details: coretest.Resumable(d)})
		c.ExpectAbort(wamp.ErrProtocolViolation)
	}
}

// A token of another issuer, about somebody of the same name, is not what the session
// was opened by: when the one issuer is withdrawn, those of the other stay.
func TestResumeIsForTokensOfTheSameIssuer(t *testing.T) {
	cfg := coretest.Lasting("realm1", 1000)
	cfg.Auth.Methods = []string{auth.MethodJWT}
	for _, name := range []string{"id", "other"} {
		cfg.Auth.Issuers = append(cfg.Auth.Issuers, auth.Issuer{
			Issuer: name, Audience: "bondy", Secret: issuerSecret, Algorithms: []string{"HS256"}, Groups: []string{"user"},
		})
	}
	r := coretest.Router(t, cfg)
	join := func(issuer string, details wamp.Dict) *coretest.Client {
		c := coretest.Connect(t, r, wamp.MessagePack, 0)
		details["authmethods"] = []any{auth.MethodJWT}
		c.Send(&wamp.Hello{Realm: "realm1", Details: details})
		coretest.Expect[*wamp.Challenge](c)
		c.Send(&wamp.Authenticate{Signature: bearerOf(issuer)})
		w := coretest.Expect[*wamp.Welcome](c)
		c.ID, c.Welcome = w.Session, w.Details
		return c
	}
	c := join("id", coretest.Resumable(nil))
	c.Drop()
	if again := join("other", back(c)); again.ID == c.ID || again.Welcome["resumed"] != false {
		t.Errorf("resumed by a token of another issuer: %v", again.Welcome)
	}
	if again := join("id", back(c)); again.ID != c.ID || again.Welcome["resumed"] != true {
		t.Errorf("not resumed by a token of the same issuer: %v", again.Welcome)
	}
}

func TestSessionResumedElsewhereLeavesItsConnection(t *testing.T) {
	r := coretest.Router(t, coretest.Lasting("realm1", 1000))
	c, other := coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil)), coretest.Join(t, r)
	c.Subscribe("com.news", nil)
	c.Pause(true)
	other.Publish("com.news", nil, "waited")
	again := resume(t, r, c)
	<-c.Closed()
	other.Publish("com.news", nil, "new")
	for _, want := range []string{"waited", "new"} {
		if a := args(t, coretest.Expect[*wamp.Event](again).Payload); a[0] != want {
			t.Errorf("event %v, want %s", a, want)
		}
	}
}

func TestDetachedSessionEnds(t *testing.T) {
	ends := map[string]func(*testing.T, *core.Router, *coretest.Client){
		"by and by": func(*testing.T, *core.Router, *coretest.Client) { time.Sleep(time.Minute + time.Second) },
		"killed": func(t *testing.T, _ *core.Router, admin *coretest.Client) {
			t.Helper()
			admin.Call("wamp.session.kill_all", nil)
			coretest.Expect[*wamp.Result](admin)
		},
		"removed": func(t *testing.T, r *core.Router, admin *coretest.Client) {
			t.Helper()
			if err := r.Apply(nil); err != nil {
				t.Fatal(err)
			}
			coretest.Expect[*wamp.Goodbye](admin)
		},
		"shutdown": func(t *testing.T, r *core.Router, _ *coretest.Client) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			r.Shutdown(ctx)
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := coretest.Lasting("realm1", 1000)
				cfg.Access.SecurityDisabled = true
				cfg.Auth.SecurityDisabled = true
				r := coretest.Router(t, cfg)
				other := coretest.Join(t, r)
				c := coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil))
				c.Register("com.echo", nil)
				c.Subscribe("com.news", nil)
				c.Drop()
				synctest.Wait()
				if s := r.Stats(); s.Detached != 1 || s.Sessions != 2 {
					t.Fatalf("%+v", s)
				}
				end(t, r, other)
				synctest.Wait()
				if s := r.Stats(); s.Detached != 0 || s.Subscriptions != 0 || s.Registrations != 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

func TestCallsOfADetachedSessionEndWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := coretest.Router(t, coretest.Lasting("realm1", 1000))
		other := coretest.Join(t, r)
		other.Register("com.slow", nil)
		c := coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil))
		c.Register("com.echo", nil)
		c.Call("com.slow", nil)
		coretest.Expect[*wamp.Invocation](other)
		c.Drop()
		other.Call("com.echo", nil)
		other.Nothing()
		other.ExpectError(wamp.ErrCanceled) // the callee never came back
		coretest.Expect[*wamp.Interrupt](other)
	})
}

func TestTestamentsOfADetachedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := coretest.Router(t, coretest.Lasting("realm1", 1000))
		other := coretest.Join(t, r)
		other.Subscribe("com.will", nil)
		c := coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil))
		for _, scope := range []string{"detached", "destroyed"} {
			p, err := codec.NewPayload(wamp.MessagePack, []any{"com.will", []any{scope}, map[string]any{}}, map[string]any{"scope": scope})
			if err != nil {
				t.Fatal(err)
			}
			c.Send(&wamp.Call{Request: c.Next(), Procedure: "wamp.session.add_testament", Payload: p})
			coretest.Expect[*wamp.Result](c)
		}
		start := time.Now()
		c.Drop()
		for _, want := range []struct {
			scope string
			at    time.Duration
		}{{"detached", 0}, {"destroyed", time.Minute}} {
			if a := args(t, coretest.Expect[*wamp.Event](other).Payload); a[0] != want.scope || time.Since(start) != want.at {
				t.Errorf("%v after %v, want %s after %v", a, time.Since(start), want.scope, want.at)
			}
		}
	})
}

func TestDetachedSessionsAreBounded(t *testing.T) {
	cfg := coretest.Lasting("realm1", 1000)
	cfg.MaxDetached = 1
	cfg.Queue.Soft, cfg.Queue.Hard, cfg.Queue.Reserve = 1000, 2000, 2000
	r := coretest.Router(t, cfg)
	other := coretest.Join(t, r)
	first, second := coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil)), coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil))
	first.Subscribe("com.news", nil)
	first.Register("com.echo", nil)
	first.Drop()
	second.Drop()
	if s := r.Stats(); s.Detached != 1 || s.Counters.DetachRefused.Load() != 1 {
		t.Errorf("%d detached, %d refused", s.Detached, s.Counters.DetachRefused.Load())
	}
	for i := range 200 {
		other.Publish("com.news", nil, int64(i))
	}
	dropped := r.Stats().Counters.Dropped[0].Load()
	if dropped == 0 || dropped >= 200 {
		t.Errorf("%d events dropped", dropped)
	}
	big := string(make([]byte, 3000))
	other.Call("com.echo", nil, big)
	other.Call("com.echo", nil, big)
	other.ExpectError(wamp.ErrUnavailable)
	first = resume(t, r, first)
	for i := range 200 - int(dropped) {
		if a := args(t, coretest.Expect[*wamp.Event](first).Payload); a[0] != int64(i) {
			t.Fatalf("event %v, want %d", a, i)
		}
	}
	coretest.Expect[*wamp.Invocation](first)
	first.Nothing()
}

func TestGoodbyeAndAbortEndAResumableSession(t *testing.T) {
	r := coretest.Router(t, coretest.Lasting("realm1", 1000))
	for _, m := range []wamp.Message{
		&wamp.Goodbye{Reason: wamp.CloseRealm}, &wamp.Abort{Reason: wamp.CloseNormal}, &wamp.Welcome{Session: 1},
	} {
		c := coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil))
		c.Send(m)
		c.Receive()
		c.Drop()
		if again := coretest.JoinWith(t, r, wamp.MessagePack, back(c)); again.Welcome["resumed"] != false {
			t.Errorf("after %s: %v", m.Type(), again.Welcome)
		}
	}
}

// Whatever the moments at which connections break and come back, by loss or by
// being taken over, no event is missing and none is out of order.
func TestResumeUnderFire(t *testing.T) {
	cfg := coretest.Lasting("realm1", 1000)
	cfg.Queue.Soft, cfg.Queue.Hard = 1<<30, 1<<30
	r := coretest.Router(t, cfg)
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	c, p := coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil)), coretest.Join(t, r)
	c.Subscribe("com.fire", nil)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := int64(0); ; i++ {
			select {
			case <-stop:
				return
			default:
				p.Publish("com.fire", nil, i)
			}
		}
	}()
	last := int64(-1)
	read := func(c *coretest.Client, n int) { // all that came if n is 0
		first := true
		for i := 0; n == 0 || i < n; i++ {
			m := c.Receive()
			if m == nil {
				return
			}
			seq := args(t, m.(*wamp.Event).Payload)[0].(int64)
			if seq > last+1 || !first && seq != last+1 {
				t.Fatalf("event %d after %d", seq, last)
			}
			first, last = false, seq
		}
	}
	for i := range rounds {
		read(c, 1+i%7)
		old := c
		if i%3 == 0 {
			old.Pause(true)
		}
		if i%2 == 0 {
			old.Drop()
		}
		c = resume(t, r, old)
		<-old.Closed()
		read(old, 0) // a part of it comes again, as the router could not know that it arrived
	}
	close(stop)
	<-done
}
