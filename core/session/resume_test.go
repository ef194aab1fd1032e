package session_test

import (
	"context"
	"runtime"
	"testing"

	"bondy/core"
	"bondy/core/auth"
	"bondy/core/codec"
	"bondy/core/coretest"
	"bondy/core/wamp"
)

func back(w *wamp.Welcome, more wamp.Dict) wamp.Dict {
	d := coretest.Resumable(more)
	d["resume_session"], d["resume_token"] = w.Session, w.Details["resume_token"]
	return d
}

// login joins by ticket.
func login(t *testing.T, r *core.Router, ticket string, details wamp.Dict) (*coretest.Client, *wamp.Welcome) {
	t.Helper()
	c := coretest.Connect(t, r, wamp.MessagePack, 0)
	c.Send(&wamp.Hello{Realm: "realm1", Details: details})
	coretest.Expect[*wamp.Challenge](c)
	c.Send(&wamp.Authenticate{Signature: ticket})
	return c, coretest.Expect[*wamp.Welcome](c)
}

func TestOneClientLeavesPlacesForOthers(t *testing.T) {
	cfg := coretest.Lasting("realm1", 20)
	cfg.Auth.Methods = []string{auth.MethodAnonymous, auth.MethodTicket}
	cfg.Auth.Users = []auth.User{{Name: "joe", Password: "s3cret", Groups: []string{"user"}}}
	r := coretest.Router(t, cfg)
	for range 5 {
		coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil)).Drop()
	}
	if s := r.Stats(); s.Detached != 2 || s.Counters.DetachRefused.Load() != 3 {
		t.Errorf("%d detached, %d refused", s.Detached, s.Counters.DetachRefused.Load())
	}
	joe := wamp.Dict{"authid": "joe", "authmethods": []any{auth.MethodTicket}}
	for range 3 { // a place is given back each time
		c, w := login(t, r, "s3cret", coretest.Resumable(joe))
		c.Drop()
		c, w = login(t, r, "s3cret", back(w, joe))
		if w.Details["resumed"] != true {
			t.Fatalf("%v", w.Details)
		}
		c.Send(&wamp.Goodbye{Reason: wamp.CloseRealm})
		coretest.Expect[*wamp.Goodbye](c)
	}
}

// badge is an authenticator that tells each login something else.
type badge struct{ n int64 }

func (b *badge) Call(context.Context, wamp.URI, []any) (any, error) {
	b.n++
	return map[string]any{"role": "user", "extra": map[string]any{"badge": b.n}}, nil
}

func TestResumptionTellsWhatTheNewLoginDoes(t *testing.T) {
	cfg := coretest.Lasting("realm1", 20)
	cfg.Auth.Methods, cfg.Auth.Caller = []string{auth.MethodTicket}, new(badge)
	cfg.Auth.Dynamic = map[string]wamp.URI{auth.MethodTicket: "com.example.authenticate"}
	r := coretest.Router(t, cfg)
	joe := wamp.Dict{"authid": "joe", "authmethods": []any{auth.MethodTicket}}
	c, w := login(t, r, "x", coretest.Resumable(joe))
	c.Drop()
	_, again := login(t, r, "x", back(w, joe))
	extra, _ := again.Details["authextra"].(map[string]any)
	if again.Details["resumed"] != true || again.Session != w.Session || extra["badge"] != int64(2) {
		t.Errorf("%v, want badge 2", again.Details)
	}
}

func TestDetachedSessionIsToldApart(t *testing.T) {
	r := coretest.Router(t, coretest.Lasting("realm1", 20))
	other, c := coretest.Join(t, r), coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil))
	w := &wamp.Welcome{Session: c.ID, Details: c.Welcome}
	detached := func() any {
		t.Helper()
		other.Call("wamp.session.get", nil, c.ID)
		args, err := codec.DecodeArgs(coretest.Expect[*wamp.Result](other).Payload)
		if err != nil {
			t.Fatal(err)
		}
		return args[0].(map[string]any)["detached"]
	}
	if d := detached(); d != nil {
		t.Errorf("detached is %v with a connection", d)
	}
	c.Drop()
	if d := detached(); d != true {
		t.Errorf("detached is %v without connection", d)
	}
	coretest.JoinWith(t, r, wamp.MessagePack, back(w, nil))
	if d := detached(); d != nil {
		t.Errorf("detached is %v after the client came back", d)
	}
}

// The budget of a node bounds its memory: many small messages are charged what
// they cost.
func TestDetachedSessionIsChargedWhatItCosts(t *testing.T) {
	r := coretest.Router(t, coretest.Lasting("realm1", 20))
	p, c := coretest.Join(t, r), coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil))
	c.Subscribe("t", nil)
	c.Drop()
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for range 20_000 {
		p.Send(&wamp.Publish{Request: p.Next(), Topic: "t"})
	}
	p.Publish("t2", nil)
	if cost, charged := heap()-before, r.Stats().QueueBytes; cost > charged*3/2 {
		t.Errorf("%d bytes are kept, %d charged", cost, charged)
	} else {
		t.Logf("%d bytes are kept, %d charged", cost, charged)
	}
}
