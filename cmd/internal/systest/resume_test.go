package systest_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"bondy/core/codec"
	"bondy/core/wamp"
)

// TestResume breaks the connection of a client that does not read, from within
// its sleep or not, and has it come back over another: it gets what the kernel
// had not taken and what was sent meanwhile, without gap and in order.
func TestResume(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", secure), func(t *testing.T) {
			r, dial := resumable(t, secure)
			for _, k := range []transportKind{{false, wamp.MessagePack}, {true, wamp.JSON}} {
				t.Run(k.String(), func(t *testing.T) { resume(t, r, func(o ...dialOption) (*wire, error) { return dial(k, o...) }, k) })
			}
		})
	}
}

// resumable is a node whose sessions may be resumed, and how to reach it.
func resumable(t *testing.T, secure bool) (*rig, func(transportKind, ...dialOption) (*wire, error)) {
	t.Helper()
	files := ""
	var trust tls.Config
	if secure {
		cert, key, pool := certificate(t)
		files = fmt.Sprintf("tls = { cert = %q, key = %q }", cert, key)
		trust.RootCAs, trust.ServerName = pool, "localhost"
	}
	r := startTOML(t, listener("websocket", files)+listener("rawsocket", files)+listener("admin")+`
[limits]
queue_soft = "64MiB"
queue_hard = "64MiB"
hibernate_after = "1ms"
[[realm]]
uri = "realm1"
resume_timeout = "1m"
[[realm.grants]]
roles = ["all"]
permissions = ["wamp.call", "wamp.register", "wamp.subscribe", "wamp.publish"]
uri = ""
match = "prefix"
`)
	return r, func(k transportKind, options ...dialOption) (*wire, error) {
		addr := r.raw
		if k.web {
			addr = r.web
		}
		c, err := dial(addr, options...)
		if err != nil {
			return nil, err
		}
		if secure {
			c = tls.Client(c, &trust)
		}
		w := newWire(k, c)
		return w, w.shake()
	}
}

func resume(t *testing.T, r *rig, open func(...dialOption) (*wire, error), k transportKind) {
	t.Helper()
	first, w, err := reopen(open, nil, deaf)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if err := errors.Join(
		first.send(&wamp.Subscribe{Request: first.next(), Topic: "resume"}), second(expect[*wamp.Subscribed](first)),
		first.send(&wamp.Register{Request: first.next(), Procedure: "resume"}), second(expect[*wamp.Registered](first)),
	); err != nil {
		t.Fatal(err)
	}
	p, err := open() // of another session
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := errors.Join(p.send(hello()), second(expect[*wamp.Welcome](p))); err != nil {
		t.Fatal(err)
	}
	const before, after = 600, 50
	fill := strings.Repeat("x", 20_000)
	publish := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			payload, err := codec.NewPayload(k.serializer, []any{i, fill}, nil)
			if err == nil {
				err = p.send(&wamp.Publish{
					Request: p.next(), Topic: "resume", Options: wamp.Dict{"acknowledge": true}, Payload: payload,
				})
			}
			if err := errors.Join(err, second(expect[*wamp.Published](p))); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(0, before)
	cut(below(first))
	eventually(t, "the session is detached", func() bool { return r.metric(t, "bondy_sessions_detached") == 1 })
	publish(before, before+after)
	if err := p.send(&wamp.Call{Request: p.next(), Procedure: "resume"}); err != nil {
		t.Fatal(err)
	}
	again, back, err := reopen(open, w)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if back.Session != w.Session || back.Details["resumed"] != true {
		t.Fatalf("session %d resumed as %d: %v", w.Session, back.Session, back.Details)
	}
	next := int64(-1)
	for next != before+after {
		e, err := expect[*wamp.Event](again)
		if err != nil {
			t.Fatal(err)
		}
		args, err := codec.DecodeArgs(e.Payload)
		if err != nil {
			t.Fatal(err)
		}
		seq := args[0].(int64)
		switch {
		case next < 0 && seq == 0, next < 0 && seq > before/2:
			t.Fatalf("the first event that came again is %d of %d", seq, before)
		case next >= 0 && seq != next:
			t.Fatalf("event %d, want %d", seq, next)
		}
		next = seq + 1
	}
	inv, err := expect[*wamp.Invocation](again)
	if err == nil {
		err = errors.Join(again.send(&wamp.Yield{Request: inv.Request}), second(expect[*wamp.Result](p)))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(again.send(&wamp.Goodbye{Reason: wamp.CloseNormal}), second(expect[*wamp.Goodbye](again))); err != nil {
		t.Fatal(err)
	}
}

// reopen joins with a session that may be resumed, that of w if w is not nil.
func reopen(open func(...dialOption) (*wire, error), w *wamp.Welcome, options ...dialOption) (*wire, *wamp.Welcome, error) {
	c, err := open(options...)
	if err != nil {
		return nil, nil, err
	}
	m := hello()
	m.Details["resumable"] = true
	if w != nil {
		m.Details["resume_session"], m.Details["resume_token"] = w.Session, w.Details["resume_token"]
	}
	if err := c.send(m); err != nil {
		return nil, nil, err
	}
	back, err := expect[*wamp.Welcome](c)
	return c, back, err
}

// below is the TCP connection below w.
func below(w *wire) net.Conn {
	if c, ok := w.Conn.(*tls.Conn); ok {
		return c.NetConn()
	}
	return w.Conn
}
